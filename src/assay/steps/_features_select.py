"""How much each input tells about a target: scores for `features.select`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.rows import uniform
from assay.steps._balance_learn import is_class, kind_of, labels, numbers, one_thread

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_ROWS = 20_000
_CATEGORIES = 250
_SHUFFLES = 5
_HELD_OUT = 1 / 3
_CLASSES = 10
_SHOWN = 30
_UNITS = {
    "mutual_information": "nats",
    "permutation": "growth of the error",
    "l1": "sum of standardised coefficients",
}


def scored(
    train: pl.DataFrame,
    rows: pl.Series,
    *,
    target: str,
    names: Sequence[str],
    method: str,
    seed: int,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rank the inputs.

    Args:
        train: the rows to learn from, in the order of their ids.
        rows: their ids.
        target: what is told.
        names: what may tell it.
        method: as in `features.select`.
        seed: of everything that is drawn.

    Returns:
        The inputs with `score` (and for permutation `low` and `high`), the best first; and
        `rows`, `unit`, `unranked` and a `note` where nothing could be learned.
    """
    answers = labels(train[target]) if is_class(train[target]) else train[target]
    usable = (
        answers.is_not_null().to_numpy()
        if is_class(train[target])
        else np.isfinite(numbers(answers))
    )
    places = np.flatnonzero(usable)
    if len(places) > _ROWS:
        drawn = uniform(rows.to_numpy()[places], seed, "features.select")
        places = places[np.sort(np.argsort(drawn, kind="stable")[:_ROWS])]
    some = train[places]
    plain = {name: _as_numbers(some[name]) for name in names}
    ranked = [name for name in names if plain[name] is not None]
    about: dict[str, Any] = {
        "rows": len(places),
        "unit": _UNITS[method],
        "unranked": [name for name in names if name not in ranked],
        "note": None,
    }
    told = answers[places]
    if told.n_unique() < 2 or len(places) < 6 or not ranked:
        about["note"] = (
            "nothing is dropped: there is no input to rank"
            if not ranked
            else "nothing is dropped: the target has one value, or too few rows, in train"
        )
        return [{"input": name, "score": 0.0} for name in ranked], about
    matrix = np.column_stack([one for name in ranked if (one := plain[name]) is not None])
    discrete = np.array([kind_of(some[name]) == "category" for name in ranked])
    if is_class(train[target]):
        classes = told.unique().sort()
        y: Floats = told.replace_strict(
            classes, pl.int_range(len(classes), eager=True), return_dtype=pl.Float64
        ).to_numpy()
        many = len(classes)
    else:
        y, many = numbers(told), 0
    ids = rows.to_numpy()[places]
    score = {"mutual_information": _mutual, "permutation": _permuted, "l1": _lasso}[method]
    found = score(matrix, discrete, y, many, ids, seed)
    scores = [{"input": name} | one for name, one in zip(ranked, found, strict=True)]
    return sorted(scores, key=lambda one: (-one["score"], ranked.index(one["input"]))), about


def _as_numbers(column: pl.Series) -> Floats | None:
    """Numbers and dates as floats, categories as codes by frequency; null for texts and lists."""
    if column.dtype.is_temporal():
        return numbers(column.to_physical())
    kind = kind_of(column)
    if kind == "number":
        return numbers(column)
    if kind != "category":
        return None
    texts = column.cast(pl.String)
    counts = texts.drop_nulls().value_counts(name="_count")
    counts = counts.sort("_count", column.name, descending=[True, False])
    # The rarest share a code with one another, since trees take no more.
    codes = np.minimum(np.arange(counts.height), _CATEGORIES - 2)
    coded = texts.replace_strict(
        counts[column.name], pl.Series(codes), default=None, return_dtype=pl.Float64
    )
    floats: Floats = coded.fill_null(float("nan")).to_numpy()
    return floats


