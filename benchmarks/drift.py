"""What drift monitoring costs, beside Evidently in one run, and how often it is wrong.

    python -m benchmarks.drift cost --work /tmp/drift --rows 3000000 --fields 100
    python -m benchmarks.drift rival --work /tmp/drift --rows 100000 --fields 100 --python PYTHON
    python -m benchmarks.drift wrong --data ../shared/data

`cost`: one batch of so many rows and fields (half numbers, of which a fifth hold few values, and
categories) against a stored profile of 200,000 rows, in a process of its own.
`rival`: the same for assay and for Evidently's DataDriftPreset, which PYTHON has installed, in one
run after the other; both read the batch from the same Parquet file.
`wrong`: of batches in which nothing has changed, the share that alarms without any floor, over
many profiles; and the share of planted changes of known size that is found.
"""

from __future__ import annotations

import argparse
import compileall
import statistics
import sys
from pathlib import Path

import numpy as np
import polars as pl

import assay
from benchmarks.memory import measured

PIECE = 250_000
EVIDENTLY = """
import sys, time, pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
reference, batch = (pd.read_parquet(path) for path in sys.argv[1:])
result = Report([DataDriftPreset()]).run(batch, reference)
print(len(result.dict()["metrics"]))
"""
ASSAY = """
import sys, assay
found = assay.monitor(sys.argv[2], against=sys.argv[1], workers=2)
print(found.verdict, len(found.drift))
"""


def table(rows: int, fields: int, seed: int) -> pl.DataFrame:
    """Rows of a made world, whatever the seed: numbers, counts and categories."""
    rng = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    for number in range(fields):
        if number % 5 == 4:
            columns[f"f{number}"] = rng.integers(0, 8, rows)
        elif number % 5 == 3:
            columns[f"f{number}"] = rng.choice(np.array(["red", "blue", "green", "grey"]), rows)
        else:
            columns[f"f{number}"] = rng.normal(number, 1 + number % 7, rows).round(4)
    return pl.DataFrame(columns)


def make(work: Path, rows: int, fields: int) -> tuple[Path, Path, Path]:
    """The reference's file, the batch's, and the version of the reference with its profile."""
    from assay.monitoring.making import profile_of

    work.mkdir(parents=True, exist_ok=True)
    reference, batch = work / f"reference-{fields}.parquet", work / f"batch-{rows}-{fields}.parquet"
    if not reference.exists():
        table(min(rows, 200_000), fields, 1).write_parquet(reference)
    if not batch.exists():
        import pyarrow.parquet as pq

        writer = None
        for start in range(0, rows, PIECE):
            part = table(min(PIECE, rows - start), fields, 2 + start).to_arrow()
            writer = writer or pq.ParquetWriter(batch, part.schema)
            writer.write_table(part)
        if writer:
            writer.close()
    version = assay.build({"name": f"drift{fields}", "source": str(reference)}, out=work / "out")
    profile_of(version)
    return reference, batch, version.path


def cost(arguments: argparse.Namespace) -> None:
    _, batch, version = make(arguments.work, arguments.rows, arguments.fields)
    _print("assay", _run(sys.executable, ASSAY, version, batch))


def rival(arguments: argparse.Namespace) -> None:
    reference, batch, version = make(arguments.work, arguments.rows, arguments.fields)
    # In turn, so that what else happens on the machine happens to both; the median run counts.
    runs = [(_run(sys.executable, ASSAY, version, batch),
             _run(arguments.python, EVIDENTLY, reference, batch))
            for _ in range(arguments.runs)]  # fmt: skip
    for ours, theirs in runs:
        _print("assay", ours)
        _print("Evidently", theirs)
    said = []
    for name in ("seconds", "cpu", "pss"):
        ours, theirs = (statistics.median(getattr(run, name) for run in side)
                        for side in zip(*runs, strict=True))  # fmt: skip
        said.append(f"{name} {theirs / ours:.1f}")
    print(f"times assay's, by the medians of {arguments.runs}: {', '.join(said)}")


