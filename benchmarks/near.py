"""Measure the search for near duplicates: what it finds, how fast, and beside others.

    python -m benchmarks.near --what records    recall and precision on planted copies
    python -m benchmarks.near --what rivals     beside datasketch and datatrove, in one run
    python -m benchmarks.near --what pairs      on the known pairs of two real shops
    python -m benchmarks.near --what build      a build with the step and the same without it
    python -m benchmarks.near --what version    new records against an earlier version
    python -m benchmarks.near --what curve      how often a pair of a given similarity is found

The rivals run in another Python, so that they cost assay no dependency:

    python -m venv rivals
    rivals/bin/pip install datasketch 'datatrove[io,processing]' orjson spacy
    python -m benchmarks.near --what rivals --rivals-python rivals/bin/python
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from benchmarks import records
from benchmarks.memory import measured
from benchmarks.near_pairs import known_pairs

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ["title", "description"]
INSTALL = (
    "python -m venv rivals && rivals/bin/pip install datasketch 'datatrove[io,processing]' orjson"
    " spacy, and --rivals-python rivals/bin/python"
)


def read(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The records' id and texts with their family, and the planted copies by their places.

    A family is a record with all of its copies. Copies are made of records that are none
    themselves, so a family is a star and any two of it are near duplicates: two copies of one
    record differ by twice what each differs from it.
    """
    with path.open("rb") as lines:
        rows = [
            {name: record[name] for name in ("parent_asin", *COLUMNS)}
            for record in map(orjson.loads, lines)
        ]
    frame = pl.DataFrame(rows).with_row_index("place")
    at = frame.select(pl.col("parent_asin").alias("id"), "place")
    copies = pl.read_csv(path.with_suffix(".copies.csv"))
    copies = copies.join(at.rename({"id": "copy", "place": "a"}), on="copy")
    copies = copies.join(at.rename({"id": "original", "place": "b"}), on="original")
    family = np.arange(len(frame))
    family[copies["a"].to_numpy()] = copies["b"].to_numpy()
    return frame.with_columns(family=family), copies


def on_records(path: Path) -> list[dict[str, Any]]:
    """Recall of the planted near copies and precision of what goes, with default settings."""
    from assay.steps import dedup

    frame, copies = read(path)
    near = copies.filter(pl.col("kind") == "near")
    words = pl.sum_horizontal(pl.col(name).str.count_matches(r"\S+") for name in COLUMNS)
    length = frame.select(words).to_series()
    found = []
    for columns in (COLUMNS, ["description"]):
        started = time.perf_counter()
        decisions = dedup.near(frame, columns=columns)
        seconds = time.perf_counter() - started
        cluster = decisions["cluster"]
        a, b = near["a"], near["b"]
        met = (cluster.gather(a) == cluster.gather(b)).fill_null(False)
        short = length.gather(b) < 24
        gone = decisions["rule"].is_not_null()
        hashes = _rows(frame)
        twin = pl.DataFrame({"twin": decisions["twin"]}).join(
            pl.DataFrame({"twin": hashes, "family": frame["family"]}).unique("twin"),
            on="twin", how="left", maintain_order="left",
        )["family"]  # fmt: skip
        right = twin == frame["family"]
        # Two records that were not copied of one another may still say the same ("of").
        said = pl.concat_str([pl.col(name) for name in columns], separator="\x1f")
        texts = frame.select(said).to_series()
        kept = pl.DataFrame({"twin": hashes, "text": texts}).unique("twin")
        other = pl.DataFrame({"twin": decisions["twin"]}).join(
            kept, on="twin", how="left", maintain_order="left"
        )["text"]
        same = (other == texts).fill_null(False)
        found.append(
            {
                "columns": ", ".join(columns),
                "planted": len(near),
                "recall": float(met.mean() or 0),
                "of fewer than 24 words": float(met.filter(short).mean() or 0),
                "gone": int(gone.sum()),
                "precision": float((right | same).filter(gone).mean() or 0),
                "seconds": seconds,
            }
        )
    return found


