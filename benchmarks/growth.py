"""Measure what it costs to build again when files have been added.

    python -m benchmarks.growth --rows 300000

Records lie in ten files; an eleventh of a tenth of the rows is added. Three builds are measured,
each in a process of its own: the ten files, the eleven with the cache of the ten, and the eleven
with a cold cache beside the same former version. The last two must be the same version, byte by
byte. With `--appended` the new rows are appended to one single file instead.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks import records
from benchmarks.job import recipe
from benchmarks.measure import REPOSITORY
from benchmarks.memory import Run, measured

FILES = 10
LIMIT = 0.2
"""The largest share of a full build's time that a tenth more rows may cost."""


def job(source: Path) -> dict[str, Any]:
    """The measured job with a search for near duplicates against all rows."""
    made = recipe(str(source), name="growth")
    near = {"dedup.near": {"columns": ["title", "description"]}}
    made["steps"] = [near if "sample.weighted" in step else step for step in made["steps"]]
    return made


def cut(path: Path, folder: Path, files: int) -> list[Path]:
    """Deal the lines of a file out to several, one after the other."""
    lines = path.read_bytes().splitlines(keepends=True)
    folder.mkdir(parents=True)
    size = -(-len(lines) // files)
    found = []
    for number in range(files):
        target = folder / f"part-{number:02}.jsonl"
        target.write_bytes(b"".join(lines[number * size : (number + 1) * size]))
        found.append(target)
    return found


def build(source: Path, out: Path, workers: int) -> tuple[Run, dict[str, Any]]:
    """Build in a process of its own; what it took as a whole, and by phases."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "growth.yaml"
    file.write_text(yaml.safe_dump(job(source), sort_keys=False), encoding="utf-8")
    one = [sys.executable, "-m", "benchmarks.growth", "--one", str(file), "--workers", str(workers)]
    run = measured(one, folder=REPOSITORY, environment={})
    if run.code:
        sys.exit(f"exit status {run.code}\n{run.messages}")
    return run, json.loads(run.output)


def one(file: Path, workers: int) -> None:
    """Build a recipe, and print its version and how long each phase took."""
    started = time.perf_counter()
    phases: dict[str, float] = {}
    now = ["start", started]

    def see(stage: str, done: int, total: int) -> None:
        moment = time.perf_counter()
        phases[now[0]] = phases.get(now[0], 0.0) + moment - now[1]
        # What follows the last shard of a stage is not this stage any more.
        now[:] = [f"after {stage}" if done == total else stage, moment]

    import assay

    version = assay.build(file, out=file.parent / "versions", workers=workers, progress=see)
    see("", 0, 1)
    print(json.dumps({"path": str(version.path), "phases": phases}))


def differing(first: Path, second: Path) -> list[str]:
    """The files of two versions that are not there in both with the same bytes."""
    names = {path.relative_to(root) for root in (first, second) for path in _files(root)}
    return sorted(str(name) for name in names if not _same(first / name, second / name))


def _files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


def _same(first: Path, second: Path) -> bool:
    return first.is_file() and second.is_file() and first.read_bytes() == second.read_bytes()


def table(results: dict[str, tuple[Run, dict[str, Any]]]) -> str:
    """The builds as Markdown, with their phases."""
    phases = list(dict.fromkeys(name for _, said in results.values() for name in said["phases"]))
    lines = [
        f"| build | wall s | CPU s | GB (PSS) | {' | '.join(phases)} |",
        "|---|" + "--:|" * (len(phases) + 3),
    ]
    for name, (run, said) in results.items():
        cells = [name, *(f"{value:.1f}" for value in (run.seconds, run.cpu))]
        cells += [f"{run.pss / 1e9:.2f}"]
        cells += [f"{said['phases'].get(phase, 0):.2f}" for phase in phases]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


@contextmanager
def _work(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        yield Path(folder)


def main() -> None:
    """Command line; exits with 1 when a claim is not borne out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=300_000, help="of the ten files together")
    parser.add_argument("--appended", action="store_true", help="to one file, not as a new one")
    parser.add_argument("--work", type=Path, help="where to put everything; kept when given")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.workers)
        return
    with _work(options.work) as work:
        rows = options.rows + options.rows // FILES
        path = work / f"records-{rows}.jsonl"
        if not path.exists():
            print(f"generating {rows:,} records", file=sys.stderr)
            records.write(path, rows)
        for name in ("source", "grown", "cold"):
            shutil.rmtree(work / name, ignore_errors=True)
        parts = cut(path, work / "source", FILES + 1)
        new = parts[-1].read_bytes()
        parts[-1].unlink()
        if options.appended:
            for part in parts[1:-1]:
                with parts[0].open("ab") as whole:
                    whole.write(part.read_bytes())
                part.unlink()
        results = {}
        results["ten files"] = build(work / "source", work / "grown", options.workers)
        (work / "cold").mkdir()
        shutil.copytree(work / "grown" / "versions" / "growth", work / "cold/versions/growth")
        with (parts[0] if options.appended else parts[-1]).open("ab") as file:
            file.write(new)
        results["grown"] = build(work / "source", work / "grown", options.workers)
        results["full"] = build(work / "source", work / "cold", options.workers)
        print(table(results), end="\n\n")
        share = results["grown"][0].seconds / results["full"][0].seconds
        cpu = results["grown"][0].cpu / results["full"][0].cpu
        grown, full = (Path(results[name][1]["path"]) for name in ("grown", "full"))
        unlike = [] if grown.name != full.name else differing(grown, full)
        said = f"{share:.3f} of a full build's time (at most {LIMIT}), {cpu:.3f} of its CPU"
        claims = [
            (share <= LIMIT, said),
            (grown.name == full.name, f"the same version: {grown.name}, {full.name}"),
            (not unlike, f"the same bytes{': not ' + ', '.join(unlike[:5]) if unlike else ''}"),
        ]
    print("\n".join(f"- {'yes' if holds else 'NO'}: {claim}" for holds, claim in claims))
    sys.exit(0 if all(holds for holds, _ in claims) else 1)


if __name__ == "__main__":
    main()
