"""What could be done about a model's errors, and what each would bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from assay.component import catalogue
from assay.errors import AssayError
from assay.evaluation.measures import Measure
from assay.evaluation.scored import Scored
from assay.models._columns import roles
from assay.models.training import Training
from assay.recipe import Recipe, Use
from assay.slices.diagnosing import Diagnosis
from assay.slices.finding import Slice
from assay.slices.gains import Gain, Trial, of_difference, of_training, unknown, without_fields
from assay.slices.suspects import easier, score_with
from assay.version import Version

MOST = 0.1
"""The share of rows that may be doubted before the models are to be doubted instead."""
DOUBTED = 100_000
"""Training rows up to which labels are judged."""
GAPS = 0.01
TRIED = 2
SUITED = {
    "text": ("tfidf_linear", "boosted_trees", "embedding_linear", "linear_svm", "random_forest"),
    "table": ("boosted_trees", "random_forest", "tabular_linear", "linear_svm"),
}
LEAKS = {
    "exact_pairs": "rows that stand in train and outside of it",
    "near_pairs": "near duplicates on both sides of the split",
    "groups": "groups on both sides of the split",
    "time": "training rows later than held-out ones",
}


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        name: by which it is applied.
        says: what to do, in a sentence.
        gain: what it would bring on the first metric.
        rows: how many rows it is about.
        change: what it changes in the recipe: `steps` to add, `inputs`, `models` to add; empty
            where people or new data are needed.
        evidence: what it rests on.
        urgent: whether scores cannot be trusted before it is done.
    """

    name: str
    says: str
    gain: Gain
    rows: int | None = None
    change: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    urgent: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "name": self.name,
            "says": self.says,
            "rows": self.rows,
            "gain": self.gain.to_dict(),
            "applies": bool(self.change),
            "change": dict(self.change),
            "evidence": dict(self.evidence),
            "urgent": self.urgent,
        }


def ranked(actions: Sequence[Action]) -> tuple[Action, ...]:
    """First what makes scores worth nothing; then gains that are sure, then expected ones.

    >>> some = [Action("a", "", Gain(2.0, -1.0, 5.0, "tried out", "")),
    ...         Action("b", "", Gain(1.0, 0.5, 1.5, "tried out", "")), Action("c", "", unknown(""))]
    >>> [one.name for one in ranked(some)]
    ['b', 'a', 'c']
    """

    def place(one: Action) -> tuple[bool, bool, bool, bool, float]:
        gain = one.gain
        sure = gain.low is not None and gain.low > 0 and gain.kind != "upper bound"
        return not one.urgent, gain.worse, not sure, gain.value is None, -(gain.value or 0.0)

    return tuple(sorted(actions, key=place))


def data_actions(
    recipe: Recipe,
    version: Version,
    diagnosis: Diagnosis,
    tried: Trial | None,
    report: Callable[[str, int, int], None],
) -> list[Action]:
    """What can be done to the data: leaks, labels, duplicates, gaps, another model."""
    makers: Sequence[tuple[str, Callable[..., list[Action]]]] = (
        ("leaks", _leaks), ("labels", _labels), ("duplicates", _duplicates), ("gaps", _gaps),
        ("models", _models),
    )  # fmt: skip
    found: list[Action] = []
    held = diagnosis.held
    if held is None:
        return found
    for name, maker in makers:
        report(f"weigh {name}", 0, 1)
        found.extend(maker(recipe, version, held.training, tried))
        report(f"weigh {name}", 1, 1)
    return found


def slice_actions(
    diagnosis: Diagnosis, measure: Measure, scored: Scored, usable: Any, ids: pl.Series, seed: int
) -> list[Action]:
    """Collect more of the slices on which the model fails.

    The gain is an upper bound: that of a slice that becomes as easy as the other rows, by the rows
    that confirmed it.
    """
    return [
        Action(
            "slice",
            f"collect more rows like these: {one.name}",
            _of_slice(one, diagnosis, measure, scored, usable, ids, seed),
            rows=one.rows,
            evidence=one.to_dict(),
        )
        for one in diagnosis.slices.found
    ]


