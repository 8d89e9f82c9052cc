"""Help for components, made from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
import textwrap
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from assay.component import PACKAGES, Component, catalogue, mark_of
from assay.errors import RecipeError, nearest

# How the types of parameters are called here, where Python's own name would not say it.
_NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", type(None): "null"}
_MARKED = {"key": "columns", "value": "columns", "expression": "SQL expression"}


def explain(name: str | None = None, *, kind: str | None = None) -> dict[str, Any]:
    """Say what components there are, or what one of them does and takes.

    Args:
        name: a component, or the code of a check; all of them when not given.
        kind: `steps`, `models`, `checks`, …, where components of several kinds have the name;
            else the first is given, and `help` tells of all.

    Returns:
        For all: kind to name to first sentence. For one: `name`, `kind`, `summary`, `help` (a
        text for people), and `parameters`: for each its `type` and `about` in words, whether it
        is `required`, its `default`, and its JSON `schema`.

    Raises:
        RecipeError: there is no such component or kind.

    >>> explain("keep.length")["parameters"]["column"]["type"]
    'column'
    """
    if name is None:
        return {
            kind: {title: component.summary for title, component in catalogue(kind).items()}
            for kind in PACKAGES
        }
    if kind is not None and kind not in PACKAGES:
        raise RecipeError(
            f"There is no kind {kind!r}.", allowed=list(PACKAGES), hint=nearest(kind, PACKAGES)
        )
    kinds = list(PACKAGES) if kind is None else [kind]
    components = [one for each in kinds for one in catalogue(each).values()]
    if found := [_one(one) for one in components if name == one.name or name.upper() == _code(one)]:
        return found[0] | {"help": "\n\n\n".join(one["help"] for one in found)}
    known = [one.name for one in components]
    raise RecipeError(
        f"There is no component {name!r}.",
        allowed=sorted(set(known)),
        hint=nearest(name, known) or "`assay explain` lists them with what they do",
    )


def _one(component: Component) -> dict[str, Any]:
    opening, notes, examples = _docstring(component)
    parameters = _parameters(component, notes)
    heads = [(title, one["type"], _default(one)) for title, one in parameters.items()]
    widths = [max(map(len, column)) for column in zip(*heads, strict=True)]
    code = _code(component)
    called = f"{component.name}  ({component.kind}{f', {code}' if code else ''})"
    lines = [called, "", opening]
    if component.kind == "checks":
        lines += ["", "On the command line", f"  assay inspect SOURCE --checks {component.name}"]
    else:
        written = _in_recipe(component.name, parameters)
        gate = component.kind == "gates"
        lines += ["", "In a recipe", f"  - {written}{':' if gate and '{' not in written else ''}"]
        if gate:
            lines.append("    severity: stop  # or warn: shown, and fails nothing")
    if parameters:
        lines += ["", "Parameters"]
    for head, parameter in zip(heads, parameters.values(), strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(head, widths, strict=True))
        lines.append("  " + "  ".join(cells).rstrip())
        lines += [f"      {line}" for line in textwrap.wrap(parameter["about"], 90)]
    if examples:
        lines += ["", "In Python", *(f"  {line}" for line in examples.splitlines())]
    return {
        "name": component.name,
        "kind": component.kind,
        "summary": component.summary,
        "help": "\n".join(lines),
        "parameters": parameters,
    }


def _code(check: Component) -> str | None:
    from assay.checks._running import code_of

    return code_of(check).code if check.kind == "checks" else None


def _parameters(component: Component, notes: dict[str, str]) -> dict[str, dict[str, Any]]:
    schema = component.parameters.model_json_schema()
    signature = inspect.signature(component.function)
    return {
        name: {
            "type": _words(component.hints[name]),
            "about": notes.get(name, ""),
            "required": signature.parameters[name].default is inspect.Parameter.empty,
            "default": part.get("default"),
            "schema": part,
        }
        for name, part in schema.get("properties", {}).items()
    }


def _in_recipe(name: str, parameters: dict[str, dict[str, Any]]) -> str:
    needed = ", ".join(f"{title}: …" for title, one in parameters.items() if one["required"])
    return f"{name}: {{{needed}}}" if needed else name


def _default(parameter: dict[str, Any]) -> str:
    if parameter["required"]:
        return "required"
    value = parameter["default"]
    if value is None:
        return "optional"
    return f"default {str(value).lower() if isinstance(value, bool) else value}"


def _docstring(component: Component) -> tuple[str, dict[str, str], str]:
    """The opening paragraphs, what is said of each parameter, and the example."""
    text = inspect.getdoc(component.function) or ""
    prose, _, example = text.partition("\n>>> ")
    head = r"\n\s*\n(?=(?:Args|Returns|Raises|Yields|Reference|References):\n)"
    opening, *sections = re.split(head, prose)
    notes: dict[str, str] = {}
    for section in sections:
        if section.startswith("Args:"):
            found = re.findall(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", section, flags=re.MULTILINE)
            notes |= {name: re.sub(r"\s+", " ", about) for name, about in found}
    return opening.strip(), notes, f">>> {example.strip()}" if example else ""


def _words(hint: Any) -> str:
    """A type as people say it.

    >>> _words(int | None), _words(Literal["a", "b"]), _words(list[str])
    ('integer', 'a | b', 'list of text')
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        mark = mark_of(hint)
        if mark in _MARKED:
            return "column" if mark == "value" and parts[0] is str else _MARKED[mark]
        return _words(parts[0])
    if origin is Literal:
        return " | ".join(str(part) for part in parts)
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(_words(part) for part in parts if part is not type(None)))
    if parts:
        listed = f"list of {_words(parts[0])}"
        return (
            f"mapping of {_words(parts[0])} to {_words(parts[-1])}" if len(parts) == 2 else listed
        )
    return _NAMES.get(hint) or str(getattr(hint, "__name__", hint))
