"""A batch judged in the light of those before it, and labels that come when it has long gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from assay.monitoring.domain import ALL
from assay.monitoring.history import Batch, History, Labelled
from assay.monitoring.performance import realised
from assay.monitoring.reference import Reference
from assay.monitoring.trends import Finding, Trend, finding, trends
from assay.rows import ROW_ID


def judged(
    past: Sequence[Batch], arrival: int, reference: Mapping[str, Sequence[float]], level: float
) -> dict[str, Any]:
    """What `monitor.json` says of a batch once its history is known.

    A line of drift or a figure of performance alarms where the history's evidence does, at a
    level that holds at every look together, and the batch itself has reached the floor. What the
    batch would have said alone is kept as `alone`.

    Args:
        past: all batches of the version, in their order.
        arrival: which of them is judged.
        reference: the version's rows by cell.
        level: the chance that an unchanged world ever raises an alarm.
    """
    place = next(number for number, one in enumerate(past) if one.arrival == arrival)
    document = dict(past[place].document)
    found = trends(past, reference, level=level)
    alarms = {(one.about, one.name): one for one in found if one.alarm}
    lines = [_line(line, ("field", line["field"]) in alarms) for line in document.get("drift", ())]
    figures = [{**one, "alarm": _about(one) in alarms} for one in document.get("performance", ())]
    told = [*document.get("findings", ())]
    told += [_told(one, past, figures) for one in alarms.values()]
    bad = any(one["alarm"] for one in [*told, *lines, *figures])
    was = document.get("verdict")
    verdict = "fail" if bad else "inconclusive" if was == "inconclusive" else "pass"
    plain = [one.to_dict(past) for one in found]
    return {**document, "drift": lines, "performance": figures, "findings": told,
            "verdict": verdict, "looks": len(past), "trends": plain}  # fmt: skip


def _line(line: Mapping[str, Any], significant: bool) -> dict[str, Any]:
    effect = line["effect"]
    large = effect.get("floor") is None or (effect.get("value") or 0.0) >= effect["floor"]
    return {**line, "alone": bool(line.get("alarm")), "alarm": significant and large}


def _about(figure: Mapping[str, Any]) -> tuple[str, str]:
    about = "estimate" if figure["estimated"] else "performance"
    return about, f"{figure['model']} {figure['metric']}"


def _told(trend: Trend, past: Sequence[Batch], figures: Sequence[Mapping[str, Any]]) -> Finding:
    """The finding of an alarm that the history raises; the batch's own lines carry the alarm."""
    since = f", most likely since {past[trend.since].name!r}" if trend.since is not None else ""
    spread = ""
    if trend.earliest is not None and trend.latest is not None and trend.earliest != trend.latest:
        names = past[trend.earliest].name, past[trend.latest].name
        spread = f" (95 %: from {names[0]!r} to {names[1]!r})"
    what = {"field": "The field has changed", "performance": "The model does worse",
            "estimate": "The model is likely to do worse"}[trend.about]  # fmt: skip
    chance = "below 0.0001" if trend.p < 1e-4 else f"at most {trend.p:.2g}"
    figure = next((one for one in figures if _about(one) == (trend.about, trend.name)), None)
    worth = f" The evaluation had {figure['reference']:.4g}." if figure else ""
    return finding(
        f"history.{trend.about}",
        "warn",
        what,
        f"{trend.name} {'have' if trend.name == ALL else 'has'} changed{since}{spread}. The chance "
        "that an unchanged world ever shows "
        f"so much is {chance}.{worth}",
        field=trend.name if trend.about == "field" else None,
    )


def labelled(history: History, version: str, reference: Reference, level: float) -> list[Batch]:
    """Score the batches of a version again on all labels that are known by now.

    A row that more than one batch holds counts in the first; a pruned batch keeps the rows that
    were counted in it, and its figures. Gives all batches, the changed ones
    with their new documents, which the history holds as well.
    """
    known = history.labels()
    past = history.batches(version)
    counted = pl.Series(ROW_ID, [], dtype=pl.String)
    changed: list[int] = []
    for place, batch in enumerate(past):
        predictions = history.predictions(batch.arrival)
        if predictions is None:
            continue
        own = predictions.unique(ROW_ID, keep="first", maintain_order=True)
        own = own.filter(~pl.col(ROW_ID).is_in(counted.implode()))
        both = own.join(known, on=ROW_ID, how="inner", maintain_order="left")
        counted = counted.append(both[ROW_ID])
        if batch.document.get("pruned") or both.height == batch.document.get("labelled", 0):
            continue
        figures = realised(reference, both.drop("value"), both["value"])
        guesses = [one for one in batch.document.get("performance", ()) if one["estimated"]]
        said = {**batch.document, "performance": [*figures, *guesses], "labelled": both.height}
        past[place] = replace(batch, document=said)
        changed.append(place)
    if not changed:
        return past
    cells = history.reference(version)
    alarms = {(one.about, one.name): one for one in trends(past, cells, level=level) if one.alarm}
    for place in changed:
        old = past[place].document
        figures = [one if one["estimated"] else _late(one, place, alarms)
                   for one in old["performance"]]  # fmt: skip
        past[place] = replace(past[place], document={**old, "performance": figures})
    # The newest look is judged anew; of older ones only the figures change.
    newest = max(range(len(past)), key=lambda place: past[place].arrival)
    past[newest] = replace(past[newest], document=_unjudged(past[newest].document))
    said = judged(past, past[newest].arrival, cells, level)
    past[newest] = replace(past[newest], document=said)
    history.rewrite({past[place].arrival: past[place].document for place in {*changed, newest}})
    return past


def _late(
    figure: Mapping[str, Any], place: int, alarms: Mapping[tuple[str, str], Trend]
) -> dict[str, Any]:
    """A figure that labels gave when its batch had long gone: it alarms from the change on."""
    trend = alarms.get(_about(figure))
    lost = 0.0
    if trend and figure["value"] is not None:
        lost = (figure["value"] - figure["reference"]) * (1 if figure["better"] == "lower" else -1)
    late = trend is not None and trend.since is not None and place >= trend.since
    return {**figure, "alarm": late and lost >= (trend.floor if trend and trend.floor else 0.0)}


def _unjudged(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without what an earlier look added, so that it is not told twice."""
    own = [one for one in document.get("findings", ())
           if not str(one["code"]).startswith("history.")]  # fmt: skip
    lines = [{**one, "alarm": one.get("alone", one["alarm"])} for one in document.get("drift", ())]
    return {**document, "findings": own, "drift": lines}


def label_findings(labels: Labelled, source: str) -> list[Finding]:
    """What is to be said of labels that were known before."""
    found = []
    if labels.different:
        some = "; ".join(f"row {row} was {was!r} and is {now!r}"
                         for row, was, now in labels.examples)  # fmt: skip
        found.append(
            finding(
                "labels.different",
                "warn",
                "Labels came that are not what they were",
                f"{labels.different:,} rows of {source} had another label before, which stays: "
                f"{some}.",
            )
        )
    if labels.same:
        found.append(
            finding("labels.twice", "note", "Labels came twice",
                    f"{labels.same:,} rows of {source} had the same label before; they count once.")
        )  # fmt: skip
    return found
