"""Every chart of an evaluation as a picture that stands alone: SVG, and PNG without a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from assay.errors import MissingExtra, VersionError, nearest
from assay.reporting import models
from assay.reporting.details import details
from assay.reporting.palette import COLOURS, DEEPEST
from assay.reporting.render import environment, writable
from assay.reporting.words import short

Theme = Literal["light", "dark"]
Plain = dict[str, Any]


def pictures(
    evaluation: Mapping[str, Any], *, theme: Theme = "light", most: int | None = None
) -> dict[str, str]:
    """Every chart of a report on models, as SVG.

    Args:
        evaluation: evaluation.json.
        theme: `light` or `dark`.
        most: of how many models beside the leaderboard, the best first; all by default.

    Returns:
        File name without its ending to SVG: `leaderboard-<metric>`, `ranks`, and for each model
        `<model>-scatter`, `-residuals`, `-running`, `-calibration`, `-learning`, `-confusion`, and
        `-roc` and `-precision_recall`, with the class where there are several.

    >>> pictures({"name": "empty"})
    {}
    """
    found: dict[str, str] = {}
    split = str(evaluation.get("split") or "test")
    board = models.leaderboard(evaluation, split)
    if board is not None:
        for place, metric in enumerate(board["metrics"]):
            rows = [{"name": row["model"][:36], "best": row["best"], "at": row["cells"][place]}
                    for row in board["rows"]]  # fmt: skip
            chart = {"rows": rows, "ticks": metric["ticks"],
                     "across": f"{metric['label']}, {metric['better']}",
                     "about": "Each line is a 95 % interval."}  # fmt: skip
            title = f"{metric['label']} of the models"
            found[file_name("leaderboard", metric["name"])] = drawn("whiskers", chart, title, theme)
        if ranks := board["ranking"]:
            rows = [{"name": f"{row['model'][:32]}  {row['letters']}", "best": False, "at": row}
                    for row in ranks["rows"]]  # fmt: skip
            chart = {
                "rows": rows,
                "ticks": ranks["ticks"],
                "about": ranks["about"],
                "across": f"mean rank, with one critical difference ({ranks['difference']})",
            }
            found["ranks"] = drawn("whiskers", chart, f"Models ranked by {ranks['by']}", theme)
    ranked = models.order(evaluation, models.figures(evaluation, split))
    for one in details(evaluation, ranked, len(ranked) if most is None else most):
        for key, kind, chart, title in _charts(one):
            name = file_name(one["model"], key)
            while name in found:
                name += "_"
            found[name] = drawn(kind, chart, f"{one['model']}: {title}", theme)
    return found


def _charts(one: Plain) -> list[tuple[str, str, Plain, str]]:
    """Of one model: the file's name, the kind of drawing, the chart and its title."""
    found = []
    if one["scatter"]:
        found.append(("scatter", "scatter", one["scatter"], "truth and prediction"))
    for chart in (one["residuals"], one["running"], one["calibration"], one["learning"]):
        if chart:
            found.append((chart["key"], "plot", chart, models.sentence_case(chart["title"])))
    for both in one["curves"]:
        for chart in both:
            key = chart["key"] + (f"-{chart['of']}" if len(one["curves"]) > 1 else "")
            found.append((key, "plot", chart, chart["title"]))
    if one["confusion"]:
        found.append(("confusion", "confusion", one["confusion"], "confusion matrix"))
    return found


def render_chart(
    kind: str, evaluation: Mapping[str, Any], model: str, *, theme: Theme = "light"
) -> str:
    """One chart of one model as an SVG picture that stands alone.

    Args:
        kind: as the files of `pictures` are named: `scatter`, `residuals`, `roc`, ….
        evaluation: evaluation.json.
        model: whose chart.
        theme: `light` or `dark`.

    Raises:
        VersionError: the evaluation holds no such chart for this model.
    """
    known = evaluation.get("details") or {}
    found = details({**evaluation, "details": {model: known.get(model)}}, [model])
    charts = {key: (how, chart, title) for one in found for key, how, chart, title in _charts(one)}
    if kind not in charts:
        raise VersionError(
            "The evaluation holds no such chart.",
            received=f"{kind} of {model}",
            allowed=charts or list(known),
            hint=nearest(kind, charts) if charts else nearest(model, known),
        )
    how, chart, title = charts[kind]
    return drawn(how, chart, f"{model}: {title}", theme)


def to_png(svg: str, *, scale: float = 2.0) -> bytes:
    """A picture of `pictures` as PNG, drawn without a browser."""
    try:
        import vl_convert
    except ImportError:
        raise MissingExtra("charts", "A chart as PNG") from None

    return bytes(vl_convert.svg_to_png(svg, scale=scale))


def drawn(kind: str, chart: Plain, title: str, theme: Theme) -> str:
    """One chart as SVG: `whiskers`, `scatter`, `plot` or `confusion`."""
    index = ("light", "dark").index(theme)
    template = environment().get_template("chart.svg.j2")
    colours = {name: pair[index] for name, pair in COLOURS.items()}
    drawn = template.render(
        kind=kind, chart=chart, title=short(title, 90), colours=colours, deep=DEEPEST[index] / 100
    )
    return writable(re.sub(r"\n\s*\n+", "\n", drawn).strip())


def file_name(*parts: str) -> str:
    """A name that any file system takes."""
    return "-".join(re.sub(r"[^\w.-]+", "_", part).strip("_.")[:60] or "model" for part in parts)
