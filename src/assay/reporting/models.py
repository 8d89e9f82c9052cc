"""An evaluation as the leaderboard and what stands beside each model's score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting import charts
from assay.reporting.words import (
    MISSING,
    decimals,
    finite,
    integer,
    many,
    number,
    p_value,
    seconds,
    share,
    short,
)

Plain = dict[str, Any]
MOST_ROWS = 500
LETTERS = "abcdefghijklmnopqrstuvwxyz"
IN_UNIT = ("mae", "rmse", "median_ae")
IN_PERCENT = ("hits", "accuracy")
LABELS = {
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "rmsle": "RMSLE",
    "r2": "R²",
    "median_ae": "Median absolute error",
    "hits": "Hits",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
}


def label(metric: str) -> str:
    """A metric's name as people write it.

    >>> label("mae"), label("own_score")
    ('Mean absolute error', 'own_score')
    """
    return LABELS.get(metric, short(metric, 60))


class Figures:
    """The scores of one metric in one form: the same unit, the same decimals, one axis."""

    def __init__(self, metric: str, scores: Mapping[str, Mapping[str, Any]], unit: Any) -> None:
        known = list(scores.values())
        within = all(0 <= (finite(s.get("value")) or 0) <= 1 for s in known)
        self.times = 100 if metric.startswith(IN_PERCENT) and within else 1
        self.unit = "%" if self.times == 100 else unit if metric in IN_UNIT else None
        self.metric, self.scores = metric, {name: self._scaled(s) for name, s in scores.items()}
        found = self.scores.values()
        gaps = [s["high"] - s["low"] for s in found if None not in (s["high"], s["low"])]
        self.decimals = 1 if self.times == 100 else decimals(gaps, [s["value"] for s in found])
        if self.unit in ("USD", "EUR", "GBP") and self.decimals in (1, 3, 4):
            self.decimals = 2
        middle = sorted(abs(s["value"]) for s in found if s["value"] is not None)
        if middle and 1 <= middle[len(middle) // 2] < 1000:
            self.decimals = max(self.decimals, 1 if self.times == 100 else 2)  # as papers print it
        self.higher = any(s.get("better") == "higher" for s in known)
        self.axis = charts.whiskers(list(found), self.unit)

    def _scaled(self, score: Mapping[str, Any]) -> Plain:
        ends = {key: finite(score.get(key)) for key in ("value", "low", "high")}
        return {**score, **{k: None if v is None else v * self.times for k, v in ends.items()}}

    def text(self, item: Any) -> str:
        """One value of this metric, already scaled."""
        return number(item, self.decimals, self.unit)

    def signed(self, item: float) -> str:
        """A difference, with its sign."""
        text = self.text(item)
        return text if text.startswith("−") or not item else f"+{text}"

    def interval(self, score: Mapping[str, Any] | None) -> str:
        """`low to high`, or nothing where there is no interval."""
        if not score or score["low"] is None or score["high"] is None:
            return ""
        return f"{self.text(score['low'])} to {self.text(score['high'])}"

    def drawn(self, name: str) -> Plain | None:
        """One score as its text, its interval and its place on the axis."""
        score = self.scores.get(name)
        if score is None or score["value"] is None:
            return None
        found = {"text": self.text(score["value"]), "interval": self.interval(score), "best": False}
        return {**found, **(charts.whisker(score, self.axis) or {})}

    def key(self, model: str) -> tuple[bool, float]:
        """Sorts the best first and whoever has no score last."""
        known = (self.scores.get(model) or {}).get("value")
        return (known is None, 0.0 if known is None else -known if self.higher else known)

    def best(self) -> str | None:
        """The model with the best value."""
        ranked = sorted(self.scores, key=self.key)
        return ranked[0] if ranked and not self.key(ranked[0])[0] else None


def figures(evaluation: Mapping[str, Any], split: str) -> list[Figures]:
    """The metrics that have scores on a split, in the evaluation's order."""
    named = list(dict.fromkeys(evaluation.get("metrics") or ()))
    scores: dict[str, dict[str, Mapping[str, Any]]] = {name: {} for name in named}
    for score in evaluation.get("scores") or ():
        if str(score.get("split") or split) == split:
            scores.setdefault(str(score.get("metric")), {})[str(score.get("model"))] = score
    unit = evaluation.get("unit")
    return [Figures(name, found, unit) for name, found in scores.items() if found]


