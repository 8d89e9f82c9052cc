"""What a build will do to every row, settled before the first one is read."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from assay.component import Component, bind, find, mark_of
from assay.errors import RecipeError, nearest
from assay.recipe import FieldSpec, FieldType, Recipe, Use
from assay.rows import parse_expression
from assay.sharing import hash_file

READ, CONTRACT, FIRST_STEP = 0, 1, 2
"""Positions in the ledger: reading, the contract, and then the recipe's steps in order."""
_NARROW = "\x1f"  # a control character that does not stand in a user's column names
RESERVED = frozenset(
    f"_{name}"
    for name in (
        *("row", "index", "decided", "content", "line", "text", "cluster", "split", "copy"),
        *("source", "step", "rule", "value", "threshold", "twin", "note", "was", "was_fold"),
        *("parent", "synthetic", "corrected", "told"),
    )
)
FOLD, PARENT = "fold", "parent_id"
"""Columns that a version gets beside its fields: a row's fold, a synthetic row's parent."""
_NEW: dict[str, FieldType] = {
    "new number": "number",
    "new integer": "integer",
    "new string": "string",
}


@dataclass(frozen=True)
class Step:
    """One step of a recipe, with every parameter filled in.

    Attributes:
        position: its place in the ledger.
        name: the component's name.
        title: what the ledger calls it: the recipe's label, or its name, numbered where it repeats.
        parameters: what it is called with.
    """

    position: int
    name: str
    title: str
    parameters: Mapping[str, Any]

    @property
    def component(self) -> Component:
        """The function behind the name."""
        return find("steps", self.name)

    @property
    def expressions(self) -> list[str]:
        """The SQL expressions among its parameters."""
        return self.component.marked(self.parameters, "expression")

    @property
    def values(self) -> list[str]:
        """The columns whose values it looks at."""
        return self.component.marked(self.parameters, "value")

    @property
    def sketched(self) -> list[str]:
        """The columns that it sees through its sketch only."""
        return self.component.marked(self.parameters, "sketched")

    @property
    def sketch_parameters(self) -> dict[str, Any]:
        """Those of its parameters that decide its sketch of a row."""
        wanted = inspect.signature(self.component.sketch or (lambda: None)).parameters
        return {name: self.parameters[name] for name in wanted if name in self.parameters}

    @property
    def sources(self) -> list[str]:
        """The parameters that name another source."""
        hints = self.component.hints
        return [name for name in self.parameters if mark_of(hints.get(name)) == "source"]

    @property
    def decisive(self) -> dict[str, Any]:
        """Its parameters without other sources, which count by their content."""
        return {name: v for name, v in self.parameters.items() if name not in self.sources}

    @property
    def makes(self) -> dict[str, FieldSpec]:
        """The fields that it adds."""
        return {
            name: FieldSpec(type=kind)
            for mark, kind in _NEW.items()
            for name in self.component.marked(self.parameters, mark)
        }

    @property
    def splits(self) -> bool:
        """Whether it decides the sides of the rows."""
        return self.name.startswith("split.")

    @property
    def remembers(self) -> bool:
        """Whether it is told which rows were in the version before."""
        return self.splits or self.name.startswith("dedup.")

    @property
    def settles(self) -> bool:
        """Whether it is told what it decided in the version before."""
        return self.name.startswith("dedup.")

    @property
    def keys(self) -> list[str]:
        """The columns of which it needs equality only."""
        values = self.values
        return [key for key in self.component.marked(self.parameters, "key") if key not in values]

    def noted(self, columns: Sequence[str]) -> list[pl.Expr]:
        """What was noted for it among the columns of the narrow table, under plain names."""
        prefix = self.column("")
        return [
            pl.col(name).alias(name.removeprefix(prefix))
            for name in columns
            if name.startswith(prefix)
        ]

    def column(self, name: str) -> str:
        """What one of its columns is called in the narrow table of the whole build."""
        return narrow_name(self.position, name)


