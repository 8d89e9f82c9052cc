"""What a build will do to every row, settled before the first one is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.component import Component, bind, find
from assay.errors import RecipeError, nearest
from assay.recipe import FieldSpec, FieldType, Recipe
from assay.rows import parse_expression

READ, CONTRACT, FIRST_STEP = 0, 1, 2
"""Positions in the ledger: reading, the contract, and then the recipe's steps in order."""
_NARROW = "\x1f"  # a control character that does not stand in a user's column names
RESERVED = frozenset(
    f"_{name}"
    for name in (
        *("row", "index", "decided", "content", "line", "text", "cluster", "split", "copy"),
        *("source", "step", "rule", "value", "threshold", "twin", "note"),
    )
)


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
    def keys(self) -> list[str]:
        """The columns of which it needs equality only."""
        values = self.values
        return [key for key in self.component.marked(self.parameters, "key") if key not in values]

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

    @property
    def table_steps(self) -> list[Step]:
        """The steps that must see all rows, in their narrow columns."""
        return [step for step in self.steps if step.component.data == "table"]

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
                [step.position, step.name, dict(step.parameters), step.component.version()]
                if step.component.data == "rows"
                else [step.position, step.values, step.keys, step.expressions]
                for step in self.steps
            ],
        }


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
    _known("inputs", recipe.inputs or [], fields)
    for rule, expression in recipe.rules.items():
        _known(f"rules.{rule}", parse_expression(expression).meta.root_names(), fields)
    steps: list[Step] = []
    for index, use in enumerate(recipe.steps):
        component = find("steps", use.name)
        parameters = bind(component, use.given)
        if "seed" in parameters and "seed" not in use.given:
            parameters["seed"] = recipe.seed
        before = sum(earlier.title.partition(" #")[0] == use.title for earlier in steps)
        title = f"{use.title} #{before + 1}" if before else use.title
        step = Step(FIRST_STEP + index, use.name, title, parameters)
        where = f"steps[{index}] {use.name}"
        _known(where, step.values + step.keys, fields)
        for expression in step.expressions:
            _known(where, parse_expression(expression).meta.root_names(), fields)
        steps.append(step)
    return Plan(fields, recipe.rules, tuple(recipe.id), tuple(steps))


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
                f"The source has no column {name!r}.",
                where=where,
                allowed=fields,
                hint=nearest(name, fields),
            )
