"""Where two texts differ, word by word, for eyes and for ears."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from assay.reporting.words import short

SAME, ONLY_A, ONLY_B = "same", "only a", "only b"
MOST_CHARACTERS = 20_000  # of each text
MOST_WORDS = 600  # that are compared: it takes time by the square of them
AROUND = 60  # characters of what is equal that are shown on each side of a difference

# A Chinese, Japanese or Korean text has no spaces: each of its signs counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+|\s+|.")

Parts = list[tuple[str, str]]  # what a part is in, and its text


def differences(a: str, b: str) -> Parts:
    """The parts of two texts in reading order: in both, in the first only, in the second only.

    Long stretches that are equal are cut in their middle, so that what differs is in sight.

    >>> differences("a red cup", "a blue cup")
    [('same', 'a '), ('only a', 'red'), ('only b', 'blue'), ('same', ' cup')]
    """
    # A word may be as long as a whole text that knows no spaces.
    left, right = (_WORD.findall(short(text, MOST_CHARACTERS)) for text in (a, b))
    start = _alike(left, right)
    end = _alike(left[start:][::-1], right[start:][::-1])
    found: Parts = [(SAME, "".join(left[:start]))]
    found += _middles(left[start : len(left) - end], right[start : len(right) - end])
    found.append((SAME, "".join(left[len(left) - end :])))
    return abridged(part for part in found if part[1])


def _alike(left: Sequence[str], right: Sequence[str]) -> int:
    """How many words are equal from the start."""
    return next((place for place, (one, other) in enumerate(zip(left, right, strict=False))
                 if one != other), min(len(left), len(right)))  # fmt: skip


def _middles(left: list[str], right: list[str]) -> Parts:
    rest = len(left) > MOST_WORDS or len(right) > MOST_WORDS
    left, right = left[:MOST_WORDS], right[:MOST_WORDS]
    found: Parts = []
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for what, a1, a2, b1, b2 in matcher.get_opcodes():
        if what == "equal":
            found.append((SAME, "".join(left[a1:a2])))
        else:
            found.append((ONLY_A, "".join(left[a1:a2])))
            found.append((ONLY_B, "".join(right[b1:b2])))
    return [*found, (SAME, " … ")] if rest else found


def abridged(parts: Iterable[Sequence[str]]) -> Parts:
    """The same parts; what is long and equal keeps its ends, what is long and new its beginning.

    >>> abridged([("same", "x" * 500), ("only a", "y")])[0][1].count("x")
    60
    """
    listed = [(str(kind), str(text)) for kind, text in parts]
    last = len(listed) - 1
    return [
        (kind, _middle(text, place == 0, place == last) if kind == SAME else short(text, 400))
        for place, (kind, text) in enumerate(listed)
    ]


def _middle(text: str, first: bool, last: bool) -> str:
    """Without its middle; what is far from any difference is left out."""
    if len(text) <= 2 * AROUND + 20:
        return text
    if first and last:
        return short(text, 4 * AROUND)
    head = "" if first else f"{_whole(text[:AROUND], -1)} "
    tail = "" if last else f" {_whole(text[-AROUND:], 1)}"
    return f"{head}…{tail}"


def _whole(text: str, end: int) -> str:
    """Without the word that was cut at this end, where there are words."""
    rest = text.partition(" ")[2] if end > 0 else text.rpartition(" ")[0]
    return rest if len(rest) > AROUND // 2 else text
