"""The leak certificate: what is measured between the splits of a version, on its files.

Nothing here trusts the steps that made the splits. A check passes, fails, is not measured (too
little data, or too much), or does not apply; each says so in one sentence with its figures.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import polars as pl

from assay.building._measured_checks import (
    Check,
    adversarial,
    exact_pairs,
    groups_across,
    moved,
    near_pairs,
    target_field,
    time_order,
)
from assay.building._measured_rows import Wanted, is_name, one_a_unit, read
from assay.cache import Cache
from assay.recipe import FieldSpec

Near = Literal["auto", "full", "off"]


def certify(  # noqa: PLR0913 - all that a recipe says of its splits
    files: Mapping[str, Sequence[Path]],
    *,
    fields: Mapping[str, FieldSpec],
    inputs: Sequence[str],
    target: str | None,
    task: str | None = None,
    groups: Sequence[str] = (),
    time: str | None = None,
    was: tuple[int, int] | None = None,
    near: Near = "auto",
    seed: int = 0,
    reported: Collection[str] = (),
    cache: Cache | None = None,
    aside: Executor | None = None,
) -> dict[str, Any]:
    """Measure on a version's data files whether anything leaks from split to split.

    Files are read once, 50,000 rows at a time (and the texts once more for near duplicates); of
    every row some numbers are kept, and of at most 20,000 rows the rows themselves.

    Args:
        files: the Parquet files of each split, with a column `row_id`, and `parent_id` where there
            are synthetic rows.
        fields: what each field is.
        inputs: the fields that models see.
        target: the field that they learn, if any.
        task: `number` or `class`; by the target's values where it is not given.
        groups: rows equal in all these columns belong on one side; rows null in all are alone.
        time: the column that a split by time was made by.
        was: of the rows that were in the version before, how many there are, and how many of them
            are on another side now.
        near: look for near duplicates in up to 100,000 rows or 64 MB of text (`auto`), in all
            (`full`), or not at all (`off`).
        seed: of the sample.
        reported: codes of checks that are reported and never fail, for instance `adversarial`
            where rows of train were drawn anew after the split. A split by time is one of them.
        cache: keeps what is taken of each file, so that the next build reads new ones only.
        aside: where the check that takes longest is done, beside the others.

    Returns:
        `verdict` (`leaks` if a check fails, else `clean` if all that apply were measured, else
        `partly measured` or `not measured`) and `checks`, each with `code`, `title`, `status`,
        `value`, `limit`, `detail` and up to 5 `examples`.

    >>> import tempfile
    >>> rows = pl.DataFrame({"row_id": ["1", "2", "3"], "x": ["one cup", "two", "one cup"]})
    >>> folder = Path(tempfile.mkdtemp())
    >>> files = {name: [folder / f"{name}-0.parquet"] for name in ("train", "test")}
    >>> rows[:2].write_parquet(files["train"][0])
    >>> rows[2:].write_parquet(files["test"][0])
    >>> found = certify(files, fields={"x": FieldSpec()}, inputs=["x"], target=None)
    >>> found["verdict"], found["checks"][0]["detail"][:50]
    ('leaks', '1 of 1 row outside train equals a row of an earlie')
    """
    known = _columns(files)
    wanted = Wanted(
        fields=fields,
        # A column that only names the row would make all rows different.
        inputs=[
            name
            for name in inputs
            if name in known & set(fields) and not fields[name].unique and not is_name(files, name)
        ],
        target=target if target in known else None,
        groups=list(groups) if known.issuperset(groups) else [],
        time=time if time in known else None,
        seed=seed,
    )
    measured = read(files, wanted, cache)
    units = one_a_unit(measured.sample)
    apart = partial(adversarial, units, wanted, near)
    waiting = aside.submit(apart) if aside else None
    checks = [
        exact_pairs(measured, wanted),
        near_pairs(measured, wanted, near),
        groups_across(measured, wanted, groups),
        time_order(measured, wanted, time),
        target_field(units, wanted, task),
        waiting.result() if waiting else apart(),
        moved(was),
    ]
    quiet = {*reported, *(["adversarial"] if time else [])}
    checks = [check.softened() if check.code in quiet else check for check in checks]
    return {"verdict": _verdict(checks), "checks": [asdict(check) for check in checks]}


def import_learners(texts: bool = True) -> None:
    """Import what `adversarial` learns with, in a process that does nothing else.

    It takes longer than what it then does, and four times as long where xgboost finds scikit-learn
    and pandas, for interfaces that are not used here.

    Args:
        texts: whether words will be learned from as well.
    """
    hidden = [name for name in ("sklearn", "pandas") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import xgboost  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
    if texts:
        import sklearn.linear_model  # noqa: F401


def _columns(files: Mapping[str, Sequence[Path]]) -> set[str]:
    known: set[str] = set()
    for paths in files.values():
        for path in paths[:1]:
            known.update(pl.scan_parquet(path).collect_schema().names())
    return known


def _verdict(checks: Sequence[Check]) -> str:
    given = {check.status for check in checks}
    if "fail" in given:
        return "leaks"
    if "pass" not in given:
        return "not measured"
    return "partly measured" if "not measured" in given else "clean"
