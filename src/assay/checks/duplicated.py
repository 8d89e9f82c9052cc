"""Rows that stand in the data more than once, word for word or nearly."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, counted, places, quoted
from assay.rows import key_hash

__all__ = ["duplicates", "near_duplicates"]

# Above this share of copies, so few different values meet by chance.
COINCIDENCE = 0.2
# A text of fewer words is a name.
WORDS = 4.0


def duplicates(data: Inspected) -> Annotated[list[Finding], Code("F901", "warning")]:
    """Rows that equal another row in every field, or in every field but those that number them.

    A row that is learned from and tested on makes the test worthless. `dedup.exact` keeps one of
    them; do it before the split.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"a": [f"word {n}" for n in range(30)] + ["word 3"]})
    >>> inspect(rows, checks=["duplicates"]).cells()["line"].to_list()
    [31]
    """
    names = [name for name, spec in data.fields.items() if not _numbers_rows(data, name)]
    if not names or data.rows.height < 2:
        raise NotApplicable("no two rows could be equal")
    keys = key_hash(data.written, names)
    first = keys.is_first_distinct() | keys.is_null()
    again = places(~first)
    if again.is_empty():
        return []
    share = len(again) / data.rows.height
    groups = int(keys.filter(keys.is_duplicated() & keys.is_not_null()).n_unique())
    beside = [name for name in data.fields if name not in names]
    but = f" (but {quoted(beside)})" if beside else ""
    return [
        Finding(
            says=f"{counted(len(again), 'row equals', 'rows equal')} an earlier one in every field"
            f"{but}, in {counted(groups, 'group', 'groups')} ({100 * share:.1f} %).",
            action="With so few different values they may meet by chance." if share > COINCIDENCE
            else "Keep one of each with `dedup.exact`, before the split.",
            rows=again,
            measured={"rows": len(again), "groups": groups, "share": share},
            step={"dedup.exact": {"columns": names}},
            severity="note" if share > COINCIDENCE else None,
        )
    ]  # fmt: skip


def _numbers_rows(data: Inspected, name: str) -> bool:
    """Whether a field only names the rows: another value in each, of digits or of one word."""
    counts = data.counts(name)
    if data.rows.height < 20 or counts.height < data.rows.height:
        return False
    if data.fields[name].type == "integer":
        return True
    one_word = counts["text"].str.contains(r"^\S*\d\S*$").mean()
    return data.fields[name].type != "number" and isinstance(one_word, float) and one_word > 0.9


def near_duplicates(
    data: Inspected, *, threshold: float = 0.8
) -> Annotated[list[Finding], Code("F902", "warning")]:
    """Rows whose texts are nearly those of another row.

    Copies with a word changed leak from train to test as well as exact ones do. `dedup.near` keeps
    one of each cluster, and `assay duplicates` shows pairs side by side first.

    Args:
        threshold: the share of shingles that two texts have in common, from which on they are near.

    >>> from assay import inspect
    >>> text = "a red kettle of steel with a handle of wood, for tea and for coffee, number"
    >>> rows = pl.DataFrame({"a": [f"{text} {n}" for n in (1, 2)] + ["a lamp for the desk, green"]})
    >>> inspect(rows, checks=["near_duplicates"]).cells()["line"].to_list()
    [2]
    """
    names = [name for name in data.texts if _wordy(data, name)]
    if not names:
        raise NotApplicable("there is no field of texts")
    from assay.marks import Sketches
    from assay.similar.clusters import clusters
    from assay.similar.pairs import near_pairs
    from assay.similar.shingles import shingled

    frame = data.rows.select("_row", *(pl.col(name).cast(pl.String) for name in names))
    pairs = near_pairs(Sketches.of(frame, shingled, {"columns": names}), threshold=threshold)
    texts = key_hash(frame, names)
    a, b = (texts.gather(pairs[side]) for side in ("a", "b"))
    # Rows equal in all fields are another check's; those whose texts alone are equal are meant.
    whole = key_hash(data.written, data.written.columns)
    other = whole.gather(pairs["a"]) != whole.gather(pairs["b"])
    if not other.any():
        return []
    number = clusters(pairs, data.rows.height)
    earlier = pl.Series(number).is_first_distinct().to_numpy()
    inside = np.zeros(data.rows.height, np.bool_)
    kept = pairs.filter(other)
    inside[kept["b"].to_numpy()] = True
    again = places(inside & ~earlier)
    if again.is_empty():
        return []
    same = int((a == b).filter(other).sum())
    groups = len(np.unique(number[again.to_numpy()]))
    return [
        Finding(
            says=f"{counted(len(again), 'row has', 'rows have')} nearly the text of an earlier one "
            f"({quoted(names)}), in {counted(groups, 'cluster', 'clusters')}.",
            action="Look at some with `assay duplicates`, and keep one of each with `dedup.near`.",
            field=names[0] if len(names) == 1 else None,
            rows=again,
            measured={"rows": len(again), "clusters": groups, "pairs": len(kept),
                      "pairs_of_equal_texts": same, "threshold": threshold},
            step={"dedup.near": {"columns": names, "threshold": threshold}},
        )
    ]  # fmt: skip


def _wordy(data: Inspected, name: str) -> bool:
    words = data.written[name].str.count_matches(r"\S+").mean()
    return isinstance(words, float) and words >= WORDS
