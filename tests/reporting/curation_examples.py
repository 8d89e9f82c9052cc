"""A made-up manifest with all that curation measures, and the two pages beside the report."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import report_examples as examples

Plain = dict[str, Any]

PAIR = {
    "a": {"row": "9f3c2a11d0e45b78", "split": "test",
          "title": "Brushed nickel pull-down kitchen faucet, two spray modes",
          "text": "Fits most sinks and comes with hoses. " * 6 + "Five year warranty."},
    "b": {"row": "01ab77cc92340fe1", "split": "train",
          "title": "Brushed nickel pull-out kitchen faucet, two spray modes",
          "text": "Fits most sinks and comes with hoses. " * 6 + "Ten year warranty."},
    "jaccard": 0.91,
}  # fmt: skip


def check(code: str, title: str, status: str, **more: Any) -> Plain:
    """One check of a certificate."""
    return {"code": code, "title": title, "status": status, "value": None, "limit": None,
            "detail": "", "examples": [], **more}  # fmt: skip


CLEAN = {
    "verdict": "clean",
    "checks": [
        check("exact_pairs", "Exact copies across splits", "pass", value=0, limit=0,
              detail="No row of test or validation equals a row of train."),
        check("near_pairs", "Near-duplicates across splits", "pass", value=0, limit=0,
              detail="No pair of rows on different sides shares 80 % of its shingles."),
        check("groups", "Groups across splits", "not applicable",
              detail="The recipe names no groups."),
        check("adversarial", "Train told from test", "pass", value=0.512, limit=0.6,
              detail="A classifier tells train from test with an AUC of 0.512."),
    ],
}  # fmt: skip

LEAKS = {
    "verdict": "leaks",
    "checks": [
        *CLEAN["checks"][:1],
        check("near_pairs", "Near-duplicates across splits", "fail", value=12, limit=0,
              detail="12 pairs of rows on different sides share at least 80 % of their shingles.",
              examples=[PAIR, {**PAIR, "jaccard": 0.84}]),
        check("groups", "Groups across splits", "not applicable",
              detail="The recipe names no groups."),
        check("time", "Time order", "not measured",
              detail="Field listed has 1,200 missing moments, so order cannot be told."),
        check("target_field", "Target in an input field", "fail", value=0.9987, limit=0.99,
              detail="Field list_price alone predicts price with R² 0.9987.",
              examples=[{"field": "list_price", "score": 0.9987}]),
        check("adversarial", "Train told from test", "pass", value=0.512, limit=0.6,
              detail="A classifier tells train from test with an AUC of 0.512."),
        check("moved", "Rows that changed sides", "pass", value=0, limit=0,
              detail="No row of the version before is on another side."),
    ],
}  # fmt: skip


def manifest(certificate: Plain = LEAKS) -> Plain:
    """A version of product prices with every measurement of curation."""
    built = copy.deepcopy(examples.manifest())
    rng = np.random.default_rng(1)
    edges = np.linspace(0, 1000, 26)
    before = np.histogram(np.exp(rng.normal(4.1, 1.1, 6000)), edges)[0].tolist()
    after = np.histogram(rng.uniform(0, 1000, 3000) * rng.uniform(0.2, 1, 3000), edges)[0].tolist()
    built["certificate"] = certificate
    built["rows"]["synthetic"] = 400
    built["splits"] = {"train": 3705, "validation": 174, "test": 174}
    built["rows"]["kept"] = 3653
    built["rows"]["set_aside"] = 485
    built["reasons"]["dedup.exact: duplicate"] = 204
    extra = [
        {"step": "sample.weighted", "distribution": {
            "field": "price", "kind": "number",
            "before": {"edges": edges.tolist(), "counts": before},
            "after": {"edges": edges.tolist(), "counts": after}}},
        {"step": "balance.classes", "learned": {"ratio": 1.0}, "distribution": {
            "field": "category", "kind": "class",
            "before": {"Appliances": 2100, "Tools": 700, "Toys": 300, "Software": 40, "other": 50},
            "after": {"Appliances": 700, "Tools": 700, "Toys": 300, "Software": 40, "other": 50}}},
        {"step": "clean.impute", "learned": {"fields": {
            "weight": {"method": "median", "value": 2.4, "filled": 1203},
            "brand": {"method": "most frequent", "value": "Moen", "filled": 88}}}},
        {"step": "clean.categories", "learned": {"mapping": {
            "brand": {"whirlpool": "Whirlpool", "Whirl pool": "Whirlpool", "GE.": "GE"},
            "colour": {"gray": "grey"}}}},
        {"step": "features.select", "learned": {"method": "mutual information", "kept": 3,
            "scores": {"weight": 0.412, "brand": 0.2217, "text_length": 0.0871, "listed": 0.0021},
            "dropped": ["listed"]}},
        {"step": "labels.drop", "learned": {"rows": 3132, "suspects": 41, "dropped": 41,
            "pairs": [{"given": "Tools", "expected": "Toys", "rows": 23},
                      {"given": "Toys", "expected": "Tools", "rows": 18}]}},
    ]  # fmt: skip
    for position, step in enumerate(extra, 5):
        built["steps"].append({"position": position, "set_aside": 0, "changed": 0, "rules": {},
                               "version": "77dd", **step})  # fmt: skip
    tokens = np.histogram(rng.gamma(8, 60, 3653), np.linspace(0, 1600, 21))
    trained = np.histogram(rng.gamma(2, 40, 3653), np.linspace(0, 1600, 21))
    built["exports"] = {
        "jsonl": {"rows": 3653, "left_out": {}},
        "chat": {
            "rows": 3601,
            "left_out": {"longer than 4,096 tokens": 48, "the answer is cut off": 4},
            "tokens": {"total": 1_753_211, "trained": 61_233, "vocabulary": "o200k",
                       "histogram": {"edges": tokens[1].tolist(), "counts": {
                           "total": tokens[0].tolist(), "trained": trained[0].tolist()}}},
            "cost": {"amount": 43.83, "currency": "USD", "as_of": "2025-06-01", "epochs": 3,
                     "model": "gpt-4o-mini", "per_million": 3.0, "tokens": 1_500_000},
        },
    }  # fmt: skip
    return built


def finding(says: str, field: str | None, severity: str = "warning", **more: Any) -> Plain:
    """One finding of a check."""
    return {"says": says, "action": "", "field": field, "count": None, "share": None,
            "severity": severity, "measured": {}, "step": None, "examples": [], **more}  # fmt: skip


def checked(name: str, code: str, findings: list[Plain] | None = None, **more: Any) -> Plain:
    """One check with what came of it."""
    return {"check": name, "code": code, "severity": "warning", "reason": None,
            "status": "found" if findings else "passed", "summary": f"Looks for {name}.",
            "docs": f"docs/checks.md#{code.lower()}", "findings": findings or [],
            **more}  # fmt: skip


def inspection(times: int = 1) -> Plain:
    """An inspection of beers, as `assay.inspect(...).to_dict()` gives it."""
    cells = [{"row": f"{i:016x}", "file": "beers.csv", "line": 7 + 13 * i, "value": value,
              "suggested": suggested}
             for i, (value, suggested) in enumerate(
                 [("12.0 oz.", "12.0"), (" 16 ounce", "16.0"), ("", None), (None, "12.0"),
                  ("W" * 400, None)])]  # fmt: skip
    found = [
        checked("impossible", "F301", [finding(
            "ibu holds 14 values outside of 0 to 1,000, such as −5.", "ibu", "error", count=14,
            share=14 / 2410, action="Set them aside or correct them at the source.",
            measured={"low": 0, "high": 1000, "outside": [-5, 99999]},
            step="- keep.where:\n    condition: ibu >= 0 AND ibu <= 1000", examples=cells[:2])]),
        checked("mixed_units", "F105", [
            finding(f"ounces{'' if i == 0 else i} is written in 4 ways; 1,203 values carry a unit.",
                    f"ounces{'' if i == 0 else i}", "warning", count=1203, share=0.499,
                    action="Strip the unit and make the field a number.",
                    step="- parse.numbers:\n    columns: [ounces]", examples=cells)
            for i in range(times)]),
        checked("dependencies", "F201", [finding(
            "brewery_id decides city, except in 41 rows.", "city", "warning", count=41, share=0.017,
            action="Look at these rows; one of the two fields is wrong.", examples=cells[:3])]),
        checked("duplicates", "F901", [finding(
            "12 rows are copies of another row.", None, "note", count=12, share=0.005,
            action="Drop them with dedup.exact.", step="- dedup.exact: {}")]),
        checked("constant", "F102"),
        checked("encodings", "F501"),
        checked("labels", "F401", status="not applicable", reason="No target was named."),
        checked("personal", "F601", status="skipped",
                reason="It needs presidio: pip install 'assay[curate]'."),
    ]  # fmt: skip
    fields = {
        "id": {"type": "integer", "missing": 0, "distinct": 2410},
        "ounces": {"type": "string", "missing": 1, "distinct": 21},
        "ibu": {"type": "number", "missing": 1005, "distinct": 107},
        "city": {"type": "category", "missing": 0, "distinct": 384},
    }
    return {"source": "data/beers.csv", "rows": 2_410_000, "looked_at": 100_000, "unreadable": 3,
            "notes": ["beers.csv is written in windows-1252."], "fields": fields, "checks": found,
            "counts": {"error": 1, "warning": 2, "note": 1}}  # fmt: skip


def duplicates() -> Plain:
    """What `assay duplicates` found, before a step acts."""
    curve = [{"threshold": round(0.5 + 0.05 * i, 2), "removed": int(3000 * (1 - i / 11) ** 2),
              "clusters": int(1400 * (1 - i / 11) ** 1.5)} for i in range(11)]  # fmt: skip
    text = [["same", "Brushed nickel pull-"], ["only a", "down"], ["only b", "out"],
            ["same", " kitchen faucet, two spray modes. " + "Fits most sinks. " * 20],
            ["only b", "New."]]  # fmt: skip
    title = [["same", "Kitchen faucet"]]
    pair = {"a": "9f3c2a11d0e45b78", "b": "01ab77cc92340fe1", "jaccard": 0.934, "removed": "b",
            "columns": {"title": {"a": "Kitchen faucet", "b": "Kitchen faucet", "parts": title},
                        "text": {"a": "…", "b": "…", "parts": text}}}  # fmt: skip
    return {"name": "prices", "step": "dedup.near", "columns": ["title", "text"], "threshold": 0.8,
            "rows": 12_345, "removed": 480, "curve": curve,
            "sizes": [{"size": 2, "clusters": 310}, {"size": 3, "clusters": 41},
                      {"size": 4, "clusters": 12}, {"size": 17, "clusters": 1}],
            "pairs": [pair | {"jaccard": 0.99 - 0.02 * i} for i in range(10)]}  # fmt: skip
