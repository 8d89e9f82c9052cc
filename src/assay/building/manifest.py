"""The manifest of a version: what it was made of, what happened to the rows, what is in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import assay
from assay import ledger
from assay.building import profile
from assay.building.certificate import certify
from assay.building.decide import Table
from assay.building.learn import Late
from assay.building.plan import CONTRACT, READ, Plan
from assay.building.prepare import DECIDED
from assay.cache import Cache
from assay.places import is_place
from assay.recipe import Recipe, digest
from assay.urls import hidden_in

Shards = Sequence[Mapping[str, Any]]
_SPLITS = ("train", "validation", "test")
ENOUGH, UNEVEN = 50, 0.1
"""Rows from which a side's share says something, and how far it may be from the one asked for."""


def describe(
    recipe: Recipe,
    plan: Plan,
    prepared: Shards,
    written: Shards,
    folder: Path,
    decided: tuple[Table, Late],
) -> dict[str, Any]:
    """Sum up a build, and prove that its counts add up.

    Args:
        recipe: the recipe it was made from.
        plan: the build's plan.
        prepared: what the first pass returned for each shard.
        written: what the second pass returned for each shard.
        folder: the version's folder, with its data files in place.
        decided: what whole-table steps decided, and what steps learned.

    Raises:
        VersionError: rows read are not rows kept plus rows set aside.
    """
    splits: Counter[str] = Counter()
    rules: dict[int, Counter[str]] = {}
    changed: Counter[int] = Counter()
    for part in written:
        splits.update(part["splits"])
        changed.update(dict(part["changed"]))
        for position, rule, count in part["reasons"]:
            rules.setdefault(position, Counter())[rule] += count
    rules = {
        position: Counter(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))))
        for position, counts in sorted(rules.items())
    }
    reasons = {
        f"{plan.step_name(position)}: {rule}": count
        for position, counts in rules.items()
        for rule, count in counts.items()
    }
    totals = {name: sum(part[name] for part in written) for name in ("read", "kept", "synthetic")}
    read, kept = totals["read"], totals["kept"]
    ledger.check_counts(read, kept, reasons)
    table, late = decided
    profiles: dict[str, list[Any]] = {split: [] for split in in_order(splits)}
    for part in written:
        for split, summary in part["profiles"].items():
            profiles[split].append(summary)
    files = [
        file | {"bytes": (folder / file["path"]).stat().st_size}
        for part in written
        for file in part["files"]
    ]
    return {
        "assay": assay.__version__,
        "name": recipe.name,
        "version": None,
        "hash": _version_hash(recipe, plan, written),
        "parent": None,
        "seed": recipe.seed,
        "recipe": recipe.plain(),
        "sources": _sources(prepared),
        "rows": {**totals, "set_aside": read - kept},
        "steps": _steps(plan, rules, changed, decided),
        "reasons": reasons,
        "splits": {split: splits[split] for split in in_order(splits)},
        "fields": profile.merge(profiles, late.fields, folder),
        "columns": list(plan.fields),
        "dropped": late.dropped,
        "folds": table.fold.drop_nulls().n_unique() or None,
        "files": sorted(files, key=lambda file: (_rank(file["split"]), file["path"])),
        "records": [
            {"path": f"{part}/{path.name}", "bytes": path.stat().st_size}
            for part in ("ledger", "quarantine")
            for path in sorted((folder / part).glob("*.parquet"))
        ],
        "notes": [
            *dict.fromkeys(note for shard in prepared for note in shard["notes"]),
            *_uneven(plan, table),
            *_about_keys(recipe, table, reasons),
        ],
    }


def _uneven(plan: Plan, table: Table) -> list[str]:
    """What is to be said where a side's share is far from the one that was asked for."""
    sides = table.split.filter(table.narrow[DECIDED].is_null())
    step = next((one for one in reversed(plan.steps) if one.splits), None)
    if step is None or len(sides) < ENOUGH:
        return []
    asked = {side: float(step.parameters.get(side) or 0) for side in _SPLITS}
    shares = {side: int((sides == side).sum()) / len(sides) for side in _SPLITS}
    worst = max(_SPLITS, key=lambda side: abs(shares[side] - asked[side]))
    if abs(shares[worst] - asked[worst]) <= UNEVEN:
        return []
    return [
        f"{step.title}: {worst} has {shares[worst]:.0%} of the rows where {asked[worst]:.0%} are "
        "asked for; groups and near duplicates stay whole, and old rows keep their sides"
    ]


def _about_keys(recipe: Recipe, table: Table, reasons: Mapping[str, int]) -> Iterator[str]:
    """What is to be known of rows that changed at the source, and of keys that stand twice."""
    corrected = table.corrected.drop_nulls() if table.corrected is not None else pl.Series()
    if len(corrected):
        yield (
            f"{len(corrected):,} rows were corrected at the source since {corrected[0]}; "
            "`assay diff` shows what they said"
        )
    count = reasons.get("contract: duplicate id", 0)
    if count and not recipe.newest:
        yield (
            f"{count:,} rows have the key of another one, and nothing says which of them counts: "
            "name a column with `newest`"
        )


