"""Made-up manifests and evaluations in the shapes that builds and evaluations write."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

Plain = dict[str, Any]
TEXT = (
    "brushed nickel pull-down kitchen faucet with two spray modes fits most sinks and comes with "
    "hoses mounting hardware and a five year warranty the finish resists spots scratches and "
    "corrosion while the ceramic cartridge keeps it free of drips compatible replacement filter "
    "set for refrigerator models listed below reduces chlorine taste and odour"
)
WORDS = TEXT.split()


def _text(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words)).capitalize() + "."


def _histogram(values: np.ndarray, bins: int = 24) -> Plain:
    edges = np.histogram_bin_edges(values, bins)
    cuts = {"train": values[:-200], "validation": values[-200:-100], "test": values[-100:]}
    return {
        "edges": edges.tolist(),
        "counts": {split: np.histogram(part, edges)[0].tolist() for split, part in cuts.items()},
    }


def _profile(kind: str, values: np.ndarray, null: int, unit: str | None = None) -> Plain:
    return {
        "type": kind,
        "unit": unit,
        "null": null,
        "distinct": len(np.unique(values)),
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean()),
        "quantiles": np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(),
        "histogram": _histogram(values),
    }


def _top(names: list[str], rng: np.random.Generator) -> list[Any]:
    weights = np.sort(rng.exponential(1, len(names)))[::-1]
    weights = weights / weights.sum()
    return [
        [n, {"train": int(3000 * w), "validation": int(160 * w * rng.uniform(0.8, 1.2)),
             "test": int(250 * w * rng.uniform(0.8, 1.2))}]
        for n, w in zip(names, weights, strict=True)
    ]  # fmt: skip


def manifest(seed: int = 0) -> Plain:
    """A version of product prices."""
    rng = np.random.default_rng(seed)
    price = np.clip(np.exp(rng.normal(4.1, 1.1, 3480)), 0.5, 999.49)
    text = {"type": "string", "unit": None, "null": 0, "distinct": 3480}
    length = _profile("number", rng.gamma(6, 150, 3480).round(), 0)
    brands = ["Whirlpool", "Frigidaire", "GE", "Moen", "Delta", "Sony", "none given"]
    return {
        "assay": "0.1.0",
        "name": "prices",
        "version": "v3-9f2c41ab",
        "hash": hashlib.sha256(b"prices").hexdigest(),
        "parent": "v2-77ab01cd",
        "seed": 7,
        "recipe": {
            "name": "prices",
            "source": "data/products.jsonl",
            "seed": 7,
            "target": "price",
            "inputs": ["title", "text"],
            "fields": {"price": {"type": "number", "min": 0.5, "max": 999.49, "unit": "USD"}},
            "steps": [
                {"clean.text": {"columns": ["title", "text"]}},
                {"keep.length": {"column": "text", "min": 200, "max": 4000}},
                {"dedup.exact": {"columns": ["title"]}},
                {"split.stratified": {"by": "price", "train": 0.9, "test": 0.05}},
            ],
            "models": ["constant", {"boosted_trees": {"rounds": 300}}],
        },
        "sources": [
            {"name": "products.jsonl", "bytes": 8_123_456, "rows": 4132, "rejects": 6,
             "hash": "a3f1c2d4e5b6978812345678deadbeef"}
        ],
        "rows": {"read": 4138, "kept": 3480, "set_aside": 658},
        "steps": [
            {"position": 0, "step": "contract", "set_aside": 61, "changed": 3,
             "rules": {"price: max": 40, "price: type": 21}, "version": "1f0e9a7c55aa"},
            {"position": 1, "step": "clean.text", "set_aside": 0, "changed": 2214, "rules": {},
             "version": "9b1e02d477cc"},
            {"position": 2, "step": "keep.length", "set_aside": 214, "changed": 0,
             "rules": {"shorter": 203, "longer": 11}, "version": "5512aa0377dd"},
            {"position": 3, "step": "dedup.exact", "set_aside": 377, "changed": 0,
             "rules": {"duplicate": 377}, "version": "aa771e02d4ee"},
            {"position": 4, "step": "split.stratified", "set_aside": 0, "changed": 0, "rules": {},
             "version": "0277dd5512aa"},
        ],
        "reasons": {
            "parse: unreadable line": 6,
            "contract: price: max": 40,
            "contract: price: type": 21,
            "keep.length: shorter": 203,
            "keep.length: longer": 11,
            "dedup.exact: duplicate": 377,
        },
        "splits": {"test": 174, "train": 3132, "validation": 174},
        "fields": {
            "title": {**text, "length": length},
            "text": {**text, "length": length},
            "price": _profile("number", price, 0, "USD"),
            "weight": _profile("number", rng.gamma(2, 1.8, 3480), 1203, "kg"),
            "brand": {"type": "category", "unit": None, "null": 88, "distinct": 431,
                      "top": _top(brands, rng)},
            "listed": {"type": "datetime", "unit": None, "null": 0, "distinct": 3100,
                       "min": "2013-02-01T00:00:00", "max": "2023-09-30T00:00:00",
                       "histogram": _histogram(rng.normal(1.5e15, 4e13, 3480))},
            "in_stock": {"type": "boolean", "unit": None, "null": 0, "distinct": 2,
                         "top": _top(["true", "false"], rng)},
        },
        "files": [{"path": f"data/{s}-00000.parquet", "rows": n, "bytes": 900 * n, "split": s}
                  for s, n in (("train", 3132), ("validation", 174), ("test", 174))],
        "notes": ["products.jsonl: 6 lines could not be read and were set aside."],
    }  # fmt: skip


def numbers(seed: int = 0, rows: int = 250) -> Plain:
    """An evaluation of five models that guess prices."""
    rng = np.random.default_rng(seed)
    truth = np.clip(np.exp(rng.normal(4.1, 1.1, rows)), 1, 999)
    models = {"boosted_trees": 0.45, "tfidf_linear": 0.55, "tabular_linear": 0.8,
              "constant": 1.0, "random": 1.4}  # fmt: skip
    scores, details, comparisons = [], {}, []
    for name, noise in models.items():
        guess = truth * np.exp(rng.normal(0, noise, rows))
        if name == "constant":
            guess = np.full(rows, truth.mean())
        error = np.abs(guess - truth)
        hits = (error < 40) | (error < 0.2 * truth)
        fair = (error < 80) | (error < 0.4 * truth)
        rmsle = float(np.sqrt(np.mean((np.log1p(guess) - np.log1p(truth)) ** 2)))
        for metric, value, half, better in (
            ("mae", float(error.mean()), 1.96 * float(error.std()) / rows**0.5, "lower"),
            ("rmsle", rmsle, 0.12 * rmsle, "lower"),
            ("r2", 1 - float((error**2).sum() / truth.var() / rows), 0.1, "higher"),
            ("hits", float(hits.mean()), 0.06, "higher"),
        ):
            scores.append({"model": name, "split": "test", "metric": metric, "value": value,
                           "low": value - half, "high": value + half, "n": rows,
                           "method": "wilson" if metric == "hits" else "bootstrap",
                           "better": better})  # fmt: skip
        ids = [f"{hash_of(i):016x}" for i in range(rows)]
        steps = np.arange(1, rows + 1)
        mean = np.cumsum(error) / steps
        half_width = 1.96 * np.array([error[:n].std() / n**0.5 if n > 1 else np.nan for n in steps])
        worst = np.argsort(-error)[:20]
        details[name] = {
            "points": [[i, float(t), float(g)] for i, t, g in zip(ids, truth, guess, strict=True)],
            "running": [[int(n), float(m), None if n < 2 else float(m - h),
                         None if n < 2 else float(m + h)]
                        for n, m, h in zip(steps, mean, half_width, strict=True)],
            "calibration": {"of": None, "error": None, "bins": [
                {"predicted": p, "observed": 1.1 * p, "low": p, "high": 1.3 * p,
                 "expected_low": None, "expected_high": None, "n": rows // 4}
                for p in (20.0, 50.0, 90.0, 300.0)]},
            "bands": {"green": int(hits.sum()), "orange": int((fair & ~hits).sum()),
                      "red": int((~fair).sum())},
            "worst": [{"row_id": ids[i], "truth": float(truth[i]), "prediction": float(guess[i]),
                       "error": float(error[i]),
                       "inputs": {"title": _text(rng, 8), "text": _text(rng, 70)}} for i in worst],
        }  # fmt: skip
        if name != "boosted_trees":
            value = scores[-4]["value"] - scores[0]["value"]
            comparisons.append({
                "a": "boosted_trees", "b": name, "metric": "mae", "difference": -value,
                "low": -value - 9, "high": -value + 9, "p": 0.31 if "tfidf" in name else 1e-5,
                "test": "paired bootstrap", "n": rows,
                "sentence": f"boosted_trees errs by ${value:.2f} less than {name} on average "
                            f"(95 % interval ${value - 9:.2f} to ${value + 9:.2f})."})  # fmt: skip
    return {
        "assay": "0.1.0", "name": "prices", "version": "v3-9f2c41ab", "task": "number",
        "target": "price", "unit": "USD", "positive": None, "split": "test", "n": rows,
        "classes": [], "metrics": ["mae", "rmsle", "r2", "hits"],
        "models": [{"model": n, "parameters": {"rounds": 300} if n == "boosted_trees" else {},
                    "seconds": 3.2 * s, "cost": None, "missing": 4 if n == "random" else 0,
                    "history": HISTORY if n == "boosted_trees" else [],
                    "error": None} for n, s in models.items()],
        "scores": scores, "comparisons": comparisons, "best": "boosted_trees", "details": details,
        "slices": {
            "model": "boosted_trees", "loss": "absolute_error", "rows": rows, "searched": 140,
            "method": "search and confirmation half, Holm", "floor": 30, "level": 0.05,
            "notes": [], "slices": [
                {"name": "brand is none given", "rows": 44, "share": 0.18, "loss": 61.0,
                 "rest": 22.0, "difference": 39.0, "low": 20.0, "high": 58.0, "p": 0.003}]},
        "rankings": [{"metric": "mae", "models": [*models], "mean_ranks": [1.5, 1.7, 2.9, 4.0, 4.9],
                      "blocks": rows, "friedman_p": 1e-9, "critical_difference": 0.39,
                      "alike": [["boosted_trees", "tfidf_linear"]], "pairs": [],
                      "sentence": f"Ranked over {rows} rows by mae, the models differ."}],
    }  # fmt: skip


HISTORY = [{"epoch": float(e), "train": 2.0 / e, "validation": 2.0 / e + 0.02 * e}
           for e in range(1, 16)]  # fmt: skip


def hash_of(index: int) -> int:
    """A row id that looks like a row id."""
    return int.from_bytes(hashlib.blake2b(str(index).encode(), digest_size=8).digest(), "big")


def _curves(of: str, power: float) -> Plain:
    steps = np.linspace(0, 1, 101)
    recall = steps ** (0.3 * power)
    return {
        "of": of, "area": 0.8, "share": 0.2,
        "roc": [[x, y, max(0, y - 0.05), min(1, y + 0.05), 1 - x]
                for x, y in zip(steps.tolist(), recall.tolist(), strict=True)],
        "precision_recall": [[x, 1 - 0.8 * x, 0.9 - 0.8 * x, min(1, 1.1 - 0.8 * x), None]
                             for x in steps[1:].tolist()],
    }  # fmt: skip


def classes(labels: int = 5, seed: int = 0, models: int = 3) -> Plain:
    """An evaluation of models that choose among labels."""
    rng = np.random.default_rng(seed)
    names = [f"{i + 1}" for i in range(labels)] if labels <= 9 else [
        f"{'_'.join(rng.choice(WORDS, 3))}_{i}" for i in range(labels)]  # fmt: skip
    scores, details = [], {}
    for index in range(models):
        counts = rng.poisson(40 / labels, (labels, labels)) * (rng.random((labels, labels)) < 0.5)
        counts += np.diag(rng.poisson(90 - 12 * index, labels))
        right = float(np.trace(counts) / counts.sum())
        for metric, value in (("accuracy", right), ("f1", right - 0.03), ("log_loss", 1.4 - right)):
            scores.append({"model": f"model_{index}", "split": "test", "metric": metric,
                           "value": value, "low": value - 0.03, "high": value + 0.03, "n": 4000,
                           "method": "wilson" if metric == "accuracy" else "bootstrap",
                           "better": "lower" if metric == "log_loss" else "higher"})  # fmt: skip
        details[f"model_{index}"] = {
            "curves": [_curves(name, 1 + index) for name in names[: 4 if labels <= 6 else 0]],
            "calibration": {"of": None, "error": 0.04, "bins": [
                {"predicted": p, "observed": p**1.2, "low": p**1.2 - 0.05, "high": p**1.2 + 0.05,
                 "expected_low": p - 0.04, "expected_high": p + 0.04, "n": 400}
                for p in (0.2, 0.4, 0.6, 0.8)]},
            "confusion": {"labels": names, "counts": counts.tolist()},
            "worst": [{"row_id": str(i), "truth": names[0], "prediction": names[-1], "error": 0.97,
                       "inputs": {"Review Text": _text(rng, 60)}} for i in range(20)],
        }  # fmt: skip
    return {
        "assay": "0.1.0", "name": "reviews", "version": None, "task": "class", "target": "Rating",
        "unit": None, "positive": None, "split": "test", "n": 4000, "classes": names,
        "metrics": ["accuracy", "f1", "log_loss"],
        "models": [{"model": f"model_{i}", "parameters": {}, "seconds": 1.0, "cost": 0.02,
                    "missing": 0, "error": None} for i in range(models)],
        "scores": scores, "comparisons": [], "best": "model_0", "details": details,
    }  # fmt: skip


GATES = [
    {"gate": "rows", "verdict": "pass", "detail": "train holds 3,132 rows, at least 1,000 asked."},
    {"gate": "score", "verdict": "pass", "detail": "rmsle of boosted_trees is 0.45, at most 1.0."},
    {"gate": "better", "verdict": "inconclusive",
     "detail": "boosted_trees is not told apart from tfidf_linear (p = 0.31) with 250 rows."},
]  # fmt: skip


HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"quoted\" 'and' `ticked` &amp; {{ 7 * 7 }} {% raw %}",
    "line\u2028paragraph\u2029nul\x00 half \ud800",
    '=HYPERLINK("http://example.invalid","x")',
    "שלום עולם \u202egnp.exe",
    "W" * 5000,
)


def hostile() -> tuple[Plain, Plain, list[Plain]]:
    """A manifest, an evaluation and gates in which every text is an attack or absurdly long."""
    bad = [*HOSTILE]
    built, scored = manifest(), numbers(rows=40)
    built["name"], built["version"], built["notes"] = bad[0], bad[1], bad
    built["fields"] = {
        f"{text} {i}": {**profile, "unit": bad[i % 6]}
        for i, (text, profile) in enumerate(zip(bad * 2, [*built["fields"].values()] * 2,
                                                strict=True))
    }  # fmt: skip
    built["fields"]["categories"] = {
        "type": "category", "null": 0, "distinct": 7,
        "top": [[text, {"train": 3, text: 1}] for text in bad],
    }  # fmt: skip
    built["splits"] = {"train": 10, **dict.fromkeys(bad, 1)}
    built["reasons"] = {f"{text}: {text}": 5 for text in bad}
    built["steps"] = [{"position": 0, "step": text, "set_aside": 1, "changed": 0,
                       "rules": {text: 1}, "version": text} for text in bad]  # fmt: skip
    built["recipe"]["steps"] = [{text: {text: text}} for text in bad]
    built["sources"][0]["name"] = built["files"][0]["path"] = bad[1]
    scored["name"], scored["target"], scored["unit"] = bad[1], bad[0], bad[1]
    names = {model["model"]: bad[i] for i, model in enumerate(scored["models"])}
    for model in scored["models"]:
        model["parameters"], model["error"] = {bad[0]: bad[1]}, bad[1]
        model["model"] = names[model["model"]]
    for score in scored["scores"]:
        score["model"], score["method"] = names[score["model"]], bad[1]
    for pair in scored["comparisons"]:
        pair["a"], pair["b"] = names[pair["a"]], names[pair["b"]]
        pair["sentence"], pair["test"] = bad[1], bad[0]
    scored["best"] = names[scored["best"]]
    scored["slices"]["slices"][0]["name"] = scored["slices"]["method"] = bad[1]
    for one in scored["rankings"]:
        one["models"] = [names[name] for name in one["models"]]
        one["alike"], one["sentence"] = [[*names.values()][:2]], bad[1]
    scored["details"] = {names[name]: one for name, one in scored["details"].items()}
    for one in scored["details"].values():
        for index, point in enumerate(one["points"]):
            point[0] = bad[index % len(bad)]
        for index, row in enumerate(one["worst"]):
            row["row_id"] = bad[index % len(bad)]
            row["inputs"] = {text: text for text in bad}
    return built, scored, [{"gate": t, "verdict": t, "detail": t} for t in bad]


def vast() -> tuple[Plain, Plain]:
    """300 models, 200 fields, 77 classes, and details of 40 models with 2,000 points each."""
    built, scored = manifest(), numbers(rows=2000)
    profiles = list(built["fields"].values())
    built["fields"] = {f"field_{i}": profiles[i % len(profiles)] for i in range(200)}
    built["reasons"] = {f"contract: field_{i}: type": i + 1 for i in range(80)}
    first = scored["details"]["boosted_trees"]
    confusion = classes(77, models=1)["details"]["model_0"]["confusion"]
    for row in first["worst"]:
        row["inputs"] = {f"field_{i}": "long text " * 60 for i in range(200)}
    template = [score for score in scored["scores"] if score["model"] == "boosted_trees"]
    for i in range(295):
        name = f"candidate_{i}"
        scored["models"].append({**scored["models"][0], "model": name})
        scored["scores"] += [
            {**s, "model": name, "value": s["value"] * (1 + i / 100)} for s in template
        ]
        if i < 40:
            scored["details"][name] = {**first, "confusion": confusion}
    return built, scored