@dataclass(frozen=True)
class Plan:
    """Everything that turns a shard into rows and decisions; it travels to every worker."""

    fields: Mapping[str, FieldSpec]
    rules: Mapping[str, str]
    id: tuple[str, ...]
    steps: tuple[Step, ...]
    target: str | None = None
    newest: str | None = None

    @property
    def table_steps(self) -> list[Step]:
        """The steps that must see all rows, in their narrow columns."""
        return [step for step in self.steps if step.component.data == "table"]

    @property
    def learning_steps(self) -> list[Step]:
        """The steps that learn from the training rows; they come last."""
        return [step for step in self.steps if step.component.data == "kept"]

    @cached_property
    def prepared(self) -> dict[str, FieldSpec]:
        """The fields as the first pass leaves them: the source's, and those that steps made."""
        made = [step.makes for step in self.steps if step.component.data == "rows"]
        return {**self.fields, **{name: spec for one in made for name, spec in one.items()}}

    @property
    def watched(self) -> str | None:
        """The target, where the report can show its distribution before and after a step."""
        if self.target is None:
            return None
        kind = self.prepared[self.target].type
        return self.target if kind not in ("list", "object", "datetime") else None

    @property
    def unique(self) -> list[str]:
        """The fields whose values may stand once only."""
        return [name for name, spec in self.fields.items() if spec.unique]

    def step_name(self, position: int) -> str:
        """The name that a position has in the ledger."""
        if position < FIRST_STEP:
            return ("read", "contract")[position]
        return self.steps[position - FIRST_STEP].title

    def row_part(self) -> dict[str, Any]:
        """What decides a shard's prepared rows: all but the parameters of whole-table decisions."""
        return {
            "fields": {name: spec.model_dump(mode="json") for name, spec in self.fields.items()},
            "order": list(self.fields),
            "rules": dict(self.rules),
            "id": self.id,
            "steps": [
                [
                    *(step.position, step.name, dict(step.parameters), step.component.version()),
                    *contents(step.parameters),
                ]
                if step.component.data == "rows"
                else [step.position, step.values, step.keys, step.expressions, sketch_of(step)]
                for step in self.steps
                if step.component.data != "kept"
            ],
            "watched": self.watched,
            "newest": self.newest,
        }


def contents(parameters: Mapping[str, Any]) -> list[str]:
    """Hashes of what parameters name: files such as a vocabulary, and keys in the environment."""
    texts = [value for value in parameters.values() if isinstance(value, str)]
    held = [os.environ.get(text[4:], "") for text in texts if text.startswith("env:")]
    # No name of a file is longer, and the system refuses to look for one.
    paths = [Path(text) for text in texts if len(text) < 1000 and "\0" not in text]
    files = [hash_file(path) for path in paths if path.is_file()]
    return files + [hashlib.sha256(value.encode()).hexdigest() for value in held]


def sketch_of(step: Step) -> Any:
    """All that decides what a step notes of a row in the first pass; None without a sketch."""
    return step.sketch_parameters if step.component.sketch else None


def narrow_name(position: int, column: str) -> str:
    """What a column, as it is at one position of the recipe, is called in the narrow table."""
    return f"{_NARROW}{position}{_NARROW}{column}"


def is_narrow(name: str) -> bool:
    """Whether this column is of the narrow table, and not the user's."""
    return name.startswith(_NARROW)


