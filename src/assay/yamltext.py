"""YAML with line numbers: what a recipe file says, and where it says it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from assay.errors import RecipeError


class Places:
    """The line of every value of a YAML file, by its path of keys and positions."""

    def __init__(self, file: str | None = None) -> None:
        self.file = file
        self.lines: dict[tuple[Any, ...], int] = {}

    def where(self, path: Sequence[Any]) -> str | None:
        known = next(
            (self.lines[tuple(path[:n])] for n in range(len(path), -1, -1)
             if tuple(path[:n]) in self.lines),
            None,
        )  # fmt: skip
        if self.file is None:
            return ".".join(str(part) for part in path) or None
        return f"{self.file}:{known}" if known else self.file


def parse(text: str, file: str) -> tuple[Mapping[str, Any], Places]:
    """Read a YAML mapping and the line of each of its values.

    Scalars are read as YAML 1.2 does: `no` and `on` are words, `2020-01-31` is a text.

    Raises:
        RecipeError: it is not YAML, or not a mapping, a key stands twice, an alias refers to
            itself, or a tag is used.

    >>> parse("a: no\\nb: [1, 2.5]", "x.yaml")[0]
    {'a': 'no', 'b': [1, 2.5]}
    """
    places = Places(file)
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        if isinstance(root, yaml.MappingNode):
            data = _value(root, (), (), places)
            assert isinstance(data, dict)
            return data, places
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise RecipeError(
            f"This is not YAML: {getattr(error, 'problem', None) or error}.",
            where=f"{file}:{mark.line + 1}" if mark else file,
        ) from None
    except RecursionError:
        raise RecipeError("The recipe is nested too deeply.", where=file) from None
    raise RecipeError(
        "A recipe is a mapping of keys to values.", where=file, hint="name: …, source: …, steps: …"
    )


def _value(node: yaml.Node, path: tuple[Any, ...], above: tuple[int, ...], places: Places) -> Any:
    line = node.start_mark.line + 1
    places.lines.setdefault(path, line)
    if id(node) in above:
        raise RecipeError("An alias refers to itself.", where=f"{places.file}:{line}")
    above = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            where = f"{places.file}:{key_line}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise RecipeError("A key is a single word.", where=where)
            key = key_node.value
            if key in found:
                raise RecipeError(f"The key {key!r} stands twice.", where=where)
            places.lines[(*path, key)] = key_line
            found[key] = _value(value_node, (*path, key), above, places)
        return found
    if isinstance(node, yaml.SequenceNode):
        items = enumerate(node.value)
        return [_value(item, (*path, index), above, places) for index, item in items]
    if node.tag not in ("tag:yaml.org,2002:str", None):
        raise RecipeError(f"The tag {node.tag!r} is not known here.", where=f"{places.file}:{line}")
    quoted = isinstance(node, yaml.ScalarNode) and node.style
    return node.value if quoted else plain_scalar(node.value)


_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_SPECIAL = {
    ".inf": float("inf"),
    "+.inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}


def plain_scalar(text: str) -> Any:
    """Read an unquoted value as YAML 1.2 does: `no` is a word and `2020-01-31` a text."""
    word = text.lower()
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else _SPECIAL.get(word, text)


class Dumper(yaml.SafeDumper):
    """Quotes the texts that `plain_scalar` would take for something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_scalar(text), str) else "'"
    if not text.isprintable() and "\x85" in text:
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Dumper.add_representer(str, _represent_text)
