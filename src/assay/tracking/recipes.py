"""What two recipes ask differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

USES = ("steps", "exports", "models", "metrics", "gates")
"""The parts of a recipe that are lists of components."""


@dataclass(frozen=True)
class Change:
    """One thing that two recipes ask differently.

    Attributes:
        path: where it stands, such as `steps.keep.length.min`.
        before: what the first asks; None where it asks nothing.
        after: what the second asks.
    """

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path}: {_told(self.after)}"
        if self.after is None:
            return f"- {self.path}: {_told(self.before)}"
        return f"~ {self.path}: {_told(self.before)} → {_told(self.after)}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What the second of two recipes, as plain values, asks differently from the first.

    Components are matched by name, so that a step between others is one change and not many.

    >>> old = {"steps": [{"keep.length": {"min": 5}}, "dedup.exact"], "seed": 1}
    >>> for change in changes(old, {"steps": [{"keep.length": {"min": 9}}], "seed": 1}):
    ...     print(change)
    ~ steps.keep.length.min: 5 → 9
    - steps.dedup.exact: as it is
    """
    old, new = (dict(flat(recipe)) for recipe in (before, after))
    found = [
        Change(path, old.get(path), new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]
    # A component that is there as a whole or not at all is one change, whatever its parameters.
    whole = {c.path for c in found if c.path in old and c.path not in new}
    whole |= {c.path for c in found if c.path in new and c.path not in old}
    found = [
        change
        for change in found
        if not any(change.path.startswith(f"{path}.") for path in whole if path != change.path)
    ]
    for section in USES:
        first, second = (
            [name for name, _ in _uses(recipe.get(section) or ())] for recipe in (before, after)
        )
        shared = [name for name in first if name in second]
        turned = [name for name in second if name in first]
        if shared != turned:
            found.append(Change(f"{section} in order", shared, turned))
    return found


def flat(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A recipe as pairs of a dotted path and a plain value.

    >>> list(flat({"seed": 7, "models": ["constant", {"ridge": {"alpha": 1}}]}))
    [('seed', 7), ('models.constant', 'as it is'), ('models.ridge', 'as it is'), ('models.ridge.alpha', 1)]
    """  # noqa: E501
    for key, value in recipe.items():
        if key in (*USES, "fields"):
            for name, given in value.items() if key == "fields" else _uses(value or ()):
                yield f"{key}.{name}", _AS_IT_IS
                yield from _flat(f"{key}.{name}", given)
        else:
            yield from _flat(str(key), value)


_AS_IT_IS = "as it is"


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{path}.{key}", item)
    elif value is not None and not isinstance(value, Mapping):
        yield path, value


def _uses(listed: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each component of a list with its parameters; a second of one name is `name#2`."""
    seen: Counter[str] = Counter()
    for use in listed:
        if isinstance(use, Mapping):
            (own,) = (key for key in use if key not in ("as", "severity"))
            severity = {"severity": use["severity"]} if "severity" in use else {}
            name, given = str(use.get("as") or own), {**(use[own] or {}), **severity}
        else:
            name, given = str(use), {}
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}", given or {}


def _told(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 120 else text[:119] + "…"
