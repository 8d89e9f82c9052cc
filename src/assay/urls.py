"""Addresses as people may see them: without passwords and signatures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_USER = re.compile(r"(?<=://)[^/?#]*@")
_SECRET = re.compile(
    r"(?i)^(x-(amz|goog|ms)-.*|awsaccesskeyid|sig|signature|se|sp|sv|sr|skoid|policy|key-pair-id"
    r"|expires|user|username|.*(key|token|password|passwd|pwd|secret|credential|auth).*)$"
)


def is_url(text: object) -> bool:
    """Whether a text names a place by its address, such as `s3://bucket/prices`."""
    return isinstance(text, str) and "://" in text


def hidden(text: str) -> str:
    """A text whose addresses have lost user, password and signed query parameters.

    >>> hidden("no table at postgresql://me:secret@host/db?sslmode=require&password=x")
    'no table at postgresql://host/db?sslmode=require'
    """
    return _URL.sub(lambda found: _bare(found[0]), text) if "://" in text else text


def hidden_in(value: Any) -> Any:
    """Plain values of any depth, every text of them as `hidden` gives it."""
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {name: hidden_in(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(hidden_in(item) for item in value)
    return value


def _bare(url: str) -> str:
    place, mark, query = _USER.sub("", url).partition("?")
    if not mark:
        return place
    query, hash_mark, fragment = query.partition("#")
    kept = [part for part in query.split("&") if not _SECRET.match(part.partition("=")[0])]
    return place + ("?" + "&".join(kept) if kept else "") + hash_mark + fragment
