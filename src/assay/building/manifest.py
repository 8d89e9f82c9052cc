"""The manifest of a version: what it was made of, what happened to the rows, what is in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import assay
from assay import ledger
from assay.building import profile
from assay.building.plan import CONTRACT, READ, Plan
from assay.recipe import Recipe, digest

Shards = Sequence[Mapping[str, Any]]
_SPLITS = ("train", "validation", "test")


def describe(
    recipe: Recipe, plan: Plan, prepared: Shards, written: Shards, folder: Path
) -> dict[str, Any]:
    """Sum up a build, and prove that its counts add up.

    Args:
        recipe: the recipe it was made from.
        plan: the build's plan.
        prepared: what the first pass returned for each shard.
        written: what the second pass returned for each shard.
        folder: the version's folder, with its data files in place.

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
    reasons = {
        f"{plan.step_name(position)}: {rule}": count
        for position, counts in sorted(rules.items())
        for rule, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    }
    read, kept = (sum(part[name] for part in written) for name in ("read", "kept"))
    ledger.check_counts(read, kept, reasons)
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
        "rows": {"read": read, "kept": kept, "set_aside": read - kept},
        "steps": _steps(plan, rules, changed),
        "reasons": reasons,
        "splits": {split: splits[split] for split in in_order(splits)},
        "fields": profile.merge(profiles, plan.fields, folder),
        "files": sorted(files, key=lambda file: (_rank(file["split"]), file["path"])),
        "records": [
            {"path": f"{part}/{path.name}", "bytes": path.stat().st_size}
            for part in ("ledger", "quarantine")
            for path in sorted((folder / part).glob("*.parquet"))
        ],
        "notes": list(dict.fromkeys(note for shard in prepared for note in shard["notes"])),
    }


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
    steps = [[step.name, dict(step.parameters)] for step in plan.steps]
    exports = [use.plain() for use in recipe.exports]
    asked = [fields, dict(plan.rules), plan.id, steps, exports, recipe.seed]
    sha.update(digest(asked).encode())
    return sha.hexdigest()


def _sources(prepared: Shards) -> list[dict[str, Any]]:
    files: dict[str, dict[str, Any]] = {}
    for shard in prepared:
        start = {"name": shard["name"], "bytes": Path(shard["path"]).stat().st_size}
        entry = files.setdefault(shard["path"], {**start, "rows": 0, "rejects": 0, "hash": []})
        entry["rows"] += shard["rows"] + shard["gone"]
        entry["rejects"] += shard["rejects"]
        entry["hash"].append(shard["fingerprint"])
    return [entry | {"hash": digest(entry["hash"])} for entry in files.values()]


def _steps(
    plan: Plan, rules: Mapping[int, Counter[str]], changed: Mapping[int, int]
) -> list[dict[str, Any]]:
    parts: list[tuple[int, str, dict[str, Any], str | None]] = [
        (READ, "read", {}, None),
        (CONTRACT, "contract", {}, None),
    ]
    for step in plan.steps:
        parts.append((step.position, step.name, dict(step.parameters), step.component.version()))
    return [
        {
            "position": position,
            "step": name,
            "parameters": parameters,
            "set_aside": sum(rules.get(position, {}).values()),
            "changed": changed.get(position, 0),
            "rules": dict(rules.get(position, {})),
            "version": version,
        }
        for position, name, parameters, version in parts
    ]
