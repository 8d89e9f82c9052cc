"""One file from a web server, resumed where the line broke."""

from __future__ import annotations

import base64
import http.client
import netrc
import socket
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit, urlunsplit

import xxhash

from assay.errors import SourceError
from assay.sources import spool
from assay.urls import hidden

TRIES, FIRST_WAIT, PATIENCE = 6, 0.5, 60.0
_CHUNK = 1 << 20
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_BROKEN = (OSError, http.client.HTTPException)


def download(url: str, place: Path) -> tuple[Path, str]:
    """Copy a file into a folder, and say which state of it that is, as far as the server does.

    The copy is named by the file's ETag; without one it is named by its content. Credentials come
    from the URL or from `~/.netrc`.

    Raises:
        SourceError: the server refuses, cannot be reached, or breaks off again and again.
        StorageError: the copy cannot be written.
    """
    bare, secret = _opened(url)
    tag = _tag(bare, secret)
    if tag:
        key = xxhash.xxh3_128(f"{hidden(url)}\0{tag}".encode()).hexdigest()
        path = spool.made(place, key, "", lambda draft: _copy(bare, secret, draft))
        return path, f"ETag {tag}"
    return spool.by_content(place, "", lambda draft: _copy(bare, secret, draft)), ""


def _opened(url: str) -> tuple[str, str | None]:
    """The URL without its user, and what to say to the server instead."""
    parts = urlsplit(url)
    user, password = parts.username, parts.password
    host = parts.netloc.rpartition("@")[2]
    if user is None:
        try:
            found = netrc.netrc().authenticators(parts.hostname or "")
        except (OSError, netrc.NetrcParseError):
            found = None
        user, password = (found[0], found[2]) if found else (None, None)
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if user is None:
        return bare, None
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return bare, f"Basic {base64.b64encode(pair).decode()}"


def _tag(url: str, secret: str | None) -> str | None:
    """The file's strong ETag; None where the server does not say."""
    try:
        with _answer(url, secret, "HEAD") as answer:
            tag = answer.headers.get("ETag")
    except urllib.error.HTTPError as error:
        error.close()
        return None
    except _BROKEN:
        return None
    return tag if tag and not tag.startswith("W/") else None


def _answer(url: str, secret: str | None, method: str, start: int = 0) -> Any:
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "assay"})
    if secret:
        # Not for whomever the server sends us on to.
        request.add_unredirected_header("Authorization", secret)
    if start:
        request.add_header("Range", f"bytes={start}-")
    return urllib.request.urlopen(request, timeout=PATIENCE)


def _copy(url: str, secret: str | None, draft: Path) -> None:
    """Fetch a file; after a break go on where it was, if the server can."""
    tag: str | None = None
    tried = 0
    problem: object = None
    with draft.open("wb") as out:
        while tried < TRIES:
            if tried:
                time.sleep(FIRST_WAIT * 2 ** (tried - 1))
            tried += 1
            before = out.tell()
            try:
                with _answer(url, secret, "GET", before) as answer:
                    seen = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
                    if before and (answer.status != 206 or seen != tag):
                        out.seek(0)
                        out.truncate()
                    tag = seen
                    _pour(answer, out)
                return
            except urllib.error.HTTPError as error:
                error.close()
                problem = f"{error.code} {error.reason}"
                if error.code not in _PASSING:
                    break
            except _BROKEN as error:
                if _of_disk(error):
                    raise
                problem = getattr(error, "reason", None) or error or type(error).__name__
                if isinstance(problem, socket.gaierror):
                    break
            if out.tell() > before:
                tried = 1
    again = f" after {tried} tries" if tried > 1 else ""
    raise SourceError(
        f"The web server does not give this file{again}: {problem}.",
        where=hidden(url),
        hint=_hint(str(problem)),
    )


def _hint(problem: str) -> str:
    if problem.startswith(("401", "403")):
        return "put user and password into ~/.netrc, or into the URL by `${NAME}`"
    return "look whether the address opens in a browser"


def _pour(answer: Any, out: BinaryIO) -> None:
    length = _length(answer.headers)
    got = 0
    while data := answer.read(_CHUNK):
        out.write(data)
        got += len(data)
    if length is not None and got < length:
        raise http.client.IncompleteRead(b"", length - got)


def _length(headers: Message) -> int | None:
    text = headers.get("Content-Length")
    return int(text) if text and text.isdigit() else None


def _of_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in spool.PLACE
