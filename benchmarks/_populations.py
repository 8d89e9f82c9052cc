"""Made-up populations with known scores, for `coverage.py`."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from assay.evaluation.scored import Scored

Draw = Callable[[np.random.Generator, int, int, float], list[Scored]]


def numbers(draw: np.random.Generator, n: int, models: int, worse: float) -> list[Scored]:
    """Gamma truths, normal errors that models share by half; the last model errs more."""
    truth = draw.gamma(4, 25, n)
    common = draw.normal(0, 14, n)
    found = []
    for place in range(models):
        error = common + draw.normal(2, 14, n)
        if place == models - 1:
            error *= 1 + worse
        predicted = truth + error
        width = draw.uniform(20, 50, n)
        found.append(Scored(truth, predicted, low=predicted - width, high=predicted + width))
    return found


def prices(draw: np.random.Generator, n: int, models: int, worse: float) -> list[Scored]:
    """Log-normal truths, errors in proportion: a few rows carry the squares."""
    truth = draw.lognormal(4, 1, n)
    common = draw.normal(0, 0.3, n)
    found = []
    for place in range(models):
        spread = common + draw.normal(0, 0.3, n)
        if place == models - 1:
            spread *= 1 + worse
        found.append(Scored(truth, truth * np.exp(spread)))
    return found


def two(draw: np.random.Generator, n: int, models: int, worse: float) -> list[Scored]:
    """Two classes, three rows in ten positive, an area of about 0.85."""
    truth = (draw.random(n) < 0.3).astype(np.int64)
    common = draw.normal(0, 0.75, n)
    found = []
    for place in range(models):
        noise = common + draw.normal(0, 0.75 + worse * (place == models - 1), n)
        sure = 1 / (1 + np.exp(-(1.6 * truth + noise - 1.4) * 1.3))
        proba = np.column_stack([1 - sure, sure])
        found.append(Scored(truth, proba.argmax(axis=1), proba, None, ("0", "1"), 1))
    return found


def four(draw: np.random.Generator, n: int, models: int, worse: float) -> list[Scored]:
    """Four classes of unequal size."""
    truth = np.searchsorted([0.4, 0.7, 0.9], draw.random(n))
    common = draw.normal(0, 0.8, (n, 4))
    found = []
    for place in range(models):
        noise = common + draw.normal(0, 0.8 + worse * (place == models - 1), (n, 4))
        power = np.exp(1.8 * np.eye(4)[truth] + noise)
        proba = power / power.sum(axis=1, keepdims=True)
        found.append(Scored(truth, proba.argmax(axis=1), proba, None, tuple("abcd")))
    return found


def queries(draw: np.random.Generator, n: int, models: int, worse: float) -> list[Scored]:
    """Three wanted items among eight, ranked by a score that knows a little."""
    names = np.array(list("abcdefgh"))
    wanted = np.array([json.dumps(names[:3].tolist())] * n, dtype=object)
    common = draw.normal(0, 0.7, (n, 8))
    found = []
    for place in range(models):
        noise = common + draw.normal(0, 0.7 + worse * (place == models - 1), (n, 8))
        order = np.argsort(-(noise + (np.arange(8) < 3)), axis=1)
        lists = [json.dumps(names[row].tolist()) for row in order]
        found.append(Scored(wanted, np.array(lists, dtype=object)))
    return found


POPULATIONS: dict[str, tuple[Draw, str, str]] = {
    "numbers": (
        numbers,
        "number",
        "mae,rmse,median_ae,r2,explained_variance,calibration_slope,smape,quantile_loss,hits,"
        "interval_coverage,interval_width",
    ),
    "prices": (prices, "number", "mae,rmse,rmsle,mape,median_ae,r2"),
    "two": (
        two,
        "class",
        "accuracy,balanced_accuracy,f1,precision,recall,specificity,mcc,kappa,roc_auc,"
        "average_precision,log_loss,brier,ece",
    ),
    "four": (
        four,
        "class",
        "balanced_accuracy,f1,precision,recall,mcc,kappa,mean_cost,top_k,roc_auc,log_loss,brier",
    ),
    "queries": (queries, "ranking", "ndcg,map,mrr"),
}
