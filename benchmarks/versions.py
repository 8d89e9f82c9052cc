"""What versions cost beside one another: the space of a second one, and the time to compare two.

    python -m benchmarks.versions --rows 1000000 --work .bench/versions

Three versions are built of files of equal size: of ten; of these, one corrected in every row, and
an eleventh; and of the same eleven with another contract and other cleaning, so that every text
is another. Times and peak memory are those of `assay diff` in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import assay

FILES, WORDS = 10, 60
_TIMED = """
import json, resource, sys, time
import assay
start = time.perf_counter()
counts = assay.diff(sys.argv[1], sys.argv[2], out=sys.argv[3]).counts
found = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time()}
found["memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({**found, **counts}))
"""


def write_file(folder: Path, number: int, rows: int, *, corrected: bool = False) -> None:
    """Write one file of products, whose keys are its own."""
    rng = np.random.default_rng(number)
    words = np.array([f"word{n}" for n in range(5000)])
    texts = [" ".join(words[rng.integers(0, 5000, WORDS)]) for _ in range(min(rows, 2000))]
    price = rng.gamma(2, 50, rows).round(2) + corrected
    frame = pl.DataFrame(
        {"key": [f"k{n}" for n in range(number * rows, (number + 1) * rows)], "price": price}
    )
    text = pl.Series("text", texts).gather(rng.integers(0, len(texts), rows))
    frame = frame.with_columns(text=pl.concat_str("key", pl.lit(" <b>"), text, pl.lit("</b>")))
    frame.write_parquet(folder / f"{number:02d}.parquet")


def recipe(folder: Path, **changes: Any) -> dict[str, Any]:
    """Clean, drop exact duplicates, split."""
    return {
        "name": "t", "source": str(folder), "id": "key", "certificate": "off",
        "fields": {"key": {"type": "string"}, "text": {"type": "string"},
                   "price": {"type": "number"}},
        "steps": [
            {"clean.text": {"columns": ["text"]}},
            {"dedup.exact": {"columns": ["text"]}},
            {"split.random": {"train": 0.8, "validation": 0.1, "test": 0.1}},
        ],
    } | changes  # fmt: skip


def used(folder: Path) -> int:
    """Bytes on the disk; a file of several names counts once."""
    stats = {p.stat().st_ino: p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    return sum(stats.values())


def main() -> None:
    """Build, compare, print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, default=Path(".bench/versions"))
    asked = parser.parse_args()
    shutil.rmtree(asked.work, ignore_errors=True)
    data, out = asked.work / "data", asked.work / "out"
    data.mkdir(parents=True)
    each = asked.rows // FILES
    for number in range(FILES):
        write_file(data, number, each)
    assay.build(recipe(data), out=out)
    first = used(out / "t")
    write_file(data, FILES, each)
    assay.build(recipe(data), out=out)
    appended = used(out / "t") - first
    write_file(data, 3, each, corrected=True)
    assay.build(recipe(data), out=out)
    steps = recipe(data)["steps"]
    steps[0]["clean.text"]["markup"] = False
    assay.build(recipe(data, steps=steps), out=out)
    found: dict[str, Any] = {"rows": asked.rows, "space_of_10_percent_more": appended / first}
    for name, pair in (("corrected", ("t/v1", "t/v3")), ("every_text", ("t/v3", "t/v4"))):
        done = subprocess.run(
            [sys.executable, "-c", _TIMED, *pair, str(out)], capture_output=True, check=True
        )
        found[name] = json.loads(done.stdout)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
