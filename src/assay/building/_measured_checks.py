"""The checks of a leak certificate, one function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from assay.building._measured_chance import expected
from assay.building._measured_near import THRESHOLD, clustered, near
from assay.building._measured_rows import Measured, Wanted, texts_of
from assay.building._measured_scores import alone
from assay.building._measured_sides import ROWS, told_apart
from assay.building._measured_target import LEAST, Printed, aim_of, folds, printed

Status = Literal["pass", "fail", "not measured", "not applicable"]

MOST_ROWS, MOST_BYTES = 100_000, 64_000_000
"""Rows or bytes of text up to which near duplicates are looked for unasked."""
ALMOST = 0.99
"""Balanced accuracy or R2 from which on a field alone gives the target away."""
PRINTED = {"number": 0.02, "class": 0.9}
"""Shares of rows whose text holds the target, beyond chance, from which on it gives it away."""
APART = 0.6
"""Area under the curve that train and the rest may be told apart by."""
FEW_UNITS = 50
COMMON = 0.05
"""Rows equal to it that are to be expected by chance, from which on a row's equal is no copy."""
EXAMPLES = 5


@dataclass(frozen=True)
class Check:
    """One check: what was measured, and what that means."""

    code: str
    title: str
    status: Status
    value: float | None
    limit: float | None
    detail: str
    examples: list[dict[str, Any]] = field(default_factory=list)

    def softened(self) -> Check:
        """The same, reported only."""
        if self.status != "fail":
            return self
        return replace(self, status="pass", detail=f"{self.detail} It is reported only.")


def exact_pairs(measured: Measured, wanted: Wanted) -> Check:
    """Rows equal in all inputs to a row of an earlier split, but for those to be expected."""
    title = ("exact_pairs", "Equal rows across splits")
    held, split = _held(measured)
    if not held:
        return _none(*title, "There is one split only.")
    if not wanted.inputs:
        return _open(*title, "No input is there to compare rows by.")
    sizes = measured.rows.group_by("split").len().sort("split")
    before = sizes.select("split", before=pl.col("len").cum_sum() - pl.col("len"))
    rows = measured.rows.select("content", "split", "file", "at").with_row_index("place")
    rows = rows.filter(pl.col("content").is_not_null())
    rows = rows.with_columns(first=pl.col("split").min().over("content"))
    late = rows.filter(pl.col("split") > pl.col("first"))
    usual = pl.Series(np.zeros(0, dtype=bool))
    if late.height:
        late = late.join(before, on="split", how="left", maintain_order="left")
        usual = pl.Series(expected(measured, wanted, late) > COMMON)
        late = late.filter(~usual)
    examples = []
    for place, content in late.head(EXAMPLES).select("place", "content").iter_rows():
        other = rows.filter((pl.col("content") == content) & (pl.col("split") == pl.col("first")))
        examples.append(_pair(measured, int(other["place"][0]), place, wanted.inputs))
    found = f"{late.height:,} of {_many(held)} outside {split} {_verb(late.height, 'equal')} a row"
    more = int(usual.sum())
    chance = (
        f", and {more:,} more have values so frequent that equal rows are to be expected"
        if more
        else ""
    )
    detail = f"{found} of an earlier split in all inputs{chance}."
    return _counted(*title, late.height, detail, examples)


def near_pairs(measured: Measured, wanted: Wanted, how: str) -> Check:
    """Rows whose texts are nearly those of a row of an earlier split."""
    title = ("near_pairs", "Near duplicates across splits")
    held, split = _held(measured)
    texts = texts_of(measured.sample, wanted)
    if not held:
        return _none(*title, "There is one split only.")
    if how == "off":
        return _open(*title, "It is switched off by `certificate: off`.")
    if not texts:
        return _none(*title, "No input is free text.")
    size = sum(measured.bytes[name] for name in texts)
    if how == "auto" and (measured.rows.height > MOST_ROWS or size > MOST_BYTES):
        return _open(
            *title,
            f"{_many(measured.rows.height)} with {size / 1e6:,.0f} MB of text are more than is "
            "compared unasked; `certificate: full` in the recipe compares them.",
        )
    pairs = near(measured, texts).sort("jaccard", "a", "b", descending=[True, False, False])
    rows = pairs["b"].n_unique()
    examples = [
        _pair(measured, a, b, texts) | {"similarity": round(jaccard, 3)}
        for a, b, jaccard in pairs.unique("b", keep="first", maintain_order=True)
        .head(EXAMPLES)
        .iter_rows()
    ]
    detail = (
        f"{rows:,} of {_many(held)} outside {split} {_verb(rows, 'have', 'has')} a near duplicate "
        f"in an earlier split: {_listed(texts)} alike to at least {THRESHOLD}."
    )
    return _counted(*title, rows, detail, examples)


