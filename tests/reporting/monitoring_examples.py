"""A history of monitoring as the report is given it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

DAY = datetime(2026, 10, 1, 6, tzinfo=UTC)


def history(batches=40, changed=28, seed=0):
    """Forty days; from the 29th on a price has moved and errors have grown. Labels lag behind."""
    draw = np.random.default_rng(seed)
    found = []
    for number in range(batches):
        moved = number >= changed
        drift = [
            _drift("price", "number", "wasserstein", 0.05 + 0.35 * moved, 0.1, draw),
            _drift("category", "category", "jensen_shannon", 0.04, 0.1, draw),
            _drift("description (words)", "text", "auc", 0.51 + 0.02 * moved, 0.6, draw),
            *(_drift(f"field_{place}", "number", "wasserstein", 0.05, 0.1, draw)
              for place in range(8)),
        ]  # fmt: skip
        error = 9.6 + 1.6 * moved + draw.normal(0, 0.25)
        guess = 9.6 + 1.4 * moved + draw.normal(0, 0.15)
        performance = [_score(guess, 0.9, True, False)]
        if number < batches - 5:
            performance.append(_score(error, 0.7, False, number >= changed + 3))
        found.append(
            {
                "name": f"offers-{number + 1:02d}.csv",
                "at": (DAY + timedelta(days=number)).isoformat(),
                "rows": int(draw.integers(900, 1100)),
                "verdict": "fail" if number > changed else "pass",
                "drift": drift,
                "performance": performance,
                "findings": [],
            }
        )
    found[-1]["findings"] = [
        {"code": "drift.field", "severity": "stop", "field": "price", "alarm": True,
         "title": "It has moved", "detail": "Wasserstein distance 0.41, floor 0.1."},
        {"code": "clock.backwards", "severity": "note", "field": None, "alarm": False,
         "title": "The batch is older than one that came before it",
         "detail": "It is put where it belongs; give the time with `--at`."},
    ]  # fmt: skip
    since = {"name": found[changed]["name"], "at": found[changed]["at"]}
    later = {"name": found[changed + 2]["name"], "at": found[changed + 2]["at"]}
    trends = [
        _trend("field", one["field"], 48.0 if one["field"] == "price" else -2.0, since, since)
        for one in found[-1]["drift"]
    ]
    trends.append(_trend("performance", "boosted_trees mae", 6.5, since, later))
    trends.append(_trend("estimate", "boosted_trees mae", 1.2, since, since))
    moved = [
        {"row_id": f"{number:016x}", "score": 0.97 - number / 100,
         "fields": {"price": 912.5 + number, "category": "Tools",
                    "description": "Write to <email> for a cordless drill"}}
        for number in range(6)
    ]  # fmt: skip
    return {"version": "prices/v3-9f2c41ab", "batches": found, "trends": trends, "moved": moved,
            "notes": []}  # fmt: skip


def _drift(field, kind, name, middle, floor, draw):
    value = max(0.0, middle + draw.normal(0, 0.01))
    return {
        "field": field, "kind": kind, "method": "Kolmogorov-Smirnov test",
        "effect": {"name": name, "value": value, "low": max(0.0, value - 0.03),
                   "high": value + 0.03, "floor": floor},
        "p": 1e-9 if value > floor else 0.4, "p_adjusted": 1e-8 if value > floor else 0.9,
        "alarm": value > floor,
    }  # fmt: skip


def _score(value, half, estimated, alarm):
    return {
        "metric": "mae", "model": "boosted_trees", "value": value, "low": value - half,
        "high": value + half, "estimated": estimated, "reference": 9.55, "alarm": alarm,
        "error": half / 1.96, "n": 1000, "better": "lower",
        "assumption": "Direct loss estimation: holds as long as the same inputs still mean errors "
        "of the same size." if estimated else None,
    }  # fmt: skip


def _trend(about, name, log_e, since, latest):
    return {
        "about": about, "name": name, "log_e": log_e, "p": float(min(1.0, np.exp(-log_e))),
        "effect": 0.4 if log_e > 3 else 0.05, "alarm": log_e > 3,
        "floor": 0.6 if "words" in name else 0.1,
        "since": since, "earliest": since, "latest": latest,
    }  # fmt: skip
