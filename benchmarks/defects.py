"""How many planted defects the checks find, and how many of their findings are right.

    python -m benchmarks.defects                                  # a generated table
    python -m benchmarks.defects --table loans.csv --target loan_status
    python -m benchmarks.defects --errors FOLDER                  # real errors, with their repairs

Every kind of defect is planted in a copy of its own, and the checks that should tell it are scored
by cells or rows: what they say of the clean table as well is not counted. Rivals that do the same
are scored beside them where they are installed; `--rivals PYTHON` names interpreters that have
them (`pip install "pandera[pandas]" deepchecks "numpy<2" "scikit-learn<1.5" "setuptools<81"
"category-encoders<2.7"`, beside this one, which has cleanlab).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from assay.checks._running import code_of
from assay.component import catalogue
from assay.contract.infer import infer
from assay.jobs.inspecting import Inspection, inspect
from benchmarks._ground import Ground, generated
from benchmarks._planted import KINDS

RIVALS = Path(__file__).with_name("_rivals.py")

Cells = set[tuple[int, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", help="a clean table (CSV); generated when not given")
    parser.add_argument("--target", help="what models would learn from it")
    parser.add_argument("--errors", help="a folder of *_dirty.csv and *_clean.csv")
    parser.add_argument("--kinds", nargs="*", help="kinds of defects; all when not given")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rivals", nargs="*", default=[sys.executable], metavar="PYTHON")
    options = parser.parse_args()
    if options.errors:
        for dirty in sorted(Path(options.errors).glob("*_dirty.csv")):
            real(dirty, dirty.with_name(dirty.name.replace("_dirty", "_clean")))
        return
    planted(options)


def planted(options: argparse.Namespace) -> None:
    frame = (
        pl.read_csv(options.table, infer_schema_length=0).head(options.rows)
        if options.table
        else generated(options.rows, options.seed)
    )
    targets = [options.target] if options.target else ["returned", "total"]
    grounds = [Ground(frame, infer(frame), target, options.seed) for target in targets]
    print(f"{frame.height:,} rows, {frame.width} fields, seed {options.seed}\n")
    print("| defect | planted | checks | precision | recall | seconds | rivals |")
    print("|---|--:|---|--:|--:|--:|---|")
    clean: dict[tuple[str, ...], Cells] = {}
    for kind, (codes, unit, plant) in KINDS.items():
        if options.kinds and kind not in options.kinds:
            continue
        ground, made = next(
            ((g, made) for g in grounds if (made := plant(g)) is not None), (grounds[0], None)
        )
        if made is None:
            print(f"| {kind} | 0 | | | | | nothing to plant it in |")
            continue
        names = checks(codes)
        if not names:
            print(f"| {kind} | {len(made.cells):,} | none with {', '.join(codes)} | | | | |")
            continue
        key = (*codes, ground.target)
        if key not in clean:
            clean[key] = said(inspect(frame, target=ground.target, checks=names), unit)
        start = time.perf_counter()
        seen = inspect(made.frame, target=ground.target, checks=names)
        took = time.perf_counter() - start
        truth = made.cells if unit == "cell" else {(row, "") for row, _ in made.cells}
        precision, recall = score(said(seen, unit) - clean[key], truth)
        skipped = [one.check for one in seen.results if one.status == "skipped"]
        note = f" ({', '.join(skipped)} skipped)" if skipped else ""
        rivals = compare(options.rivals, kind, frame, made.frame, truth, unit, ground.target)
        print(
            f"| {kind} | {len(truth):,} | {', '.join(codes)}{note} | {precision:.3f} "
            f"| {recall:.3f} | {took:.1f} | {rivals} |",
            flush=True,
        )
    if not options.kinds and not options.table:
        whole_tables(frame, options.seed)


def checks(codes: Iterable[str]) -> list[str]:
    """The checks there are with these codes, or codes that begin so."""
    known = {name: code_of(one).code for name, one in catalogue("checks").items()}
    return [name for name, code in known.items() if code.startswith(tuple(codes))]


def said(seen: Inspection, unit: str) -> Cells:
    """The cells that the findings are about, or the rows."""
    cells = seen.cells()
    if unit == "row":
        return {(row, "") for row in cells["row"].to_list()}
    return set(cells.filter(pl.col("field").is_not_null()).select("row", "field").iter_rows())


def score(found: Cells, truth: Cells) -> tuple[float, float]:
    """Precision and recall; the precision of nothing is 1."""
    right = len(found & truth)
    return right / len(found) if found else 1.0, right / len(truth) if truth else 1.0


def whole_tables(frame: pl.DataFrame, seed: int) -> None:
    """Imbalance and drift, which are no matter of cells."""
    few = pl.concat(
        [frame.filter(pl.col("returned") == "no"), frame.filter(pl.col("returned") == "yes")[:20]]
    )
    found = [
        bool(inspect(rows, target="returned", checks=["F701"]).results[0].findings)
        for rows in (frame, few)
    ]
    print(f"\nimbalance: silent on the clean table {not found[0]}, found when planted {found[1]}")
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    third = frame.height // 3
    later = shuffled[2 * third :].with_columns(
        (pl.col("price").cast(pl.Float64) * 1.15).round(2).cast(pl.String),
        pl.when(pl.int_range(pl.len()) % 3 == 0)
        .then(pl.lit("Knoxville"))
        .otherwise("city")
        .alias("city"),
    )
    for title, last in (("clean", shuffled[2 * third :]), ("planted in price and city", later)):
        with tempfile.TemporaryDirectory() as folder:
            for n, part in enumerate((shuffled[:third], shuffled[third : 2 * third], last)):
                part.write_csv(Path(folder) / f"{n}.csv")
            result = inspect(folder, checks=["F801"]).results[0]
        print(f"drift, {title}: {sorted(str(one.field) for one in result.findings)}")


def compare(
    pythons: list[str], kind: str, clean: pl.DataFrame, dirty: pl.DataFrame, truth: Cells,
    unit: str, target: str,
) -> str:  # fmt: skip
    """Precision and recall of every rival that looks for this kind, in words."""
    told: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        clean.write_csv(Path(folder) / "clean.csv")
        dirty.write_csv(Path(folder) / "dirty.csv")
        for python in pythons:
            run = subprocess.run(
                [python, str(RIVALS), kind, folder, target],
                capture_output=True,
                text=True,
                check=False,
            )
            if run.returncode:
                told[python] = f"failed: {run.stderr.strip().splitlines()[-1][:80]}"
                continue
            for name, answer in json.loads(run.stdout.splitlines()[-1]).items():
                if isinstance(answer, str):
                    told.setdefault(name, answer)
                    continue
                found = {(int(row), "" if unit == "row" else field) for row, field in answer}
                precision, recall = score(found, truth)
                told[name] = f"{name} {precision:.3f} / {recall:.3f}"
    return "; ".join(told.values()) or "none looks for it"


def real(dirty: Path, repaired: Path) -> None:
    """Cell-level precision, recall and F1 on a table whose errors are known."""
    rows = pl.read_csv(dirty, infer_schema_length=0)
    right = pl.read_csv(repaired, infer_schema_length=0)
    truth: dict[tuple[int, str], str] = {}
    for name, other in zip(rows.columns, right.columns, strict=True):
        here, there = rows[name].fill_null(""), right[other].fill_null("")
        truth |= {(n, name): there[n] for n in (here != there).arg_true().to_list()}
    start = time.perf_counter()
    seen = inspect(dirty)
    took = time.perf_counter() - start
    # Only what is said to be wrong, of fields and of their relations: a note is no accusation,
    # and personal data or a copy is no wrong value.
    cells = seen.cells().filter(
        (pl.col("severity") != "note")
        & pl.col("code").str.contains("^F[12]")
        & pl.col("field").is_not_null()
    )
    found = set(cells.select("row", "field").iter_rows())
    precision, recall = score(found, set(truth))
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    said: dict[tuple[int, str], set[str]] = {}
    for row, name, instead in cells.select("row", "field", "suggested").iter_rows():
        said.setdefault((row, name), set()).add(instead or "")
    mended = sum(truth[cell] in said.get(cell, set()) for cell in truth)
    print(
        f"{dirty.stem}: {len(truth):,} wrong cells, {len(found):,} found; "
        f"precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}; "
        f"rightly repaired {mended / len(truth):.4f}; {took:.1f} s"
    )
    hits = [cell in truth for cell in cells.select("row", "field").iter_rows()]
    by = cells.with_columns(
        right=pl.Series(hits, dtype=pl.Boolean)
    ).group_by("code", "check").agg(pl.len(), pl.col("right").sum()).sort("code")  # fmt: skip
    for code, check, count, hits in by.iter_rows():
        print(f"    {code} {check:<16} {count:>6,} cells, {hits:>6,} of them wrong")


if __name__ == "__main__":
    main()