def rivals(path: Path, python: str) -> list[dict[str, Any]]:
    """assay, datasketch and datatrove on the same texts, each in its own process on one core."""
    frame, copies = read(path)
    wanted = copies.filter(pl.col("kind").is_in(["near", "exact"]))
    texts = frame.select(text=pl.concat_str(COLUMNS, separator="\n", ignore_nulls=True))
    # One processor and one thread for everybody.
    alone = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "texts.jsonl"
        texts.with_row_index("id").with_columns(pl.col("id").cast(pl.String)).write_ndjson(source)
        for name in ("assay", "datasketch", "datatrove"):
            out = Path(folder) / f"{name}.json"
            command = [sys.executable if name == "assay" else python, "-m", "benchmarks.near_rival"]
            run = subprocess.run(
                [*command, name, str(source), str(out)], cwd=ROOT,
                env={**os.environ, **alone}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if run.returncode == 3:
                print(f"{name} is not installed: {INSTALL}", file=sys.stderr)
                continue
            if run.returncode:
                sys.exit(f"{name}: {run.stderr[-2000:]}")
            answer = json.loads(out.read_text(encoding="utf-8"))
            cluster = pl.Series(answer["clusters"])
            met = cluster.gather(wanted["a"]) == cluster.gather(wanted["b"])
            pairs = pl.DataFrame({"cluster": cluster, "family": frame["family"]})
            sizes = pairs.filter(pl.len().over("cluster") > 1)
            main = pl.col("family").mode().sort().first().over("cluster")
            pure = sizes.select((pl.col("family") == main).mean()).item()
            found.append(
                {
                    "system": name,
                    "seconds": answer["seconds"],
                    "cpu s": answer["cpu"],
                    "recall": float(met.mean() or 0),
                    "rows in their family's cluster": float(pure or 0),
                }
            )
    base = next(one for one in found if one["system"] == "assay")
    return [
        one
        | {
            "times assay's time": one["seconds"] / base["seconds"],
            "times its cpu": one["cpu s"] / base["cpu s"],
        }
        for one in found
    ]


def with_and_without(path: Path, workers: int) -> list[dict[str, Any]]:
    """Two builds of the same records, one with `dedup.near`, each with an empty cache."""
    found = []
    for name, more in (("without", []), ("with", [{"dedup.near": {"columns": COLUMNS}}])):
        with tempfile.TemporaryDirectory() as folder:
            found.append({"build": name} | _built("near", path, more, Path(folder), workers))
    return [one | {"more s": one["seconds"] - found[0]["seconds"]} for one in found]


def against_version(path: Path, workers: int) -> list[dict[str, Any]]:
    """A build of nearly all records, and two of a fiftieth each, held against that version."""
    lines = path.read_bytes().splitlines(keepends=True)
    some = len(lines) // 50
    parts = {"old": lines[: -2 * some], "new": lines[-2 * some : -some], "newer": lines[-some:]}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        against = {"source": str(Path(folder) / "versions" / "old"), "columns": COLUMNS}
        for name, part in parts.items():
            source = Path(folder) / f"{name}.jsonl"
            source.write_bytes(b"".join(part))
            step = {"dedup.near": {"columns": COLUMNS}}
            more = [step if name == "old" else {"dedup.against": against}]
            built = _built(name, source, more, Path(folder), workers)
            found.append({"build": name, "records": len(part)} | built)
    return found


def _built(
    name: str, source: Path, more: list[dict[str, Any]], folder: Path, workers: int
) -> dict[str, Any]:
    """What a build of some records took that cleans their texts and then does some more."""
    import yaml

    steps: list[dict[str, Any]] = [{"clean.text": {"columns": COLUMNS, "newlines": "space"}}]
    recipe = {
        "name": name, "source": str(source.resolve()), "id": ["parent_asin"],
        "other_fields": "drop", "steps": [*steps, *more], "certificate": "off",
        "fields": {one: {"type": "string"} for one in [*COLUMNS, "parent_asin"]},
    }  # fmt: skip
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-c", "from assay.cli import main; main()", "build", str(file)]
    command += ["--json", "--workers", str(workers), "--out", str(folder / "versions")]
    run = measured(command, folder=ROOT, environment={})
    if run.code:
        sys.exit(run.messages[-2000:])
    manifest = Path(json.loads(run.output)["path"]) / "manifest.json"
    return {
        "kept": json.loads(manifest.read_text("utf-8"))["rows"]["kept"],
        "seconds": run.seconds,
        "cpu s": run.cpu,
        "peak GB (PSS)": run.pss / 1e9,
    }


def curve(seed: int = 0, pairs: int = 2_000) -> list[dict[str, Any]]:
    """How often a pair of a given Jaccard similarity is found, by simulation.

    Pairs of random texts of 100 words of which a share is common; the search runs at a threshold
    just below the pair's own similarity, and at 0.5.
    """
    from assay.marks import Sketches
    from assay.similar.pairs import near_pairs
    from assay.similar.shingles import shingled

    rng = np.random.default_rng(seed)
    found = []
    for likeness in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        shared = round(100 * 2 * likeness / (1 + likeness))
        texts = []
        for pair in range(pairs):
            common = [f"c{pair}x{n}" for n in range(shared)]
            for side in "ab":
                own = [f"{side}{pair}x{n}" for n in range(100 - shared)]
                texts.append(" ".join(rng.permutation(common + own)))
        rows = pl.DataFrame({"text": texts})
        settings = {"columns": ["text"], "shingle": 1, "unit": "words"}
        noted = Sketches.of(rows, shingled, settings)
        exact = shared / (200 - shared)
        row: dict[str, Any] = {"Jaccard": exact}
        for name, threshold in (("at its own threshold", exact - 1e-6), ("at 0.5", 0.5)):
            met = near_pairs(noted, threshold=min(threshold, exact - 1e-6))
            row[name] = len(met.filter(pl.col("a") // 2 == pl.col("b") // 2)) / pairs
        found.append(row)
    return found


def _rows(frame: pl.DataFrame) -> pl.Series:
    from assay.rows import row_ids

    return row_ids(frame)


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown."""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for row in rows:
        cells = (f"{v:,.3f}" if isinstance(v, float) else f"{v:,}" if isinstance(v, int) else str(v)
                 for v in (row[name] for name in names))  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _generated(rows: int, work: Path | None) -> Path:
    folder = work or Path(tempfile.mkdtemp(prefix="near-"))
    path = folder / f"records-{rows}.jsonl"
    if not path.exists():
        print(f"generating {rows:,} records", file=sys.stderr)
        records.write(path, rows)
    return path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--what", choices=["records", "rivals", "pairs", "build", "version", "curve"], required=True
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--work", type=Path, help="where generated records are kept")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rivals-python", default=sys.executable)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    if options.what == "curve":
        print(table(curve()))
    elif options.what == "pairs":
        folder = options.data / "pairs"
        if not folder.exists():
            sys.exit(f"{folder} is not there: give the folder of the real data with --data")
        print(table(known_pairs(folder)))
    else:
        path = _generated(options.rows, options.work)
        if options.what == "records":
            print(table(on_records(path)))
        elif options.what == "rivals":
            print(table(rivals(path, options.rivals_python)))
        else:
            part = with_and_without if options.what == "build" else against_version
            print(table(part(path, options.workers)))


if __name__ == "__main__":
    main()
