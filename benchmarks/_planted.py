"""Defects of every kind, each planted in a copy of a clean table of its own, by seed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import polars as pl

from benchmarks._ground import WORDS, Ground, Planted


def slip(text: str, rng: np.random.Generator) -> str:
    """One letter left out, doubled, changed, or swapped with the next."""
    at = int(rng.integers(1, len(text) - 1))
    letter = "abcdefghijklmnopqrstuvwxyz"[int(rng.integers(26))]
    return [
        text[:at] + text[at + 1 :],
        text[:at] + text[at] + text[at:],
        text[:at] + letter + text[at + 1 :],
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
    ][int(rng.integers(4))]


def _variant(text: str, rng: np.random.Generator) -> str:
    return [text.upper(), text.lower(), text + " ", text.replace(" ", "-") + "."][
        int(rng.integers(4))
    ]


def _swapped(ground: Ground) -> Planted | None:
    """Another value of the same field, where a field that determines it stays as it was."""
    rng, frame, cells = ground.rng("swap"), ground.frame, set()
    rows = frame.height
    for left, right in permutations(ground.of("category", "integer", "string"), 2):
        if cells or not 3 <= frame[right].n_unique() <= 200:
            continue
        groups = (
            frame.group_by(left)
            .agg(pl.len(), pl.col(right).n_unique().alias("n"))
            .filter(pl.col("len") >= 5)
        )
        sound = (
            groups["len"].sum() >= 0.8 * rows and (groups["n"] == 1).all() and groups.height >= 8
        )
        if not sound or frame[right].n_unique() >= frame[left].n_unique():
            continue
        values, known = frame[right].to_list(), frame[right].drop_nulls().unique().sort().to_list()
        for n in rng.choice(rows, max(3, rows // 200), replace=False):
            others = [value for value in known if value != values[n]]
            values[n] = str(rng.choice(others))
            cells.add((int(n), right))
        frame = frame.with_columns(pl.Series(right, values, dtype=pl.String))
    return Planted(frame, cells) if cells else None


def _labels(ground: Ground) -> Planted | None:
    if (
        ground.fields[ground.target].type in ("number",)
        or ground.frame[ground.target].n_unique() > 20
    ):
        return None
    known = ground.frame[ground.target].drop_nulls().unique().sort().to_list()
    return ground.spoil(
        "labels",
        [ground.target],
        0.03,
        lambda v, rng: str(rng.choice([k for k in known if k != v])),
    )


def _duplicates(ground: Ground, *, near: bool) -> Planted | None:
    texts, rng = ground.texts(), ground.rng(f"duplicates {near}")
    if near and not texts:
        return None
    rows = ground.frame.height
    again = ground.frame[rng.choice(rows, max(3, rows // 50), replace=False).tolist()]
    if near:
        for name in texts:
            edited = []
            for text in again[name].to_list():
                words = (text or "").split()
                if len(words) > 4:
                    words[int(rng.integers(1, len(words) - 1))] = str(rng.choice(WORDS))
                edited.append(" ".join(words) or None)
            again = again.with_columns(pl.Series(name, edited, dtype=pl.String))
    frame = pl.concat([ground.frame, again])
    return Planted(frame, {(n, "") for n in range(rows, frame.height)})


def _personal(ground: Ground) -> Planted | None:
    made = (
        lambda n: f"write to anna.miller{n}@example-mail.com please",
        lambda n: "call me on +1 415 555 26" + f"{n % 90 + 10}",
        lambda n: "card 4111 1111 1111 1111 was charged",
        lambda n: "my IBAN is DE89 3704 0044 0532 0130 00",
    )
    return ground.spoil(
        "personal",
        ground.texts(),
        0.01,
        lambda v, rng: f"{v} {made[int(rng.integers(4))](int(rng.integers(99)))}",
    )


def _texts(ground: Ground) -> Planted | None:
    # The same shell around nothing, as web pages leave it.
    odd = ("ok", "...", "see title", "No description available for this product.")
    return ground.spoil(
        "texts", ground.texts(), 0.02, lambda v, rng: odd[int(rng.integers(len(odd)))]
    )


def _codes(ground: Ground) -> list[str]:
    return [
        n
        for n in ground.of("category", "string")
        if ground.frame[n].str.contains(r"^\d{5,}$").mean() > 0.95
    ]


def _scaled(ground: Ground) -> list[str]:
    """Fields so narrow that a number a thousand times as large is no tail of theirs."""
    kept = []
    for name in ground.numbers():
        logs = ground.found.rows[name].cast(pl.Float64).log()
        if (logs.quantile(0.75) or 0) - (logs.quantile(0.25) or 0) < 0.8:
            kept.append(name)
    return kept


def _money(ground: Ground) -> list[str]:
    return [
        n
        for n in ground.numbers()
        if any(
            w in n.lower() for w in ("price", "age", "weight", "income", "amount", "total", "hours")
        )
    ]


KINDS: dict[str, tuple[tuple[str, ...], str, Callable[[Ground], Planted | None]]] = {
    "missing": (
        ("F101",),
        "cell",
        lambda g: g.spoil(
            "missing", g.of("category", "number", "integer", "string"), 0.02, lambda v, r: None
        ),
    ),
    "disguised words": (
        ("F102",),
        "cell",
        lambda g: g.spoil(
            "words",
            g.of("category", "number", "integer"),
            0.01,
            lambda v, r: ["N/A", "unknown", "-", "?"][int(r.integers(4))],
        ),
    ),
    "disguised numbers": (
        ("F102",),
        "cell",
        lambda g: g.spoil(
            "sentinels",
            [n for n in g.numbers() if float(g.found.rows[n].max() or 0) < 3000],
            0.01,
            lambda v, r: "9999",
        ),
    ),
    "disguised days": (
        ("F102",),
        "cell",
        lambda g: g.spoil("days", g.of("datetime"), 0.01, lambda v, r: "1900-01-01"),
    ),
    "words among numbers": (
        ("F105",),
        "cell",
        lambda g: g.spoil(
            "types",
            g.of("number", "integer"),
            0.005,
            lambda v, r: ["twelve", "see note", "abc"][int(r.integers(3))],
        ),
    ),
    "units on few numbers": (
        ("F105", "F107"),
        "cell",
        lambda g: g.spoil("units", g.of("number"), 0.02, lambda v, r: f"{v} kg"),
    ),
    "another scale": (
        ("F116",),
        "cell",
        lambda g: g.spoil("scale", _scaled(g), 0.005, lambda v, r: f"{float(v) * 1000:g}"),
    ),
    "another date format": (
        ("F108",),
        "cell",
        lambda g: g.spoil(
            "dates",
            g.of("datetime"),
            0.02,
            lambda v, r: f"{v[8:10]}.{v[5:7]}.{v[:4]}",
            where=lambda v: v[4:5] == "-",
        ),
    ),
    "impossible numbers": (
        ("F109",),
        "cell",
        lambda g: g.spoil("impossible", _money(g), 0.005, lambda v, r: f"-{v}"),
    ),
    "spellings": (
        ("F111",),
        "cell",
        lambda g: g.spoil("spellings", g.categories(), 0.02, _variant),
    ),
    "slips in categories": (
        ("F115", "F201"),
        "cell",
        lambda g: g.spoil("slips", g.categories(), 0.01, slip, where=lambda v: len(v) > 4),
    ),
    "broken codes": (
        ("F112", "F201", "F105"),
        "cell",
        lambda g: g.spoil("codes", _codes(g), 0.01, lambda v, r: v[:2] + "x" + v[3:]),
    ),
    "broken encoding": (
        ("F113",),
        "cell",
        lambda g: g.spoil(
            "encoding", g.texts() or g.categories(), 0.01, lambda v, r: v + " caf\u00c3\u00a9"
        ),
    ),
    "invisible signs": (
        ("F114",),
        "cell",
        lambda g: g.spoil(
            "invisible", g.categories() + g.texts(), 0.01, lambda v, r: v[:2] + "\u200b" + v[2:]
        ),
    ),
    "disagreeing fields": (("F201",), "cell", _swapped),
    "outlying numbers": (
        ("F3",),
        "cell",
        lambda g: g.spoil(
            "outliers",
            g.numbers(),
            0.005,
            lambda v, r: (
                f"{float(v) * float(r.uniform(6, 9)) + 50:.2f}"
                if "." in v
                else str(int(float(v) * 8 + 50))
            ),
        ),
    ),
    "wrong labels": (("F4",), "row", _labels),
    "wrong numeric targets": (
        ("F4",),
        "row",
        lambda g: (
            g.spoil(
                "targets",
                [g.target],
                0.02,
                lambda v, r: f"{float(v) * float(r.choice([0.3, 3.0])):.2f}",
            )
            if g.fields[g.target].type == "number"
            else None
        ),
    ),
    "empty or shell texts": (("F5",), "row", _texts),
    "personal data": (("F6",), "cell", _personal),
    "copies": (("F901",), "row", lambda g: _duplicates(g, near=False)),
    "near copies": (("F902",), "row", lambda g: _duplicates(g, near=True)),
}
"""Kind of defect: the codes of the checks that should tell it, what is scored, what plants it."""
