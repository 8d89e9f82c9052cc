"""A public function is a component: its name is the recipe's name, its signature is the schema.

assay's own components are the public functions of its component packages. A user's functions are
switched on from Python or by a command-line flag, for the length of one call, and never by a
recipe: a recipe that somebody sends cannot run code that its reader has not chosen.

What a signature is written in stands in `marks.py`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from assay.errors import RecipeError, nearest
from assay.marks import (
    Column,
    Columns,
    Decisions,
    Expression,
    Kept,
    Keys,
    Learned,
    Mark,
    NewInteger,
    NewNumber,
    NewText,
    Rows,
    Sketch,
    Sketches,
    Source,
    Table,
    Texts,
)

__all__ = [
    "PACKAGES",
    "Column",
    "Columns",
    "Component",
    "Decisions",
    "Expression",
    "Kept",
    "Keys",
    "Learned",
    "Mark",
    "NewInteger",
    "NewNumber",
    "NewText",
    "Rows",
    "Sketch",
    "Sketches",
    "Source",
    "Table",
    "Texts",
    "bind",
    "catalogue",
    "find",
    "in_use",
    "mark_of",
    "using",
]


@dataclass(frozen=True)
class Component:
    """A public function with the name that recipes use.

    Attributes:
        kind: the section of the recipe it belongs to: steps, exports, models, metrics, gates.
        name: `module.function` for steps, the function's name elsewhere.
        function: the function itself.
        file: for a user's function, the file it was read from.
    """

    kind: str
    name: str
    function: Callable[..., Any] = field(compare=False)
    file: str | None = None

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        """Resolved annotations, marks included."""
        return get_type_hints(self.function, include_extras=True)

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def first(self) -> Any:
        """The annotation of the first argument."""
        return self.hints.get(next(iter(inspect.signature(self.function).parameters), ""))

    @property
    def data(self) -> str:
        """What the first argument is: `rows`, `table` or `kept` for steps, else empty."""
        return mark_of(self.first) or ""

    @property
    def gives(self) -> str:
        """What comes back: `rows`, `decisions` or `learned` for steps, else empty."""
        given = self.hints.get("return")
        return "learned" if given is Learned else mark_of(given) or ""

    @property
    def sketch(self) -> Callable[..., Any] | None:
        """What a table step notes of each row in the first pass."""
        extras = getattr(self.first, "__metadata__", ())
        return next((one.function for one in extras if isinstance(one, Sketch)), None)

    @functools.cached_property
    def parameters(self) -> type[BaseModel]:
        """The keyword-only parameters as a pydantic model that refuses unknown names."""
        fields: dict[str, Any] = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                default = ... if parameter.default is parameter.empty else parameter.default
                fields[name] = (self.hints[name], default)
        return create_model(
            self.name,
            __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True),
            **fields,
        )

    def marked(self, parameters: Mapping[str, Any], means: str) -> list[str]:
        """The values of all parameters whose annotation carries this mark, flattened.

        >>> from assay.component import find
        >>> find("steps", "keep.length").marked({"column": "text"}, "value")
        ['text']
        """
        found: list[str] = []
        for name, value in parameters.items():
            if mark_of(self.hints.get(name)) == means and value is not None:
                found.extend([value] if isinstance(value, str) else value)
        return found

    def version(self) -> str:
        """A short hash of the module's source: what this component makes changes only with it."""
        try:
            source = Path(inspect.getsourcefile(self.function) or "").read_bytes()
        except (OSError, TypeError):
            # Written at a prompt or in a notebook: the code itself is all there is.
            code = self.function.__code__
            source = code.co_code + repr((code.co_consts, code.co_names)).encode()
        return hashlib.sha256(source).hexdigest()[:12]


PACKAGES = {
    "steps": "assay.steps",
    "exports": "assay.exports",
    "models": "assay.models",
    "metrics": "assay.evaluation.metrics",
    "gates": "assay.gates",
    "checks": "assay.checks",
}


def mark_of(hint: Any) -> str | None:
    """The mark of an annotation, looking through `| None`.

    >>> mark_of(Columns | None)
    'value'
    >>> mark_of(int) is None
    True
    """
    if get_origin(hint) is Annotated:
        return next((extra.means for extra in hint.__metadata__ if isinstance(extra, Mark)), None)
    return next((mark for part in get_args(hint) if (mark := mark_of(part))), None)


def catalogue(kind: str) -> Mapping[str, Component]:
    """Every component of one kind, by name: the public functions of its package's modules.

    >>> "keep.length" in catalogue("steps")
    True
    """
    own = {component.name: component for component in _OWN.get() if component.kind == kind}
    return {**_catalogue(kind), **own} if own else _catalogue(kind)


@contextmanager
def using(components: Sequence[Component]) -> Iterator[None]:
    """Let recipes name a user's components as well, for the length of a `with` block."""
    token = _OWN.set((*_OWN.get(), *components))
    try:
        yield
    finally:
        _OWN.reset(token)


def in_use() -> tuple[Component, ...]:
    """The user's components that are switched on."""
    return _OWN.get()


_OWN: ContextVar[tuple[Component, ...]] = ContextVar("_OWN", default=())


@functools.cache
def _catalogue(kind: str) -> Mapping[str, Component]:
    package = importlib.import_module(PACKAGES[kind])
    modules = [package]
    if hasattr(package, "__path__"):
        names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
        modules = [
            importlib.import_module(f"{package.__name__}.{name}")
            for name in names
            if not name.startswith("_")
        ]
    found: dict[str, Component] = {}
    for module in modules:
        short = module.__name__.rpartition(".")[2]
        for name in getattr(module, "__all__", ()):
            function = getattr(module, name)
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                full = f"{short}.{name}" if kind == "steps" else name
                found[full] = Component(kind, full, function)
    return found


def find(kind: str, name: str, *, where: str | None = None) -> Component:
    """The component of this kind and name.

    Raises:
        RecipeError: there is none; the message lists what there is and the nearest match.
    """
    known = catalogue(kind)
    if name not in known:
        raise RecipeError(
            f"{kind}: there is no {name!r}.",
            where=where,
            allowed=sorted(known),
            hint=nearest(name, known),
        )
    return known[name]


def bind(
    component: Component, given: Mapping[str, Any], *, where: str | None = None
) -> dict[str, Any]:
    """Check parameters against the signature and fill in the defaults.

    Raises:
        RecipeError: an unknown parameter, a missing one or a value of the wrong type.

    >>> bind(find("steps", "keep.length"), {"column": "text", "min": 3})["max"] is None
    True
    """
    allowed = component.parameters.model_fields
    for name in given:
        if name not in allowed:
            raise RecipeError(
                f"{component.name} has no parameter {name!r}.",
                where=where,
                allowed=sorted(allowed),
                hint=nearest(name, allowed),
            )
    try:
        model = component.parameters.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        missing = first["type"] == "missing"
        raise RecipeError(
            f"{component.name}: {path}: {first['msg']}.",
            where=where,
            received=None if missing else first["input"],
            hint=f"`assay explain {component.name}` shows every parameter",
        ) from None
    return {name: getattr(model, name) for name in allowed}