def order(evaluation: Mapping[str, Any], found: Sequence[Figures]) -> list[str]:
    """All models, the best by the first metric first."""
    names = [str(model.get("model")) for model in evaluation.get("models") or ()]
    names += [name for one in found for name in one.scores]
    names = list(dict.fromkeys(names))
    return sorted(names, key=found[0].key) if found else names


def leaderboard(evaluation: Mapping[str, Any], split: str) -> Plain | None:
    """Every model with every metric on one split, in the order of the first metric."""
    found = figures(evaluation, split)
    ranked = order(evaluation, found)
    if not ranked:
        return None
    about = {str(model.get("model")): model for model in evaluation.get("models") or ()}
    given = evaluation.get("best")
    best = str(given) if given is not None else found[0].best() if found else None
    against = _comparisons(evaluation, best, found[0].metric if found else None)
    tops = [one.best() for one in found]
    rows = []
    for rank, name in enumerate(ranked[:MOST_ROWS], 1):
        model = about.get(name) or {}
        rows.append(
            {
                "rank": rank,
                "model": short(name),
                "best": name == best,
                "cells": [_cell(one, name, name == tops[at]) for at, one in enumerate(found)],
                **(told := _against(against.get(name), found[0] if found else None, best)),
                "level": told["p"] not in ("", MISSING) and not told["apart"],
                "seconds": seconds(model.get("seconds")),
                "cost": number(model.get("cost"), None, "USD") if model.get("cost") else MISSING,
                "missing": integer(model.get("missing") or 0),
                "some_missing": bool(model.get("missing")),
                "error": short(model.get("error"), 1000),
                "parameters": [(short(k, 60), short(v, 120))
                               for k, v in (model.get("parameters") or {}).items()],
            }
        )  # fmt: skip
    methods = sorted({str(s["method"]) for one in found for s in one.scores.values()
                      if s.get("method")})  # fmt: skip
    tests = sorted({str(one["test"]) for one in against.values() if one.get("test")})
    return {
        "split": split,
        "metrics": [
            {
                "name": short(one.metric, 60),
                "label": label(one.metric),
                "by": sentence_case(label(one.metric)),
                "better": "higher is better" if one.higher else "lower is better",
                "ticks": one.axis["ticks"],
            }
            for one in found
        ],
        "rows": rows,
        "more": max(0, len(ranked) - MOST_ROWS),
        "best": short(best) if best is not None else None,
        "compared": any(row["sentence"] or row["p"] for row in rows),
        "level": any(row["level"] for row in rows),
        "costs": any(row["cost"] != MISSING for row in rows),
        "parameters": any(row["parameters"] for row in rows),
        "methods": [short(name, 60) for name in methods],
        "tests": [short(name, 60) for name in tests],
        "ranking": ranking(evaluation, found[0].metric if found else None),
    }


def ranking(evaluation: Mapping[str, Any], metric: str | None) -> Plain | None:
    """The models by mean rank, and the groups that cannot be told apart, marked by letters.

    Two bars of one critical difference overlap just where two models are not told apart.
    """
    one = next((r for r in evaluation.get("rankings") or () if r.get("metric") == metric), None)
    if one is None or not one.get("models"):
        return None
    half = (finite(one.get("critical_difference")) or 0.0) / 2
    names, means = one["models"][:MOST_ROWS], one["mean_ranks"][:MOST_ROWS]
    scores = [{"value": m, "low": m - half, "high": m + half} for m in means]
    axis = charts.axis(min(1.0, means[0] - half), means[-1] + half, wanted=5)
    alike = [set(group) for group in one.get("alike") or ()]
    # A model that stands alone is a group of its own.
    groups = sorted(alike + [{n} for n in names if not any(n in group for group in alike)],
                    key=lambda group: min(names.index(n) for n in group if n in names))  # fmt: skip
    return {
        "by": sentence_case(label(str(metric))),
        "about": short(one.get("sentence"), 600),
        "difference": number(2 * half, 2),
        "ticks": axis["ticks"],
        "rows": [
            {
                "model": short(name),
                "mean": number(mean, 2),
                "letters": "".join(
                    LETTERS[at % len(LETTERS)] for at, group in enumerate(groups) if name in group
                ),
                "best": False,
                "tip": f"{short(name, 60)}\nmean rank {number(mean, 2)}",
                **(charts.whisker(score, axis) or {}),
            }
            for name, mean, score in zip(names, means, scores, strict=True)
        ],
    }


