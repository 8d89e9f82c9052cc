"""What libraries say when they refuse, turned into one error of ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager


@contextmanager
def translated(
    libraries: Collection[str],
    also: tuple[type[Exception], ...],
    told: Callable[[Exception], Exception],
) -> Iterator[None]:
    """Raise what `told` makes of an error, where a library raised it and not ourselves.

    Args:
        libraries: whose errors are meant, by the first part of their modules' names.
        also: plain errors that the libraries raise as well.
        told: makes the error that people see.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in libraries and not isinstance(
            error, also
        ):
            raise
        raise told(error) from None
