"""Object stores: S3 and whatever speaks its language, Google's and Azure's.

Keys are relative to the store's URL. A request that fails for a moment is sent again with
back-off. Credentials are found by `credentials.py`, or by the store's library itself: in the
environment, in a token's file, at the machine's role.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from assay.credentials import from_home, provider_of, refused
from assay.errors import MissingExtra, StorageError
from assay.urls import hidden

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss", "adl")
TRIES, FIRST_WAIT = 6, 0.2
AT_ONCE = 8
_PIECE = 16 << 20
Made = TypeVar("Made")


@dataclass(frozen=True)
class Object:
    """One object: its key, its size in bytes, the tag of its content, when it was written."""

    key: str
    size: int
    tag: str | None
    written: datetime


@dataclass(frozen=True)
class Store:
    """A bucket, or what lies in it below a prefix."""

    url: str

    @property
    def name(self) -> str:
        """The URL as it may be shown."""
        return hidden(self.url)

    @cached_property
    def _inner(self) -> Any:
        try:
            from obstore.store import from_url
        except ImportError:
            raise MissingExtra("places", "An object store") from None
        aws = self.url.startswith("s3")
        config: Any = from_home() if aws else {}
        profile = config.pop("profile", None)
        endpoint = config.get("endpoint") or os.environ.get(
            "AWS_ENDPOINT_URL_S3", os.environ.get("AWS_ENDPOINT_URL", "")
        )
        if aws and endpoint:
            config["endpoint"] = endpoint
        retries: Any = {
            "max_retries": TRIES,
            "backoff": {"init_backoff": timedelta(seconds=FIRST_WAIT), "base": 2},
            "retry_timeout": timedelta(minutes=3),
        }
        options: Any = {
            "allow_http": endpoint.startswith("http://"),
            "timeout": timedelta(minutes=5),
        }
        with _explained(self):
            found: Any = {"credential_provider": provider_of(profile)} if profile else {}
            return from_url(
                self.url, config=config, client_options=options, retry_config=retries, **found
            )

    def list(self, prefix: str = "") -> list[Object]:
        """All objects whose keys lie below a prefix, in the order of their keys.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        import obstore

        with _explained(self):
            found = [one for page in obstore.list(self._inner, prefix or None) for one in page]
        objects = [
            Object(one["path"], one["size"], one["e_tag"], one["last_modified"]) for one in found
        ]
        return sorted(objects, key=lambda one: one.key)

    def read(self, key: str) -> tuple[bytes, str | None] | None:
        """The content of an object with its tag; None where there is none.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        import obstore

        def get() -> tuple[bytes, str | None] | None:
            try:
                found = obstore.get(self._inner, key)
            except FileNotFoundError:
                return None
            return bytes(found.bytes()), found.meta["e_tag"]

        with _explained(self, key):
            return again(get)

    def fetch(self, one: Object, to: Path) -> None:
        """Write an object to a file, several pieces at once, all of one state of it.

        Raises:
            StorageError: the store refuses, cannot be reached, or the object has changed meanwhile.
        """
        import obstore

        def piece(start: int) -> None:
            stop = min(start + _PIECE, one.size)
            options: Any = {"range": (start, stop)}
            if one.tag:
                options["if_match"] = one.tag
            data = again(lambda: obstore.get(self._inner, one.key, options=options).bytes())
            os.pwrite(handle, data, start)

        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            with _explained(self, one.key):
                together(piece, range(0, one.size, _PIECE))
        finally:
            os.close(handle)

    def write(self, key: str, content: bytes | Path) -> str | None:
        """Write an object, whole or not at all, and give its tag.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        import obstore

        with _explained(self, key):
            tag: str | None = again(lambda: obstore.put(self._inner, key, content))["e_tag"]
        return tag

    def create(self, key: str, content: bytes) -> bool:
        """Write an object if there is none of this key; say whether it is ours.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with _explained(self, key):
            try:
                obstore.put(self._inner, key, content, mode="create")
            except AlreadyExistsError:
                # An answer may get lost, and the request be sent again: then it is our own.
                found = self.read(key)
                return found is not None and found[0] == content
        return True

    def replace(self, key: str, content: bytes, tag: str | None) -> str | None:
        """Write an object if it still has this tag (None: if there is none); None if it has not.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = {"e_tag": tag} if tag else "create"
        with _explained(self, key):
            try:
                made: str | None = obstore.put(self._inner, key, content, mode=mode)["e_tag"]
            except (AlreadyExistsError, PreconditionError):
                found = self.read(key)
                return found[1] if found is not None and found[0] == content else None
        return made

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are none to delete.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        import obstore

        def one(key: str) -> None:
            try:
                obstore.delete(self._inner, key)
            except FileNotFoundError:
                return

        with _explained(self):
            together(one, keys)


def is_store(url: object) -> bool:
    """Whether a text is the address of an object store.

    >>> is_store("s3://bucket/prices"), is_store("https://example.org/a.csv"), is_store("a.csv")
    (True, False, False)
    """
    return isinstance(url, str) and "://" in url and url.partition("://")[0].lower() in SCHEMES


def together(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Call a function that mostly waits for many items, a few at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, items))


def again(request: Callable[[], Made]) -> Made:
    """Send a request again, with back-off, whose answer broke off in the middle."""
    from obstore.exceptions import GenericError

    for attempt in range(2):
        try:
            return request()
        except GenericError as error:
            # What the store itself answered has been retried already.
            if "status code" in str(error):
                raise
            time.sleep(FIRST_WAIT * 2**attempt)
    return request()


class _explained:  # noqa: N801 - reads as a clause: `with _explained(store, key)`
    """Turn what a store answers into one error that names the object and no secret."""

    def __init__(self, store: Store, key: str = "") -> None:
        self.where = f"{store.name.rstrip('/')}/{key}" if key else store.name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None or not issubclass(kind, Exception) or issubclass(kind, StorageError):
            return
        if not kind.__module__.startswith(("obstore", "builtins")) or issubclass(
            kind, MissingExtra
        ):
            return
        if issubclass(kind, OSError) and getattr(error, "errno", None) is not None:
            return
        if issubclass(kind, AttributeError | NameError | KeyError | MemoryError):
            return
        what, hint = _said(kind, str(error), self.where)
        raise StorageError(what, where=self.where, hint=hint) from None


def _said(kind: type, text: str, where: str) -> tuple[str, str | None]:
    code = re.search(r"<Code>([^<]*)</Code>", text)
    status = re.search(r"status code: (\d+[^:\n]*)", text)
    said = code[1] if code else status[1].strip() if status else text.splitlines()[0][:300]
    name = kind.__name__
    if name == "PreconditionError":
        return "This object has changed while it was read.", "run again"
    denied = name in ("PermissionDeniedError", "UnauthenticatedError")
    if told := refused(text, said, where, denied=denied):
        return told
    if said == "NoSuchBucket":
        return "There is no such bucket.", None
    if issubclass(kind, FileNotFoundError):
        return "There is no such object.", None
    tried = " It was asked again with growing pauses." if re.match(r"5\d\d", said) else ""
    return f"The store cannot serve this: {said}.{tried}", "run again: what is done is kept"