def _cell(one: Figures, name: str, best: bool) -> Plain | None:
    score = one.scores.get(name)
    if score is None or score["value"] is None:
        return None
    interval = one.interval(score)
    rows = f", {integer(score['n'])} rows" if score.get("n") else ""
    return {
        "text": one.text(score["value"]),
        "interval": interval,
        "best": best,
        "sort": score["value"],
        "tip": f"{short(name, 60)}\n{label(one.metric)} {one.text(score['value'])}"
        + (f"\n95\u202f% interval {interval}" if interval else "")
        + rows,
        **(charts.whisker(score, one.axis) or {}),
    }


def _comparisons(
    evaluation: Mapping[str, Any], best: str | None, metric: str | None
) -> dict[str, Mapping[str, Any]]:
    """Each other model's comparison with the best, by the first metric where there are more."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in evaluation.get("comparisons") or ():
        pair = {str(one.get("a")), str(one.get("b"))}
        if best in pair and len(pair) == 2:
            (other,) = pair - {best}
            if other not in found or one.get("metric") == metric:
                found[other] = one
    return found


def _against(one: Mapping[str, Any] | None, shown: Figures | None, best: str | None) -> Plain:
    if one is None:
        return {
            "sentence": "",
            "p": "",
            "difference": "",
            "difference_interval": "",
            "apart": False,
        }
    low, high = finite(one.get("low")), finite(one.get("high"))
    difference = finite(one.get("difference"))
    text = interval = ""
    if shown is not None and difference is not None and one.get("metric") == shown.metric:
        # The file holds a minus b; shown is how far the other model is from the best.
        times = -shown.times if str(one.get("a")) == best else shown.times
        text = shown.signed(times * difference)
        if low is not None and high is not None:
            ends = [shown.signed(v) for v in sorted((times * low, times * high))]
            interval = f"{ends[0]} to {ends[1]}"
    p = finite(one.get("p"))
    return {
        "sentence": short(one.get("sentence"), 600),
        "p": p_value(p),
        "difference": text,
        "difference_interval": interval,
        # As the sentence does: only where the interval leaves out zero as well.
        "apart": (p is not None and p < 0.05)
        and ((low is not None and low > 0) or (high is not None and high < 0)),
    }


def headline(evaluation: Mapping[str, Any]) -> Plain | None:
    """The best model and its scores by the first few metrics, for the top of the page."""
    found = figures(evaluation, str(evaluation.get("split") or "test"))
    if not found:
        return None
    given = evaluation.get("best")
    best = str(given) if given is not None else found[0].best()
    if best is None:
        return None
    scores = [
        {
            "label": label(one.metric),
            "value": one.text(one.scores[best]["value"]),
            "note": one.interval(one.scores[best]),
        }
        for one in found[:3]
        if best in one.scores and one.scores[best]["value"] is not None
    ]
    return {"model": short(best), "scores": scores}


def lead(board: Mapping[str, Any]) -> str:
    """Who is ahead, and of how many that can be said.

    >>> rows = [{"best": True, "p": ""}, {"best": False, "p": "0.40", "apart": False}]
    >>> lead({"rows": rows, "best": "trees", "metrics": [{"label": "Hits"}]})
    'trees leads by hits, but 1 of 1 other model cannot be told apart from it.'
    """
    if not board["metrics"] or board["best"] is None:
        return ""
    by = sentence_case(board["metrics"][0]["label"])
    others = [row for row in board["rows"] if not row["best"] and row["p"] not in ("", MISSING)]
    level = [row for row in others if not row["apart"]]
    if not others:
        return f"{board['best']} leads by {by}."
    if not level:
        return f"{board['best']} leads by {by} and is told apart from every other model."
    count = f"{len(level)} of {many(len(others), 'other model')}"
    return f"{board['best']} leads by {by}, but {count} cannot be told apart from it."


def sentence_case(name: str) -> str:
    """A metric's label inside a sentence: abbreviations keep their capitals.

    >>> sentence_case("Mean absolute error"), sentence_case("RMSLE"), sentence_case("ROC AUC")
    ('mean absolute error', 'RMSLE', 'ROC AUC')
    """
    return name if name[1:2].isupper() or len(name) == 2 else name[:1].lower() + name[1:]


def missing_sentence(board: Mapping[str, Any], rows: Any) -> str:
    """How many predictions could not be scored, if any."""
    short_of = [row for row in board["rows"] if row["some_missing"]]
    if not short_of:
        return ""
    count = many(len(short_of), "model has", "models have")
    worst = max(short_of, key=lambda row: int(row["missing"].replace(",", "")))
    part = share(int(worst["missing"].replace(",", "")), rows)
    return (
        f"{count} rows without a usable prediction (at most {worst['missing']}, {part}, for "
        f"{worst['model']}). Such rows are counted, never scored."
    )
