"""A recipe: what to read, what every row must satisfy, what to do with the rows, what to measure.

YAML and Python say the same thing in the same words. Everything is checked before any data is
read, and whatever is refused is named with its file and line, what is allowed and the nearest
match.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from assay.component import bind, catalogue, find, mark_of
from assay.errors import RecipeError, nearest
from assay.places import KINDS, beside, checked, is_place, schemas
from assay.urls import hidden_in
from assay.yamltext import Dumper, Places, parse

FieldType = Literal[
    "string", "integer", "number", "boolean", "datetime", "category", "list", "object"
]
Severity = Literal["stop", "warn"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class FieldSpec(_Strict):
    """What the values of one field must be.

    >>> FieldSpec(type="number", min=0.5, max=999.49, unit="USD").on_violation
    'set_aside'
    """

    type: FieldType = "string"
    required: bool = False
    unique: bool = False
    min: float | str | None = Field(
        default=None, description="smallest value; for datetime an ISO date"
    )
    max: float | str | None = Field(
        default=None, description="largest value; for datetime an ISO date"
    )
    min_length: int | None = Field(
        default=None, ge=0, description="in characters, or in list items"
    )
    max_length: int | None = Field(
        default=None, ge=0, description="in characters, or in list items"
    )
    pattern: str | None = Field(
        default=None, description="a regular expression the whole text must match"
    )
    allowed: list[Any] | None = Field(default=None, description="the only values there may be")
    unit: str | None = Field(
        default=None, description="USD, kg, cm, …: written values are converted to it"
    )
    format: str | None = Field(default=None, description="strptime format of a datetime")
    on_violation: Literal["set_aside", "null", "stop"] = "set_aside"
    description: str | None = None


class Read(_Strict):
    """How to read the source, where it cannot be told from the data itself."""

    format: Literal["csv", "jsonl", "json", "parquet", "arrow", "pickle"] | None = None
    encoding: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: str | None = Field(default=None, min_length=1, max_length=1)
    header: bool | None = None
    columns: list[str] | None = Field(
        default=None, description="names, for a file without a header"
    )


class Use(_Strict):
    """One component and the parameters it is given."""

    name: str
    given: dict[str, Any] = Field(default_factory=dict)
    label: str | None = None
    severity: Severity | None = None

    @property
    def title(self) -> str:
        """The name under which results appear."""
        return self.label or self.name

    def plain(self) -> Any:
        """As a recipe writes it."""
        given = {name: _plain(value) for name, value in self.given.items()}
        beside = {"as": self.label, "severity": self.severity}
        said = {key: value for key, value in beside.items() if value}
        return {self.name: given, **said} if given or said else self.name


def _plain(value: Any) -> Any:
    """A frame that was given in Python has no name that a recipe could hold."""
    return f"<{type(value).__name__}>" if hasattr(value, "__dataframe__") else hidden_in(value)


def _use(value: Any) -> Any:
    """`name`, `{name: {parameters}}` and `{name: {parameters}, as: label}` are one thing.

    A gate may have a `severity` beside it as well.
    """
    if isinstance(value, str):
        return Use(name=value)
    if isinstance(value, Mapping) and "given" not in value:
        items = {key: body for key, body in value.items() if key not in ("as", "severity")}
        if len(items) != 1:
            raise ValueError("write one component as `name` or `name: {parameter: value}`")
        ((name, given),) = items.items()
        if not isinstance(given, Mapping | None):
            raise ValueError(f"the parameters of {name} are a mapping, `{name}: {{key: value}}`")
        beside = {"label": value.get("as"), "severity": value.get("severity")}
        return {"name": str(name), "given": dict(given or {}), **beside}
    return value


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Uses = list[Annotated[Use, BeforeValidator(_use)]]
Names = Annotated[list[str], BeforeValidator(_one_or_many)]


class Recipe(_Strict):
    """Everything that decides what a build and an evaluation do.

    >>> recipe = Recipe(name="prices", source="p.jsonl", steps=[{"keep.length": {"column": "t"}}])
    >>> recipe.steps[0].name
    'keep.length'
    """

    name: Name
    source: Annotated[Any, AfterValidator(checked)] = Field(
        description="a file, glob, folder, URL or list of them; a query, a table with versions or "
        "a dataset of a hub; a data frame in Python"
    )
    read: Read = Read()
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    id: Names = Field(
        default=[], description="key columns; without them a row's id is its content's hash"
    )
    newest: str | None = Field(
        default=None,
        description="a column or SQL expression: of rows with one key, that counts for which it is "
        "highest",
    )
    target: str | None = Field(default=None, description="what models learn")
    task: Literal["number", "class"] | None = Field(
        default=None, description="what the target is; taken from its type when not given"
    )
    positive: str | None = Field(
        default=None, description="of two classes, the one that metrics are about"
    )
    inputs: list[str] | None = Field(default=None, description="what models may see")
    fields: dict[str, FieldSpec] = {}
    other_fields: Literal["keep", "drop", "stop"] = Field(
        default="keep", description="what to do with columns that `fields` does not name"
    )
    rules: dict[str, str] = Field(
        default={}, description="name: SQL expression that every row satisfies"
    )
    certificate: Literal["auto", "full", "off"] = Field(
        default="auto",
        description="how far leaks between splits are measured: `full` looks for near-duplicates "
        "however large the data, `auto` where it costs little",
    )
    steps: Uses = []
    exports: Uses = []
    models: Uses = []
    metrics: Uses = []
    gates: Uses = []

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        titles = [use.title for use in self.models]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(
                f"model {twice[0]!r} stands twice; tell them apart: `{twice[0]}: {{…}}, as: other`"
            )
        if self.target and self.inputs and self.target in self.inputs:
            raise ValueError(f"the target {self.target!r} is also an input, so it would leak")
        if self.newest and not self.id:
            raise ValueError("`newest` chooses among rows with one key, and `id` names no key")
        if self.models and not self.target:
            raise ValueError("models need a `target` to learn")
        return self

    def plain(self) -> dict[str, Any]:
        """As plain values that YAML and JSON can hold; what has its default is left out.

        Addresses are without passwords, so that none is ever written down; write `${NAME}` in a
        recipe for what the environment shall fill in.
        """
        body = self.model_dump(mode="python", exclude_defaults=True)
        for section in ("steps", "exports", "models", "metrics", "gates"):
            if section in body:
                body[section] = [use.plain() for use in getattr(self, section)]
        kept = isinstance(self.source, str | list | dict)
        body["source"] = hidden_in(self.source) if kept else f"<{type(self.source).__name__}>"
        return body

    def to_yaml(self) -> str:
        """The recipe as a YAML text that `load` reads back as the same recipe."""
        return yaml.dump(self.plain(), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=96)


def load(recipe: Recipe | Mapping[str, Any] | str | Path) -> Recipe:
    """Read and check a recipe from a YAML file, a mapping or a Recipe.

    Paths in a recipe file are relative to that file.

    Raises:
        RecipeError: the file is missing or is not YAML, or the recipe asks for what there is not.
    """
    if isinstance(recipe, Recipe):
        _check_components(recipe, Places())
        return recipe
    if isinstance(recipe, Mapping):
        return _validated(recipe, Places())
    path = Path(recipe)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(
            "There is no such recipe file.", where=str(path), hint="`assay init SOURCE` writes one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe cannot be read: {error}.", where=str(path)) from None
    data, places = parse(text, str(path))
    loaded = _validated(data, places)
    if isinstance(loaded.source, Mapping) and not is_place(loaded.source):
        raise RecipeError(
            "A mapping as `source` names a place, and this one does not say of which kind.",
            where=places.where(("source",)),
            received=list(loaded.source),
            allowed=KINDS,
            hint=nearest(str(next(iter(loaded.source), "")), KINDS),
        )
    moved = {
        section: [_beside(section, use, path.parent) for use in getattr(loaded, section)]
        for section in ("steps", "models")
    }
    source = beside(loaded.source, path.parent)
    return loaded.model_copy(update={"source": source, **moved})


def digest(value: Any) -> str:
    """A stable hash (SHA-256, hex) of plain values, whatever the order of mapping keys.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    packed = json.dumps(value, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(packed.encode("utf-8", "surrogatepass")).hexdigest()


def schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, for editors and other programs."""
    body = Recipe.model_json_schema()
    body["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = body.setdefault("$defs", {})
    definitions.pop("Use", None)
    source, kinds = schemas()
    body["properties"]["source"] |= source
    definitions.update(kinds)
    for section in ("steps", "exports", "models", "metrics", "gates"):
        choices: list[dict[str, Any]] = []
        beside: dict[str, Any] = {"as": {"type": "string"}}
        if section == "gates":
            about = "`warn` is shown and never fails a run; `stop` if not given"
            beside["severity"] = {"enum": list(get_args(Severity)), "description": about}
        for name, component in catalogue(section).items():
            parameters = component.parameters.model_json_schema()
            definitions.update(parameters.pop("$defs", {}))
            if not parameters.get("required"):
                parameters = {"anyOf": [parameters, {"type": "null"}]}
            choices.append({"const": name, "description": component.summary})
            choices.append(
                {
                    "type": "object",
                    "description": component.summary,
                    "properties": {name: parameters, **beside},
                    "required": [name],
                    "additionalProperties": False,
                }
            )
        body["properties"][section] = {"type": "array", "items": {"anyOf": choices}}
    return body


def _validated(data: Mapping[str, Any], places: Places) -> Recipe:
    try:
        recipe = Recipe.model_validate(dict(data))
    except ValidationError as error:
        raise _explained(error, places) from None
    _check_components(recipe, places)
    return recipe


def _explained(error: ValidationError, places: Places) -> RecipeError:
    # A misspelt key is often also a missing one, and says more.
    found = error.errors()
    unknown = (one for one in found if one["type"] == "extra_forbidden")
    first = next(unknown, found[0])
    path = first["loc"]
    name = str(path[-1]) if path else ""
    shown = ".".join(str(part) for part in path) or "the recipe"
    if first["type"] == "extra_forbidden":
        known = _siblings(path)
        return RecipeError(
            f"There is no key {name!r} here ({shown}).",
            where=places.where(path),
            allowed=known,
            hint=nearest(name, known),
        )
    if first["type"] == "missing":
        return RecipeError(f"The key {name!r} is missing.", where=places.where(path[:-1]))
    message = first["msg"].removeprefix("Value error, ")
    literal = first["type"] == "literal_error"
    allowed = re.findall(r"'([^']*)'", first["ctx"]["expected"]) if literal else []
    return RecipeError(
        f"{shown}: {message}.",
        where=places.where(path),
        received=first["input"] if path else None,
        allowed=allowed,
        hint=nearest(str(first["input"]), allowed),
    )


def _siblings(path: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Recipe
    if path[0] == "fields" and len(path) > 1:
        model = FieldSpec
    elif path[0] == "read" and len(path) > 1:
        model = Read
    return list(model.model_fields)


def _check_components(recipe: Recipe, places: Places) -> None:
    for section in ("steps", "exports", "models", "metrics", "gates"):
        for index, use in enumerate(getattr(recipe, section)):
            where = places.where((section, index))
            if use.severity and section != "gates":
                raise RecipeError(
                    f"Only gates have a severity, and {use.name} is one of the {section}.",
                    where=where,
                    received=use.severity,
                )
            bind(find(section, use.name, where=where), use.given, where=where)


def _beside(section: str, use: Use, folder: Path) -> Use:
    """A component whose other sources are named from the recipe's folder on."""
    hints = find(section, use.name).hints
    moved = {
        name: beside(value, folder)
        for name, value in use.given.items()
        if mark_of(hints.get(name)) == "source"
    }
    return use.model_copy(update={"given": {**use.given, **moved}}) if moved else use
