"""What there is to learn: the kind of a target, and which columns models may see."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from assay.contract.infer import Inferred
from assay.contract.quantities import is_currency
from assay.errors import RecipeError, nearest

_COUNTS = re.compile(
    r"rating|score|stars|grade|quality|price|cost|count|number|age$|amount|year|days|hours|size|"
    r"quantity|level|points|salary|income|value|rank",
    re.I,
)
_NAMES = re.compile(
    r"label|class|category|type|species|kind|code|group|condition|status|segment", re.I
)
_PRICE = re.compile(r"price|cost|(?:^|[ _])fare|salary|(?:^|[ _])rent$", re.I)
# A column that tells the target is only believed to when each of its values has so many rows.
ROWS_A_VALUE = 5
ENOUGH_ROWS = 20
# Where the rarer class is rarer than this, a value that only it has is no chance.
RARE = 0.3


@dataclass(frozen=True)
class Task:
    """A target and what may be learned from.

    Attributes:
        target: the column; None when nothing is to be learned.
        kind: number or class.
        sure: whether the values leave no doubt about the kind.
        classes: the classes, the most frequent first.
        positive: of two classes, the one that metrics are about.
        majority: the share of rows in the most frequent class.
        price: the target is an amount of money.
        inputs: what models may see.
        left_out: the other columns, each with the reason.
        suspects: inputs that may be known only after the target, each with what is odd about it.
    """

    target: str | None
    kind: Literal["number", "class"] = "number"
    sure: bool = True
    classes: list[str] = field(default_factory=list)
    positive: str | None = None
    majority: float = 0.0
    price: bool = False
    inputs: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    suspects: dict[str, str] = field(default_factory=dict)


def study(found: Inferred, target: str | None) -> Task:
    """Say what kind of thing a target is, and which columns models may learn it from.

    Raises:
        RecipeError: there is no such column, it holds no more than one value, or it is neither a
            number nor a class; or no column is left to learn from.

    >>> from assay.contract.infer import infer
    >>> rows = pl.DataFrame({"id": range(40), "x": [1.5, 2.5] * 20, "y": ["a", "b", "b", "b"] * 10})
    >>> task = study(infer(rows), "y")
    >>> task.kind, task.positive, task.inputs
    ('class', 'a', ['x'])
    """
    if target is None:
        left_out = _no_inputs(found, None)
        return Task(None, inputs=[c for c in found.fields if c not in left_out], left_out=left_out)
    if target not in found.fields:
        raise RecipeError(
            f"There is no column {target!r} to be the target.",
            received=target,
            allowed=list(found.fields),
            hint=nearest(target, found.fields),
        )
    values = found.rows[target].drop_nulls()
    kind, sure = _kind(found, target, values)
    left_out = _no_inputs(found, target) | _giveaways(found, target, kind)
    inputs = [c for c in found.fields if c != target and c not in left_out]
    if not inputs:
        raise RecipeError(
            f"No column is left to learn {target!r} from.",
            received=", ".join(f"{name} ({why})" for name, why in left_out.items()) or None,
            hint="leave out --target, then name `target` and `inputs` in the recipe",
        )
    counts = values.cast(pl.String).alias("class").value_counts(sort=False, name="count")
    counts = counts.sort("count", "class", descending=[True, False])
    classes = counts["class"].to_list() if kind == "class" else []
    unit = found.fields[target].unit
    least = values.min() if kind == "number" else None
    money = is_currency(unit) or bool(_PRICE.search(target))
    return Task(
        target,
        kind,
        sure,
        classes,
        _positive(classes),
        majority=counts["count"][0] / len(values) if classes else 0.0,
        price=money and isinstance(least, int | float) and least >= 0,
        inputs=inputs,
        left_out=left_out,
        suspects=_suspects(found, target, inputs) if len(classes) == 2 else {},
    )


def _kind(
    found: Inferred, target: str, values: pl.Series
) -> tuple[Literal["number", "class"], bool]:
    spec, distinct = found.fields[target], values.n_unique()
    if distinct < 2:
        raise RecipeError(
            f"The target {target!r} holds {'one value' if distinct else 'no value'} in all rows, "
            "so there is nothing to learn.",
            received=None if values.is_empty() else values[0],
            hint="name another --target",
        )
    if spec.type == "number":
        return "number", True
    if spec.type == "integer":
        if distinct == 2:
            return "class", True
        if _COUNTS.search(target) and not _NAMES.search(target):
            return "number", distinct > 20
        few = distinct <= 10 or (bool(_NAMES.search(target)) and distinct <= 200)
        return ("class", False) if few else ("number", distinct > 20)
    if spec.type in ("boolean", "category", "string") and distinct <= len(values) / 2:
        return "class", True
    raise RecipeError(
        f"The target {target!r} is neither a number nor a class: a {spec.type} "
        f"with {distinct:,} different values in {len(values):,} rows.",
        allowed=[name for name, s in found.fields.items() if s.type in _TARGETS and name != target],
        hint="name another --target, or leave it out",
    )


_TARGETS = ("number", "integer", "boolean", "category")


def _positive(classes: list[str]) -> str | None:
    """Of two classes the one that says yes, else the rarer."""
    if len(classes) != 2:
        return None
    words = {name.strip().casefold(): name for name in classes}
    pairs = ({"0", "1"}, {"false", "true"}, {"no", "yes"}, {"n", "y"}, {"f", "t"})
    # The word that says yes stands later in the alphabet in every one of these.
    return words[max(words)] if set(words) in pairs else classes[1]


def _no_inputs(found: Inferred, target: str | None) -> dict[str, str]:
    reasons = [
        (found.ids, "names the row"),
        (found.groups, "names what several rows belong to"),
        (found.codes, "is different in nearly every row"),
        (found.constants, "is the same in every row"),
        ([n for n, s in found.fields.items() if s.type in ("list", "object")], "is nested"),
    ]
    return {name: why for names, why in reasons for name in names if name != target}


def _giveaways(found: Inferred, target: str, kind: str) -> dict[str, str]:
    left_out = {}
    for name in found.fields:
        values = found.rows[name]
        if name == target or values.dtype.is_nested() or name in found.texts:
            continue
        pairs = pl.DataFrame({"x": values, "y": found.rows[target]}).drop_nulls()
        if pairs.height < ENOUGH_ROWS or pairs.height < found.rows.height / 2:
            continue
        if _tells(pairs, kind):
            left_out[name] = "tells the target by itself"
    return left_out


def _tells(pairs: pl.DataFrame, kind: str) -> bool:
    """Whether the target follows from x: the same, a function of x, or in exactly its order."""
    distinct = pairs["x"].n_unique()
    together = pairs.n_unique()
    if distinct < 2 or together != distinct:
        return False
    numbers = pairs["x"].dtype.is_numeric() and pairs["y"].dtype.is_numeric()
    if kind == "number" and numbers and pairs["y"].n_unique() == distinct:
        steps = pairs.unique().sort("x")["y"].diff().drop_nulls()
        if (steps > 0).all() or (steps < 0).all():
            return True
    return distinct * ROWS_A_VALUE <= pairs.height


def _suspects(found: Inferred, target: str, inputs: list[str]) -> dict[str, str]:
    """Inputs of which some value occurs in the rarer class only, and often."""
    suspects: dict[str, str] = {}
    for name in inputs:
        values = found.rows[name]
        if name in found.texts or values.n_unique() > ENOUGH_ROWS:
            continue
        pairs = pl.DataFrame(
            {"x": values.cast(pl.String), "y": found.rows[target].cast(pl.String)}
        ).drop_nulls()
        shares = pairs["y"].value_counts(name="count").sort("count")
        if shares.height < 2 or shares["count"][0] > RARE * pairs.height:
            continue
        rare = shares["y"][0]
        sides = pairs.group_by("x").agg(pl.len().alias("rows"), (pl.col("y") == rare).all())
        only = sides.filter(pl.col("y") & (pl.col("rows") >= ENOUGH_ROWS)).sort("x")
        if only.height:
            suspects[name] = f"where it is {only['x'][0]}, {target} is {rare} in every row"
    return suspects
