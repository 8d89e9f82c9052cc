"""How long all intervals and comparisons take, and SciPy's bootstrap beside them.

    python -m benchmarks.intervals --rows 1000000 --models 5

It scores models on made-up rows, once with a target of numbers and once of two classes, with all
pairs compared on every metric, and prints seconds and the peak of memory (beside what the frames
take). Then it gives SciPy and assay the same rows and the same number of resamples for one BCa
interval, and prints both intervals and both times.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time

import numpy as np
import polars as pl

from assay.evaluation.evaluate import score
from assay.evaluation.evaluation import Evaluation
from assay.evaluation.intervals import bca
from assay.evaluation.measures import measures
from assay.evaluation.resampling import Pool, resamples, units_of
from assay.evaluation.scored import Scored
from assay.evaluation.sums import trace
from assay.evaluation.truth import Truth

RESAMPLES = 2000


def numbers(rows: int, models: int, seed: int) -> tuple[Truth, dict[str, pl.DataFrame]]:
    """Prices, and guesses that are wrong in part together and in part each by itself."""
    draw = np.random.default_rng(seed)
    truth = draw.lognormal(4, 1, rows)
    common = draw.normal(0, 0.3, rows)
    frames = {
        f"m{place}": pl.DataFrame(
            {"prediction": truth * np.exp(common + draw.normal(0, 0.3 + 0.02 * place, rows))}
        )
        for place in range(models)
    }
    ids = pl.int_range(rows, eager=True).cast(pl.String)
    return Truth(ids, pl.Series(truth), "number", target="price"), frames


def classes(rows: int, models: int, seed: int) -> tuple[Truth, dict[str, pl.DataFrame]]:
    """Two classes, and probabilities of the second."""
    draw = np.random.default_rng(seed)
    truth = draw.random(rows) < 0.3
    hint = draw.normal(0, 1, rows) + truth
    frames = {}
    for place in range(models):
        sure = 1 / (1 + np.exp(-(hint + draw.normal(0, 0.5 + 0.1 * place, rows) - 1)))
        frames[f"m{place}"] = pl.DataFrame({"proba_1": sure})
    ids = pl.int_range(rows, eager=True).cast(pl.String)
    values = pl.Series(truth.astype(np.int8)).cast(pl.String)
    return Truth(ids, values, "class", target="label", positive="1"), frames


def timed(truth: Truth, frames: dict[str, pl.DataFrame], metrics: str) -> tuple[float, Evaluation]:
    """Seconds for every score, interval and pair."""
    pairs = list(itertools.combinations(frames, 2))
    begin = time.perf_counter()
    found = score(truth, frames, metrics, pairs=pairs)
    return time.perf_counter() - begin, found


def against_scipy(rows: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Seconds and bounds of one BCa interval of a root mean squared error, by both."""
    from scipy.stats import bootstrap

    errors = np.abs(np.random.default_rng(seed).gamma(2, 10, rows))

    def root(values: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.sqrt(np.mean(values**2, axis=axis))

    begin = time.perf_counter()
    found = bootstrap(
        (errors,), root, n_resamples=RESAMPLES, vectorized=True, batch=100, rng=seed
    ).confidence_interval
    scipy = (time.perf_counter() - begin, float(found.low), float(found.high))
    begin = time.perf_counter()
    (measure,) = measures("rmse", "number")
    scored = Scored(np.zeros(rows), errors)
    units = units_of(rows)
    pool = Pool(units)
    traced = trace(lambda weights: measure.values(scored, weights), rows)
    places = pool.add(traced.columns, None, b"", None)
    drawn = traced.replay(pool.times(resamples(units.count, seed, RESAMPLES))[:, places])
    own = bca(drawn, traced.value, units.sums(traced.influence()))
    assert own.low is not None and own.high is not None
    return {"SciPy": scipy, "assay": (time.perf_counter() - begin, own.low, own.high)}


def peak() -> float:
    """The process's peak of memory in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("numbers", "classes", "scipy"))
    given = parser.parse_args()
    made = {
        "numbers": (numbers, "mae,rmse,rmsle,median_ae,r2,hits"),
        "classes": (classes, "accuracy,balanced_accuracy,f1,roc_auc,average_precision,log_loss"),
    }
    print("| what | rows | models | seconds | peak GB | of it frames |\n|---|--:|--:|--:|--:|--:|")
    for name, (make, metrics) in made.items():
        if given.only in (None, name):
            truth, frames = make(given.rows, given.models, given.seed)
            before = peak()
            seconds, found = timed(truth, frames, metrics)
            print(
                f"| {name}: {len(found.scores)} intervals, {len(found.comparisons)} comparisons "
                f"| {given.rows:,} | {given.models} | {seconds:.2f} | {peak():.2f} | {before:.2f} |"
            )
    if given.only in (None, "scipy"):
        print("\n| rows | SciPy s | assay s | times | SciPy's interval | assay's |\n"
              "|--:|--:|--:|--:|---|---|")  # fmt: skip
        for rows in (1_000, 10_000, 30_000):
            both = against_scipy(rows, given.seed)
            theirs, ours = both["SciPy"], both["assay"]
            print(
                f"| {rows:,} | {theirs[0]:.3f} | {ours[0]:.3f} | {theirs[0] / ours[0]:.0f} "
                f"| {theirs[1]:.4f} to {theirs[2]:.4f} | {ours[1]:.4f} to {ours[2]:.4f} |"
            )


if __name__ == "__main__":
    main()
