"""What a split keeps whole: rows of one group, of one cluster of duplicates, of one content.

Rows that were there before keep their places. What is new goes where the rows go to which it
belongs, and is left out where these are in two places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError, nearest
from assay.rows import content_hash, key_hash, row_ids

CLUSTER = "_cluster"

Ids = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Places:
    """Where rows belong that were there before, or belong to rows that were.

    Attributes:
        place: the number of the place; null where a row is free to go anywhere.
        old: the rows that were there before.
        joins: the rows that would join old rows of two places.
        twin: for rows that belong to old ones, the lowest id of these.
    """

    place: pl.Series
    old: pl.Series
    joins: pl.Series
    twin: pl.Series


def units(table: pl.DataFrame, groups: Sequence[str]) -> Ids:
    """One hash a row, equal for rows that must stay together."""
    own = row_ids(table).to_numpy().astype(np.uint64)
    group = _group_hash(table, groups)
    cluster = table[CLUSTER].cast(pl.UInt64) if CLUSTER in table.columns else None
    if group is not None and cluster is not None:
        return _joined(own, group, cluster)
    only = group if group is not None else cluster
    if only is None:
        return own
    return np.where(only.is_null().to_numpy(), own, only.fill_null(0).to_numpy())


def places(table: pl.DataFrame, groups: Sequence[str], was: pl.Series) -> Places:
    """Tell for every row where it belongs by `was`, the places of the old rows.

    Old rows do not join one another: two that were split in spite of belonging together stay
    where they are, and only what is new between them has no place.
    """
    links = {"own": row_ids(table).cast(pl.UInt64)}
    group = _group_hash(table, groups)
    if group is not None:
        links["group"] = group
    if CLUSTER in table.columns:
        links["cluster"] = table[CLUSTER].cast(pl.UInt64)
    rows = pl.DataFrame({**links, "id": links["own"], "was": was})
    for name in links:
        # A hash that is null links nothing.
        by = pl.when(pl.col(name).is_not_null()).then(pl.col("was"))
        rows = rows.with_columns(
            by.min().over(name).alias(f"low {name}"),
            by.max().over(name).alias(f"high {name}"),
            pl.when(pl.col("was").is_not_null() & pl.col(name).is_not_null())
            .then(pl.col("id"))
            .min()
            .over(name)
            .alias(f"twin {name}"),
        )
    rows = rows.select(
        "was",
        low=pl.min_horizontal([f"low {name}" for name in links]),
        high=pl.max_horizontal([f"high {name}" for name in links]),
        twin=pl.min_horizontal([f"twin {name}" for name in links]),
    )
    old = was.is_not_null()
    joins = ~old & (rows["low"] != rows["high"]).fill_null(False)
    # What is left without the rows that join two places by themselves may still do so in a chain.
    rest = ~old & ~joins
    chain = rows.filter(rest).with_columns(unit=units(table.filter(rest), groups))
    chain = chain.select(
        pl.col("low", "twin").min().over("unit"), pl.col("high").max().over("unit")
    )
    at = rest.arg_true()
    # `scatter` changes the series that it is called on.
    place = was.clone().scatter(at, chain["low"])
    twin = rows["twin"].scatter(at, chain["twin"])
    joins = joins.clone().scatter(at, (chain["low"] != chain["high"]).fill_null(False))
    nowhere = pl.lit(None)
    return Places(
        place=pl.select(pl.when(joins).then(nowhere).otherwise(place)).to_series(),
        old=old,
        joins=joins,
        twin=twin,
    )


def present(table: pl.DataFrame, name: str) -> None:
    """Refuse a column that is not there."""
    if name not in table.columns:
        raise RecipeError(
            f"split: there is no column {name!r}.",
            allowed=table.columns,
            hint=nearest(name, table.columns),
        )


def _group_hash(table: pl.DataFrame, groups: Sequence[str]) -> pl.Series | None:
    if not groups:
        return None
    for name in groups:
        present(table, name)
    # A build hands over hashes of the keys; a user's own frame is hashed alike.
    hashes = [
        (table[name] if table.schema[name] == pl.UInt128 else key_hash(table, [name])).alias(name)
        for name in groups
    ]
    frame = pl.DataFrame(hashes)
    return content_hash(frame).set(frame.select(pl.all_horizontal(pl.all().is_null()))[:, 0], None)


def _joined(own: Ids, group: pl.Series, cluster: pl.Series) -> Ids:
    """Groups that share a cluster are one unit, and so on: connected components."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    both = pl.DataFrame({"own": own, "group": group, "cluster": cluster})
    places = [pl.col(name).rank("dense").fill_null(0).cast(pl.Int64) for name in both.columns]
    codes = both.select(places)
    # Nodes in this order: groups, clusters, rows. A row without a group or cluster (code 0) is
    # joined to itself only.
    sizes = [int(codes[name].to_numpy().max(initial=0)) for name in ("group", "cluster")]
    row_node = codes["own"].to_numpy() + sum(sizes)
    edges = []
    for name, offset in (("group", 0), ("cluster", sizes[0])):
        code = codes[name].to_numpy()
        edges.append(np.stack([row_node, np.where(code > 0, code + offset, row_node)]))
    source, target = np.concatenate(edges, axis=1)
    size = int(row_node.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(source), dtype=np.int8), (source, target)), (size, size))
    component = connected_components(graph, directed=False)[1][row_node]
    # Named by its lowest group, so that a later row changes nothing unless it joins two units.
    names = both.with_columns(component=component, name=pl.coalesce("group", "cluster", "own"))
    return (
        names.select(pl.coalesce(pl.col("group").min().over("component"), "name"))
        .to_series()
        .to_numpy()
    )
