"""An evaluation in a few lines of text, for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.evaluation.evaluation import Evaluation, Score

WIDTH = 100


def leaderboard(evaluation: Evaluation) -> str:
    """Say who did best and by how much: a table, what sets the models apart, and the notes.

    The first metric orders the models and has its 95 % interval beside it. The others have theirs
    too where a line of 100 characters holds them all.
    """
    table = ranked(evaluation)
    lines = _aligned(table)
    hidden = []
    if max(map(len, lines)) > WIDTH:
        table = ranked(evaluation, every_interval=False)
        lines = _aligned(table)
        hidden = ["Only the first metric is shown with its 95 % interval; the report has them all."]
    first = evaluation.metrics[0] if evaluation.metrics else None
    places = {line[0]: place for place, line in enumerate(table)}
    compared = sorted(evaluation.comparisons, key=lambda line: places.get(line.b, len(places)))
    told = [line.sentence for line in compared if line.metric == first]
    return "\n".join([headline(evaluation), *lines, *hidden, *told, *evaluation.notes])


def headline(evaluation: Evaluation) -> str:
    """What was scored on what."""
    models = len(evaluation.models)
    rows = f"{evaluation.n:,} {f'{evaluation.split} ' if evaluation.version else ''}rows"
    by = f", best first by {evaluation.metrics[0]}" if evaluation.metrics and models > 1 else ""
    what = f"{evaluation.name}: {evaluation.target}"
    return f"{what}, {models} model{'s' * (models != 1)} on {rows}{by}"


def ranked(evaluation: Evaluation, *, every_interval: bool = True) -> list[list[str]]:
    """The scores as a table of texts, with a head, the best model first."""
    missing = any(info.missing for info in evaluation.models)
    table = [["model", *evaluation.metrics, *["missing"] * missing]]
    for name, lost in _order(evaluation):
        cells = [
            _shown(evaluation.score_of(name, metric), interval=every_interval or not place)
            for place, metric in enumerate(evaluation.metrics)
        ]
        table.append([name, *cells, *[f"{lost:,}"] * missing])
    return table


def _order(evaluation: Evaluation) -> list[tuple[str, int]]:
    """Models by the first metric; those without a value last, in the order of the recipe."""

    def place(name: str) -> tuple[bool, float]:
        score = evaluation.score_of(name, evaluation.metrics[0]) if evaluation.metrics else None
        if score is None or score.value is None:
            return True, 0.0
        return False, score.value if score.better == "lower" else -score.value

    models = [(info.model, info.missing) for info in evaluation.models]
    return sorted(models, key=lambda model: place(model[0]))


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]


def _shown(score: Score | None, *, interval: bool) -> str:
    if score is None or score.value is None:
        return "–"
    if not interval or score.low is None or score.high is None:
        return _digits(score.value)
    return f"{_digits(score.value)} [{_digits(score.low)}, {_digits(score.high)}]"


def _digits(value: float) -> str:
    size = abs(value)
    shown = f"{value:,.4g}" if size >= 1e6 else f"{value:,.2f}" if size >= 10 else f"{value:.4f}"
    return shown.removeprefix("-") if not float(shown.replace(",", "")) else shown
