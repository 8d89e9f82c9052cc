"""Help for components, made from their signatures and docstrings."""

from __future__ import annotations

import inspect
from typing import Any

from assay.component import PACKAGES, Component, catalogue
from assay.errors import RecipeError, nearest


def explain(name: str | None = None) -> dict[str, Any]:
    """Say what components there are, or what one of them does and takes.

    Args:
        name: a component; all of them when not given.

    Returns:
        For all: kind to name to first sentence. For one: `name`, `kind`, `help`, `parameters`.

    Raises:
        RecipeError: there is no such component.

    >>> explain("keep.length")["kind"]
    'steps'
    """
    if name is None:
        return {
            kind: {title: component.summary for title, component in catalogue(kind).items()}
            for kind in PACKAGES
        }
    for kind in PACKAGES:
        if name in catalogue(kind):
            return _one(catalogue(kind)[name])
    known = [title for kind in PACKAGES for title in catalogue(kind)]
    raise RecipeError(
        f"There is no component {name!r}.", allowed=sorted(known), hint=nearest(name, known)
    )


def _one(component: Component) -> dict[str, Any]:
    parameters = component.parameters.model_json_schema().get("properties", {})
    signature = inspect.signature(component.function)
    lines = [f"{component.name} ({component.kind})", "", inspect.getdoc(component.function) or ""]
    for title in parameters:
        parameter = signature.parameters[title]
        default = "required" if parameter.default is parameter.empty else repr(parameter.default)
        lines.append(f"  {title}: {parameter.annotation} = {default}")
    return {
        "name": component.name,
        "kind": component.kind,
        "help": "\n".join(lines),
        "parameters": parameters,
    }