def wrong(arguments: argparse.Namespace) -> None:
    from assay.monitoring.drift import FLOORS, drift
    from assay.monitoring.making import of_frame
    from assay.monitoring.profile import summarise

    data = arguments.data
    loans = pl.read_csv(data / "tabular" / "loans.csv", infer_schema_length=None).drop("rownames")
    reviews = pl.read_csv(data / "text" / "clothing_reviews.csv", infer_schema_length=None)
    reviews = reviews.drop([name for name in reviews.columns if name == ""])
    nothing = dict.fromkeys(FLOORS, 0.0)
    for name, rows, times in (("loans", loans, arguments.times), ("reviews", reviews, 300)):
        types = {column: _type(dtype) for column, dtype in rows.schema.items()}
        rng = np.random.default_rng(7)
        alarms = floored = lines = 0
        for _ in range(times):
            order = rng.permutation(rows.height)
            named = rows[order].with_columns(row_id=pl.Series(order).cast(pl.String))
            half = rows.height // 2
            profile = of_frame(named[:half], types)
            summary = summarise(named[half : half + 1000], profile.fields, profile.kinds, 0)
            found = drift(profile, summary, floors=nothing, classifiers=name == "reviews")
            alarms += any(line.alarm for line in found.lines)
            floored += any(line.alarm and line.effect.value >= FLOORS[line.effect.name]
                           for line in found.lines)  # fmt: skip
            lines = len(found.lines)
        print(f"{name}: {times} clean batches of 1,000 rows, {lines} lines each: ")
        print(f"  {alarms / times:.1%} alarm without floors, {floored / times:.1%} with them")
    _power(loans)


def _power(loans: pl.DataFrame) -> None:
    from assay.monitoring.drift import drift
    from assay.monitoring.making import of_frame
    from assay.monitoring.profile import summarise

    types = {column: _type(dtype) for column, dtype in loans.schema.items()}
    spread = float(loans["interest_rate"].std() or 1)
    for shift in (0.05, 0.1, 0.2, 0.3, 0.5):
        found = []
        for rows in (200, 1000, 4000):
            rng = np.random.default_rng(11)
            hits = 0
            for _ in range(40):
                order = rng.permutation(loans.height)
                named = loans[order].with_columns(row_id=pl.Series(order).cast(pl.String))
                profile = of_frame(named[:5000], types)
                batch = named[5000 : 5000 + rows].with_columns(
                    pl.col("interest_rate") + shift * spread
                )
                summary = summarise(batch, profile.fields, profile.kinds, 0)
                lines = drift(profile, summary, classifiers=False).lines
                hits += any(line.alarm and line.field == "interest_rate" for line in lines)
            found.append(f"{rows:,} rows {hits / 40:.0%}")
        print(f"interest_rate moved by {shift} standard deviations is found in: {', '.join(found)}")


def _type(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    return "number" if dtype.is_float() else "boolean" if dtype == pl.Boolean else "string"


def _run(python: str, code: str, *paths: Path):
    command = [python, "-c", code, *(str(path.resolve()) for path in paths)]
    # Compiled, as whatever is installed is; a clone on a machine that keeps no bytecode is not.
    compileall.compile_dir(Path(assay.__file__).parent, quiet=1)
    run = measured(command, folder=Path.cwd(), environment={})
    if run.code:
        sys.exit(f"failed:\n{run.messages}")
    return run


def _print(name: str, run) -> None:
    print(f"{name:<10} wall {run.seconds:7.1f} s  processor {run.cpu:7.1f} s  "
          f"peak {run.pss / 1e9:.2f} GB  said: {run.output.strip()}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("cost", "rival", "wrong"))
    parser.add_argument("--work", type=Path, default=Path(".bench/drift"))
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--fields", type=int, default=100)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=int, default=3, help="of each side")
    parser.add_argument("--times", type=int, default=1000)
    given = parser.parse_args()
    {"cost": cost, "rival": rival, "wrong": wrong}[given.part](given)
