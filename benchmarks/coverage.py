"""How often intervals hold the true value, and how often tests find what is and is not there.

    python -m benchmarks.coverage intervals --rows 100 --times 1000
    python -m benchmarks.coverage tests --rows 100 --times 1000

`intervals` draws samples from populations whose scores are known (they are those of four million
rows) and counts how often each metric's own interval holds them. `tests` draws pairs of models that
are equally good and counts false alarms at 5 %; then pairs of which one is worse, and counts how
often the paired test finds it and how often an unpaired one would.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import polars as pl

from assay.evaluation.measures import Measure, measures
from assay.evaluation.scored import Scored
from assay.evaluation.scoring import Contest, Entrant, Setting
from benchmarks._populations import POPULATIONS

TRUE_ROWS = 4_000_000
EFFECT = {"numbers": 0.12, "prices": 0.12, "two": 0.5, "four": 0.4, "queries": 0.5}


def contest(
    found: list[Scored], asked: list[Measure], seed: int, groups: pl.Series | None = None
) -> Contest:
    """Models on the same rows, every one compared with the first."""
    n = len(found[0])
    everywhere = np.ones(n, dtype=bool)
    models = {f"m{i}": Entrant(f"m{i}", one, everywhere, asked) for i, one in enumerate(found)}
    pairs = [("m0", name) for name in models if name != "m0"]
    return Contest(n, Setting(seed, groups), models, pairs, asked)


def true_values(name: str, asked: list[Measure], rows: int) -> dict[str, float]:
    """The scores of a population."""
    make = POPULATIONS[name][0]
    draw = np.random.default_rng(99)
    parts: dict[str, list[float]] = defaultdict(list)
    piece = min(rows, 1_000_000)
    for _ in range(max(1, rows // piece)):
        (scored,) = make(draw, piece, 1, 0.0)
        for measure in asked:
            parts[measure.title].append(measure.value(scored))
    return {title: float(np.mean(values)) for title, values in parts.items()}


def intervals(name: str, rows: int, times: int, asked: list[Measure]) -> None:
    """Print how often the true value lay in the interval, and on which side it did not."""
    make = POPULATIONS[name][0]
    known = true_values(name, asked, TRUE_ROWS if name != "queries" else 2_000_000)
    below, above, none = (defaultdict(int) for _ in range(3))
    methods: dict[str, str] = {}
    for seed in range(times):
        (scored,) = make(np.random.default_rng([seed, rows]), rows, 1, 0.0)
        work = contest([scored], asked, seed)
        for measure in asked:
            score = work.score(work.models["m0"], measure, "test")
            methods[measure.title] = score.method
            if score.low is None or score.high is None:
                none[measure.title] += 1
            else:
                below[measure.title] += known[measure.title] < score.low
                above[measure.title] += known[measure.title] > score.high
    for measure in asked:
        title = measure.title
        given = times - none[title]
        rate = 1 - (below[title] + above[title]) / given if given else float("nan")
        error = math.sqrt(rate * (1 - rate) / given) if given else float("nan")
        print(
            f"| {name} | {title} | {rows:,} | {100 * rate:.1f} ± {200 * error:.1f} "
            f"| {below[title]} / {above[title]} | {none[title]} | {methods[title]} |",
            flush=True,
        )


def tests(name: str, rows: int, times: int, asked: list[Measure], size: int) -> None:
    """Print false alarms and power, of the paired test and of an unpaired one."""
    from scipy.special import ndtr

    make = POPULATIONS[name][0]
    alarms, found, apart = (defaultdict(int) for _ in range(3))
    names: dict[str, str] = {}
    for worse in (0.0, EFFECT[name] * math.sqrt(100 / (rows // size))):
        for seed in range(times):
            draw = np.random.default_rng([seed, rows, 7])
            groups = None
            if size > 1:
                # Rows of one group are the same row over and over: nothing is gained by more.
                few = make(draw, rows // size, 2, worse)
                place = np.repeat(np.arange(rows // size), size)
                pair = [_repeated(one, place) for one in few]
                groups = pl.Series("group", place).cast(pl.String)
            else:
                pair = make(draw, rows, 2, worse)
            work = contest(pair, asked, seed, groups)
            for one in work.comparisons():
                names[one.metric] = one.test
                p = one.unadjusted_p
                if worse == 0:
                    alarms[one.metric] += p is not None and p < 0.05
                    continue
                found[one.metric] += p is not None and p < 0.05
                a, b = (work.found[m, b"", one.metric].error for m in ("m0", "m1"))
                error = math.hypot(a, b)
                apart[one.metric] += error > 0 and 2 * ndtr(-abs(one.difference) / error) < 0.05
    for measure in asked:
        title = measure.title
        alarm, power, other = (100 * v[title] / times for v in (alarms, found, apart))
        spread = 200 * math.sqrt(max(alarm / 100 * (1 - alarm / 100), 0) / times)
        grouped = f" in groups of {size}" if size > 1 else ""
        print(
            f"| {name}{grouped} | {title} | {rows:,} | {alarm:.1f} ± {spread:.1f} | {power:.0f} "
            f"| {other:.0f} | {names.get(title, '–')} |",
            flush=True,
        )


def _repeated(scored: Scored, place: np.ndarray) -> Scored:
    parts = ("truth", "prediction", "proba", "score", "low", "high")
    values = {part: getattr(scored, part) for part in parts}
    return replace(scored, **{p: None if v is None else v[place] for p, v in values.items()})


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("intervals", "tests"))
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--only", choices=tuple(POPULATIONS), action="append")
    parser.add_argument("--metrics", help="some of the population's metrics")
    parser.add_argument("--group", type=int, default=1, help="rows of one group, for tests")
    given = parser.parse_args()
    heads = {
        "intervals": "| population | metric | rows | covered % | under / over | none | interval |",
        "tests": "| population | metric | rows | false alarms % | power % | unpaired % | test |",
    }
    print(heads[given.what] + "\n|---|---|--:|--:|--:|--:|---|")
    begin = time.perf_counter()
    for name in given.only or POPULATIONS:
        _, task, usual = POPULATIONS[name]
        asked = measures(given.metrics or usual, task)
        if given.what == "intervals":
            intervals(name, given.rows, given.times, asked)
        else:
            tests(name, given.rows, given.times, asked, given.group)
    print(f"\n{time.perf_counter() - begin:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
