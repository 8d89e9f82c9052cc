"""Gates that look at parts of the held-out rows: slices that must not lose, or must score."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assay.errors import RecipeError, nearest
from assay.evaluation.compare import usual_margin
from assay.evaluation.intervals import FEWEST_ROWS
from assay.gates._paired import turned
from assay.gates._rows import CannotCompare, Itself, Rows, alone
from assay.gates._state import (
    Outcome,
    State,
    Verdict,
    bounds,
    evaluation_of,
    metric_of,
    model_of,
    number,
    rows_to_tell,
    some,
    told_needed,
    unscored,
    within,
)
from assay.marks import Columns
from assay.rows import ROW_ID, evaluate_expression, parse_expression

__all__ = ["slice_scores", "slices"]

SHOWN = 5
MOST_SLICES = 200


def slices(
    state: State,
    *,
    by: Columns | None = None,
    where: dict[str, str] | None = None,
    than: str = "accepted",
    model: str = "best",
    metric: str | None = None,
    margin: float | None = None,
    min_rows: int = 30,
) -> Verdict:
    """Ask that a model is not worse than another by more than a margin on any slice of the rows.

    It passes if that holds for every slice by its own 95 % interval: to claim it of all, each
    must show it. It fails if one slice lost more than the margin by an interval that is widened
    for the number of slices (Bonferroni), so that many slices do not cry wolf. Else it is
    inconclusive.

    Args:
        state: what to look at.
        by: fields, not only inputs: each of their values is a slice, missing ones together.
        where: name to a SQL expression over the row: each is a slice.
        than: the model to hold it against: one of the recipe's, `accepted` for the best one of
            the accepted version, or `accepted/MODEL`.
        model: the model that must not lose; `best` is the best on the first metric.
        metric: by default the first one.
        margin: the loss that would matter, in units of the metric; by default one point of what
            lies in 0 to 1, else one hundredth of the model's value on all rows.
        min_rows: a slice of fewer rows is named and not judged.

    Raises:
        RecipeError: there is no such field, model or metric, or no slice is asked for.

    Reference: Berger (1982), Technometrics 24:295-300, for the claim about all slices.

    >>> import tempfile, polars as pl, assay
    >>> rows = pl.DataFrame({"x": [n % 9 for n in range(400)], "shop": ["a", "b"] * 200})
    >>> recipe = {
    ...     "name": "t", "source": rows.with_columns(y=pl.col("x") * 2.0), "target": "y",
    ...     "steps": [{"split.random": {"train": 0.5, "validation": 0, "test": 0.5}}],
    ...     "models": ["constant", "random"], "metrics": ["mae"], "certificate": "off",
    ...     "gates": [{"slices": {"by": "shop", "than": "constant", "model": "random"}}],
    ... }
    >>> run = assay.run(recipe, out=tempfile.mkdtemp(), workers=1)
    >>> run.gates[0].detail.partition(".")[0]
    'What random gains on constant in mae, where 0'
    >>> run.verdict
    'fail'
    """
    evaluation = evaluation_of(state)
    name, on = model_of(evaluation, model), metric_of(evaluation, metric)
    _asked("slices", by, where)
    gate = f"slices: {model} no worse than {than} on {on} {_named(by, where)}"
    try:
        held = Rows.of(state, name, than, on, _columns(by, where))
    except CannotCompare as cannot:
        outcome: Outcome = "pass" if isinstance(cannot, Itself) else "inconclusive"
        return Verdict(gate, outcome, str(cannot), cannot.needed)
    own = evaluation.score_of(name, on)
    if margin is None:
        whole = own.value if own is not None and own.value is not None else 0.0
        asked = held.staged(state, on).asked[0]
        margin = usual_margin(asked.is_bounded, whole)
    parts, small = _parts(held, by, where, min_rows)
    judged: list[_Slice] = []
    for title, members in parts:
        part = held.take(members)
        try:
            found = turned(part.compare(state, on, quick=True), part, on, evaluation)
        except CannotCompare as cannot:
            judged.append(_Slice(title, int(members.sum()), "inconclusive", str(cannot)))
            continue
        span = (found.low, found.high)
        wide = _widened(found.gain, span, len(parts), found.n)
        verdict, needed = within(span, -margin, None, at=found.gain, n=found.n)
        if verdict == "fail" and wide[1] >= -margin:
            verdict = "inconclusive"
            needed = rows_to_tell(found.n, found.gain + margin, wide)
        said = f"{found.gain:+.4g} (95 % {found.low:.4g} to {found.high:.4g})"
        judged.append(_Slice(title, found.n, verdict, said, needed, found.gain))
    what = f"What {held.name} gains on {held.other} in {on}, where {number(margin)} may be lost"
    return _summed(gate, judged, small, what=what, rows=held.told)


def slice_scores(
    state: State,
    *,
    metric: str,
    by: Columns | None = None,
    where: dict[str, str] | None = None,
    model: str = "best",
    min: float | None = None,
    max: float | None = None,
    min_rows: int = 30,
) -> Verdict:
    """Hold a model's score on each slice of the rows against bounds.

    It passes if every slice lies within them by its own 95 % interval, fails if one lies outside
    by an interval that is widened for the number of slices (Bonferroni), and else is inconclusive.

    Args:
        state: what to look at.
        metric: one of those that were measured.
        by: fields, not only inputs: each of their values is a slice, missing ones together.
        where: name to a SQL expression over the row: each is a slice.
        model: `best` is the best on the first metric.
        min: the least that passes.
        max: the most that passes.
        min_rows: a slice of fewer rows is named and not judged.

    Raises:
        RecipeError: there is no such field, model or metric, no slice is asked for, or neither
            bound is given.

    >>> import tempfile, polars as pl, assay
    >>> rows = pl.DataFrame({"x": [n % 9 for n in range(400)], "shop": ["a", "b"] * 200})
    >>> recipe = {
    ...     "name": "t", "source": rows.with_columns(y=pl.col("x") * 2.0), "target": "y",
    ...     "steps": [{"split.random": {"train": 0.5, "validation": 0, "test": 0.5}}],
    ...     "models": ["constant", "random"], "metrics": ["mae"], "certificate": "off",
    ...     "gates": [{"slice_scores": {"by": "shop", "metric": "mae", "max": 9}}],
    ... }
    >>> run = assay.run(recipe, out=tempfile.mkdtemp(), workers=1)
    >>> run.gates[0].verdict
    'pass'
    """
    evaluation = evaluation_of(state)
    name, on = model_of(evaluation, model), metric_of(evaluation, metric)
    some("slice_scores", min, max)
    _asked("slice_scores", by, where)
    gate = f"slice_scores: {on} of {model} {bounds(min, max)} {_named(by, where)}"
    try:
        held = alone(state, name, _columns(by, where))
    except CannotCompare as cannot:
        return Verdict(gate, "inconclusive", str(cannot), cannot.needed)
    parts, small = _parts(held, by, where, min_rows)
    judged: list[_Slice] = []
    for title, members in parts:
        contest = held.take(members).contest(state, on, quick=True)
        found = contest.score(contest.models[name], contest.asked[0], evaluation.split)
        if (why := unscored(found, name, on)) is not None:
            judged.append(_Slice(title, int(members.sum()), "inconclusive", why))
            continue
        assert found.value is not None and found.low is not None and found.high is not None
        span = (found.low, found.high)
        wide = _widened(found.value, span, len(parts), found.n)
        verdict, needed = within(span, min, max, at=found.value, n=found.n)
        if verdict == "fail":
            verdict, needed = within(wide, min, max, at=found.value, n=found.n)
        said = f"{found.value:.4g} (95 % {found.low:.4g} to {found.high:.4g})"
        judged.append(_Slice(title, found.n, verdict, said, needed, found.value))
    what = f"{on} of {name}, where {bounds(min, max)} is wanted"
    return _summed(gate, judged, small, what=what, rows=held.told)


@dataclass(frozen=True)
class _Slice:
    """What was found on one slice."""

    title: str
    rows: int
    verdict: Outcome
    said: str
    needed: int | None = None
    value: float | None = None


def _asked(gate: str, by: list[str] | None, where: dict[str, str] | None) -> None:
    if not by and not where:
        raise RecipeError(
            f"The gate {gate!r} names no slices, so it would always pass.",
            hint="give `by: FIELD`, or `where: {name: SQL expression}`",
        )


def _columns(by: list[str] | None, where: dict[str, str] | None) -> list[str]:
    """The columns that slices are made of; texts that are not asked for stay unread."""
    expressions = [parse_expression(sql) for sql in (where or {}).values()]
    names = [name for one in expressions for name in one.meta.root_names()]
    return list(dict.fromkeys([*(by or ()), *names]))


def _named(by: list[str] | None, where: dict[str, str] | None) -> str:
    return "by " + ", ".join([*(by or ()), *(where or ())])


def _parts(
    held: Rows, by: list[str] | None, where: dict[str, str] | None, min_rows: int
) -> tuple[list[tuple[str, pl.Series]], list[str]]:
    """The slices of enough rows with their members, and the names of the others."""
    rows, least = held.beside, max(min_rows, FEWEST_ROWS)
    fit: list[tuple[str, pl.Series]] = []
    small: list[str] = []
    for field in by or ():
        values = _values(rows, field)
        counts = values.value_counts(name="rows").sort(field, nulls_last=True)
        few = counts.filter(pl.col("rows") < least)
        small += [f"{_title(field, value)} ({n:,})" for value, n in few.head(SHOWN).iter_rows()]
        if few.height > SHOWN:
            small.append(f"{few.height - SHOWN:,} more values of {field}")
        for value in counts.filter(pl.col("rows") >= least)[field].head(MOST_SLICES + 1):
            members = values.eq_missing(pl.Series([value], dtype=pl.String))
            fit.append((_title(field, value), members))
    for name, sql in (where or {}).items():
        members = evaluate_expression(rows, sql).cast(pl.Boolean).fill_null(False)
        if (count := int(members.sum())) < least:
            small.append(f"{name} ({count:,})")
        else:
            fit.append((name, members))
    if len(fit) > MOST_SLICES:
        raise RecipeError(
            f"A gate asks for more slices of {least:,} rows or more than can be judged.",
            allowed=f"at most {MOST_SLICES}",
            hint="raise `min_rows`, or name slices: `where: {cheap: price < 10}`",
        )
    return fit, small


def _values(rows: pl.DataFrame, field: str) -> pl.Series:
    if field not in rows.columns:
        raise RecipeError(
            f"A gate names a field that is not there: {field!r}.",
            allowed=[name for name in rows.columns if name != ROW_ID],
            hint=nearest(field, rows.columns),
        )
    if rows.schema[field].is_nested():
        raise RecipeError(
            f"The field {field!r} holds lists or objects, which are no slices.",
            hint="name slices by expressions: `where: {name: SQL expression}`",
        )
    return rows[field].cast(pl.String, strict=False).alias(field)


def _title(field: str, value: str | None, limit: int = 60) -> str:
    if value is None:
        return f"{field} is missing"
    return f"{field} = {value if len(value) <= limit else value[: limit - 1] + '…'}"


def _widened(value: float, span: tuple[float, float], slices: int, n: int) -> tuple[float, float]:
    """An interval of 95 % made one of 1 - 5 % / slices, as t intervals are widened.

    >>> [round(x, 2) for x in _widened(0.0, (-1.0, 1.0), 20, 100_000)]
    [-1.54, 1.54]
    """
    from scipy.special import stdtrit

    df = max(n - 1, 1)
    ratio = float(stdtrit(df, 1 - 0.025 / max(slices, 1)) / stdtrit(df, 0.975))
    return value - (value - span[0]) * ratio, value + (span[1] - value) * ratio


def _summed(gate: str, judged: list[_Slice], small: list[str], *, what: str, rows: str) -> Verdict:
    given = {one.verdict for one in judged}
    verdict: Outcome = (
        "fail" if "fail" in given else "inconclusive" if "inconclusive" in given else "pass"
    )
    figures = {one.title: {"value": one.value, "n": one.rows, "verdict": one.verdict}
               for one in judged}  # fmt: skip
    if not judged:
        why = f"No slice has enough rows to be judged: {', '.join(small) or 'none'}."
        return Verdict(gate, "inconclusive", why, figures=figures)
    worst = [one for one in judged if one.verdict == verdict]
    count = f"{len(worst)} of {len(judged)} slices {_SAYS[verdict]}"
    shown = "; ".join(f"{one.title}: {one.said} on {one.rows:,} rows" for one in worst[:SHOWN])
    more = f"; and {len(worst) - SHOWN} more" if len(worst) > SHOWN else ""
    left = f" Too few rows to be judged: {', '.join(small)}." if small else ""
    needed, open_one = None, None
    if verdict == "inconclusive":
        told = [one for one in worst if one.needed is not None]
        open_one = max(told, key=lambda one: (one.needed or 0) / one.rows, default=None)
    if open_one is not None:
        needed = open_one.needed
        left += f" For {open_one.title}:{told_needed(needed, open_one.rows)}"
    detail = f"{what}: {count}, over {rows}. {shown}{more}.{left}"
    return Verdict(gate, verdict, detail, needed, figures=figures)


_SAYS = {"pass": "hold", "fail": "do not hold", "inconclusive": "cannot be decided"}
