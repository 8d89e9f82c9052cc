"""What stands behind a model's score: its points, its confusions, its worst rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from assay.reporting import charts, plots
from assay.reporting.words import affixes, decimals, finite, integer, number, share, short, value

Plain = dict[str, Any]
MOST_MODELS = 12
MOST_POINTS = 9_000  # over all models, so that the page stays small
MOST_LABELS = 100
MOST_TEXT = 700_000  # characters of worst rows over all models
_LAYER = {"plain": 0, "green": 0, "orange": 1, "red": 2}
LIMITS = {"absolute": 40.0, "relative": 0.2}


def details(
    evaluation: Mapping[str, Any], ranked: Sequence[str], most: int = MOST_MODELS
) -> list[Plain]:
    """The details of the first models of the leaderboard, at most `most`."""
    known = evaluation.get("details") or {}
    names = [name for name in ranked if known.get(name)]
    names += [name for name in known if name not in names and known.get(name)]
    names = names[:most]
    chosen = {name: known[name] for name in names}
    limits = {**LIMITS, **(evaluation.get("bands") or {})}
    thinned = {name: _points(one.get("points"), len(names)) for name, one in chosen.items()}
    pairs = [point[1:] for points in thinned.values() for point in points]
    scale = charts.square(np.array(pairs, dtype=float).reshape(-1, 2), evaluation.get("unit"))
    # Where every guess would be green the bands tell nothing, as for ratings of one to five.
    telling = scale["high"] - scale["low"] > 1.5 * limits["absolute"]
    cut = _cut([row for one in chosen.values() for row in one.get("worst") or ()])
    learned = {str(one.get("model")): one for one in evaluation.get("models") or ()}
    unit = evaluation.get("unit")
    return [
        {
            "model": short(name),
            "id": f"m{index}",
            "scatter": _scatter(thinned[name], scale, limits if telling else None, evaluation),
            "bands": _bands(one.get("bands"), limits, unit) if telling else [],
            "residuals": plots.residuals(thinned[name], unit),
            "running": _running(one.get("running") or (), unit),
            "calibration": plots.calibration(one.get("calibration"), unit),
            "curves": plots.curves(one.get("curves")),
            "learning": plots.history((learned.get(name) or {}).get("history") or ()),
            "confusion": _confusion(
                one.get("confusion"), evaluation.get("classes") or (), one.get("worst") or ()
            ),
            "worst": _worst(one.get("worst") or (), unit, cut),
        }
        for index, (name, one) in enumerate(chosen.items())
    ]


def _points(points: Iterable[Sequence[Any]] | None, models: int) -> list[list[Any]]:
    usable = [[short(p[0]), float(p[1]), float(p[2])] for p in points or ()
              if finite(p[1]) is not None and finite(p[2]) is not None]  # fmt: skip
    most = max(300, MOST_POINTS // max(1, models))
    step = max(1.0, len(usable) / most)
    return [usable[int(index * step)] for index in range(int(len(usable) / step))]


def _scatter(
    points: Sequence[Sequence[Any]],
    scale: charts.Axis,
    limits: Mapping[str, float] | None,
    evaluation: Mapping[str, Any],
) -> Plain | None:
    if not points:
        return None
    drawn = charts.scatter(points, scale, limits)
    # The marks stand in the page by band, the largest errors on top; the rows keep their order.
    place = sorted(range(len(points)), key=lambda index: _LAYER[drawn["marks"][index][2]])
    digits = [_round(point[1:]) for point in points]
    rows = [[points[index][0], *digits[index]] for index in place]
    truths = np.array([point[1] for point in points])
    guesses = np.array([point[2] for point in points])
    high, low = int((guesses > truths).sum()), int((guesses < truths).sum())
    about = (
        f"{integer(len(points))} rows. {share(high, len(points))} of the predictions lie above the "
        f"truth, {share(low, len(points))} below."
    )
    return {
        **drawn,
        "marks": [drawn["marks"][index] for index in place],
        "axis": scale,
        "rows": rows,
        "about": about,
        "target": short(evaluation.get("target") or "target", 60),
        "unit": affixes(evaluation.get("unit")),
    }


def _round(pair: Sequence[float]) -> list[float]:
    """Six significant digits are more than a tooltip shows and half the bytes."""
    return [float(f"{item:.6g}") for item in pair]


def _bands(counts: Mapping[str, Any] | None, limits: Mapping[str, float], unit: Any) -> list[Plain]:
    if not counts:
        return []
    total = sum(finite(counts.get(name)) or 0 for name in charts.BANDS)

    def under(times: int) -> str:
        amount = times * limits["absolute"]
        edge = number(amount, 0 if amount == round(amount) else None, unit)
        return f"with an error under {edge} or {number(100 * times * limits['relative'])}\u202f%"

    words = {"green": under(1), "orange": under(2), "red": "with a larger error"}
    return [
        {
            "band": name,
            "words": words[name],
            "count": integer(counts.get(name) or 0),
            "share": share(counts.get(name) or 0, total),
            "width": round(100 * (finite(counts.get(name)) or 0) / (total or 1), 2),
        }
        for name in charts.BANDS
    ]


def _running(rows: Sequence[Sequence[Any]], unit: Any) -> Plain | None:
    drawn = charts.running(rows, unit)
    if drawn is None:
        return None
    tips = []
    for n, mean, low, high in drawn.pop("rows"):
        interval = (
            ""
            if low is None or high is None
            else (f"\n95\u202f% band {number(low, None, unit)} to {number(high, None, unit)}")
        )
        tips.append(f"{integer(n)} rows\nmean error {number(mean, None, unit)}{interval}")
    n, mean, low, high = list(rows)[-1]
    about = f"After {integer(n)} rows the mean error is {number(mean, None, unit)}"
    if finite(low) is not None and finite(high) is not None:
        about += f", between {number(low, None, unit)} and {number(high, None, unit)}"
    return plots.plot(
        "running", "Running mean error", drawn["x"], drawn["y"], across="rows scored",
        upwards="mean error", area=drawn["area"], lines=[("line", drawn["line"])], tips=tips,
        xs=drawn["xs"], about=f"{about}.",
        note="The band holds the mean with 95\u202f% confidence.",
    )  # fmt: skip


def _confusion(
    given: Mapping[str, Any] | None,
    classes: Sequence[Any],
    worst: Sequence[Mapping[str, Any]] = (),
) -> Plain | None:
    """Counts of truth (rows) by prediction (columns); beyond a hundred labels the rarest fold.

    The most frequent confusions have examples, which are the surest errors of their kind.
    """
    if not given or not given.get("labels"):
        return None
    labels = [short(label, 60) for label in given["labels"]]
    counts = np.nan_to_num(np.array(given["counts"], dtype=float).reshape(len(labels), -1))
    columns = [short(label, 60) for label in given.get("predicted") or given["labels"]]
    columns += ["other label"] * (counts.shape[1] - len(columns))
    if len(labels) > MOST_LABELS and counts.shape[0] == counts.shape[1]:
        labels, counts = _folded(labels, counts)
        columns = labels
    totals = counts.sum(axis=1)
    shares = np.divide(
        counts, totals[:, None], out=np.zeros_like(counts), where=totals[:, None] > 0
    )
    # A row or column that gathers many labels has no right answers on the diagonal.
    mixed = {i for i, name in enumerate(labels) if name.endswith("other labels")
             or (name == "other" and classes and "other" not in classes)}  # fmt: skip
    rows = []
    for i, name in enumerate(labels):
        cells = [None if not counts[i, j] else {
            "count": integer(counts[i, j]),
            "shade": round(float(shares[i, j]), 3),
            "share": share(counts[i, j], totals[i]),
            "right": i == j and i not in mixed,
        } for j in range(counts.shape[1])]  # fmt: skip
        rows.append(
            {
                "label": name,
                "total": integer(totals[i]),
                "cells": cells,
                "recall": "" if i in mixed else share(counts[i, i], totals[i]),
            }
        )
    wrong = [
        (float(counts[i, j]), i, j)
        for i, j in zip(*np.nonzero(counts), strict=True)
        if i != j or i in mixed
    ]
    wrong.sort(key=lambda one: (-one[0], one[1], one[2]))
    often = [{"truth": labels[i], "prediction": columns[j], "count": integer(count),
              "share": share(count, totals[i]),
              "examples": _examples(worst, labels[i], columns[j])}
             for count, i, j in wrong[:10]]  # fmt: skip
    right = float(sum(counts[i, i] for i in range(len(labels)) if i not in mixed))
    return {
        "labels": columns,
        "rows": rows,
        "small": len(columns) > 16,
        "often": often,
        "about": f"{integer(right)} of {integer(counts.sum())} rows are right "
        f"({share(right, counts.sum())}).",
    }  # fmt: skip


def _examples(worst: Sequence[Mapping[str, Any]], truth: str, prediction: str) -> list[Plain]:
    """Three of the worst rows of one class that were taken for another."""
    found = [row for row in worst if short(row.get("truth"), 60) == truth
             and short(row.get("prediction"), 60) == prediction]  # fmt: skip
    return [{"id": short(row.get("row_id")), "glance": _glance(row, 60)} for row in found[:3]]


def _glance(row: Mapping[str, Any], length: int) -> str:
    """The longest of a row's texts, cut short."""
    texts = [str(text) for text in list(_inputs(row).values())[:40] if text is not None]
    return short(" ".join(max(texts, key=len, default="").split()), length)


