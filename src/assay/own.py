"""A user's own functions as components, switched on for the length of one call."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_type_hints

from assay.component import Component, mark_of
from assay.errors import RecipeError

_FIRST = {
    "Part": "exports",
    "Training": "models",
    "Scored": "metrics",
    "State": "gates",
    "Inspected": "checks",
}


def own(functions: Iterable[Callable[..., Any] | str | Path]) -> list[Component]:
    """Make components of a user's functions, or of the public functions of a user's file.

    What a function is follows from its first parameter: `Rows` or `Table` make a step, `Part` an
    export, `Training` a model, `Scored` a metric, `State` a gate, `Inspected` a check. A step is
    named after its module and itself, as assay's own are; in a notebook or script the module is
    `main`.

    Raises:
        RecipeError: the file cannot be read, or a function's first parameter says nothing.

    >>> import polars as pl
    >>> from assay.component import Column, Rows
    >>> def shout(rows: Rows, *, column: Column) -> Rows:
    ...     return rows.with_columns(pl.col(column).str.to_uppercase())
    >>> shout.__module__ = "mine"
    >>> [component.name for component in own([shout])]
    ['mine.shout']
    """
    found: list[Component] = []
    for one in functions:
        found.extend(_of_file(Path(one)) if isinstance(one, str | Path) else [_of_function(one)])
    return found


def _of_function(function: Callable[..., Any], file: str | None = None) -> Component:
    module = Path(file).stem if file else function.__module__.rpartition(".")[2].strip("_")
    hints = get_type_hints(function, include_extras=True)
    first = hints.get(next(iter(inspect.signature(function).parameters), ""))
    is_step = mark_of(first) in ("rows", "table", "kept")
    kind = "steps" if is_step else _FIRST.get(_name_of(first), "")
    if not kind:
        raise RecipeError(
            f"The first parameter of {function.__name__} does not say what the function is for.",
            where=file or module,
            received=_name_of(first),
            allowed=["Rows", "Table", "Kept", *_FIRST],
            hint="annotate it, for instance `rows: Rows` with `from assay.component import Rows`",
        )
    name = f"{module}.{function.__name__}" if kind == "steps" else function.__name__
    return Component(kind, name, function, file)


def _name_of(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))


def _of_file(path: Path) -> list[Component]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RecipeError(
            "There are no functions to be read here.", where=str(path), allowed="a Python file"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    public = getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])
    functions = [getattr(module, name) for name in public]
    return [
        _of_function(function, str(path.resolve()))
        for function in functions
        if inspect.isfunction(function) and function.__module__ == path.stem
    ]
