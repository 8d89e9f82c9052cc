"""False alarms over 1,000 looks, delay beside a fixed test, and estimates beside the labels.

    python -m benchmarks.sequential                     # simulations, some minutes
    python -m benchmarks.sequential --data ../shared/data   # and the real tables

Simulated: 20 fields are looked at 1,000 times while nothing changes, by the e-process that
`assay monitor` uses and by a chi-square test at every look, uncorrected and with Benjamini and
Hochberg's correction over the fields. Then one field changes at look 101, by several sizes: how
many looks until each says so, Bonferroni's correction over the 1,000 looks included.

Real: the census table `adult`, on batches of 1,000 rows that are drawn from all, or from young,
schooled, married or female people only; `prices`; and the ratings of clothing as a number. Each
metric is estimated without labels and then scored on them; beside it how far off the evaluation's
own value is, which is what one believes who estimates nothing. And the rows of `adult` in an order
by chance, in which every alarm is a false one.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import false_discovery_control

import assay
from assay.monitoring.changes import change_of
from assay.monitoring.drift import drift
from assay.monitoring.history import Batch
from assay.monitoring.making import of_frame
from assay.monitoring.performance import estimated, predictions_of, realised
from assay.monitoring.profile import summarise
from assay.monitoring.reference import Reference, reference_of
from assay.monitoring.sequential import e_bh, e_process, of_counts
from assay.monitoring.trends import trends

FIELDS, LOOKS, CELLS, ROWS, REFERENCE = 20, 1000, 10, 500, 20_000
EVEN = np.full(CELLS, 1 / CELLS)


def looks_at_nothing(histories: int, seed: int) -> None:
    """Of many unchanged histories, the share that ever alarms."""
    draw = np.random.default_rng(seed)
    ever = {"e-process, e-BH": 0, "chi-square, BH": 0, "chi-square": 0}
    alarms = dict.fromkeys(ever, 0)
    started = time.perf_counter()
    for _ in range(histories):
        reference = draw.multinomial(REFERENCE, EVEN, FIELDS)
        batches = draw.multinomial(ROWS, EVEN, (FIELDS, LOOKS))
        p = np.array([_chi_square(one, rows) for one, rows in zip(reference, batches, strict=True)])
        adjusted = false_discovery_control(p, axis=0)
        logs = np.array([_process(*pair) for pair in zip(reference, batches, strict=True)])
        found = {
            "e-process, e-BH": [any(e_bh(list(look))) for look in logs.T],
            "chi-square, BH": (adjusted <= 0.05).any(axis=0),
            "chi-square": (p <= 0.05).any(axis=0),
        }
        for name, at in found.items():
            ever[name] += bool(np.any(at))
            alarms[name] += int(np.sum(at))
    seconds = time.perf_counter() - started
    print(f"\n{histories} histories of {FIELDS} unchanged fields, {LOOKS:,} looks each "
          f"({ROWS} rows a look, {REFERENCE:,} in the reference; {seconds:.0f} s)")  # fmt: skip
    print(f"  {'':18} {'histories with an alarm':>24} {'looks with an alarm':>20}")
    for name, count in ever.items():
        share = alarms[name] / histories / LOOKS
        print(f"  {name:18} {count / histories:>24.1%} {share:>20.2%}")


def _process(reference: np.ndarray, batches: np.ndarray) -> list[float]:
    return [e_process(of_counts(reference, batches[: look + 1])) for look in range(LOOKS)]


def _chi_square(reference: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """(t,) the p-value of each batch alone against the reference."""
    from scipy.stats import chi2

    both = reference + batches
    n, m = reference.sum(), batches.sum(axis=1, keepdims=True)
    first, second = both * n / (n + m), both * m / (n + m)
    statistic = ((reference - first) ** 2 / first + (batches - second) ** 2 / second).sum(axis=1)
    return np.asarray(chi2.sf(statistic, CELLS - 1))


def delays(histories: int, seed: int) -> None:
    """Looks until a change of known size is found."""
    draw = np.random.default_rng(seed)
    print(f"\nLooks until a change at look 101 is found (median of {histories} histories, "
          f"{ROWS} rows a look)")  # fmt: skip
    print(f"  {'moved':>6} {'chi2':>7} {'e-process':>10} {'Bonferroni over looks':>22} "
          f"{'change point off by':>20}")  # fmt: skip
    for moved in (0.05, 0.1, 0.15, 0.2, 0.3, 0.5):
        shares = EVEN * np.where(np.arange(CELLS) < CELLS // 2, 1 - moved, 1 + moved)
        first: dict[str, list[float]] = {"e": [], "fixed": []}
        off = []
        for _ in range(histories):
            reference = draw.multinomial(REFERENCE, EVEN)
            batches = np.vstack(
                [draw.multinomial(ROWS, EVEN, 100), draw.multinomial(ROWS, shares, 300)]
            )
            p = _chi_square(reference, batches)[100:]
            first["fixed"].append(_first(p <= 0.05 / LOOKS))
            for look in range(101, 401):
                logs = of_counts(reference, batches[:look])
                if e_process(logs) >= math.log(20):
                    first["e"].append(look - 100)
                    off.append(abs(change_of(logs).since - 100))
                    break
            else:
                first["e"].append(math.inf)
        size = float(((shares - EVEN) ** 2 / EVEN).sum())
        middle = {name: np.median(values) for name, values in first.items()}
        place = f"{np.median(off):.0f}" if off else "-"
        print(f"  {moved:>6.0%} {size:>7.4f} {middle['e']:>10.0f} {middle['fixed']:>22.0f} "
              f"{place:>20}")  # fmt: skip


def _first(found: np.ndarray) -> float:
    return float(found.argmax()) + 1 if found.any() else math.inf


def estimates(data: Path) -> None:
    """Estimated beside realised performance on real tables."""
    with tempfile.TemporaryDirectory() as out:
        _adult(data, Path(out))
        _prices(data, Path(out))
        _ratings(data, Path(out))


def _census(data: Path) -> pl.DataFrame:
    names = ["age", "work", "weight", "education", "years", "marital", "job", "relation", "race",
             "sex", "gain", "loss", "hours", "country", "income"]  # fmt: skip
    parts = [
        pl.read_csv(data / "tabular" / f"adult-{part}.csv", has_header=False, new_columns=names,
                    infer_schema=False, comment_prefix="|")
        for part in ("train", "test")
    ]  # fmt: skip
    rows = pl.concat(parts).with_columns(pl.all().str.strip_chars())
    rows = rows.with_columns(pl.col("income").str.strip_chars("."))
    numbers = ["age", "weight", "years", "gain", "loss", "hours"]
    return rows.with_columns(pl.col(numbers).cast(pl.Float64))


def clean(data: Path, shuffles: int) -> None:
    """A long run of real rows in an order by chance: how often any field ever alarms."""
    rows = _census(data)
    types = {name: "number" if dtype == pl.Float64 else "category"
             for name, dtype in rows.schema.items()}  # fmt: skip
    ever, alone, looks = 0, 0, 0
    for number in range(shuffles):
        mixed = rows.sample(fraction=1, shuffle=True, seed=number).with_row_index("row_id")
        mixed = mixed.with_columns(pl.col("row_id").cast(pl.String))
        profile = of_frame(mixed.head(20_000), types)
        past: list[Batch] = []
        alarmed = False
        for start in range(20_000, mixed.height - 200, 200):
            summary = summarise(mixed[start : start + 200], profile.fields, profile.kinds, 0)
            found = drift(profile, summary, classifiers=False)
            lines = [line.to_dict() for line in found.lines]
            at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=len(past))
            past.append(Batch(str(start), "", "", at, 200, found.cells, {"drift": lines}))
            alone += any(line.alarm for line in found.lines)
            looks += 1
            if not len(past) % 8:  # the evidence moves little in between
                alarmed |= any(one.alarm for one in trends(past, found.reference))
        ever += alarmed
    print(
        f"\nadult in an order by chance, {shuffles} times {looks // shuffles} batches of 200 rows"
    )
    print(f"  batches with an alarm, each looked at alone: {alone / looks:.2%}")
    print(f"  orders in which the history ever alarms: {ever / shuffles:.0%}")


def _adult(data: Path, out: Path) -> None:
    rows = _census(data).sample(fraction=1, shuffle=True, seed=0)
    reference = _fitted(
        rows.head(24_000), "income", ["accuracy", "f1", "roc_auc", "log_loss"], out, ">50K"
    )
    new = rows.slice(24_000)
    groups = {
        "like before": pl.lit(True),
        "under 30": pl.col("age") < 30,
        "schooled": pl.col("years") >= 13,
        "married": pl.col("marital") == "Married-civ-spouse",
        "women": pl.col("sex") == "Female",
    }
    for name, kept in groups.items():
        some = new.filter(kept)
        _compare(f"adult, {name}", reference, [some.sample(1000, seed=n) for n in range(40)])


def _prices(data: Path, out: Path) -> None:
    rows = pl.read_ndjson(data / "prices" / "products.jsonl", infer_schema_length=None).sample(
        fraction=1, shuffle=True, seed=0
    )
    rows = rows.unique("title", maintain_order=True).with_columns(
        length=pl.col("text").str.len_chars()
    )
    reference = _fitted(rows.head(2600), "price", ["mae", "rmse", "rmsle", "hits"], out)
    new = rows.slice(2600)
    groups = {
        "like before": pl.lit(True),
        "raw": pl.col("style") == "raw",
        "long": pl.col("length") > pl.col("length").median(),
    }
    for name, kept in groups.items():
        some = new.filter(kept)
        height = min(400, some.height // 2)
        _compare(f"prices, {name}", reference, [some.sample(height, seed=n) for n in range(20)])


def _ratings(data: Path, out: Path) -> None:
    rows = pl.read_csv(data / "text" / "clothing_reviews.csv").select(
        text="Review Text", rating=pl.col("Rating").cast(pl.Float64), age="Age",
        department="Department Name", votes="Positive Feedback Count",
    )  # fmt: skip
    rows = rows.sample(fraction=1, shuffle=True, seed=0)
    reference = _fitted(rows.head(12_000), "rating", ["mae", "rmse"], out)
    new = rows.slice(12_000)
    groups = {
        "like before": pl.lit(True),
        "voted for": pl.col("votes") >= 5,
        "without text": pl.col("text").is_null(),
        "short": pl.col("text").str.len_chars() < 150,
    }
    for name, kept in groups.items():
        some = new.filter(kept)
        height = min(1000, some.height // 2)
        _compare(f"ratings, {name}", reference, [some.sample(height, seed=n) for n in range(20)])


def _fitted(
    rows: pl.DataFrame, target: str, metrics: list[str], out: Path, positive: str | None = None
) -> Reference:
    keyed = rows.with_row_index("key").with_columns(pl.col("key").cast(pl.String))
    recipe = {
        "name": target, "source": keyed, "id": "key", "target": target,
        "steps": [{"split.random": {"train": 0.6, "validation": 0, "test": 0.4}}],
        "models": ["boosted_trees"], "metrics": metrics,
        **({"positive": positive} if positive else {}),
    }  # fmt: skip
    found = reference_of(assay.run(recipe, out=out).version)
    assert found is not None
    return found


def _compare(name: str, reference: Reference, batches: list[pl.DataFrame]) -> None:
    off: dict[str, list[tuple[float, float, bool]]] = {}
    for batch in batches:
        rows = batch.with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.String))
        predictions = predictions_of(reference, rows)
        assert predictions is not None
        target = reference.evaluation.target
        truth = {one["metric"]: one for one in realised(reference, predictions, rows[target])}
        for one in estimated(reference, predictions, rows)[0]:
            said = truth[one["metric"]]["value"]
            off.setdefault(one["metric"], []).append(
                (abs(one["value"] - said), abs(one["reference"] - said),
                 one["low"] <= said <= one["high"])
            )  # fmt: skip
    print(f"\n{name}: {len(batches)} batches of {batches[0].height:,} rows")
    print(f"  {'':10} {'estimate off by':>16} {'evaluation off by':>18} {'band holds':>11}")
    for metric, found in off.items():
        mine, theirs, inside = np.array(found, float).mean(axis=0)
        print(f"  {metric:10} {mine:>16.4f} {theirs:>18.4f} {inside:>11.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--data", type=Path, help="the folder of real tables")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["nothing", "delays", "estimates", "clean"])
    given = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "nothing": lambda: looks_at_nothing(given.histories, given.seed),
        "delays": lambda: delays(min(given.histories, 40), given.seed),
    }
    if given.data:
        parts["estimates"] = lambda: estimates(given.data)
        parts["clean"] = lambda: clean(given.data, min(given.histories, 40))
    for name, part in parts.items():
        if given.only in (None, name):
            part()


if __name__ == "__main__":
    main()
