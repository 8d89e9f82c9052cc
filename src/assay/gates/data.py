"""Gates that look at the rows of a version: how many there are, how many were lost, what leaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from assay.gates._state import (
    Outcome,
    State,
    Verdict,
    bounds,
    known,
    manifest_of,
    nothing_accepted,
    some,
)

__all__ = ["growth", "leak", "rows", "schema", "set_aside", "violations"]

CONTRACT = 1
"""The contract's position in the ledger."""
CHECKS = (
    "exact_pairs",
    "near_pairs",
    "groups",
    "time",
    "target_field",
    "adversarial",
    "moved",
)
"""The codes of a leak certificate."""


def rows(
    state: State, *, split: str | None = None, min: int | None = None, max: int | None = None
) -> Verdict:
    """Hold the number of kept rows, of all or of one split, against bounds.

    Args:
        state: what to look at.
        split: count only its rows.
        min: the fewest rows that pass.
        max: the most rows that pass.

    Raises:
        RecipeError: there is no such split, or neither bound is given.

    >>> rows(State({"rows": {"kept": 90}, "splits": {"train": 80}}), split="train", min=100).verdict
    'fail'
    """
    manifest = manifest_of(state)
    some("rows", min, max)
    count, what = _count(manifest, split)
    held = (min is None or count >= min) and (max is None or count <= max)
    return Verdict(
        f"rows: {what} {bounds(min, max)}",
        "pass" if held else "fail",
        f"{count:,} rows where {bounds(min, max)} are wanted.",
        figures={"value": count, "min": min, "max": max},
    )


def growth(
    state: State, *, split: str | None = None, min: float | None = -0.1, max: float | None = None
) -> Verdict:
    """Hold the change in the number of kept rows since the accepted version against bounds.

    It is inconclusive while no version is accepted.

    Args:
        state: what to look at.
        split: count only its rows.
        min: the least change that passes, as a share of the accepted version's rows: -0.1 lets a
            tenth of them go.
        max: the largest change that passes: 0.5 is half as many rows again.

    Raises:
        RecipeError: there is no such split, or neither bound is given.

    >>> growth(State({"rows": {"kept": 90}})).verdict
    'inconclusive'
    """
    some("growth", min, max)
    count, what = _count(manifest_of(state), split)
    gate = f"growth: {what} by {_percents(min, max)}"
    if state.accepted is None:
        return nothing_accepted(gate)
    before = state.accepted.version
    was = before.splits.get(split, 0) if split else int(before.manifest["rows"]["kept"])
    if not was:
        detail = f"{before.title} has no rows {f'in {split} ' if split else ''}to grow from."
        return Verdict(gate, "inconclusive", detail)
    change = count / was - 1
    held = (min is None or change >= min) and (max is None or change <= max)
    return Verdict(
        gate,
        "pass" if held else "fail",
        f"{count:,} rows after {was:,} in {before.title}, {change:+.1%}, where "
        f"{_percents(min, max)} is wanted.",
        figures={"value": change, "min": min, "max": max, "before": was, "after": count},
    )


def set_aside(state: State, *, max: float, reason: str | None = None) -> Verdict:
    """Hold the share of rows that were set aside against an upper bound.

    Args:
        state: what to look at.
        max: the largest share of the rows read that passes.
        reason: count only what this step, or this rule of a step (`keep.length: too short`), set
            aside.

    >>> set_aside(State({"rows": {"read": 100, "set_aside": 3}}), max=0.05).verdict
    'pass'
    """
    manifest = manifest_of(state)
    read, lost = int(manifest["rows"]["read"]), int(manifest["rows"].get("set_aside", 0))
    if reason is not None:
        reasons = manifest.get("reasons", {})
        lost = sum(
            count for name, count in reasons.items() if reason in (name, name.partition(": ")[0])
        )
    share = lost / read if read else 0.0
    by = f" by {reason}" if reason else ""
    return Verdict(
        f"set_aside: at most {max:.4g}{by}",
        "pass" if share <= max else "fail",
        f"{lost:,} of {read:,} rows were set aside{by}, a share of {share:.4g} where at most "
        f"{max:.4g} is wanted.",
        figures={"value": share, "max": max, "rows": lost},
    )


