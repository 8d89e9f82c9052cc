"""What can be said of a row in one breath: the pieces that slices are put together from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.models._columns import FEW, text_fields
from assay.recipe import FieldType

Members = npt.NDArray[np.bool_]
PARTS = (4, 10)
"""Into so many parts of equally many rows numbers are cut, coarse and fine."""
DISTINCT = 12
"""Numbers of at most so many values are looked at value by value."""
LEVELS = 40
"""Most values of a category that are looked at, the most frequent ones."""
CLUSTERS = 20
PER_CLUSTER = 150
LEARN_CLUSTERS = 20_000
"""Most rows that the centres of clusters are learned from."""


@dataclass(frozen=True)
class Predicate:
    """One thing that is true or false of a row.

    Attributes:
        field: what it is about.
        says: the predicate in words.
        test: the same for programs: `kind` is `value`, `range`, `missing`, `length`, `time` or
            `cluster`, with `value`, or `low` (within) and `high` (outside).
    """

    field: str
    says: str
    test: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"field": self.field, "says": self.says, **self.test}


def predicates(
    rows: pl.DataFrame,
    kinds: Mapping[str, FieldType],
    *,
    floor: int,
    clusters: bool = True,
    seed: int = 0,
) -> tuple[list[Predicate], Members]:
    """All that is true of `floor` rows or more, and not true of as many.

    Categories by their values, numbers and dates in parts of equally many rows, texts by their
    length and by clusters of like meaning, every field by whether it is missing. The losses are
    not looked at, so nothing is chosen here.

    Args:
        rows: the fields, in an order that their ids decide.
        kinds: the fields to look at and what each is.
        floor: the least rows.
        clusters: whether texts are put into clusters, by their embeddings.
        seed: of the clusters.

    Returns:
        The predicates and a matrix of rows by predicates.

    >>> rows = pl.DataFrame({"colour": ["red"] * 4 + ["blue"] * 4})
    >>> [one.says for one in predicates(rows, {"colour": "category"}, floor=2)[0]]
    ['colour = blue', 'colour = red']
    """
    found: list[tuple[Predicate, Members]] = []
    strings = [name for name, kind in kinds.items() if kind == "string"]
    free = set(text_fields(rows, {name: kinds[name] for name in strings}))
    free = {name for name in free if rows[name].n_unique() > min(FEW, max(rows.height // 10, 1))}
    for name, kind in kinds.items():
        found.extend(_of_field(rows[name], name, kind, name in free))
    if clusters and free and rows.height >= 2 * PER_CLUSTER:
        found.extend(_clusters(rows, [name for name in kinds if name in free], seed))
    kept = [
        (one, members)
        for one, members in found
        if floor <= int(members.sum()) <= rows.height - floor
    ]
    unlike = _different([members for _, members in kept])
    chosen = [kept[place] for place in unlike]
    table = np.column_stack([m for _, m in chosen]) if chosen else np.zeros((rows.height, 0), bool)
    return [one for one, _ in chosen], table


def _different(columns: Sequence[Members]) -> list[int]:
    """The first of those that are true of the same rows."""
    seen: dict[bytes, int] = {}
    for place, members in enumerate(columns):
        seen.setdefault(np.packbits(members).tobytes(), place)
    return list(seen.values())


def _of_field(
    column: pl.Series, name: str, kind: FieldType, free: bool
) -> Iterator[tuple[Predicate, Members]]:
    if kind in ("list", "object"):
        return
    gaps = column.is_null()
    if column.dtype.is_float():
        gaps |= column.is_nan().fill_null(False)
    if gaps.any():
        yield Predicate(name, f"{name} is missing", {"kind": "missing"}), gaps.to_numpy()
    if kind in ("integer", "number"):
        values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        yield from _of_numbers(values, name, name, "range")
    elif kind == "datetime":
        moments = column.cast(pl.Datetime("us"), strict=False).dt.epoch("s")
        values = moments.cast(pl.Float64).fill_null(np.nan).to_numpy()
        yield from _of_numbers(values, name, name, "time")
    elif free:
        lengths = column.cast(pl.String).str.len_chars().cast(pl.Float64)
        values = lengths.fill_null(np.nan).to_numpy()
        yield from _of_numbers(values, name, f"length of {name}", "length")
    else:
        yield from _of_values(column.cast(pl.String), name)


def _of_values(column: pl.Series, name: str) -> Iterator[tuple[Predicate, Members]]:
    counts = column.drop_nulls().value_counts(name="_rows")
    counts = counts.sort("_rows", column.name, descending=[True, False]).head(LEVELS)
    for value in counts[column.name]:  # at most 40
        says = f"{name} = {_cut(value)}"
        members = (column == value).fill_null(False).to_numpy()
        yield Predicate(name, says, {"kind": "value", "value": value}), members


def _of_numbers(
    values: npt.NDArray[np.float64], field: str, called: str, kind: str
) -> Iterator[tuple[Predicate, Members]]:
    known = values[np.isfinite(values)]
    if not len(known):
        return
    distinct = np.unique(known)
    if len(distinct) <= DISTINCT:
        for value in distinct.tolist():
            test = {"kind": kind, "low": value, "high": value}
            yield Predicate(field, f"{called} = {_shown(value, kind)}", test), values == value
        return
    for parts in PARTS:
        edges = _edges(known, parts)
        for low, high in zip([None, *edges], [*edges, None], strict=True):
            members = np.isfinite(values)
            if low is not None:
                members &= values >= low
            if high is not None:
                members &= values < high
            test = {"kind": kind, "low": low, "high": high}
            yield Predicate(field, _between(called, low, high, kind), test), members


def _edges(known: npt.NDArray[np.float64], parts: int) -> list[float]:
    exact = np.unique(np.quantile(known, np.arange(1, parts) / parts))
    short = np.unique([float(f"{edge:.3g}") for edge in exact])
    # Short numbers read better, if they still tell the parts apart.
    spread = np.abs(np.quantile(known, 0.75) - np.quantile(known, 0.25)) / (4 * parts)
    same = len(short) == len(exact) and bool((np.abs(short - exact) <= spread).all())
    return [float(edge) for edge in (short if same else exact)]


def _between(called: str, low: float | None, high: float | None, kind: str) -> str:
    if low is None:
        return f"{called} < {_shown(high, kind)}"
    if high is None:
        return f"{called} ≥ {_shown(low, kind)}"
    return f"{_shown(low, kind)} ≤ {called} < {_shown(high, kind)}"


def _shown(value: float | None, kind: str) -> str:
    number = 0.0 if value is None else value
    if kind == "time":
        return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    return f"{number:,.0f}" if abs(number) >= 10_000 else f"{number:.6g}"


def _cut(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _clusters(
    rows: pl.DataFrame, fields: Sequence[str], seed: int
) -> Iterator[tuple[Predicate, Members]]:
    from sklearn.cluster import KMeans

    from assay.embedding import embed

    text = rows.select(
        pl.concat_str([pl.col(name).cast(pl.String) for name in fields], separator="\n",
                      ignore_nulls=True).alias("text")
    )["text"].fill_null("")  # fmt: skip
    # Beyond this the end of a text says little about what it is about.
    vectors = embed(text.str.head(2000))
    told = (vectors != 0).any(axis=1)
    learn = vectors[told][:LEARN_CLUSTERS]
    count = min(CLUSTERS, len(learn) // PER_CLUSTER)
    if count < 2 or len(np.unique(learn, axis=0)) <= count:
        return
    centres = KMeans(count, n_init=1, random_state=seed % 2**32).fit(learn)
    of = np.where(told, centres.predict(vectors), -1)
    words = _telling(text, of)
    field = " and ".join(fields)
    for number in range(count):  # at most 20
        said = ", ".join(words.get(number, [])) or f"cluster {number + 1}"
        test = {"kind": "cluster", "value": number, "words": words.get(number, [])}
        yield Predicate(field, f"{field} about: {said}", test), of == number


def _telling(text: pl.Series, of: npt.NDArray[Any], count: int = 4) -> dict[int, list[str]]:
    """The words of each cluster that stand in more of its texts than elsewhere."""
    frame = pl.DataFrame({"of": of, "word": text.str.head(2000).str.to_lowercase()})
    words = (
        frame.with_columns(pl.col("word").str.extract_all(r"\p{L}[\p{L}\d'’-]{2,}").list.unique())
        .explode("word")
        .drop_nulls()
        .group_by("of", "word")
        .agg(inside=pl.len())
    )
    words = words.with_columns(every=pl.col("inside").sum().over("word"))
    sizes = frame.group_by("of").agg(size=pl.len())
    scored = words.join(sizes, on="of").with_columns(
        score=pl.col("inside") / pl.col("size") - pl.col("every") / frame.height
    )
    best = scored.sort("of", "score", "word", descending=[False, True, False])
    heads = best.group_by("of", maintain_order=True).agg(pl.col("word").head(count))
    return {int(number): list(said) for number, said in heads.iter_rows() if number >= 0}
