"""The space that synthetic rows of a class are made in, and the way there and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.component import Learned
from assay.errors import MissingExtra, RecipeError
from assay.rows import text_hash
from assay.steps._balance_learn import PARENT, cast_back, kind_of, labels, numbers, top

# Among so many rows that are nearest by their numbers, the one with most equal categories counts.
_CANDIDATES = 10
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Space:
    """Train's usable rows as numbers, in the order of their ids.

    Attributes:
        table: the rows themselves.
        rows: their ids.
        classes: the class of each.
        target: the column of classes.
        numbers: the inputs that are numbers.
        categories: the other inputs.
        points: the numbers in standard deviations, then the categories' codes.
        middle: the mean of each number.
        spread: the standard deviation of each.
        left_out: how many rows of train are not usable.
    """

    table: pl.DataFrame
    rows: pl.Series
    classes: pl.Series
    target: str
    numbers: list[str]
    categories: list[str]
    points: Floats
    middle: Floats
    spread: Floats
    left_out: int


def space_of(train: pl.DataFrame, rows: pl.Series, target: str, names: Sequence[str]) -> Space:
    """Make train's rows into points.

    Raises:
        RecipeError: a column is neither a number nor a category, or there is no column.
    """
    kinds = {name: kind_of(train[name]) for name in names}
    for name, kind in kinds.items():
        if kind in ("text", "other"):
            what = "text" if kind == "text" else f"of type {train[name].dtype}"
            raise RecipeError(
                f"balance.smote: the input {name!r} is {what}, and between two of these there is "
                "nothing.",
                allowed=[one for one, kind in kinds.items() if kind in ("number", "category")],
                hint="name numbers and categories in the step's `inputs`",
            )
    if not names:
        raise RecipeError("balance.smote has no inputs.", hint="name numbers and categories")
    floats = [name for name in names if kinds[name] == "number"]
    categories = [name for name in names if kinds[name] == "category"]
    matrix = np.column_stack(
        [numbers(train[name]) for name in floats] or [np.empty((len(rows), 0))]
    )
    classes = labels(train[target])
    usable = np.isfinite(matrix).all(axis=1) & classes.is_not_null().to_numpy()
    table = train.filter(pl.Series(usable, dtype=pl.Boolean))
    matrix = matrix[usable]
    with np.errstate(over="ignore", invalid="ignore"):
        middle = matrix.mean(axis=0) if len(matrix) else np.zeros(len(floats))
        spread = matrix.std(axis=0) if len(matrix) else np.ones(len(floats))
    # Numbers near the largest float have no deviation in floats; the largest serves as one.
    middle = np.where(np.isfinite(middle), middle, 0.0)
    largest = np.maximum(np.abs(matrix).max(axis=0, initial=0.0), 1.0)
    spread = np.where(np.isfinite(spread) & (spread > 0), spread, largest)
    codes = [_codes(table[name])[0] for name in categories]
    points = np.column_stack([(matrix - middle) / spread, *codes])
    return Space(
        table=table,
        rows=rows.filter(pl.Series(usable, dtype=pl.Boolean)),
        classes=classes.filter(pl.Series(usable, dtype=pl.Boolean)),
        target=target,
        numbers=floats,
        categories=categories,
        points=points,
        middle=middle,
        spread=spread,
        left_out=int((~usable).sum()),
    )


def synthetic(space: Space, method: str, *, neighbours: int, ratio: float, seed: int) -> Learned:
    """Make the rows that are missing of every class.

    Raises:
        RecipeError: ADASYN among categories, or where no row is near another class.
        MissingExtra: imbalanced-learn is not installed.
    """
    counts: dict[str, int] = dict(
        space.classes.value_counts(name="count").sort(space.classes.name).iter_rows()
    )
    wanted = int(np.ceil(max(counts.values(), default=0) * ratio - 1e-9))
    small = {name: count for name, count in counts.items() if count < wanted}
    if method == "adasyn" and space.categories:
        raise RecipeError(
            "balance.smote: ADASYN needs numbers only.",
            received=space.categories,
            hint="`method: smote`, or leave the categories out of `inputs`",
        )
    parts: list[pl.DataFrame] = []
    after = dict(counts)
    # A loop over classes: each has neighbours, and random numbers, of its own.
    for name, count in small.items():
        if count < 2:
            continue
        made = _of_class(space, method, name, wanted, min(neighbours, count - 1), seed)
        after[name] += len(made)
        parts.append(_as_rows(space, name, made))
    findings: dict[str, Any] = {
        "target": space.target,
        "before": top(counts),
        "after": top(after),
        "rows_left_out": space.left_out,
        "classes_of_one_row": [name for name, count in small.items() if count < 2],
    }
    return Learned(added=pl.concat(parts) if parts else None, findings=findings)


def _of_class(
    space: Space, method: str, name: str, wanted: int, neighbours: int, seed: int
) -> Floats:
    """New points of one class."""
    try:
        from imblearn.over_sampling import ADASYN, SMOTE, SMOTEN, SMOTENC
    except ImportError:
        raise MissingExtra("curate", "Making rows by SMOTE") from None
    key = text_hash(pl.Series([f"{seed}/balance.smote/{name}"]))[0] % 2**32
    settings: dict[str, Any] = {"sampling_strategy": {name: wanted}, "random_state": key}
    width = len(space.numbers)
    if method == "adasyn":
        sampler = ADASYN(n_neighbors=neighbours, **settings)
    elif not space.categories:
        sampler = SMOTE(k_neighbors=neighbours, **settings)
    elif not space.numbers:
        sampler = SMOTEN(k_neighbors=neighbours, **settings)
    else:
        places = list(range(width, space.points.shape[1]))
        sampler = SMOTENC(categorical_features=places, k_neighbors=neighbours, **settings)
    try:
        points, _ = sampler.fit_resample(space.points, space.classes.to_numpy())
    except (ValueError, RuntimeError) as error:
        if method != "adasyn":
            raise
        raise RecipeError(
            f"balance.smote: ADASYN makes no rows of the class {name!r}: {error}",
            hint="`method: smote`",
        ) from None
    made: Floats = np.asarray(points, dtype=np.float64)[len(space.points) :]
    return made


def _as_rows(space: Space, name: str, made: Floats) -> pl.DataFrame:
    """Points as rows again, each with the nearest real row of the class."""
    own = np.flatnonzero((space.classes == name).to_numpy())
    width = len(space.numbers)
    nearest = own[_nearest(space.points[own], made, width)]
    columns = [space.rows.gather(pl.Series(nearest)).alias(PARENT)]
    for at, column in enumerate(space.numbers):
        real = numbers(space.table[column])[own]
        values = made[:, at] * space.spread[at] + space.middle[at]
        # There and back costs an ulp, which must not lead out of the class's range.
        values = np.clip(values, real.min(), real.max())
        columns.append(cast_back(values, space.table[column].dtype).alias(column))
    for at, column in enumerate(space.categories):
        _, values_of = _codes(space.table[column])
        codes = np.rint(made[:, width + at]).astype(np.int64)
        columns.append(values_of.gather(pl.Series(codes)).alias(column))
    return pl.DataFrame(columns)


def _nearest(real: Floats, made: Floats, width: int) -> npt.NDArray[np.int64]:
    """For each new point the nearest real one: by numbers, then by equal categories."""
    from sklearn.neighbors import NearestNeighbors

    if width == 0:
        search = NearestNeighbors(n_neighbors=1, metric="hamming").fit(real)
        found: npt.NDArray[np.int64] = search.kneighbors(made, return_distance=False)[:, 0]
        return found
    only_numbers = width == real.shape[1]
    many = 1 if only_numbers else min(_CANDIDATES, len(real))
    search = NearestNeighbors(n_neighbors=many).fit(real[:, :width])
    candidates = search.kneighbors(made[:, :width], return_distance=False)
    if only_numbers:
        first: npt.NDArray[np.int64] = candidates[:, 0]
        return first
    equal = (real[candidates][:, :, width:] == made[:, None, width:]).sum(axis=2)
    best: npt.NDArray[np.int64] = candidates[np.arange(len(made)), equal.argmax(axis=1)]
    return best


def _codes(column: pl.Series) -> tuple[Floats, pl.Series]:
    """A category's codes, and the value that each code stands for; null is a category."""
    values = column.unique().sort()
    texts = values.cast(pl.String)
    codes = column.cast(pl.String).replace_strict(
        texts, pl.int_range(len(values), eager=True), return_dtype=pl.Float64
    )
    floats: Floats = codes.to_numpy()
    return floats, values