def violations(
    state: State, *, max: float = 0.0, field: str | None = None, rule: str | None = None
) -> Verdict:
    """Hold the share of rows that broke the contract against an upper bound.

    Rows whose value was only made null (`on_violation: null`) count as well. A row that broke
    several rules counts once for each.

    Args:
        state: what to look at.
        max: the largest share of the rows read that passes, for each field and rule.
        field: look only at this field.
        rule: look only at this rule: `required`, `min`, `max`, `pattern`, …, or the name of one
            of the recipe's `rules`.

    Raises:
        RecipeError: the version has no such field.

    >>> reasons = {"contract: price: max": 3, "dedup.exact: duplicate": 9}
    >>> state = State({"rows": {"read": 100}, "reasons": reasons, "fields": {"price": {}}})
    >>> violations(state, max=0.02).detail
    '3 of 100 rows broke price: max, a share of 0.03 where at most 0.02 is wanted.'
    """
    manifest = manifest_of(state)
    if field is not None:
        known("field", field, manifest.get("fields", {}))
    read = int(manifest["rows"]["read"])
    broken = {
        name: count
        for name, count in _broken(state, manifest).items()
        if (field is None or name.startswith(f"{field}: "))
        and (rule is None or name == rule or name.endswith(f": {rule}"))
    }
    of = ": ".join(part for part in (field, rule) if part)
    gate = f"violations: at most {max:.4g}{f' of {of}' if of else ''}"
    over = {name: count for name, count in broken.items() if count > max * read}
    figures = {"value": _largest(broken) / read if read else 0.0, "max": max, "rules": broken}
    if not over:
        most = f", and {max:.4g} of each rule is allowed" if broken else ""
        detail = f"{sum(broken.values()):,} violations in {read:,} rows{most}."
        return Verdict(gate, "pass", detail, figures=figures)
    worst = sorted(over.items(), key=lambda item: (-item[1], item[0]))
    said = ", ".join(f"{count:,} of {read:,} rows broke {name}" for name, count in worst[:5])
    more = f" and {len(worst) - 5} more rules were broken" if len(worst) > 5 else ""
    share = f", a share of {worst[0][1] / read:.4g}"
    detail = f"{said}{more}{share} where at most {max:.4g} is wanted."
    return Verdict(gate, "fail", detail, figures=figures)


def schema(state: State, *, allow: list[str] | None = None, new: bool = True) -> Verdict:
    """Ask that no field has gone, become empty or changed since the accepted version.

    It is inconclusive while no version is accepted.

    Args:
        state: what to look at.
        allow: fields that may go, come or change.
        new: whether fields may be added.

    >>> schema(State({"fields": {"price": {"type": "number"}}})).verdict
    'inconclusive'
    """
    gate = "schema: as in the accepted version"
    gate += f" but for {', '.join(allow)}" if allow else ""
    now = manifest_of(state).get("fields", {})
    if state.accepted is None:
        return nothing_accepted(gate)
    before = state.accepted.version.manifest["fields"]
    told = {name: f"{name} has gone" for name in before if name not in now}
    for name, field in now.items():
        if name not in before:
            told |= {} if new else {name: f"{name} is new"}
            continue
        was, is_ = (_kind(one) for one in (before[name], field))
        told |= {name: f"{name} was {was} and is {is_}"} if was != is_ else {}
        if before[name].get("distinct") and field.get("distinct") == 0:
            told[name] = f"{name} has no value any more"
    said = [text for name, text in told.items() if name not in (allow or ())]
    title = state.accepted.version.title
    if said:
        more = f", and {len(said) - 10} more" if len(said) > 10 else ""
        detail = f"Against {title}: {', '.join(said[:10])}{more}."
        return Verdict(gate, "fail", detail, figures={"changed": len(said)})
    return Verdict(gate, "pass", f"{len(before):,} fields are as in {title}.")