def _folded(labels: list[str], counts: np.ndarray) -> tuple[list[str], np.ndarray]:
    weight = counts.sum(axis=0) + counts.sum(axis=1)
    kept = np.sort(np.argsort(-weight, kind="stable")[: MOST_LABELS - 1])
    place = np.full(len(labels), len(kept))
    place[kept] = np.arange(len(kept))
    folded = np.zeros((len(kept) + 1, len(kept) + 1))
    np.add.at(folded, (place[:, None], place[None, :]), counts)
    return [labels[i] for i in kept] + [f"{len(labels) - len(kept)} other labels"], folded


def _cut(rows: Sequence[Mapping[str, Any]]) -> int:
    """How long an input may be so that all worst rows together stay within the page's size."""
    lengths = sorted(
        min(600, len(str(text))) for row in rows for text in list(_inputs(row).values())[:40]
    )
    total, count = sum(lengths), len(lengths)
    if total <= MOST_TEXT:
        return 600
    return max(40, MOST_TEXT // max(1, count))


def _inputs(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return row.get("inputs") or {}


def _worst(rows: Sequence[Mapping[str, Any]], unit: Any, cut: int) -> list[Plain]:
    """The worst rows, their numbers with the same decimals throughout."""
    known = [v for row in rows for key in ("truth", "prediction", "error")
             if (v := finite(row.get(key))) is not None]  # fmt: skip
    whole = all(v.is_integer() for v in known)
    places = 0 if whole and not affixes(unit)["before"] else max(2, decimals([], known))
    return [_row(row, unit, places, cut) for row in rows]


def _row(row: Mapping[str, Any], unit: Any, places: int, cut: int) -> Plain:
    shown = list(_inputs(row).items())
    return {
        "id": short(row.get("row_id")),
        **{
            key: value(row.get(key))
            if finite(row.get(key)) is None
            else number(row.get(key), places, unit if finite(row.get("truth")) is not None else "")
            for key in ("truth", "prediction", "error")
        },
        "glance": _glance(row, 140),
        "inputs": [(short(name), short(text, cut)) for name, text in shown[:40]],
        "left_out": max(0, len(shown) - 40),
    }