def _of_slice(
    one: Slice,
    diagnosis: Diagnosis,
    measure: Measure,
    scored: Scored,
    usable: Any,
    ids: pl.Series,
    seed: int,
) -> Gain:
    inside = np.zeros(len(usable), dtype=bool)
    inside[: len(one.members)] = one.members
    judged = np.zeros(len(usable), dtype=bool)
    judged[: len(diagnosis.slices.judged)] = diagnosis.slices.judged
    if scored.prediction is None:
        return unknown("the model gives no predictions that could be put right")
    eased = easier(scored, inside[usable], ids, judged[usable])
    moved = score_with(measure, scored, eased, ids, seed=seed)
    if moved is None:
        return unknown(f"{measure.title} cannot be computed")
    change = (moved.difference, moved.low, moved.high)
    how = "if these rows became as easy as the others"
    return of_difference(measure, change, "upper bound", how)


def suspect_action(diagnosis: Diagnosis, measure: Measure) -> list[Action]:
    """Look at the held-out rows on which all models are far off."""
    if not diagnosis.suspected:
        return []
    moved = diagnosis.moved
    gain = unknown(f"{measure.title} cannot be computed without these rows")
    if moved is not None:
        change = (moved.difference, moved.low, moved.high)
        how = "the score without these rows, if their targets are wrong; models stay as they are"
        gain = of_difference(measure, change, "upper bound", how)
    return [
        Action(
            "check",
            f"look at the {diagnosis.suspected:,} held-out rows on which all models are far off: "
            "their targets may be wrong",
            gain,
            rows=diagnosis.suspected,
            evidence={"rows": [one["row_id"] for one in diagnosis.suspects]},
        )
    ]


def _leaks(
    recipe: Recipe, version: Version, training: Training, tried: Trial | None
) -> list[Action]:
    checks = version.manifest.get("certificate", {}).get("checks", [])
    found = []
    for check in checks:  # at most seven
        if check["status"] != "fail" or check["code"] not in (*LEAKS, "target_field"):
            continue
        if check["code"] == "target_field":
            named = [str(one["field"]) for one in check["examples"] if "field" in one]
            fields = [name for name in dict.fromkeys(named) if name in training.rows.columns]
            rest = [name for name in training.rows.columns if name not in fields]
            if fields:
                gain = (
                    unknown("nothing is left to learn from") if not rest else _fewer(tried, fields)
                )
                found.append(
                    Action(
                        "leak",
                        f"take {', '.join(fields)} from the inputs: it gives the target away, so "
                        "the score says nothing about new rows",
                        gain,
                        change={"inputs": rest} if rest else {},
                        evidence={"detail": check["detail"]},
                        urgent=True,
                    )
                )
            continue
        steps = (
            _unleaking(recipe, training) if check["code"] in ("exact_pairs", "near_pairs") else []
        )
        found.append(
            Action(
                f"leak_{check['code']}",
                f"part {LEAKS[check['code']]}: {check['detail']}",
                unknown("the score is too good while it leaks, and will fall"),
                change={"steps": steps} if steps else {},
                evidence={"detail": check["detail"], "examples": check["examples"]},
                urgent=True,
            )
        )
    return found


def _fewer(tried: Trial | None, fields: list[str]) -> Gain:
    if tried is None:
        return unknown("nothing was tried out")
    return tried.gain(lambda training: without_fields(training, fields))


def _unleaking(recipe: Recipe, training: Training) -> list[dict[str, Any]]:
    used = {use.name for use in recipe.steps}
    texts = _texts(training)
    if texts and "dedup.near" not in used:
        return [{"dedup.near": {"columns": texts}}]
    if "dedup.exact" not in used:
        return [{"dedup.exact": {"columns": list(training.rows.columns)}}]
    return []


def _texts(training: Training) -> list[str]:
    return list(roles(training.rows, training.kinds).texts)


