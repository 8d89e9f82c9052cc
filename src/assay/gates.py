"""Gates: conditions that stop a run. Each public function here is one.

A gate passes, fails, or is inconclusive: too little data to decide. Scores are held against the
bounds of their 95 % interval, not against the value alone, so a gate neither passes nor fails by
chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from assay.component import bind, find
from assay.errors import RecipeError, nearest
from assay.evaluation.evaluation import Comparison, Evaluation
from assay.recipe import Use

__all__ = ["better", "leak", "rows", "score", "set_aside"]

Outcome = Literal["pass", "fail", "inconclusive"]
CHECKS = (
    "exact_pairs",
    "near_pairs",
    "groups",
    "time",
    "target_field",
    "adversarial",
    "moved",
)
"""The codes of a leak certificate."""


@dataclass(frozen=True)
class State:
    """What gates look at: the manifest of a version and the evaluation on it."""

    manifest: Mapping[str, Any] | None = None
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class Verdict:
    """What a gate decided, and the figures it decided on."""

    gate: str
    verdict: Outcome
    detail: str


def rows(
    state: State, *, split: str | None = None, min: int | None = None, max: int | None = None
) -> Verdict:
    """Hold the number of kept rows, of all or of one split, against bounds.

    Raises:
        RecipeError: there is no such split, or neither bound is given.

    >>> rows(State({"rows": {"kept": 90}, "splits": {"train": 80}}), split="train", min=100).verdict
    'fail'
    """
    manifest = _manifest(state)
    _some("rows", min, max)
    if split is None:
        count, what = int(manifest["rows"]["kept"]), "all rows"
    else:
        count, what = int(_known("split", split, manifest.get("splits", {}))), split
    held = (min is None or count >= min) and (max is None or count <= max)
    return Verdict(
        f"rows: {what} {_bounds(min, max)}",
        "pass" if held else "fail",
        f"{count:,} rows where {_bounds(min, max)} are wanted.",
    )


def set_aside(state: State, *, max: float) -> Verdict:
    """Hold the share of rows that were set aside against an upper bound.

    >>> set_aside(State({"rows": {"read": 100, "set_aside": 3}}), max=0.05).verdict
    'pass'
    """
    counts = _manifest(state)["rows"]
    read, lost = int(counts["read"]), int(counts["set_aside"])
    share = lost / read if read else 0.0
    return Verdict(
        f"set_aside: at most {max:.4g}",
        "pass" if share <= max else "fail",
        f"{lost:,} of {read:,} rows were set aside, a share of {share:.4g} where at most "
        f"{max:.4g} is wanted.",
    )


def score(
    state: State,
    *,
    metric: str,
    model: str = "best",
    min: float | None = None,
    max: float | None = None,
) -> Verdict:
    """Hold a model's score against bounds: its whole 95 % interval has to lie within them.

    It fails if the whole interval lies outside, and is inconclusive if a bound cuts it or there
    is no interval.

    Raises:
        RecipeError: there is no such model or metric, or neither bound is given.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> close = truth.select("id", prediction=pl.col("y") + pl.col("id") % 3 / 10)
    >>> far = truth.select("id", prediction=pl.lit(3.0))
    >>> state = State(None, evaluate(truth, {"close": close, "far": far}, metrics="mae"))
    >>> score(state, metric="mae", max=0.5).verdict, score(state, metric="mae", max=0.1).verdict
    ('pass', 'inconclusive')
    """
    evaluation = _evaluation(state)
    _some("score", min, max)
    name = _model(evaluation, model)
    _metric(evaluation, metric)
    gate = f"score: {metric} of {model} {_bounds(min, max)}"
    found = evaluation.score_of(name, metric)
    if found is None or found.value is None:
        why = found.method.removeprefix("none: ") if found else "it gave no predictions"
        return Verdict(gate, "inconclusive", f"{name} has no {metric}: {why}.")
    if found.low is None or found.high is None:
        why = found.method.removeprefix("none: ")
        detail = f"{metric} of {name} is {found.value:.4g}, without an interval: {why}."
        return Verdict(gate, "inconclusive", detail)
    inside = (min is None or found.low >= min) and (max is None or found.high <= max)
    outside = (min is not None and found.high < min) or (max is not None and found.low > max)
    return Verdict(
        gate,
        "pass" if inside else "fail" if outside else "inconclusive",
        f"{metric} of {name} is {found.value:.4g} (95 % {found.low:.4g} to {found.high:.4g}) "
        f"where {_bounds(min, max)} is wanted.",
    )


def better(state: State, *, than: str, model: str = "best", metric: str | None = None) -> Verdict:
    """Ask that a model is better than another on the same rows, beyond chance.

    It passes if the 95 % interval of their difference lies wholly on the better side, fails if it
    lies on the other side or the two are one model, and else is inconclusive.

    Args:
        state: what to look at.
        than: the model to beat.
        model: the model that has to be better; `best` is the best on the first metric.
        metric: by default the first one.

    Raises:
        RecipeError: there is no such model or metric, or the two were not compared.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> close = truth.select("id", prediction=pl.col("y") + pl.col("id") % 3 / 10)
    >>> far = truth.select("id", prediction=pl.lit(3.0))
    >>> state = State(None, evaluate(truth, {"close": close, "far": far}, metrics="mae"))
    >>> better(state, than="far").verdict
    'pass'
    """
    evaluation = _evaluation(state)
    name, other = _model(evaluation, model), _model(evaluation, than)
    metric = metric or (evaluation.metrics[0] if evaluation.metrics else "")
    _metric(evaluation, metric)
    gate = f"better: {model} than {than} on {metric}"
    if name == other:
        return Verdict(gate, "fail", f"{name} is itself the model to beat.")
    found = _comparison(evaluation, name, other, metric)
    if found is None:
        for one in (name, other):
            own = evaluation.score_of(one, metric)
            if own is None or own.value is None:
                return Verdict(gate, "inconclusive", f"{one} has no {metric} to compare.")
        raise RecipeError(
            f"{name!r} and {other!r} were not compared.",
            allowed=sorted({f"{c.a} with {c.b}" for c in evaluation.comparisons}),
            hint="evaluate again with this gate in the recipe",
        )
    if found.low is None or found.high is None:
        return Verdict(gate, "inconclusive", found.sentence)
    own = evaluation.score_of(name, metric)
    # The difference is a minus b: turned so that above 0 means that `model` is better.
    sign = (1 if found.a == name else -1) * (1 if own and own.better == "higher" else -1)
    low, high = sorted((sign * found.low, sign * found.high))
    verdict: Outcome = "pass" if low > 0 else "fail" if high < 0 else "inconclusive"
    word = {"pass": "better", "fail": "worse", "inconclusive": "not surely better"}[verdict]
    return Verdict(
        gate,
        verdict,
        f"{name} is {word} than {other}: by {metric} it gains {sign * found.difference:.4g} "
        f"(95 % {low:.4g} to {high:.4g}) on {found.n:,} rows.",
    )


def leak(
    state: State,
    *,
    allow: list[str] | None = None,
    exact_pairs: int = 0,
    near_pairs: int = 0,
    auc: float | None = None,
) -> Verdict:
    """Ask that no check of the leak certificate fails.

    It is inconclusive if a check that applies was not measured, or there is no certificate.

    Args:
        state: what to look at.
        allow: checks that may fail or be left unmeasured: `exact_pairs`, `near_pairs`, `groups`,
            `time`, `target_field`, `adversarial`, `moved`.
        exact_pairs: how many rows may equal a row of an earlier split.
        near_pairs: how many rows may have a near duplicate in an earlier split.
        auc: the highest area under the curve with which a classifier may tell train from the
            rest; without it, what the certificate itself says.

    Raises:
        RecipeError: `allow` names a check that there is not.

    >>> found = {"code": "moved", "title": "Moved rows", "status": "fail", "detail": "3 rows."}
    >>> state = State({"certificate": {"checks": [found]}})
    >>> leak(state).detail, leak(state, allow=["moved"]).verdict
    ('Moved rows: 3 rows.', 'pass')
    """
    gate = "leak: none" if not allow else f"leak: none but {', '.join(allow)}"
    for name in allow or ():
        _known("check", name, dict.fromkeys(CHECKS))
    certificate = _manifest(state).get("certificate") or {}
    checks = [one for one in certificate.get("checks", ()) if one["code"] not in (allow or ())]
    if not certificate.get("checks"):
        why = "the recipe says `certificate: off`, or there is one split only"
        return Verdict(gate, "inconclusive", f"The version has no leak certificate: {why}.")
    limits = {"exact_pairs": exact_pairs, "near_pairs": near_pairs, "adversarial": auc}
    failed = [one for one in checks if _leaks(one, limits.get(one["code"]))]
    open_ones = [one for one in checks if one["status"] == "not measured"]
    said = failed or open_ones or [one for one in checks if one["status"] == "pass"]
    detail = " ".join(f"{one['title']}: {one['detail']}{_examples(one)}" for one in said)
    verdict: Outcome = "fail" if failed else "inconclusive" if open_ones else "pass"
    return Verdict(gate, verdict, detail or "No check of the certificate applies.")


def judge(gates: Sequence[Use], state: State) -> tuple[Verdict, ...]:
    """Hold the state against every gate of a recipe, in order.

    Raises:
        RecipeError: a gate or what it names does not exist.

    >>> uses = [Use(name="rows", given={"min": 10})]
    >>> judge(uses, State({"rows": {"kept": 90}}))[0].verdict
    'pass'
    """
    found = []
    for use in gates:
        component = find("gates", use.name)
        found.append(component.function(state, **bind(component, use.given)))
    return tuple(found)


def pairs(gates: Sequence[Use]) -> tuple[tuple[str, str], ...]:
    """The models that gates want compared beside the best one with each other one.

    >>> pairs([Use(name="better", given={"model": "trees", "than": "linear"})])
    (('trees', 'linear'),)
    """
    wanted = [
        (str(use.given.get("model", "best")), str(use.given.get("than", "best")))
        for use in gates
        if use.name == "better"
    ]
    return tuple(pair for pair in wanted if "best" not in pair)


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """Fail if one fails, else inconclusive if one is, else pass; without gates pass.

    >>> overall([]), overall([Verdict("a", "pass", ""), Verdict("b", "inconclusive", "")])
    ('pass', 'inconclusive')
    """
    given = {verdict.verdict for verdict in verdicts}
    return "fail" if "fail" in given else "inconclusive" if "inconclusive" in given else "pass"


def _manifest(state: State) -> Mapping[str, Any]:
    if state.manifest is None:
        raise RecipeError("This gate looks at a version, and there is none.")
    return state.manifest


def _evaluation(state: State) -> Evaluation:
    if state.evaluation is None:
        raise RecipeError(
            "This gate looks at an evaluation, and there is none.",
            hint="give the recipe a `target` and `models`",
        )
    return state.evaluation


def _leaks(check: Mapping[str, Any], limit: float | None) -> bool:
    """Whether a check fails: by the gate's own limit where it has one."""
    value = check.get("value")
    if check["status"] not in ("pass", "fail") or not limit or value is None:
        return bool(check["status"] == "fail")
    return bool(value > limit)