def groups_across(measured: Measured, wanted: Wanted, groups: Sequence[str]) -> Check:
    """Groups with rows in several splits, and rows that synthetic ones were made of."""
    title = ("groups", "Groups across splits")
    rows = measured.rows
    children = rows.filter(pl.col("parent").is_not_null())
    if groups and not wanted.groups:
        return _open(*title, f"The version has no field {_listed(groups)}.")
    if not groups and not children.height:
        return _none(*title, "The split names no groups, and no row is synthetic.")
    known = rows.with_row_index("place").filter(pl.col("group").is_not_null())
    sides = known.group_by("group").agg(pl.col("split").n_unique(), pl.col("place").min())
    across = sides.filter(pl.col("split") > 1).sort("place")
    parents = children.select("parent", child="split").unique()
    strays = rows.with_row_index("place").join(parents, left_on="id", right_on="parent")
    strays = strays.filter(pl.col("split") != pl.col("child")).unique("place").sort("place")
    parts = []
    if groups:
        parts.append(
            f"{across.height:,} of {sides.height:,} groups of {_listed(groups)} "
            f"{_verb(across.height, 'have', 'has')} rows in several splits"
        )
    if children.height:
        parts.append(
            f"{strays.height:,} of the rows that {_many(children.height)} were made of "
            f"{_verb(strays.height, 'are', 'is')} in another split than these"
        )
    places = [*across["place"].head(EXAMPLES), *strays["place"].head(EXAMPLES)][:EXAMPLES]
    examples = measured.shown([int(place) for place in places], wanted.groups)
    return _counted(*title, across.height + strays.height, "; ".join(parts) + ".", examples)


def time_order(measured: Measured, wanted: Wanted, time: str | None) -> Check:
    """Rows of an earlier split that are later than the time that parts it from the next."""
    from assay.steps._split_times import parting

    title = ("time", "Time order")
    if time is None:
        return _none(*title, "The split is not by time.")
    if wanted.time is None:
        return _open(*title, f"The version has no field `{time}`.")
    # Rows of a group go where the latest goes, so early rows in a later split are no leak.
    together = pl.coalesce("group", pl.int_range(pl.len()).cast(pl.UInt64))
    rows = measured.rows.with_row_index("place").filter(pl.col("time").is_not_null())
    rows = rows.with_columns(moment=pl.col("time").max().over("split", together))
    late: dict[int, None] = {}
    early = 0
    for number in range(1, len(measured.splits)):
        split = rows["split"].to_numpy()
        cut = parting(rows["moment"].to_numpy(), split >= number)
        behind = rows.filter((pl.col("split") < number) & (pl.col("time") >= cut))
        late.update(dict.fromkeys(behind["place"].to_list()))
        early += rows.filter((pl.col("split") >= number) & (pl.col("moment") < cut)).height
    examples = measured.shown(list(late)[:EXAMPLES], [time])
    detail = f"{_many(len(late))} {_verb(len(late), 'lie', 'lies')} behind the end of their split"
    detail += f" by `{time}`" + (f", and {early:,} before its beginning." if early else ".")
    return _counted(*title, len(late), detail, examples)


def target_field(units: pl.DataFrame, wanted: Wanted, task: str | None) -> Check:
    """Fields that give the target away: alone, or because it is printed in them."""
    title = ("target_field", "Target in an input field")
    target = wanted.target
    if target is None or not wanted.inputs:
        return _none(*title, "There is no target, or no input.")
    found = aim_of(units, target, task) if units.height else None
    if found is None:
        few = f"Fewer than {LEAST} rows, or classes too rare, are too little to tell."
        return _open(*title, few)
    rows, aim = units.filter(found[0]), found[1]
    inputs = [name for name in wanted.inputs if name != target]
    kinds = _kinds(rows, inputs, wanted)
    texts = [name for name in inputs if wanted.fields[name].type == "string"]
    if len(inputs) < 2:
        # Where one text is all there is to learn from, telling the target by it is the task.
        kinds = {name: kind for name, kind in kinds.items() if kind != "text"}
    scores = alone(rows, kinds, aim)
    measure = "a balanced accuracy" if aim.classes else "an R2 of ranks"
    given = {name: score for name, score in scores.items() if score >= ALMOST}
    limit = PRINTED["class" if aim.classes else "number"]
    prints = {
        name: one
        for name, one in printed(rows, texts, aim, target).items()
        if one.low >= (limit if not aim.classes else 0.1)
        and one.own - one.other >= 0
        and (not aim.classes or one.own >= limit)
    }
    if given or prints:
        return _given_away(title, target, rows, given, prints, measure)
    best = max(scores, key=lambda name: scores[name]) if scores else None
    shown = f"; the nearest is `{best}` with {scores[best]:.3f}" if best else ""
    detail = f"No input alone reaches {measure} of {ALMOST} on {_many(rows.height)}{shown}."
    return Check(*title, "pass", max(0.0, scores[best]) if best else 0.0, ALMOST, detail)