def _labels(
    recipe: Recipe, version: Version, training: Training, tried: Trial | None
) -> list[Action]:
    from assay.steps._doubt import doubts

    if any(use.name == "labels.drop" for use in recipe.steps):
        return []
    if training.rows.height > DOUBTED or tried is None:
        return []
    learn = tried.training
    inputs = learn.rows.select(list(learn.kinds)).with_columns(learn.row.alias("_row"))
    try:
        found = doubts(inputs, learn.target, learn.kinds, task=learn.task, seed=recipe.seed)
    except AssayError:
        # Too few rows or classes to judge labels by: then there is nothing to do about them.
        return []
    doubted = found.frame["doubted"].fill_null(False).to_numpy()
    count = int(doubted.sum())
    if not count:
        return []
    told = found.frame.with_columns(row=learn.row, target=learn.target.cast(pl.String))
    some = told.filter("doubted").sort("value", descending=learn.task == "number").head(20)
    share = count / len(doubted)
    return [
        Action(
            "labels",
            f"fix or drop about {round(share * training.rows.height):,} training targets that "
            f"models which never saw them doubt ({share:.1%})",
            tried.gain(lambda lesson: of_training(lesson, ~doubted)),
            rows=round(share * training.rows.height),
            change={"steps": ["labels.drop"]} if share <= MOST else {},
            evidence={
                "model": found.model,
                "quality": found.quality,
                "examples": some.select("target", "suggested", "value").to_dicts(),
            },
        )
    ]


def _duplicates(
    recipe: Recipe, version: Version, training: Training, tried: Trial | None
) -> list[Action]:
    from assay.steps.dedup import near

    texts = _texts(training)
    if not texts or tried is None:
        return []
    if any(use.name in ("dedup.near", "dedup.semantic") for use in recipe.steps):
        return []
    try:
        found = near(
            tried.training.rows.with_columns(tried.training.row.alias("_row")), columns=texts
        )
    except AssayError:
        # More than half of the rows are alike: the texts do not tell rows apart.
        return []
    gone = found["rule"].is_not_null().to_numpy()
    count = int(gone.sum())
    if not count:
        return []
    share = count / len(gone)
    return [
        Action(
            "duplicates",
            f"drop about {round(share * training.rows.height):,} near duplicates of other training "
            f"rows ({share:.1%}); held-out ones go as well",
            tried.gain(lambda lesson: of_training(lesson, ~gone)),
            rows=round(share * training.rows.height),
            change={"steps": [{"dedup.near": {"columns": texts}}]},
        )
    ]


def _gaps(
    recipe: Recipe, version: Version, training: Training, tried: Trial | None
) -> list[Action]:
    from assay.steps.clean import impute

    if any(use.name == "clean.impute" for use in recipe.steps) or tried is None:
        return []
    known = roles(training.rows, training.kinds)
    names = [
        name
        for name in (*known.numbers, *known.categories)
        if training.rows[name].null_count() >= GAPS * training.rows.height
    ]
    if not names:
        return []
    learn = tried.training
    both = pl.concat(
        [
            learn.rows.with_columns(_split=pl.lit("train"), _row=learn.row),
            tried.rows.with_columns(_split=pl.lit("validation"), _row=pl.lit(0, pl.UInt64)),
        ],
        how="vertical_relaxed",
    )
    settings: dict[str, Any] = {"columns": names, "flag": True}
    try:
        made = impute(both, columns=names)
    except AssayError:
        # What cannot be filled is left as it is.
        return []
    full = made.changed if made.changed is not None else pl.DataFrame()
    flags = [both[name].is_null().alias(f"{name}_missing") for name in names]
    whole = both.with_columns(*full.get_columns(), *flags).drop("_split", "_row")
    kinds = {**learn.kinds, **{one.name: "boolean" for one in flags}}
    lesson = replace(
        learn,
        rows=whole.head(learn.rows.height),
        validation_rows=whole.clear(),
        kinds=kinds,  # type: ignore[arg-type]
    )
    gain = tried.gain(lambda _: lesson, rows=whole.tail(tried.rows.height))
    count = int(training.rows.select(pl.any_horizontal(pl.col(names).is_null()).sum()).item())
    return [
        Action(
            "impute",
            f"fill the gaps of {', '.join(names[:5])}{' …' if len(names) > 5 else ''}, flagged",
            gain,
            rows=count,
            change={"steps": [{"clean.impute": settings}]},
        )
    ]


def _models(
    recipe: Recipe, version: Version, training: Training, tried: Trial | None
) -> list[Action]:
    if tried is None:
        return []
    used, known = {use.name for use in recipe.models}, catalogue("models")
    suited = SUITED["text" if _texts(training) else "table"]
    names = [name for name in suited if name in known and name not in used][:TRIED]
    return [
        Action(
            f"model_{name}",
            f"use another model, {name}, instead of {tried.use.title}",
            tried.gain(use=Use(name=name)),
            change={"models": [name]},
        )
        for name in names
    ]
