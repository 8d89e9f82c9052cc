"""What can go wrong, and what each kind means for the caller.

    AssayError                 the request cannot be served (exit code 2)
    ├── RecipeError            the recipe: unknown key, wrong type, misspelt name
    ├── SourceError            the data to read: missing, empty, unreadable
    ├── ContractError          a field said `on_violation: stop` and a row broke it
    ├── PredictionsError       predictions that do not fit the truth they are scored on
    ├── ModelError             a model that cannot be fitted on this data
    ├── VersionError           a version that is missing, damaged or does not add up
    ├── StorageError           the place to write to: full, read-only, locked
    ├── EngineError            a worker died or the cluster is out of reach
    └── MissingExtra           a part of assay that is not installed

Every message says what was wrong, where, what was received, what is allowed and what to try.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from assay.urls import hidden, hidden_in


class AssayError(Exception):
    """A request that cannot be served.

    Args:
        what: one sentence that says what is wrong.
        where: the file and line, the column, or the step.
        received: the value that was refused.
        allowed: what would have been accepted.
        hint: what to try next.

    Whatever of it is an address is shown without user, password and signature.

    >>> print(AssayError("No such column.", where="assay.yaml:4", hint="did you mean 'price'?"))
    assay.yaml:4: No such column.
      try: did you mean 'price'?
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        received: object = None,
        allowed: Iterable[object] | str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what = hidden(what)
        self.where = hidden(where) if where else where
        self.received = hidden_in(received)
        self.allowed = hidden_in(allowed if isinstance(allowed, str | None) else tuple(allowed))
        self.hint = hidden(hint) if hint else hint
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.received is not None:
            lines.append(f"  received: {_short(repr(self.received))}")
        if self.allowed:
            listed = self.allowed if isinstance(self.allowed, str) else _listed(self.allowed)
            lines.append(f"  allowed: {listed}")
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every part when the error crosses from a worker process."""
        parts = (type(self), self.what, self.where, self.received, self.allowed, self.hint)
        return (_rebuild, parts)


class RecipeError(AssayError):
    """The recipe asks for something that does not exist or does not fit."""


class SourceError(AssayError):
    """The data to read is missing, empty or unreadable."""


class ContractError(AssayError):
    """A row broke a field whose contract says `on_violation: stop`."""


class PredictionsError(AssayError):
    """Predictions do not fit the truth they are to be scored on."""


class ModelError(AssayError):
    """A model cannot be fitted on this data."""


class VersionError(AssayError):
    """A version is missing, damaged, or its counts do not add up."""


class StorageError(AssayError):
    """The place to write to is full, read-only or locked."""


class EngineError(AssayError):
    """A worker died, or the cluster is out of reach."""


class MissingExtra(AssayError):  # noqa: N818 - reads as what it is: `except MissingExtra`
    """A part of assay that is not installed."""

    def __init__(self, extra: str, needed_for: str) -> None:
        self.extra, self.needed_for = extra, needed_for
        super().__init__(
            f"{needed_for} needs an extra that is not installed.",
            hint=f"pip install 'assay[{extra}]'",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.extra, self.needed_for))


class NotRecorded(UserWarning):
    """What was done could not be written into the record of runs, and is done all the same."""


class Terminated(BaseException):
    """This process was asked to end (SIGTERM)."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Say which known name was probably meant, as a hint.

    >>> nearest("dedup.exct", ["dedup.exact", "keep.length"])
    "did you mean 'dedup.exact'?"
    >>> nearest("zebra", ["dedup.exact"]) is None
    True
    """
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None


def _rebuild(
    kind: type[AssayError],
    what: str,
    where: str | None,
    received: object,
    allowed: Iterable[object] | str | None,
    hint: str | None,
) -> AssayError:
    return kind(what, where=where, received=received, allowed=allowed, hint=hint)


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _listed(values: Iterable[object], limit: int = 40) -> str:
    shown = [str(value) for value in values]
    rest = f", … ({len(shown) - limit} more)" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + rest
