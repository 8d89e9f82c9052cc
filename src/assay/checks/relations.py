"""Values that disagree with other fields of their row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.checks._dependencies import (
    COLUMNS,
    GROUP,
    Dependency,
    Grouped,
    Mask,
    discover,
    grouped,
    pair,
    slips,
)
from assay.checks.finding import Code, Finding, Inspected, NotApplicable, counted, places, quoted

__all__ = ["dependencies", "swallowed"]

ENOUGH = 50
# Of a group, how many must agree for the others to be wrong.
AGREED = 0.7
# Values that rule elsewhere are wrong only where a dependency has next to no exceptions.
EXCEPTIONS = 0.015


@dataclass
class _Votes:
    """What the dependencies say of one field."""

    wrong: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    value: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    by: dict[tuple[str, ...], Mask] = field(default_factory=dict)
    mu: dict[tuple[str, ...], float] = field(default_factory=dict)


def dependencies(data: Inspected) -> Annotated[list[Finding], Code("F201", "warning")]:
    """Values that disagree with what other rows say that agree in another field.

    Where nearly all rows of one zip code have one city, the few that have another are suspect.
    Such dependencies are found, not told, from one field or two to a third; one that chance
    explains, and exceptions that go with the value of yet another field, are left out. Several
    dependencies vote. What most of the rows say is suggested.

    >>> from assay import inspect
    >>> zips = [f"{10000 + n % 12}" for n in range(120)]
    >>> rows = pl.DataFrame({"zip": zips, "city": [f"town {int(z) % 12}" for z in zips]})
    >>> rows[5, "city"] = "tewn 5"
    >>> inspect(rows, checks=["dependencies"]).cells().select("line", "suggested").rows()
    [(6, 'town 9')]
    """
    if data.rows.height < ENOUGH:
        raise NotApplicable(f"there are fewer than {ENOUGH} rows")
    names = _telling(data)
    if len(names) < 2:
        raise NotApplicable("there are no two fields whose values recur")
    votes: dict[str, _Votes] = {}
    for one in discover(data, names):
        _vote(data, one, names, votes)
    _blame(data, votes)
    found: list[Finding] = []
    for name, said in votes.items():
        found += _finding(data, name, said)
    return found


def _telling(data: Inspected) -> list[str]:
    """The fields whose values recur, at most so many, those of middling variety first."""
    kept: list[tuple[float, str]] = []
    for name, spec in data.fields.items():
        counts = data.counts(name)
        filled = int(counts["count"].sum())
        if spec.type in ("list", "object") or counts.height < 2 or filled < ENOUGH:
            continue
        if spec.type == "number" and counts.height > 0.05 * filled:
            continue
        if counts.height <= 0.7 * filled:
            kept.append((abs(np.log(counts.height) - 0.5 * np.log(filled)), name))
    chosen = {name for _, name in sorted(kept)[:COLUMNS]}
    return [name for name in data.fields if name in chosen]


def _vote(data: Inspected, one: Dependency, names: list[str], votes: dict[str, _Votes]) -> None:
    left = data.codes(one.left[0])
    if len(one.left) == 2:
        left = pair(left, data.codes(one.left[1]))
    right = data.codes(one.right)
    seen = grouped(left, right)
    ruling = (seen.size >= GROUP) & (seen.votes >= 2) & (seen.votes >= AGREED * seen.size)
    wrong = ruling & (right >= 0) & (right != seen.ruling)
    legitimate = ~slips(data, one.right) | np.isin(right, np.unique(seen.ruling[ruling]))
    settled = ruling & (right >= 0)
    if (wrong & legitimate).sum() > EXCEPTIONS * settled.sum():
        wrong &= ~legitimate
    wrong &= ~_explained(data, wrong, settled, {*one.left, one.right}, names)
    gone = ruling & (right < 0) & (seen.votes >= 0.9 * seen.size)
    if (right < 0).sum() <= 0.2 * len(right):
        wrong |= gone
    count = data.rows.height
    said = votes.setdefault(
        one.right,
        _Votes(np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, -1, np.int64),
               np.zeros(count)),
    )  # fmt: skip
    said.wrong += wrong
    said.right += settled & (right == seen.ruling)
    weight = _weight(seen, one)
    better = wrong & (weight > said.weight)
    said.value[better] = seen.ruling[better]
    said.weight[better] = weight[better]
    said.by[one.left] = wrong
    said.mu[one.left] = one.mu


def _weight(seen: Grouped, one: Dependency) -> npt.NDArray[np.float64]:
    share = seen.votes / np.maximum(seen.size, 1)
    return one.mu * share * np.log1p(seen.votes)


def _explained(
    data: Inspected, wrong: Mask, settled: Mask, own: set[str], names: list[str]
) -> Mask:
    """Exceptions that go with a value of another field: a rule of their own, and no mistakes."""
    explained = np.zeros(len(wrong), np.bool_)
    if wrong.sum() < GROUP:
        return explained
    for other in names:
        codes = data.codes(other)
        if other in own:
            continue
        among = wrong & (codes >= 0)
        times = np.bincount(codes[among], minlength=1)
        of = np.bincount(codes[settled & (codes >= 0)], minlength=len(times))[: len(times)]
        always = np.flatnonzero((times >= GROUP) & (times >= 0.5 * of))
        if len(always):
            explained |= among & np.isin(codes, always)
    return explained


def _blame(data: Inspected, votes: dict[str, _Votes]) -> None:
    """Where a field disagrees with several that it determines, those are not what is wrong.

    Either it is wrong itself, which other dependencies say, or two things bear one name.
    """
    count = data.rows.height
    for left in {left for said in votes.values() for left in said.by if len(left) == 1}:
        disagree, alone, of = np.zeros(count, np.int64), [], 0
        for right, said in votes.items():
            if left in said.by:
                of += 1
                disagree += said.by[left]
                alone.append(right)
        guilty = (disagree >= 2) & (disagree >= 0.5 * of)
        if not guilty.any():
            continue
        for right in alone:
            said = votes[right]
            # Unless another dependency says so as well.
            spared = guilty & said.by[left] & (said.wrong == 1)
            said.wrong[spared] = 0


def _finding(data: Inspected, name: str, said: _Votes) -> list[Finding]:
    wrong = said.wrong > said.right
    count = int(wrong.sum())
    if not count:
        return []
    counts = data.counts(name)
    suggested = counts["text"].gather(pl.Series(np.maximum(said.value[wrong], 0)))
    none = pl.Series([None], dtype=pl.String)
    values = suggested.zip_with(pl.Series(said.value[wrong] >= 0), none)
    here = data.written[name].filter(pl.Series(wrong))
    shown = [
        f"{text if text is not None else ''} → {instead if instead is not None else '?'}"
        for text, instead in zip(here.head(4), values.head(4), strict=True)
    ]
    lefts = sorted(said.by, key=lambda left: -int((said.by[left] & wrong).sum()))
    about = [" and ".join(left) for left in lefts if (said.by[left] & wrong).any()]
    return [
        Finding(
            says=f"{counted(count, 'value disagrees', 'values disagree')} with the other rows "
            f"of the same {quoted(about)}: {quoted(shown)}.",
            action="Compare the rows; what most of them say is suggested.",
            field=name,
            rows=places(wrong),
            values=values,
            measured={
                "determined_by": [list(left) for left in lefts[:10]],
                "mu": {" and ".join(left): round(said.mu[left], 4) for left in lefts[:10]
                       if left in said.mu},
            },
        )
    ]  # fmt: skip


def swallowed(data: Inspected) -> Annotated[list[Finding], Code("F202", "error")]:
    """Values that hold the value of another field as well, which is empty in the same row.

    "San Francisco CA" as the city, and no state. Both cells are wrong, and both are suggested.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"city": ["Reno", "Bend"] * 9 + ["Bend OR"],
    ...                      "state": ["NV", "OR"] * 9 + [None]})
    >>> inspect(rows, checks=["swallowed"]).cells().select("field", "suggested").rows()
    [('city', 'Bend'), ('state', 'OR')]
    """
    found: list[Finding] = []
    texts = [n for n, spec in data.fields.items() if spec.type in ("string", "category")]
    for empty in data.fields:
        gone = ~data.filled(empty)
        domain = data.counts(empty).filter(pl.col("count") >= 2)["text"].str.strip_chars().unique()
        if not gone.any() or gone.all() or not 2 <= len(domain) <= 5000:
            continue
        for full in texts:
            if full != empty:
                found += _holding(data, empty, full, gone, domain)
    return found


def _holding(
    data: Inspected, empty: str, full: str, gone: pl.Series, domain: pl.Series
) -> list[Finding]:
    rows = places(gone & data.filled(full))
    if rows.is_empty():
        return []
    texts = data.written[full].gather(rows).str.strip_chars()
    own = data.counts(full)["text"].str.strip_chars().to_list()
    for pattern in (r"^(?P<rest>.*[^\s,;/|-])[\s,;/|-]+(?P<part>[^\s,;/|]+)$",
                    r"^(?P<part>[^\s,;/|]+)[\s,;/|-]+(?P<rest>[^\s,;/|-].*)$"):  # fmt: skip
        parts = texts.to_frame("t").select(pl.col("t").str.extract_groups(pattern)).unnest("t")
        held = parts["part"].is_in(domain.to_list()).fill_null(False)
        holding = int(held.sum())
        known = int(parts["rest"].filter(held).is_in(own).sum())
        # Words that stand in both fields anyway are no sign: what is left must be a value itself,
        # and nearly all rows in which the other field is empty must look so.
        if not holding or holding < 0.5 * int(gone.sum()) or known < 0.3 * holding:
            continue
        at = rows.filter(held)
        says = f"{len(at):,} values hold the value of {empty!r} as well, such as "
        action = "Give each field its own; both are suggested."
        shown = quoted(texts.filter(held), most=2)
        return [
            Finding(says + shown + ".", action, full, at, parts["rest"].filter(held)),
            Finding(
                f"{len(at):,} values are missing, and stand in {full!r}.",
                action, empty, at, parts["part"].filter(held),
            ),
        ]  # fmt: skip
    return []
