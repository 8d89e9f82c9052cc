"""Credentials taken out of what is recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from assay.urls import hidden

HIDDEN = "***"
_KEY = re.compile(
    r"(?i)(^|[_.-])(password|passwd|pwd|secret|token|api_?key|access_?key|credentials?)$"
)


def masked(value: Any) -> Any:
    """The same plain value without passwords, keys and tokens.

    >>> masked({"source": "postgresql://me:hush@host/db", "token": "abc", "seed": 7})
    {'source': 'postgresql://host/db', 'token': '***', 'seed': 7}
    """
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if _KEY.search(str(key)) and isinstance(item, str) else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
