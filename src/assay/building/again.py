"""The part of a version's recipe that can be done again to new rows, one row at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.component import find
from assay.errors import RecipeError, nearest
from assay.recipe import FieldSpec, Recipe, Use, load
from assay.rows import parse_expression


@dataclass(frozen=True)
class Again:
    """What can be done to new rows.

    Attributes:
        recipe: the contract, rules and row-wise steps, as far as the columns go.
        notes: which steps were left out for want of a column.
        learned: fields that a step changed by what it had learned from train, and that step.
    """

    recipe: Recipe
    notes: tuple[str, ...]
    learned: Mapping[str, str]


def again(
    manifest: Mapping[str, Any],
    columns: Sequence[str],
    *,
    id: Sequence[str] | None = None,
    without: str | None = None,
) -> Again:
    """Narrow a version's recipe to what can be done to one row at a time.

    Args:
        manifest: of the version.
        columns: what the new rows have.
        id: the columns that make the rows' ids; the recipe's by default, where they are there.
        without: a field that is not looked at, such as the target where rows are predicted.

    Raises:
        RecipeError: a column of `id` is not there.
    """
    recipe = load({**manifest["recipe"], "source": "-"})
    fields = settled(recipe, manifest)
    keys = list(id) if id is not None else [name for name in recipe.id if name in columns]
    for name in keys:
        if name not in columns:
            raise RecipeError(
                f"id: there is no column {name!r}.", allowed=columns, hint=nearest(name, columns)
            )
    notes: list[str] = []
    steps: list[Use] = []
    learned: dict[str, str] = {}
    there = {name for name in fields if name in columns and name != without}
    for use, said in zip(recipe.steps, manifest["steps"][2:], strict=True):
        component = find("steps", use.name)
        if component.data == "kept":
            if said["changed"]:
                named = component.marked(said["parameters"], "value") or list(manifest["fields"])
                learned |= dict.fromkeys(named, use.title)
            continue
        if component.data == "table":
            continue
        kept, gone = _of_columns(use, recipe.target, there)
        if kept is not None:
            steps.append(kept)
            for mark in _NEW:
                there |= set(component.marked(said["parameters"], mark))
        elif gone is None or gone != without:
            notes.append(f"{use.title} was left out: there is no column {gone!r}")
    rules = {
        name: rule
        for name, rule in recipe.rules.items()
        if set(parse_expression(rule).meta.root_names()) <= there
    }
    chosen = {name: spec for name, spec in fields.items() if name in columns and name != without}
    for name in keys:
        chosen.setdefault(name, FieldSpec(type="string"))
    narrowed = Recipe(
        name=recipe.name, source="-", seed=recipe.seed, id=keys, fields=chosen,
        other_fields="drop", rules=rules, steps=steps,
    )  # fmt: skip
    return Again(narrowed, tuple(notes), learned)


_NEW = ("new number", "new integer", "new string")


def settled(recipe: Recipe, manifest: Mapping[str, Any]) -> dict[str, FieldSpec]:
    """The contract as the build settled it: the recipe's fields, and what was found beside."""
    found = dict(recipe.fields)
    made = {
        name
        for use, said in zip(recipe.steps, manifest["steps"][2:], strict=True)
        for mark in _NEW
        for name in find("steps", use.name).marked(said["parameters"], mark)
    }
    for name, field in manifest["fields"].items():
        if name not in found and name not in made:
            found[name] = FieldSpec(type=field["type"])
    return found


def _of_columns(use: Use, target: str | None, there: set[str]) -> tuple[Use | None, str | None]:
    """The step as far as the columns that are there go, or the column for want of which it goes."""
    component = find("steps", use.name)
    named = component.marked(use.given, "value") + component.marked(use.given, "key")
    for expression in component.marked(use.given, "expression"):
        named += parse_expression(expression).meta.root_names()
    gone = [name for name in named if name not in there]
    if not gone:
        return use, None
    listed = {
        name: [column for column in value if column in there]
        for name, value in use.given.items()
        if isinstance(value, list) and set(value) & set(gone)
    }
    if listed and all(listed.values()) and set(gone) <= {target}:
        return use.model_copy(update={"given": {**use.given, **listed}}), None
    return None, gone[0]
