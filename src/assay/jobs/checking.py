"""Hold a source against a recipe's contract, and change nothing."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from assay.building.plan import Plan, make_plan
from assay.contract.check import check as check_rows
from assay.engine import run
from assay.recipe import Recipe, load
from assay.rows import as_pandas
from assay.sources.shards import Shard, locate, survey
from assay.sources.shards import load as load_shard

EXAMPLES = 5


@dataclass(frozen=True)
class Checked:
    """What a source's rows broke of a contract.

    Attributes:
        rows: how many rows there are.
        unreadable: how many lines could not be read.
        violations: `field`, `rule`, `rows`, `action` and `examples`: line and value of a few.
        notes: what reading found out, such as the encoding.
    """

    rows: int
    unreadable: int
    violations: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every line could be read and no row broke the contract."""
        return not self.violations and not self.unreadable

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "rows": self.rows,
            "unreadable": self.unreadable,
            "violations": [dict(violation) for violation in self.violations],
            "notes": list(self.notes),
            "verdict": "pass" if self.passed else "fail",
        }

    def to_pandas(self) -> Any:
        """The violations as a pandas frame."""
        return as_pandas(pl.DataFrame([dict(violation) for violation in self.violations]))

    def __repr__(self) -> str:
        lines = [f"{self.rows:,} rows read"]
        if self.unreadable:
            lines[0] += f", of which {self.unreadable:,} could not be parsed"
        lines += [f"  note: {note}" for note in self.notes]
        for broken in self.violations:
            lines.append(
                f"  {broken['rows']:>12,} rows  {broken['field']}: {broken['rule']} "
                f"({_CONSEQUENCE[broken['action']]})"
            )
            lines += [f"{'':20}{_example(example)}" for example in broken["examples"]]
        holds = "The contract holds." if self.passed else "The contract is broken."
        return "\n".join([*lines, holds])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


_CONSEQUENCE = {
    "set_aside": "a build would set them aside",
    "null": "a build would make the values null",
    "stop": "a build would stop",
}


def _example(example: Mapping[str, Any]) -> str:
    received = example["received"]
    return f"{example['where']}: {'nothing' if received is None else repr(received)}"


def check(
    source: Any, recipe: Recipe | Mapping[str, Any] | str | Path, *, workers: int | None = None
) -> Checked:
    """Hold a source against a recipe's contract, and change nothing.

    Args:
        source: a file, glob, folder, list of them, or a data frame.
        recipe: the recipe whose `fields` and `rules` must hold.
        workers: how many shards to look at at once; the number of cores when not given.

    Raises:
        RecipeError: the recipe names a column that the source does not have.
        SourceError: the source cannot be read.

    >>> import polars as pl
    >>> recipe = {"name": "t", "source": "t.csv", "fields": {"n": {"type": "integer", "max": 9}}}
    >>> check(pl.DataFrame({"n": [1, 20]}), recipe).violations[0]["rule"]
    'max'
    """
    loaded = load(recipe).model_copy(update={"source": source, "steps": []})
    with tempfile.TemporaryDirectory() as spool:
        shards = locate(source, loaded.read, Path(spool))
        surveyed: dict[str, frozenset[str]] = {}
        for kinds in run(survey, shards, workers=workers):
            for name, seen in kinds.items():
                surveyed[name] = surveyed.get(name, frozenset()) | seen
        # A field that the source lacks is a finding here, and not a mistake in the recipe.
        plan = make_plan(loaded.model_copy(update={"id": []}), surveyed)
        parts = list(run(partial(_check_shard, plan=plan), shards, workers=workers))
    return _summed(shards, parts)


def _check_shard(shard: Shard, plan: Plan) -> dict[str, Any]:
    loaded = load_shard(shard, list(plan.fields))
    found = check_rows(loaded.rows, plan.fields, plan.rules).violations
    lines = loaded.lines.gather(found["row"]).alias("line")
    grouped = (
        found.with_columns(lines)
        .group_by("field", "rule", "action", maintain_order=True)
        .agg(
            pl.len().alias("rows"),
            pl.col("line").head(EXAMPLES),
            pl.col("received").head(EXAMPLES).str.slice(0, 80),
        )
    )
    return {
        "rows": loaded.rows.height,
        "rejects": loaded.rejects.height,
        "lines": loaded.line_count,
        "notes": loaded.notes,
        "groups": grouped.to_dicts(),
    }


def _summed(shards: list[Shard], parts: list[dict[str, Any]]) -> Checked:
    counts: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    offsets: Counter[str] = Counter()
    for shard, part in zip(shards, parts, strict=True):
        for group in part["groups"]:
            key = (group["field"], group["rule"], group["action"])
            counts[key] += group["rows"]
            for line, received in zip(group["line"], group["received"], strict=True):
                where = f"{shard.name}:{line + offsets[shard.path]}"
                examples.setdefault(key, []).append({"where": where, "received": received})
        offsets[shard.path] += part["lines"]
    violations = tuple(
        {"field": key[0], "rule": key[1], "action": key[2], "rows": rows,
         "examples": examples[key][:EXAMPLES]}
        for key, rows in counts.most_common()
    )  # fmt: skip
    notes = tuple(dict.fromkeys(note for part in parts for note in part["notes"]))
    rejects = sum(part["rejects"] for part in parts)
    return Checked(sum(part["rows"] for part in parts) + rejects, rejects, violations, notes)
