"""The report: one HTML page from a version's manifest, an evaluation and the gates' verdicts.

`summarize` decides what is shown, `charts` where it is drawn, `render` how it is written.
"""

from __future__ import annotations

from assay.reporting.render import render, render_chart, to_png
from assay.reporting.summarize import summarize

__all__ = ["render", "render_chart", "summarize", "to_png"]