def _examples(check: Mapping[str, Any]) -> str:
    """The first rows that failed, as ids of a pair or of single rows."""
    if check["status"] != "fail":
        return ""
    pairs = [
        f"{one['row_a']} and {one['row_b']}" if "row_a" in one else one.get("row")
        for one in check.get("examples", ())
    ]
    shown = [str(pair) for pair in pairs if pair][:3]
    return f" For instance {'; '.join(shown)}." if shown else ""


def _known(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise RecipeError(
            f"A gate names a {kind} that is not there: {name!r}.",
            allowed=known,
            hint=nearest(name, known),
        )
    return known[name]


def _model(evaluation: Evaluation, name: str) -> str:
    models = {info.model: info.model for info in evaluation.models}
    if name == "best" and name not in models:
        return evaluation.best or name
    return str(_known("model", name, models))


def _metric(evaluation: Evaluation, name: str) -> None:
    _known("metric", name, dict.fromkeys(evaluation.metrics))


def _comparison(evaluation: Evaluation, a: str, b: str, metric: str) -> Comparison | None:
    return next(
        (c for c in evaluation.comparisons if {c.a, c.b} == {a, b} and c.metric == metric), None
    )


def _some(gate: str, low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise RecipeError(
            f"The gate {gate!r} has no bound, so it would always pass.", hint="give `min` or `max`"
        )


def _bounds(low: float | None, high: float | None) -> str:
    parts = [
        f"{word} {value:,}" if isinstance(value, int) else f"{word} {value:.4g}"
        for word, value in (("at least", low), ("at most", high))
        if value is not None
    ]
    return " and ".join(parts)