def _mutual(
    matrix: Floats,
    discrete: npt.NDArray[np.bool_],
    y: Floats,
    many: int,
    ids: npt.NDArray[np.uint64],
    seed: int,
) -> list[dict[str, float]]:
    """Each input's mutual information with the target, by nearest neighbours for numbers.

    It is the same for ranks, among which no value lies so far out that the others become one.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    ranks = [
        column if kind else _ranks(column) for column, kind in zip(matrix.T, discrete, strict=True)
    ]
    # What is missing lies apart from all there is.
    filled = np.nan_to_num(np.column_stack(ranks), nan=-1.0)
    estimate = mutual_info_classif if many else mutual_info_regression
    with one_thread():
        found = estimate(
            filled,
            y.astype(np.int64) if many else _ranks(y),
            discrete_features=discrete,
            random_state=seed % 2**32,
        )
    return [{"score": float(value)} for value in found]


def _ranks(values: Floats) -> Floats:
    """Ranks from 0 to 1, equal ones shared, NaN left alone."""
    ranks = pl.Series(values).fill_nan(None).rank("average").fill_null(float("nan"))
    scaled: Floats = ranks.to_numpy() / max(len(values), 1)
    return scaled


def _permuted(
    matrix: Floats,
    discrete: npt.NDArray[np.bool_],
    y: Floats,
    many: int,
    ids: npt.NDArray[np.uint64],
    seed: int,
) -> list[dict[str, float]]:
    """By how much each row's error grows when an input is shuffled, on rows held out."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    held = uniform(ids, seed, "features.select/held out") < _HELD_OUT
    # A few rows may all fall on one side.
    if held.all() or not held.any() or (many and len(np.unique(y[~held])) < 2):
        held = np.arange(len(y)) % 3 == 2
    # scikit-learn bins no column in which all is missing.
    matrix = np.where(np.isnan(matrix[~held]).all(axis=0), 0.0, matrix)
    settings: dict[str, Any] = {
        "early_stopping": False,
        "categorical_features": discrete,
        "random_state": seed % 2**32,
    }
    test, truth = matrix[held], y[held]
    if many:
        chooser = HistGradientBoostingClassifier(**settings)
        with one_thread():
            chooser.fit(matrix[~held], y[~held])
        column_of = np.searchsorted(chooser.classes_, truth).clip(0, len(chooser.classes_) - 1)
        seen = np.isin(truth, chooser.classes_)

        def error(inputs: Floats) -> Floats:
            chances = chooser.predict_proba(inputs)
            # A class that training never showed has no chance.
            right = np.where(seen, chances[np.arange(len(truth)), column_of], 0.0)
            return -np.log(np.maximum(right, 1e-9))
    else:
        model = HistGradientBoostingRegressor(loss="absolute_error", **settings)
        with one_thread():
            model.fit(matrix[~held], y[~held])

        def error(inputs: Floats) -> Floats:
            apart: Floats = np.abs(model.predict(inputs) - truth)
            return apart

    with one_thread():
        return _growths(error, test, ids[held], seed)


def _growths(
    error: Any, test: Floats, ids: npt.NDArray[np.uint64], seed: int
) -> list[dict[str, float]]:
    before = error(test)
    found: list[dict[str, float]] = []
    for at in range(test.shape[1]):
        growth = np.zeros(len(test))
        for turn in range(_SHUFFLES):
            order = np.argsort(uniform(ids, seed, f"features.select/{at}/{turn}"), kind="stable")
            shuffled = test.copy()
            shuffled[:, at] = test[order, at]
            growth += (error(shuffled) - before) / _SHUFFLES
        middle = float(growth.mean())
        half = 1.96 * float(growth.std(ddof=1) / np.sqrt(len(growth))) if len(growth) > 1 else 0.0
        found.append({"score": middle, "low": middle - half, "high": middle + half})
    return found


def _lasso(
    matrix: Floats,
    discrete: npt.NDArray[np.bool_],
    y: Floats,
    many: int,
    ids: npt.NDArray[np.uint64],
    seed: int,
) -> list[dict[str, float]]:
    """The absolute standardised coefficients of linear models with an L1 penalty, summed up.

    Classes are told apart one from the rest, the most frequent ten of them.
    """
    parts: list[Floats] = []
    owner: list[int] = []
    for at, column in enumerate(matrix.T):
        gaps = np.isnan(column)
        if discrete[at]:
            # Codes are by frequency, so the first are the most frequent categories.
            made = [column == code for code in np.unique(column[~gaps])[:_SHOWN]]
        else:
            made = [np.where(gaps, np.median(column[~gaps]) if (~gaps).any() else 0.0, column)]
        made += [gaps] if gaps.any() else []
        parts.extend(np.asarray(one, dtype=np.float64) for one in made)
        owner.extend([at] * len(made))
    wide = _standardised(np.column_stack(parts))
    codes, sizes = np.unique(y, return_counts=True)
    chosen = codes[np.argsort(-sizes, kind="stable")[: (1 if many == 2 else _CLASSES)]]
    answers = [(y == code).astype(np.float64) for code in chosen] if many else [y]
    total = np.zeros(matrix.shape[1])
    for answer in answers:
        found = _coefficients(wide, _standardised(answer[:, None])[:, 0])
        total += np.bincount(owner, weights=np.abs(found), minlength=matrix.shape[1])
    return [{"score": float(value)} for value in total]


def _standardised(values: Floats) -> Floats:
    """Columns with mean 0 and deviation 1; those without a deviation in floats become 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        spread = values.std(axis=0)
        usable = np.isfinite(spread) & (spread > 0)
        scaled: Floats = (values - values.mean(axis=0)) / np.where(usable, spread, 1.0)
    return np.where(usable, scaled, 0.0)


def _coefficients(inputs: Floats, answer: Floats) -> Floats:
    """A lasso's coefficients at the penalty that cross-validation finds best."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    strongest = float(np.abs(inputs.T @ answer).max()) / len(answer)
    if strongest == 0:
        return np.zeros(inputs.shape[1])
    # Rows stand in the order of their hashes, so that folds of neighbours are random ones.
    model = LassoCV(alphas=strongest * np.logspace(0, -3, 25), cv=min(5, len(answer)))
    with one_thread(), warnings.catch_warnings():
        # A ranking does not need the last digit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found: Floats = model.fit(inputs, answer).coef_
    return found