def make_plan(recipe: Recipe, surveyed: Mapping[str, frozenset[str]]) -> Plan:
    """Settle fields and steps against the columns that the source has.

    Args:
        recipe: the checked recipe.
        surveyed: the kinds of value of every column of the source, in order of first sight.

    Raises:
        RecipeError: a column is named that the source does not have.
    """
    fields = dict(recipe.fields)
    others = [name for name in surveyed if name not in fields]
    if others and recipe.other_fields == "stop":
        raise RecipeError(
            f"The source has a column that `fields` does not name: {others[0]!r}.",
            allowed=fields,
            hint="name it, or set `other_fields: keep` or `drop`",
        )
    if recipe.other_fields == "keep":
        fields |= {name: FieldSpec(type=field_type(surveyed[name])) for name in others}
    for name in fields:
        if name in RESERVED or is_narrow(name):
            raise RecipeError(
                f"The column name {name!r} is taken by assay.", hint="rename it in the source"
            )
    if "row_id" in fields and recipe.id != ["row_id"]:
        raise RecipeError(
            "The source has a column `row_id`, which is what a version calls a row's id.",
            hint="set `id: row_id` if it is the key, or rename it in the source",
        )
    _known("id", recipe.id, fields)
    for name in recipe.id:
        fields[name] = fields[name].model_copy(update={"required": True})
    _known("target", [recipe.target] if recipe.target else [], fields)
    for rule, expression in recipe.rules.items():
        _known(f"rules.{rule}", parse_expression(expression).meta.root_names(), fields)
    steps: list[Step] = []
    for index, use in enumerate(recipe.steps):
        component = find("steps", use.name)
        known = {**fields, **{name: spec for one in steps for name, spec in one.makes.items()}}
        parameters = _filled(recipe, use, component, known)
        before = sum(earlier.title.partition(" #")[0] == use.title for earlier in steps)
        title = f"{use.title} #{before + 1}" if before else use.title
        step = Step(FIRST_STEP + index, use.name, title, parameters)
        where = f"steps[{index}] {use.name}"
        named = [*step.values, *step.keys, *step.sketched]
        _known(where, [name for name in named if name not in step.makes], known)
        for expression in step.expressions:
            _known(where, parse_expression(expression).meta.root_names(), known)
        _may_stand_here(step, steps, known, where)
        steps.append(step)
    made = {name: spec for step in steps for name, spec in step.makes.items()}
    _known("inputs", recipe.inputs or [], {**fields, **made})
    if recipe.newest:
        _known("newest", parse_expression(recipe.newest).meta.root_names(), fields)
    return Plan(fields, recipe.rules, tuple(recipe.id), tuple(steps), recipe.target, recipe.newest)


def _filled(
    recipe: Recipe, use: Use, component: Component, fields: Mapping[str, FieldSpec]
) -> dict[str, Any]:
    """A step's parameters, those left out that a recipe says once for all taken from there."""
    given = dict(use.given)
    wanted = component.parameters.model_fields
    if "seed" in wanted:
        given.setdefault("seed", recipe.seed)
    if component.data == "kept":
        if "target" in wanted and recipe.target:
            given.setdefault("target", recipe.target)
        if "inputs" in wanted:
            others = [name for name in fields if name not in (recipe.target, *recipe.id)]
            given.setdefault("inputs", recipe.inputs or others)
    return bind(component, given)


def _may_stand_here(
    step: Step, before: Sequence[Step], known: Mapping[str, FieldSpec], where: str
) -> None:
    """Refuse what would learn from rows that are held out, or be undone by what was learned.

    Raises:
        RecipeError: a step stands behind one that learns, or makes a field that is there already.
    """
    learning = next((one for one in before if one.component.data == "kept"), None)
    if learning and step.component.data != "kept":
        raise RecipeError(
            f"{step.name} stands behind {learning.name}, which learns from the training rows.",
            where=where,
            hint="put the steps that learn last; their order: clean and keep, find duplicates, "
            "split, learn",
        )
    for name in step.makes:
        if name in known or name in (FOLD, PARENT) or name in RESERVED:
            raise RecipeError(
                f"{step.name} would make the field {name!r}, which is there already.",
                where=where,
                hint="give it another name",
            )


def field_type(kinds: frozenset[str]) -> FieldType:
    """The type that holds every kind of value seen in a column.

    >>> field_type(frozenset({"integer", "number", "null"}))
    'number'
    >>> field_type(frozenset({"integer", "string"}))
    'string'
    """
    seen = kinds - {"null"}
    if seen == {"integer", "number"}:
        return "number"
    simple: dict[str, FieldType] = {
        "integer": "integer",
        "number": "number",
        "boolean": "boolean",
        "datetime": "datetime",
        "list": "list",
        "object": "object",
    }
    return simple.get(next(iter(seen)), "string") if len(seen) == 1 else "string"


def _known(where: str, names: Sequence[str], fields: Mapping[str, FieldSpec]) -> None:
    for name in names:
        if name not in fields:
            raise RecipeError(
                f"There is no column {name!r}.",
                where=where,
                allowed=fields,
                hint=nearest(name, fields),
            )
