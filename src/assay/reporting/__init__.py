"""The report: one HTML page from a version's manifest, an evaluation and the gates' verdicts.

`summarize` decides what is shown, `charts` where it is drawn, `render` how it is written.
"""

from __future__ import annotations

from assay.reporting.pictures import pictures, render_chart, to_png
from assay.reporting.render import render
from assay.reporting.summarize import summarize

__all__ = ["pictures", "render", "render_chart", "summarize", "to_png"]