def adversarial(units: pl.DataFrame, wanted: Wanted, how: str) -> Check:
    """How well a classifier tells train from the other splits."""
    title = ("adversarial", "Train told from the rest")
    if not wanted.inputs:
        return _open(*title, "No input is there to tell by.")
    if not units.height or units["_train"].all() or not units["_train"].any():
        return _none(*title, "There is nothing beside train, or no train.")
    texts = texts_of(units, wanted)
    if texts and how != "off":
        # A fifth more than are told apart, since clusters will leave fewer.
        near = [
            units.filter(pl.col("_train") == side).head(ROWS * 6 // 5) for side in (True, False)
        ]
        units = clustered(pl.concat(near), texts)
    sides = [units.filter(pl.col("_train") == side).head(ROWS) for side in (True, False)]
    if min(side.height for side in sides) < FEW_UNITS:
        few = f"{sides[0].height:,} and {sides[1].height:,} rows or groups that are not alike are "
        return _open(*title, f"{few}too few to tell: {FEW_UNITS} of either side are needed.")
    rows = pl.concat(sides)
    told = told_apart(rows, _kinds(rows, wanted.inputs, wanted), texts, folds(rows))
    if told is None:
        return _open(*title, "No input is a number, a category or a text.")
    fails = told.low > APART
    detail = (
        f"A classifier tells {told.rows[0]:,} rows of train from {told.rows[1]:,} others with an "
        f"AUC of {told.value:.3f} (95 % {told.low:.3f} to {told.high:.3f}), where 0.5 is chance."
    )
    apart = sorted(told.fields.items(), key=lambda item: -abs(item[1] - 0.5))[:EXAMPLES]
    examples = [{"field": name, "auc": round(area, 3)} for name, area in apart] if fails else []
    return Check(*title, "fail" if fails else "pass", told.value, APART, detail, examples)


def moved(was: tuple[int, int] | None) -> Check:
    """Rows of the version before that are on another side now."""
    title = ("moved", "Rows that changed sides")
    if was is None:
        return _none(*title, "There is no version before with the same split.")
    old, other = was
    detail = f"{other:,} of {_many(old)} that were in the version before changed sides."
    return _counted(*title, other, detail, [])


def _kinds(rows: pl.DataFrame, inputs: Sequence[str], wanted: Wanted) -> dict[str, str]:
    """What each field is read as; fields without values, and lists and objects, are left out."""
    found = {}
    texts = texts_of(rows, wanted)
    for name in inputs:
        column, kind = rows[name], wanted.fields[name].type
        if column.null_count() == len(column) or column.dtype.is_nested():
            continue
        if name in texts:
            found[name] = "text"
        elif column.dtype.is_temporal() or _is_number(column):
            found[name] = "number"
        elif kind not in ("list", "object"):
            found[name] = "category"
    return found


def _is_number(column: pl.Series) -> bool:
    """Whether most values are numbers, if only as texts."""
    if column.dtype != pl.String:
        return column.dtype.is_numeric()
    filled = column.drop_nulls()
    return filled.cast(pl.Float64, strict=False).count() >= 0.9 * max(len(filled), 1)


def _given_away(
    title: tuple[str, str],
    target: str,
    rows: pl.DataFrame,
    given: Mapping[str, float],
    prints: Mapping[str, Printed],
    measure: str,
) -> Check:
    parts, examples = [], []
    for name, score in sorted(given.items(), key=lambda item: -item[1])[:EXAMPLES]:
        parts.append(f"`{name}` alone tells `{target}` with {measure} of {score:.3f}")
        examples.append(
            {"field": name, "score": round(score, 4), "measure": measure.split(" ", 1)[1]}
        )
    for name, one in list(prints.items())[:EXAMPLES]:
        parts.append(
            f"{one.own:.1%} of the texts in `{name}` hold `{target}`, where {one.other:.1%} hold "
            "that of another row"
        )
        # A look at the first of them says more than their number.
        text, held = rows[name], rows[target]
        for place in one.places[:1]:
            examples.append({"field": name, target: held[place], "text": str(text[place])[:200]})
    value = max([*given.values(), *(one.own - one.other for one in prints.values())])
    detail = f"{'; '.join(parts)} ({rows.height:,} rows)."
    return Check(*title, "fail", value, ALMOST if given else None, detail, examples[:EXAMPLES])


def _held(measured: Measured) -> tuple[int, str]:
    """The rows that are not in the first split, and its name."""
    if len(measured.splits) < 2:
        return 0, ""
    return int((measured.rows["split"] > 0).sum()), measured.splits[0]


def _pair(measured: Measured, a: int, b: int, names: Sequence[str]) -> dict[str, Any]:
    """Two rows side by side, with the beginnings of at most three fields."""
    sides = zip("ab", measured.shown([a, b], list(names)[:3]), strict=True)
    return {f"{key}_{side}": value for side, row in sides for key, value in row.items()}


def _counted(
    code: str, title: str, count: int, detail: str, examples: list[dict[str, Any]]
) -> Check:
    return Check(code, title, "fail" if count else "pass", float(count), 0.0, detail, examples)


def _open(code: str, title: str, why: str) -> Check:
    return Check(code, title, "not measured", None, None, why)


def _none(code: str, title: str, why: str) -> Check:
    return Check(code, title, "not applicable", None, None, why)


def _many(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _verb(count: int, many: str, one: str | None = None) -> str:
    return (one or f"{many}s") if count == 1 else many


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
