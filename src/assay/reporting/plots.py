"""Plots of one model as plain dicts: axes, lines, bands and marks, in percent of the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting import charts
from assay.reporting.words import finite, integer, number, share, short

Plain = dict[str, Any]
WHOLE = (0.0, 1.0)
CORNERS = "0,100 100,0"


def plot(key: str, title: str, x: charts.Axis, y: charts.Axis, **parts: Any) -> Plain:
    """A plot with what it has, and nothing where it has not.

    Args:
        key: its name in files and in identifiers.
        title: above it.
        x: the axis across.
        y: the axis upwards.
        parts: `across` and `upwards` (the axes' titles), `about` (one sentence of what is seen),
            `note`, `area` (a band's outline), `lines` (`[class, points]`), `named` (`[class,
            name]` of the lines), `even` (a line to compare with), `marks` (`[x, y, low, high]`),
            `tips` and `xs` (what is told at which place).
    """
    blank: Plain = {"across": "", "upwards": "", "about": "", "note": "", "area": "", "lines": [],
                    "named": [], "even": "", "marks": [], "tips": [], "xs": []}  # fmt: skip
    return {"key": key, "title": title, "x": x, "y": y, **blank, **parts}


def curves(given: Sequence[Mapping[str, Any]] | None) -> list[list[Plain]]:
    """For each class the ROC curve and the precision-recall curve, with their bands."""
    return [[_roc(one), _precision(one)] for one in given or ()
            if one.get("roc") and one.get("precision_recall")]  # fmt: skip


def _roc(one: Mapping[str, Any]) -> Plain:
    rows = one["roc"]
    return _curve(
        "roc", f"ROC curve, {short(one['of'], 60)}", rows, of=short(one["of"], 60),
        across="false positive rate", upwards="recall", words=("of the others", "recall"),
        about=f"The area under the curve is {number(one.get('area'), 3)}.",
        note="The dashed line is guessing.", even=CORNERS,
    )  # fmt: skip


def _precision(one: Mapping[str, Any]) -> Plain:
    base = finite(one.get("share")) or 0.0
    height = round(100 - 100 * base, 2)
    return _curve(
        "precision_recall", f"Precision and recall, {short(one['of'], 60)}",
        one["precision_recall"], of=short(one["of"], 60), across="recall", upwards="precision",
        words=("recall", "precision"),
        about=f"{share(base, 1)} of the rows are {short(one['of'], 60)}.",
        note="The dashed line is guessing.", even=f"0,{height} 100,{height}",
    )  # fmt: skip


def _curve(key: str, title: str, rows: Sequence[Any], *, words: tuple[str, str], **parts: Any
           ) -> Plain:  # fmt: skip
    x = y = charts.axis(*WHOLE)
    known = [row for row in rows if None not in row[:4]]
    tips = [
        f"{words[0]} {share(at, 1)}\n{words[1]} {share(value, 1)}, 95\u202f% {share(low, 1)} to "
        f"{share(high, 1)}" + ("" if cut is None else f"\nfrom a score of {number(cut)} on")
        for at, value, low, high, cut in known
    ]
    parts["note"] += " The band holds each point with 95\u202f% confidence."
    return plot(
        key, title, x, y, area=_band(known, x, y),
        lines=[("line", line([(row[0], row[1]) for row in known], x, y))],
        tips=tips, xs=[charts.at(row[0], x) for row in known], **parts,
    )  # fmt: skip


def calibration(given: Mapping[str, Any] | None, unit: str | None) -> Plain | None:
    """What was predicted against what was observed, in bins of equally many rows."""
    bins = [one for one in (given or {}).get("bins") or ()
            if finite(one.get("observed")) is not None]  # fmt: skip
    if given is None or not bins:
        return None
    chance = finite(bins[0].get("expected_low")) is not None
    keys = ("observed", "low", "high")
    ends = [finite(one.get(key)) for one in bins for key in ("predicted", *keys)]
    known = [end for end in ends if end is not None]
    scale = charts.axis(*WHOLE) if chance else charts.axis(min(known), max(known), unit=unit)

    def tell(value: float) -> str:
        return share(value, 1) if chance else number(value, None, unit)

    def down(value: Any) -> float | None:
        return None if finite(value) is None else round(100 - charts.at(value, scale), 2)

    tips = [
        f"predicted {tell(one['predicted'])}\nobserved {tell(one['observed'])}"
        + ("" if one.get("low") is None else
           f", 95\u202f% {tell(one['low'])} to {tell(one['high'])}")
        + f"\n{integer(one['n'])} rows"
        for one in bins
    ]  # fmt: skip
    expected = [(one["predicted"], None, one["expected_low"], one["expected_high"]) for one in bins]
    off = sum(_off(one, chance) for one in bins)
    what = "the predicted class" if given.get("of") is None else short(given["of"], 60)
    about = f"{integer(off)} of {integer(len(bins))} bins lie off what was predicted"
    error = finite(given.get("error"))
    about += "" if error is None else f"; the expected calibration error is {number(error, 3)}"
    return plot(
        "calibration", f"Calibration, {what}" if chance else "Calibration", scale, scale,
        across="predicted share" if chance else "predicted",
        upwards="observed share" if chance else "mean of the truth",
        about=f"{about}.",
        note="The dashed line is a calibrated model"
        + ("; the band is where it lies 95 times in 100." if chance else "."),
        even=CORNERS, area=_band(expected, scale, scale) if chance else "",
        marks=[(charts.at(one["predicted"], scale), *(down(one.get(key)) for key in keys))
               for one in bins],
        tips=tips, xs=[charts.at(one["predicted"], scale) for one in bins],
    )  # fmt: skip


def _off(one: Mapping[str, Any], chance: bool) -> bool:
    low, high = (finite(one.get(f"expected_{end}" if chance else end)) for end in ("low", "high"))
    shown = one["observed"] if chance else one["predicted"]
    return low is not None and high is not None and not low <= shown <= high


def residuals(points: Sequence[Sequence[Any]], unit: str | None) -> Plain | None:
    """Truth less prediction against the prediction."""
    if len(points) < 2:
        return None
    rows = [(guess, truth - guess) for _, truth, guess in points]
    shown = sorted(abs(rest) for _, rest in rows)
    most = max(shown[min(len(shown) - 1, int(0.99 * len(shown)))], 1e-12) * 1.1
    across = sorted(guess for guess, _ in rows)
    cut = max(1, len(across) // 100)
    left, right = (across[0], across[-1]) if len(across) < 300 else (across[cut], across[-cut - 1])
    x, y = charts.axis(left, right, unit=unit), charts.axis(-most, most, unit=unit)
    outside = sum(not (-most <= rest <= most and left <= guess <= right) for guess, rest in rows)
    low = sum(rest > 0 for _, rest in rows)
    note = f" {integer(outside)} beyond the axes are drawn at their edge." if outside else ""
    return plot(
        "residuals", "Residuals", x, y, across="predicted", upwards="truth less prediction",
        about=f"{share(low, len(rows))} of the truths lie above their prediction.",
        note=f"The dashed line is a perfect prediction.{note}",
        even="0,50 100,50",
        marks=[(charts.at(guess, x), round(100 - charts.at(rest, y), 2), None, None)
               for guess, rest in rows],
    )  # fmt: skip


def history(lines: Sequence[Mapping[str, Any]]) -> Plain | None:
    """The loss of a net by epoch, on the rows it learns from and on those that stop it."""
    known = [one for one in lines if finite(one.get("epoch")) is not None
             and finite(one.get("train")) is not None]  # fmt: skip
    if len(known) < 2:
        return None
    held = [one for one in known if finite(one.get("validation")) is not None]
    values = [one["train"] for one in known] + [one["validation"] for one in held]
    x = charts.axis(known[0]["epoch"], known[-1]["epoch"])
    y = charts.axis(min(values), max(values))
    drawn = [("line soft", line([(one["epoch"], one["train"]) for one in known], x, y))]
    about = f"{integer(len(known))} epochs."
    if held:
        drawn.append(("line", line([(one["epoch"], one["validation"]) for one in held], x, y)))
        best = min(held, key=lambda one: one["validation"])
        about = f"The loss is least after epoch {integer(best['epoch'])} of {integer(len(known))}."
    return plot(
        "learning", "Learning curve", x, y, across="epoch", upwards="loss", about=about,
        lines=drawn,
        named=[("soft", "train"), ("", "validation")] if held else [("soft", "train")],
        tips=[f"epoch {integer(one['epoch'])}\ntrain {number(one['train'])}"
              + (f"\nvalidation {number(one['validation'])}" if one in held else "")
              for one in known],
        xs=[charts.at(one["epoch"], x) for one in known],
    )  # fmt: skip


def line(points: Sequence[tuple[float, float]], x: charts.Axis, y: charts.Axis) -> str:
    """The corners of a line, in percent of the plot."""
    return " ".join(f"{charts.at(a, x)},{round(100 - charts.at(b, y), 2)}" for a, b in points)


def _band(rows: Sequence[Sequence[Any]], x: charts.Axis, y: charts.Axis) -> str:
    known = [(row[0], row[2], row[3]) for row in rows if None not in (row[2], row[3])]
    upper = [(at, high) for at, _, high in known]
    lower = [(at, low) for at, low, _ in reversed(known)]
    return line(upper + lower, x, y) if len(known) > 1 else ""
