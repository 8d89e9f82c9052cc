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
            "cost": {"usd": 43.83, "date": "2025-06-01", "model": "gpt-4o-mini", "epochs": 3,
                     "price_per_million_tokens": 3.0},
        },
    }  # fmt: skip
    return built