def in_order(splits: Iterable[str]) -> list[str]:
    """Train, validation, test, then any others.

    >>> in_order({"test", "train"})
    ['train', 'test']
    """
    return sorted(splits, key=_rank)


def _rank(split: str) -> tuple[int, str]:
    return (_SPLITS.index(split) if split in _SPLITS else len(_SPLITS), split)


def _version_hash(recipe: Recipe, plan: Plan, written: Shards) -> str:
    """A hash of the rows that were kept, their splits, the rows set aside, and the recipe."""
    sha = hashlib.sha256()
    for part in ("hashes", "gone"):
        values = np.concatenate([shard[part] for shard in written])
        sha.update(np.sort(values).astype("<u8").tobytes() + b"/")
    # Not the code: a release that makes the same rows makes the same version.
    fields = [[name, spec.model_dump(mode="json")] for name, spec in plan.fields.items()]
    steps = [[step.name, step.decisive] for step in plan.steps]
    exports = [use.plain() for use in recipe.exports]
    asked = [fields, dict(plan.rules), plan.id, steps, exports, recipe.seed]
    asked += [recipe.newest] if recipe.newest else []
    sha.update(digest(asked).encode())
    return sha.hexdigest()


def _sources(prepared: Shards) -> list[dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {}
    for shard in prepared:
        start = {"name": shard["name"], "bytes": Path(shard["path"]).stat().st_size}
        at = {"at": shard["at"]} if shard["at"] else {}
        entry = files.setdefault(
            shard["path"], {**start, **at, "rows": 0, "rejects": 0, "hash": []}
        )
        entry["rows"] += shard["rows"] + shard["gone"]
        entry["rejects"] += shard["rejects"]
        entry["hash"].append(shard["fingerprint"])
    return [entry | {"hash": digest(entry["hash"])} for entry in files.values()]


def _steps(
    plan: Plan,
    rules: Mapping[int, Counter[str]],
    changed: Mapping[int, int],
    decided: tuple[Table, Late],
) -> list[dict[str, Any]]:
    parts: list[tuple[int, str, dict[str, Any], str | None]] = [
        (READ, "read", {}, None),
        (CONTRACT, "contract", {}, None),
    ]
    for step in plan.steps:
        said = step.decisive | {name: _shown(step.parameters[name]) for name in step.sources}
        parts.append((step.position, step.name, said, step.component.version()))
    table, late = decided
    added = {position: rows.height for position, rows in late.added}
    return [
        {
            "position": position,
            "step": name,
            "parameters": parameters,
            "set_aside": sum(rules.get(position, {}).values()),
            "changed": changed.get(position, 0),
            "rules": dict(rules.get(position, {})),
            "version": version,
            **({"added": added[position]} if position in added else {}),
            **({"learned": late.findings[position]} if late.findings.get(position) else {}),
            **({"distribution": table.shown[position]} if position in table.shown else {}),
        }
        for position, name, parameters, version in parts
    ]


def _shown(source: Any) -> Any:
    plain = isinstance(source, str | list) or is_place(source)
    return hidden_in(source) if plain else f"<{type(source).__name__}>"


def certificate(
    recipe: Recipe,
    plan: Plan,
    decided: tuple[Table, Late],
    manifest: Mapping[str, Any],
    folder: Path,
    *,
    cache: Cache | None = None,
    aside: Executor | None = None,
) -> dict[str, Any]:
    """Measure on the files as they are written whether anything leaks from split to split."""
    splitting = next(step for step in reversed(plan.steps) if step.splits)
    files: dict[str, list[Path]] = {}
    for file in manifest["files"]:
        files.setdefault(file["split"], []).append(folder / file["path"])
    late = decided[1]
    fields = {name: spec for name, spec in late.fields.items() if name in manifest["fields"]}
    inputs = recipe.inputs or [name for name in fields if name not in (recipe.target, *plan.id)]
    time = splitting.parameters.get("by") if splitting.name == "split.temporal" else None
    return certify(
        files,
        fields=fields,
        inputs=[name for name in inputs if name in fields],
        target=recipe.target if recipe.target in fields else None,
        task=recipe.task,
        groups=splitting.parameters.get("groups") or [],
        time=time,
        was=_moved(decided[0]),
        # Train is then meant to differ from the rest.
        reported=["adversarial"] if _reshaped(plan, splitting.position) else [],
        near=recipe.certificate,
        seed=recipe.seed,
        cache=cache,
        aside=aside,
    )


def _reshaped(plan: Plan, split: int) -> bool:
    """Whether a step behind the split samples, balances or thins out the training rows."""
    behind = ("sample.", "balance.", "augment.", "outliers.", "labels.")
    return any(step.position > split and step.name.startswith(behind) for step in plan.steps)


def _moved(table: Table) -> tuple[int, int] | None:
    """How many rows were in the version before, and how many of them have changed sides."""
    if table.before is None:
        return None
    here = table.narrow[DECIDED].is_null() & table.before["_was"].is_not_null()
    return int(here.sum()), int((table.before["_was"] != table.split).filter(here).sum())
