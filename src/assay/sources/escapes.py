"""Escapes in JSON lines that the fast reader gets wrong.

Half of a surrogate pair, which is no text, it makes a NUL. When it renders a list or an object as
text again, it leaves backslashes, tabs, control characters and whatever is escaped in keys as
they are, which is other JSON or none. Both are seldom, so they are looked for and mended.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_SLASH, _QUOTE, _COLON = ord("\\"), ord('"'), ord(":")
_ONE_OF = {
    letters: np.isin(np.arange(256), list(letters.encode()))
    for letters in ("\\tbf", "u", "dD", "89abcdefABCDEF", "0", "01")
}

Positions = npt.NDArray[np.int64]
Letters = npt.NDArray[np.uint8]


def half_pairs(data: bytes) -> Iterator[int]:
    """Places of escapes that are half of a surrogate pair.

    >>> list(half_pairs(b'"\\\\ud83d\\\\ude00 \\\\ud83d"'))
    [14]
    """
    # One search is enough for the many shards without any such escape.
    if b"\\u" not in data or (b"\\ud" not in data and b"\\uD" not in data):
        return
    letters, slashes = _slashes(data)
    at = slashes[_ONE_OF["u"][letters[slashes + 1]]]
    surrogate = _ONE_OF["dD"][letters[at + 2]] & _ONE_OF["89abcdefABCDEF"][letters[at + 3]]
    for place in at[surrogate].tolist():
        if not _escaped(data, place) and not _paired(data, place):
            yield place


def unfaithful(data: bytes) -> Positions:
    """Places of all escapes that would be rendered wrongly in a nested value, and some more.

    >>> unfaithful(b'{"a": ["x\\\\ty"], "b\\\\n": 1}').tolist()
    [9, 20]
    """
    letters, slashes = _slashes(data)
    plain = _ONE_OF["\\tbf"][letters[slashes + 1]]
    low = _ONE_OF["0"][letters[slashes + 2]] & _ONE_OF["0"][letters[slashes + 3]]
    control = _ONE_OF["u"][letters[slashes + 1]] & low & _ONE_OF["01"][letters[slashes + 4]]
    return np.concatenate((slashes[plain | control], _escaped_keys(letters, slashes)))


def _slashes(data: bytes) -> tuple[Letters, Positions]:
    # Blanks behind the end, so that one can look ahead of every backslash.
    letters = np.frombuffer(data + b"    ", dtype=np.uint8)
    return letters, np.flatnonzero(letters == _SLASH)


def _escaped_keys(letters: Letters, slashes: Positions) -> Positions:
    """Ends of keys with a backslash in them: one between the quote before a colon and its last."""
    marks = np.flatnonzero(letters == _QUOTE)
    follows = letters[marks + 1]
    ends = np.flatnonzero((follows == _COLON) | (follows == ord(" ")))
    ends = ends[ends > 0]
    nearest = np.searchsorted(slashes, marks[ends]) - 1
    near = (nearest >= 0) & (slashes[nearest] >= marks[ends - 1] - 1)
    found: Positions = marks[ends[near]]
    return found


def _escaped(data: bytes, at: int) -> bool:
    """Say whether the backslash at this place is itself escaped."""
    before = at
    while before and data[before - 1] == _SLASH:
        before -= 1
    return (at - before) % 2 == 1


def _paired(data: bytes, at: int) -> bool:
    """Say whether this escape is one half of a whole surrogate pair."""
    begin, digit = data[at : at + 3].lower(), data[at + 3 : at + 4].lower()
    if digit in b"89ab":
        return data[at + 6 : at + 9].lower() == begin and data[at + 9 : at + 10] in b"cdefCDEF"
    before = at - 6
    high = data[max(before, 0) : at - 3].lower() == begin and data[at - 3 : at - 2] in b"89abAB"
    return high and not _escaped(data, before)
