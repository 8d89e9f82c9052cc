"""One search for near duplicates, run alone: `assay`, `datasketch` or `datatrove`.

    python -m benchmarks.near_rival datasketch texts.jsonl answer.json

Each looks for pairs of a Jaccard similarity of 0.7 or more among runs of two words and says which
cluster every text is in. Exit status 3: it is not installed.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

THRESHOLD = 0.7
NGRAM = 2


def run_assay(source: Path) -> list[int]:
    """assay, with the candidates verified."""
    import polars as pl

    from assay.marks import Sketches
    from assay.similar.clusters import clusters
    from assay.similar.pairs import near_pairs
    from assay.similar.shingles import shingled

    rows = pl.read_ndjson(source)
    sketches = Sketches.of(rows, shingled, {"columns": ["text"]})
    return clusters(near_pairs(sketches, threshold=THRESHOLD), len(rows)).tolist()


def run_datasketch(source: Path) -> list[int]:
    """datasketch as its documentation shows it: MinHash of 128 values and its LSH index."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    union = _Union()
    for number, text in enumerate(_texts(source)):
        words = re.findall(r"\w+", text.lower())
        runs = {" ".join(words[n : n + NGRAM]) for n in range(max(1, len(words) - NGRAM + 1))}
        sketch = MinHash(num_perm=128)
        sketch.update_batch([run.encode() for run in runs])
        for other in index.query(sketch):
            union.join(number, int(other))
        index.insert(str(number), sketch)
        union.add(number)
    return union.clusters()


def run_datatrove(source: Path) -> list[int]:
    """datatrove's four stages with its usual bands (14 of 8, a threshold of about 0.72)."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    config = MinhashConfig(n_grams=NGRAM, num_buckets=14, hashes_per_bucket=8)
    with tempfile.TemporaryDirectory() as work:
        reader = JsonlReader(str(source.parent), glob_pattern=source.name)
        stages = [
            ([reader, MinhashDedupSignature(f"{work}/signatures", config=config)], 1),
            ([MinhashDedupBuckets(f"{work}/signatures", f"{work}/buckets", config=config)], 14),
            ([MinhashDedupCluster(f"{work}/buckets", f"{work}/remove", config=config,
                                  save_cluster_id=True)], 1),
            ([reader, MinhashDedupFilter(f"{work}/remove", load_cluster_ids=True,
                                         exclusion_writer=JsonlWriter(f"{work}/removed")),
              JsonlWriter(f"{work}/kept")], 1),
        ]  # fmt: skip
        for number, (pipeline, tasks) in enumerate(stages):
            LocalPipelineExecutor(
                pipeline, tasks=tasks, workers=1, logging_dir=f"{work}/logs{number}"
            ).run()
        found: dict[int, int] = {}
        for folder in ("kept", "removed"):
            for file in Path(work, folder).rglob("*.jsonl.gz"):
                found |= _cluster_ids(file)
    count = sum(1 for _ in _texts(source))
    # A text in no cluster is one of its own.
    return [found.get(number, -1 - number) for number in range(count)]


def _cluster_ids(file: Path) -> dict[int, int]:
    import gzip

    found = {}
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            cluster = record["metadata"].get("minhash_cluster_id", -1)
            if cluster >= 0:
                found[int(record["id"])] = cluster
    return found


def _texts(source: Path) -> list[str]:
    return [json.loads(line)["text"] for line in _lines(source)]


def _lines(source: Path) -> list[str]:
    with source.open(encoding="utf-8") as lines:
        return list(lines)


class _Union:
    """Union-find, as every script around datasketch has it."""

    def __init__(self) -> None:
        self.above: dict[int, int] = {}

    def add(self, one: int) -> None:
        self.above.setdefault(one, one)

    def top(self, one: int) -> int:
        self.add(one)
        while self.above[one] != one:
            self.above[one] = self.above[self.above[one]]
            one = self.above[one]
        return one

    def join(self, one: int, other: int) -> None:
        self.above[self.top(one)] = self.top(other)

    def clusters(self) -> list[int]:
        return [self.top(one) for one in sorted(self.above)]


RUNS: dict[str, Callable[[Path], list[int]]] = {
    "assay": run_assay, "datasketch": run_datasketch, "datatrove": run_datatrove,
}  # fmt: skip


def main() -> None:
    """Command line."""
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        __import__(name)
    except ImportError:
        sys.exit(3)
    with tempfile.TemporaryDirectory() as folder:
        # A few texts first, so that nobody's imports are measured.
        few = Path(folder) / "few.jsonl"
        few.write_text("".join(_lines(source)[:50]), encoding="utf-8")
        RUNS[name](few)
    started, worked = time.perf_counter(), _cpu()
    found = RUNS[name](source)
    answer = {"seconds": time.perf_counter() - started, "cpu": _cpu() - worked, "clusters": found}
    out.write_text(json.dumps(answer), encoding="utf-8")


def _cpu() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(one) for one in who]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
