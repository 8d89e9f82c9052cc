"""What a monitor found, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(line: Mapping[str, Any]) -> str:
    """One sentence that says how far a field has moved."""
    effect = line["effect"]
    return (
        f"{line['field']} has moved: {effect['name'].replace('_', '-')} {effect['value']:.3g} "
        f"(95 % {effect['low']:.3g} to {effect['high']:.3g}), where {effect['floor']:g} matters."
    )


def _chance(p: float) -> str:
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def line_of(line: Mapping[str, Any]) -> str:
    """A line of the table of drift."""
    effect = line["effect"]
    interval = f"{effect['low']:.3f} to {effect['high']:.3f}"
    shown = line["field"] if len(line["field"]) <= 32 else line["field"][:31] + "…"
    return (
        f"  {'ALARM' if line['alarm'] else '':<6} {shown:<32} {effect['name']:<15} "
        f"{effect['value']:>7.3f}  {interval:<17} {effect['floor']:>6g}  "
        f"{_chance(line['p_adjusted'])}"
    )


def figure_of(one: Mapping[str, Any]) -> str:
    """A line of the table of performance."""
    interval = "–" if one["low"] is None else f"{one['low']:.4g} to {one['high']:.4g}"
    value, before = (
        "–" if one[key] is None else f"{one[key]:.4g}" for key in ("value", "reference")
    )
    told = "estimated" if one["estimated"] else f"{one['n']:,} labels"
    return (
        f"  {'ALARM' if one['alarm'] else '':<6} {one['model'][:20]:<20} {one['metric'][:18]:<18} "
        f"{value:>9}  {interval:<22}  {before}  ({told})"
    )
