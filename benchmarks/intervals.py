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


def timed(
    truth: Truth, frames: dict[str, pl.DataFrame], metrics: str
) -> tuple[float, float, Evaluation]:
    """Seconds, and the processors' seconds, for every score, interval and pair."""
    pairs = list(itertools.combinations(frames, 2))
    begin, busy = time.perf_counter(), time.process_time()
    found = score(truth, frames, metrics, pairs=pairs)
    return time.perf_counter() - begin, time.process_time() - busy, found


def against_scipy(rows: int, models: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Seconds for the BCa intervals of the models' root mean squared errors, by both.

    Beside the seconds stand the bounds of the first model.
    """
    from scipy.stats import bootstrap

    draw = np.random.default_rng(seed)
    errors = [draw.gamma(2, 10, rows) for _ in range(models)]

    def root(values: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.sqrt(np.mean(values**2, axis=axis))

    begin = time.perf_counter()
    theirs = [
        bootstrap(
            (one,), root, n_resamples=RESAMPLES, vectorized=True, batch=100, rng=seed
        ).confidence_interval
        for one in errors
    ]
    scipy = (time.perf_counter() - begin, float(theirs[0].low), float(theirs[0].high))
    (measure,) = measures("rmse", "number")
    begin = time.perf_counter()
    units = units_of(rows)
    pool = Pool(units)
    traces = []
    for one in errors:
        scored = Scored(np.zeros(rows), one)
        found = trace(lambda weights, scored=scored: measure.values(scored, weights), rows)
        traces.append((found, pool.add(found.columns, None, b"", None)))
    drawn = pool.times(resamples(units.count, seed, RESAMPLES))
    ours = [
        bca(found.replay(drawn[:, places]), found.value, units.sums(found.influence()))
        for found, places in traces
    ]
    low, high = ours[0].low, ours[0].high
    assert low is not None and high is not None
    return {"SciPy": scipy, "assay": (time.perf_counter() - begin, low, high)}


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
    print(
        "| what | rows | models | seconds | of processors | peak GB | of it frames |"
        "\n|---|--:|--:|--:|--:|--:|--:|"
    )
    for name, (make, metrics) in made.items():
        if given.only in (None, name):
            truth, frames = make(given.rows, given.models, given.seed)
            before = peak()
            seconds, busy, found = timed(truth, frames, metrics)
            print(
                f"| {name}: {len(found.scores)} intervals, {len(found.comparisons)} comparisons "
                f"| {given.rows:,} | {given.models} | {seconds:.2f} | {busy:.2f} "
                f"| {peak():.2f} | {before:.2f} |"
            )
    if given.only in (None, "scipy"):
        print(
            "\n| rows | models | SciPy s | assay s | times | SciPy's first | assay's first |\n"
            "|--:|--:|--:|--:|--:|---|---|"
        )
        for rows, models in itertools.product((1_000, 10_000, 20_000), (1, given.models)):
            runs = [against_scipy(rows, models, given.seed) for _ in range(3)]
            theirs, ours = (min(run[who] for run in runs) for who in ("SciPy", "assay"))
            print(
                f"| {rows:,} | {models} | {theirs[0]:.3f} | {ours[0]:.3f} "
                f"| {theirs[0] / ours[0]:.0f} | {theirs[1]:.4f} to {theirs[2]:.4f} "
                f"| {ours[1]:.4f} to {ours[2]:.4f} |"
            )


if __name__ == "__main__":
    main()
