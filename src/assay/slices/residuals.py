"""Residuals against the prediction and against every field, and classes taken for each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.evaluation.scored import Floats
from assay.recipe import FieldType

BINS = 20
PER_BIN = 20
LEVELS = 12
FIELDS = 30
EXAMPLES = 5
PAIRS = 20


def residuals(
    prediction: Floats,
    truth: Floats,
    rows: pl.DataFrame,
    kinds: Mapping[str, FieldType],
) -> dict[str, Any]:
    """How far predictions are off, by their size and by the values of each field.

    A residual is prediction minus truth: above 0 the model says too much. Each bin has as many
    rows as the others; its band holds the middle 80 % of them, its interval is that of the mean.

    Args:
        prediction: of each row.
        truth: of each row.
        rows: their fields.
        kinds: the fields and what each is.

    Returns:
        `bias` and `spread`, `by_prediction` and for up to 30 fields `by_field`, each a list of
        bins: `label`, `from` and `to` (numbers only), `rows`, `mean`, `low`, `high` (interval of
        the mean), `band_low`, `median`, `band_high`; and `trend`, the p that all means are equal
        (Welch's analysis of variance, 1951).

    >>> truth = np.arange(100.0)
    >>> told = residuals(truth + 1, truth, pl.DataFrame(), {})
    >>> told["bias"], len(told["by_prediction"]["bins"])
    (1.0, 5)
    """
    off = prediction - truth
    fields = {}
    for name in list(kinds)[:FIELDS]:
        made = _binned(rows[name], kinds[name], off)
        if made is not None:
            fields[name] = made
    return {
        "bias": float(off.mean()),
        "spread": float(off.std(ddof=1)) if len(off) > 1 else 0.0,
        "by_prediction": _by_number(prediction, off),
        "by_field": fields,
    }


def _binned(column: pl.Series, kind: FieldType, off: Floats) -> dict[str, Any] | None:
    if kind in ("list", "object"):
        return None
    if kind in ("integer", "number"):
        values = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        return _by_number(values, off)
    if kind == "datetime":
        epoch = column.cast(pl.Datetime("us"), strict=False).dt.epoch("s")
        return _by_number(epoch.cast(pl.Float64).fill_null(np.nan).to_numpy(), off)
    texts = column.cast(pl.String)
    if texts.n_unique() > max(LEVELS, len(texts) // 10) and kind == "string":
        lengths = texts.str.len_chars().cast(pl.Float64).fill_null(np.nan).to_numpy()
        made = _by_number(lengths, off)
        return made | {"of": "length"} if made else None
    counts = texts.drop_nulls().value_counts(name="_rows")
    best = counts.sort("_rows", texts.name, descending=[True, False]).head(LEVELS)
    parts = [(value, (texts == value).fill_null(False).to_numpy()) for value in best[texts.name]]
    bins = [{"label": value, **_bin(off[part])} for value, part in parts if part.any()]
    if texts.null_count():
        gaps = texts.is_null().to_numpy()
        bins.append({"label": None, **_bin(off[gaps])})
        parts.append((None, gaps))
    return {"of": "value", "bins": bins, "trend": _trend([off[part] for _, part in parts])}


def _by_number(values: Floats, off: Floats) -> dict[str, Any] | None:
    known = np.isfinite(values)
    count = int(known.sum())
    if not count:
        return None
    order = np.flatnonzero(known)[np.argsort(values[known], kind="stable")]
    cuts = np.quantile(values[known], np.arange(1, _bins(count)) / _bins(count))
    place = np.searchsorted(np.unique(cuts), values[order], side="right")
    bins, parts = [], []
    for number in np.unique(place):  # at most 20
        part = order[place == number]
        low, high = float(values[part].min()), float(values[part].max())
        told = {"label": f"{low:.4g} to {high:.4g}", "from": low, "to": high}
        bins.append(told | _bin(off[part]))
        parts.append(off[part])
    if not known.all():
        bins.append({"label": None, **_bin(off[~known])})
        parts.append(off[~known])
    return {"of": "number", "bins": bins, "trend": _trend(parts)}


def _bins(count: int) -> int:
    return max(1, min(BINS, count // PER_BIN))


def _bin(off: Floats) -> dict[str, Any]:
    from scipy.stats import t as student

    low, median, high = (float(one) for one in np.quantile(off, [0.1, 0.5, 0.9]))
    told = {"rows": len(off), "mean": float(off.mean()), "low": None, "high": None}
    if len(off) > 1:
        half = float(student.ppf(0.975, len(off) - 1)) * float(off.std(ddof=1)) / len(off) ** 0.5
        told |= {"low": told["mean"] - half, "high": told["mean"] + half}
    return {**told, "band_low": low, "median": median, "band_high": high}


def _trend(parts: list[Floats]) -> float | None:
    """Welch's analysis of variance (1951, Biometrika 38:330-336): p that all means are equal."""
    from scipy.stats import f as fisher

    fit = [part for part in parts if len(part) > 1 and part.var() > 0]
    if len(fit) < 2:
        return None
    n = np.array([len(part) for part in fit])
    mean = np.array([part.mean() for part in fit])
    weight = n / np.array([part.var(ddof=1) for part in fit])
    k, total = len(fit), weight.sum()
    middle = (weight * mean).sum() / total
    uneven = (((1 - weight / total) ** 2) / (n - 1)).sum()
    above = (weight * (mean - middle) ** 2).sum() / (k - 1)
    value = above / (1 + 2 * (k - 2) / (k**2 - 1) * uneven)
    return float(fisher.sf(value, k - 1, (k**2 - 1) / (3 * uneven)))


def confusions(
    truth: npt.NDArray[np.int64],
    prediction: npt.NDArray[np.int64],
    classes: tuple[str, ...],
    ids: pl.Series,
    sure: Floats | None = None,
) -> list[dict[str, Any]]:
    """The classes most often taken for each other, with the surest mistakes as examples.

    Args:
        truth: codes of the true classes.
        prediction: codes of the predicted ones, -1 for what is none of the classes.
        classes: the labels.
        ids: of the rows.
        sure: how sure the model was of each row's prediction.

    Returns:
        At most 20 pairs, the most frequent first: `truth`, `predicted`, `rows`, `share` of the
        rows of the true class with its Wilson interval `low` and `high`, `back` (rows the other
        way round) and `examples` (ids).

    >>> ids = pl.Series(["a", "b", "c"])
    >>> one = confusions(np.array([0, 0, 1]), np.array([1, 0, 1]), ("no", "yes"), ids)[0]
    >>> one["truth"], one["predicted"], one["rows"], one["examples"]
    ('no', 'yes', 1, ['a'])
    """
    from assay.evaluation.intervals import wilson

    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    told = (truth >= 0) & (prediction >= 0)
    np.add.at(counts, (truth[told], prediction[told]), 1)
    sizes = counts.sum(axis=1)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    found = []
    for flat in order:  # at most 20
        a, b = divmod(int(flat), len(classes))
        if not wrong[a, b]:
            break
        places = np.flatnonzero((truth == a) & (prediction == b))
        if sure is not None:
            places = places[np.argsort(-sure[places], kind="stable")]
        interval = wilson(int(wrong[a, b]), int(sizes[a]))
        found.append(
            {
                "truth": classes[a],
                "predicted": classes[b],
                "rows": int(wrong[a, b]),
                "share": float(wrong[a, b] / sizes[a]),
                "low": interval.low,
                "high": interval.high,
                "back": int(counts[b, a]),
                "examples": ids.gather(places[:EXAMPLES]).cast(pl.String).to_list(),
            }
        )
    return found
