"""A recipe with an action done to it, beside the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from assay.component import find
from assay.errors import RecipeError, nearest
from assay.places import is_place
from assay.recipe import Recipe, load
from assay.slices.actions import Action
from assay.storage import write_atomically
from assay.yamltext import Dumper, parse


def changed_recipe(recipe: Recipe, action: Action) -> Recipe:
    """The recipe with an action done to it, checked like any other.

    Steps that learn go before those that learn already, others before the split.
    """
    plain = recipe.plain() | {"source": recipe.source}
    # As they were given, since a frame among the parameters has no plain form.
    for section in ("steps", "exports", "models", "metrics", "gates"):
        uses = getattr(recipe, section)
        plain[section] = [
            {use.name: dict(use.given), **({"as": use.label} if use.label else {})} for use in uses
        ]
    return load(_changed(plain, action))


def _changed(plain: Mapping[str, Any], action: Action) -> dict[str, Any]:
    changed = dict(plain)
    steps = [*(changed.get("steps") or [])]
    for step in action.change.get("steps", ()):
        steps.insert(_place(steps, name_of(step)), step)
    if steps:
        changed["steps"] = steps
    if "inputs" in action.change:
        changed["inputs"] = list(action.change["inputs"])
    if "models" in action.change:
        changed["models"] = [*(changed.get("models") or []), *action.change["models"]]
    return changed


def name_of(step: Any) -> str:
    """The component that a recipe names, alone or with its parameters."""
    return step if isinstance(step, str) else next(key for key in step if key != "as")


def _place(steps: Sequence[Any], name: str) -> int:
    learns = find("steps", name).data == "kept"
    for place, step in enumerate(steps):
        known = name_of(step)
        if find("steps", known).data == "kept" or (not learns and known.startswith("split.")):
            return place
    return len(steps)


def write_recipe(recipe: Any, changed: Recipe, action: Action, out: Path) -> Path | None:
    """Write the changed recipe beside the user's own, under a name that nothing has yet."""
    if isinstance(recipe, str | Path):
        path = Path(recipe)
        data, _ = parse(path.read_text(encoding="utf-8-sig"), str(path))
        body, folder, stem = _changed(data, action), path.parent, path.stem
    elif isinstance(changed.source, str | list) or is_place(changed.source):
        body, folder, stem = changed.plain(), out / changed.name, "recipe"
    else:
        return None
    text = yaml.dump(body, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=96)
    text = f"# Made by `assay improve`: {action.says.splitlines()[0]}.\n{text}"
    target, number = folder / f"{stem}.improved.yaml", 2
    while target.exists() and target.read_text(encoding="utf-8") != text:
        target, number = folder / f"{stem}.improved-{number}.yaml", number + 1
    write_atomically(target, text.encode())
    return target


def wanted(actions: Sequence[Action], name: str) -> Action:
    """The action of a name that a recipe can do.

    Raises:
        RecipeError: there is none, or it needs people.
    """
    fit = {one.name: one for one in reversed(actions) if one.change}
    if name in fit:
        return fit[name]
    there = any(one.name == name for one in actions)
    raise RecipeError(
        f"The action {name!r} cannot be applied: it needs people or new rows."
        if there
        else f"There is no action {name!r}.",
        allowed=fit or "nothing was found that a recipe could do",
        hint=nearest(name, fit),
    )