def leak(
    state: State,
    *,
    allow: list[str] | None = None,
    exact_pairs: int = 0,
    near_pairs: int = 0,
    auc: float | None = None,
) -> Verdict:
    """Ask that no check of the leak certificate fails.

    It is inconclusive if a check that applies was not measured, or there is no certificate.

    Args:
        state: what to look at.
        allow: checks that may fail or be left unmeasured: `exact_pairs`, `near_pairs`, `groups`,
            `time`, `target_field`, `adversarial`, `moved`.
        exact_pairs: how many rows may equal a row of an earlier split.
        near_pairs: how many rows may have a near duplicate in an earlier split.
        auc: the highest area under the curve with which a classifier may tell train from the
            rest; without it, what the certificate itself says.

    Raises:
        RecipeError: `allow` names a check that there is not.

    >>> found = {"code": "moved", "title": "Moved rows", "status": "fail", "detail": "3 rows."}
    >>> state = State({"certificate": {"checks": [found]}})
    >>> leak(state).detail, leak(state, allow=["moved"]).verdict
    ('Moved rows: 3 rows.', 'pass')
    """
    gate = "leak: none" if not allow else f"leak: none but {', '.join(allow)}"
    for name in allow or ():
        known("check", name, dict.fromkeys(CHECKS))
    certificate = manifest_of(state).get("certificate") or {}
    checks = [one for one in certificate.get("checks", ()) if one["code"] not in (allow or ())]
    if not certificate.get("checks"):
        why = "the recipe says `certificate: off`, or there is one split only"
        return Verdict(gate, "inconclusive", f"The version has no leak certificate: {why}.")
    limits = {"exact_pairs": exact_pairs, "near_pairs": near_pairs, "adversarial": auc}
    failed = [one for one in checks if _leaks(one, limits.get(one["code"]))]
    open_ones = [one for one in checks if one["status"] == "not measured"]
    said = failed or open_ones or [one for one in checks if one["status"] == "pass"]
    detail = " ".join(f"{one['title']}: {one['detail']}{_examples(one)}" for one in said)
    verdict: Outcome = "fail" if failed else "inconclusive" if open_ones else "pass"
    return Verdict(
        gate,
        verdict,
        detail or "No check of the certificate applies.",
        figures={one["code"]: one.get("value") for one in checks},
    )


def _count(manifest: Mapping[str, Any], split: str | None) -> tuple[int, str]:
    if split is None:
        return int(manifest["rows"]["kept"]), "all rows"
    return int(known("split", split, manifest.get("splits", {}))), split


def _kind(field: Mapping[str, Any]) -> str:
    return f"{field.get('type')} in {field['unit']}" if field.get("unit") else str(field["type"])


def _percents(low: float | None, high: float | None) -> str:
    parts = [
        f"{word} {value:+.4g}"
        for word, value in (("at least", low), ("at most", high))
        if value is not None
    ]
    return " and ".join(parts)


def _broken(state: State, manifest: Mapping[str, Any]) -> dict[str, int]:
    """`field: rule` to the rows that broke it; the ledger also knows those that were kept."""
    if state.run is None:
        start = "contract: "
        reasons = manifest.get("reasons", {}).items()
        return {
            name.removeprefix(start): count for name, count in reasons if name.startswith(start)
        }
    ledger = state.run.version.ledger().filter(pl.col("position") == CONTRACT)
    found = ledger.group_by("rule").agg(pl.len().alias("rows")).collect()
    return dict(sorted(found.iter_rows()))


def _largest(broken: Mapping[str, int]) -> int:
    return max(broken.values(), default=0)


def _leaks(check: Mapping[str, Any], limit: float | None) -> bool:
    """Whether a check fails: by the gate's own limit where it has one."""
    value = check.get("value")
    if check["status"] not in ("pass", "fail") or not limit or value is None:
        return bool(check["status"] == "fail")
    return bool(value > limit)


def _examples(check: Mapping[str, Any]) -> str:
    """The first rows that failed, as ids of a pair or of single rows."""
    if check["status"] != "fail":
        return ""
    pairs = [
        f"{one['row_a']} and {one['row_b']}" if "row_a" in one else one.get("row")
        for one in check.get("examples", ())
    ]
    shown = [str(pair) for pair in pairs if pair][:3]
    return f" For instance {'; '.join(shown)}." if shown else ""
