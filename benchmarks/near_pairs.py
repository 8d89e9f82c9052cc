"""Known pairs of two real shops: what the searches find by default, and at a setting of their own.

The setting is chosen without the answers. A product stands in a shop's list once, so of two pairs
that share an offer one is wrong; a setting is worth the pairs that are the best of both their
offers, less all others, and the setting of the highest worth is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

LIMITS = [round(0.3 + 0.025 * n, 3) for n in range(28)]
COLUMNS = (["title"], ["title", "brand", "modelno"])
SHINGLES: tuple[dict[str, Any], ...] = (
    {}, {"unit": "words", "shingle": 1}, {"unit": "characters", "shingle": 3},
    {"unit": "characters", "shingle": 4},
)  # fmt: skip


def known_pairs(folder: Path) -> list[dict[str, Any]]:
    """Precision, recall and F1 of `dedup.near` and `dedup.semantic`."""
    left, right, truth = (
        pl.read_csv(folder / f"D8_{name}.csv", separator="|", infer_schema=False, quote_char=None)
        for name in ("walmart", "amazon", "gt")
    )
    rows = pl.concat([left, right])
    sides = pl.Series(np.repeat([0, 1], [len(left), len(right)]))
    known = truth.select(a=pl.col("D1").cast(pl.Int64), b=pl.col("D2").cast(pl.Int64) + len(left))
    found = []
    near = {
        (str(columns), str(shingle)): _near(rows, sides, columns, shingle)
        for columns in COLUMNS
        for shingle in SHINGLES
    }
    for columns in COLUMNS:
        pairs = near[str(columns), "{}"]
        found.append(_scored("dedup.near, default", columns, 0.7, pairs, known))
    best = max(
        (_worth(pairs, limit), limit, key) for key, pairs in near.items() for limit in LIMITS
    )
    found.append(
        _scored(f"dedup.near {best[2][1]}, chosen", best[2][0], best[1], near[best[2]], known)
    )
    for model in ("hashed", "wordllama"):
        made = {str(columns): _semantic(rows, len(left), columns, model) for columns in COLUMNS}
        for columns in COLUMNS:
            name = f"dedup.semantic {model}, default"
            found.append(_scored(name, columns, 0.9, made[str(columns)], known))
        top = max((_worth(pairs, limit), limit, key) for key, pairs in made.items()
                  for limit in LIMITS if limit >= 0.5)  # fmt: skip
        name = f"dedup.semantic {model}, chosen"
        found.append(_scored(name, top[2], top[1], made[top[2]], known))
    return found


def _near(
    rows: pl.DataFrame, sides: pl.Series, columns: list[str], shingle: dict[str, Any]
) -> pl.DataFrame:
    from assay.marks import Sketches
    from assay.similar.pairs import near_pairs
    from assay.similar.shingles import shingled

    noted = Sketches.of(rows, shingled, {"columns": columns, **shingle})
    return near_pairs(noted, threshold=LIMITS[0], across=sides).rename({"jaccard": "likeness"})


def _semantic(rows: pl.DataFrame, start: int, columns: list[str], model: str) -> pl.DataFrame:
    from assay.embedding import embed

    texts = rows.select(pl.concat_str(columns, separator="\n", ignore_nulls=True)).to_series()
    vectors = embed(texts, method=model)
    likeness = vectors[:start] @ vectors[start:].T
    a, b = np.nonzero(likeness >= 0.5)
    return pl.DataFrame({"a": a, "b": b + start, "likeness": likeness[a, b].astype(np.float64)})


def _best(pairs: pl.DataFrame) -> pl.DataFrame:
    value = pl.col("likeness")
    return pairs.filter((value == value.max().over("a")) & (value == value.max().over("b")))


def _worth(pairs: pl.DataFrame, limit: float) -> int:
    some = pairs.filter(pl.col("likeness") >= limit)
    best = _best(some)
    clear = min(best["a"].n_unique(), best["b"].n_unique())
    return clear - (len(some) - clear)


def _scored(
    name: str, columns: Any, limit: float, pairs: pl.DataFrame, known: pl.DataFrame
) -> dict[str, Any]:
    some = pairs.filter(pl.col("likeness") >= limit)
    told = {"search": name, "columns": str(columns), "threshold": limit, "pairs": len(some)}
    for label, taken in (("", some), (" (best of both)", _best(some))):
        chosen = taken.select(pl.col("a", "b").cast(pl.Int64))
        right = len(chosen.join(known, on=["a", "b"]))
        precision, recall = right / max(len(chosen), 1), right / len(known)
        told |= {f"precision{label}": precision, f"recall{label}": recall}
        told[f"F1{label}"] = 2 * precision * recall / max(precision + recall, 1e-12)
    return told
