"""Measure how often gates are wrong, and how long those over single rows take.

python -m benchmarks.gates --what worse    false passes of `not_worse` at the margin, and power
python -m benchmarks.gates --what slices   false failures of `slices`, all at the margin
python -m benchmarks.gates --what time     500,000 held-out rows against an accepted version
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

import assay
from assay.evaluation.evaluate import score
from assay.evaluation.truth import Truth
from assay.gates import Run, State, accepted_run, newest_run, not_worse, slice_scores, slices


def duel(draw: np.random.Generator, n: int, loss: float, metric: str) -> State:
    """Two models on n rows, the new one of which is worse by exactly `loss` on the average."""
    ids = pl.Series([str(place) for place in range(n)])
    if metric == "accuracy":
        right = draw.random(n)
        other = np.where(draw.random(n) < 0.7, right, draw.random(n))
        truth = Truth(ids, pl.Series(["y"] * n), "class", classes=("n", "y"))
        guesses = {"new": np.where(right < 0.85 - loss, "y", "n"),
                   "old": np.where(other < 0.85, "y", "n")}  # fmt: skip
    else:
        # Skewed truth, heavy tails of the errors.
        values = draw.lognormal(3, 1, n)
        far = draw.gamma(1, 10, n)
        truth = Truth(ids, pl.Series(values), "number")
        guesses = {"new": values + far + draw.normal(0, 3, n) + 30 + loss,
                   "old": values + far + 30}  # fmt: skip
    tables = {name: pl.DataFrame({"prediction": given}) for name, given in guesses.items()}
    return State(None, score(truth, tables, [metric], pairs=[("new", "old")]))


def worse(draws: int) -> None:
    print("metric    rows  margin  passes where worse by the margin  passes where as good")
    for metric, margin, n in (
        ("accuracy", 0.05, 200), ("accuracy", 0.05, 1000), ("mae", 1.0, 60), ("mae", 1.0, 400)
    ):  # fmt: skip
        shares = []
        for loss in (margin, 0.0):
            draw = np.random.default_rng(7)
            given = [
                not_worse(duel(draw, n, loss, metric), model="new", than="old", margin=margin)
                for _ in range(draws)
            ]
            shares.append(np.mean([one.verdict == "pass" for one in given]))
        print(f"{metric:<8} {n:>5}  {margin:>6}  {shares[0]:>32.1%}  {shares[1]:>20.1%}")


def recipe(frame: pl.DataFrame, models: list[object]) -> dict[str, object]:
    return {
        "name": "shop", "source": frame, "id": "sku", "target": "price", "inputs": ["x"],
        "certificate": "off", "models": models, "metrics": ["mae"],
        "steps": [{"split.random": {"train": 0.5, "validation": 0.0, "test": 0.5}}],
    }  # fmt: skip


def shop(rows: int) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    x = draw.normal(size=rows)
    return pl.DataFrame(
        {"sku": np.arange(rows), "x": x, "shop": draw.integers(0, 20, rows).astype(str),
         "price": 50 + 10 * x + draw.normal(0, 3, rows)}
    )  # fmt: skip


def of_slices(draws: int) -> None:
    out = Path(tempfile.mkdtemp())
    assay.run(recipe(shop(2400), ["constant", "random"]), out=out)
    run = newest_run(assay.versions("shop", out=out)[0])
    rows = run.version.to_polars("test").select("row_id", "price")
    made = Run(run.version, run.evaluation, out)
    state = State(run.version.manifest, run.evaluation, None, made)
    print("slices  margin  runs that fail where every slice lost exactly the margin")
    for count in (5, 20):
        draw, failed = np.random.default_rng(5), 0
        where = {str(k): f"CAST(sku AS INT) % {count} = {k}" for k in range(count)}
        for _ in range(draws):
            far = draw.gamma(2, 2, rows.height)
            new = far + draw.normal(0, 1, rows.height) + 0.5
            pl.concat(
                rows.select("row_id", pl.lit(name).alias("model"), prediction=pl.col("price") + off)
                for name, off in (("random", new + 20), ("constant", far + 20))
            ).write_parquet(out / "predictions.parquet")
            found = slices(state, where=where, model="random", than="constant", margin=0.5)
            failed += found.verdict == "fail"
        print(f"{count:>6}  {0.5:>6}  {failed / draws:.1%}")


def seconds(rows: int) -> None:
    out = Path(tempfile.mkdtemp())
    frame = shop(2 * rows)
    assay.run(recipe(frame, ["constant", "random"]), out=out)
    assay.accept("shop", out=out)
    assay.run(recipe(frame, ["constant", {"random": {}, "as": "other"}]), out=out)
    run = newest_run(assay.versions("shop", out=out)[-1])
    accepted = accepted_run(run.version.path.parent)
    state = State(run.version.manifest, run.evaluation, None, run, accepted)
    hundred = {str(k): f"x > {k / 50}" for k in range(100)}
    against = {"model": "constant", "than": "accepted/random"}
    for name, call in {
        "not_worse": lambda: not_worse(state, **against),
        "slices, 20 values of a field": lambda: slices(state, by=["shop"], **against),
        "slices, 100 expressions": lambda: slices(state, where=hundred, **against),
        "slice_scores, 20 values": lambda: slice_scores(
            state, by=["shop"], metric="mae", max=9, model="constant"
        ),
    }.items():
        started = time.perf_counter()
        call()
        print(f"{name:<30} {time.perf_counter() - started:6.1f} s on about {rows:,} rows")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--what", choices=("worse", "slices", "time"), default="worse")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=500_000)
    given = parser.parse_args()
    if given.what == "worse":
        worse(given.draws)
    elif given.what == "slices":
        of_slices(given.draws)
    else:
        seconds(given.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
