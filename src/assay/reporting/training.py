"""The training files of a version: rows, what was left out, tokens and what training may cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.reporting import charts
from assay.reporting.curation import bins
from assay.reporting.words import finite, integer, number, share, short

Plain = dict[str, Any]


def exports(manifest: Mapping[str, Any]) -> list[Plain]:
    """Every export in the order of the recipe.

    >>> exports({"exports": {"chat": {"rows": 8, "left_out": {"too long": 2}}}})[0]["left_out"]
    [('too long', '2', '20.0\\u202f%')]
    """
    return [
        _export(str(label), one or {}) for label, one in (manifest.get("exports") or {}).items()
    ]


def _export(label: str, one: Mapping[str, Any]) -> Plain:
    rows = finite(one.get("rows"))
    out = {
        str(reason): finite(count) or 0.0 for reason, count in (one.get("left_out") or {}).items()
    }
    asked = (rows or 0.0) + sum(out.values())
    tokens = one.get("tokens") or {}
    total, trained = finite(tokens.get("total")), finite(tokens.get("trained"))
    ranked = sorted(out.items(), key=lambda pair: -pair[1])
    return {
        "label": short(label, 80),
        "rows": integer(rows),
        "left_out": [(short(reason, 160), integer(count), share(count, asked))
                     for reason, count in ranked[:20] if count],
        "left": integer(sum(out.values())),
        "tokens": integer(total) if total is not None else "",
        "trained": integer(trained) if trained is not None else "",
        "trained_share": share(trained, total) if trained is not None and total else "",
        "mean": number(total / rows, 0) if total is not None and rows else "",
        "vocabulary": short(tokens.get("vocabulary"), 60),
        "histogram": _histogram(tokens),
        "cost": cost(one.get("cost")),
    }  # fmt: skip


def _histogram(tokens: Mapping[str, Any]) -> Plain | None:
    """Tokens of a row: all of them filled, the trained ones as a line where they are known."""
    given = tokens.get("histogram") or {}
    edges, counts = list(given.get("edges") or ()), given.get("counts") or ()
    series = dict(counts) if isinstance(counts, Mapping) else {"total": list(counts)}
    if given.get("trained") and "trained" not in series:
        series["trained"] = list(given["trained"])
    names = {"total": "all tokens", "trained": "trained tokens"}
    shown = {names.get(str(name), short(name, 40)): list(one) for name, one in series.items()}
    drawn = charts.histogram(edges, shown)
    if drawn is None:
        return None
    totals = {name: sum(finite(v) or 0.0 for v in one) for name, one in shown.items()}
    return {"shape": drawn, "names": list(shown), **bins(edges, shown, totals)}


def cost(given: Any) -> Plain | None:
    """The estimate, the date of its prices, and what it was reckoned from.

    >>> cost({"usd": 3.2, "date": "2025-01-01", "epochs": 3})["amount"]
    '$3.20'
    """
    if not isinstance(given, Mapping) or not given:
        return None
    rest = dict(given)
    amount = next((rest.pop(key) for key in ("usd", "amount", "estimate", "total", "cost")
                   if finite(rest.get(key)) is not None), None)  # fmt: skip
    unit = rest.pop("currency", None) or "USD"
    date = next((rest.pop(key) for key in ("date", "as_of", "dated", "prices_of")
                 if rest.get(key)), None)  # fmt: skip
    facts = [(short(str(key).replace("_", " "), 40),
              number(item) if finite(item) is not None else short(item, 120))
             for key, item in rest.items()
             if item is not None and not isinstance(item, Mapping | list | tuple)]  # fmt: skip
    return {
        "amount": number(amount, 2, unit) if amount is not None else "",
        "date": short(date, 40),
        "facts": facts,
    }
