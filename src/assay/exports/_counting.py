"""The tokens of conversations, as a trainer counts them.

Conversations of one structure (the same roles, the same tools) are rendered once, with marks in the
place of the texts, and the texts are put into that for all of them at once. Where the template does
something else with some texts than to copy or to trim them, each conversation is rendered alone.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay import tokens
from assay.exports._templates import BEGIN, BREAK, END, SLOT, Refused, Template, pattern

# What Python's `strip` takes off, and with it Jinja's `trim`.
_SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# Fewer conversations are rendered one by one: to try a structure costs about as many renderings.
_FEW = 40
_PAD = "\n \n"
_TRIES = ("", " ", "\n", "x", "\n\n x \n", " \u00e9\"'<&>\\ {{ 1 }} ", "\u00a0y\u2003\x1c")

Message = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """Conversations of one structure.

    Attributes:
        places: the rows.
        messages: one of them, in which every `content` that differs is None.
        tools: what they may call.
        texts: a column of texts for each such message, in order.
    """

    places: npt.NDArray[np.int64]
    messages: Sequence[Message]
    tools: Sequence[Any] | None
    texts: pl.DataFrame


@dataclass(frozen=True)
class Piece:
    """A run of a rendered conversation that is divided into tokens by itself.

    Attributes:
        parts: literals, and the numbers of texts.
        trained: whether a model learns it.
        control: it is one control token.
    """

    parts: tuple[str | int, ...]
    trained: bool
    control: bool


def measure(
    groups: Iterable[Group], template: Template, vocabulary: str, height: int
) -> pl.DataFrame:
    """Count the tokens of every conversation.

    Returns:
        For each row `total`; `trained`, those that are learnt; `first`, how many stand before the
        first of them; `end`, how many up to the last; and `why` the template refuses the row.
    """
    controls = tokens.specials(vocabulary) | template.controls
    parts, alone = [], []
    for group in groups:
        found = _at_once(group, template, vocabulary, controls)
        if found is None:
            alone += [
                (int(place), _with(group, texts), group.tools)
                for place, texts in zip(group.places, group.texts.iter_rows(), strict=True)
            ]
        else:
            parts.append(found.with_columns(place=group.places))
    parts.append(_one_by_one(alone, template, vocabulary, controls))
    every = pl.DataFrame({"place": np.arange(height)})
    joined = every.join(pl.concat(parts), on="place", how="left", maintain_order="left")
    return joined.select(pl.col("total", "trained", "first", "end").fill_null(0), "why")


def measure_pieces(texts: pl.DataFrame, pieces: Sequence[Piece], vocabulary: str) -> pl.DataFrame:
    """Count the tokens of texts that are put together as `pieces` say."""
    total = np.zeros(texts.height, dtype=np.int64)
    trained, first, end = total.copy(), np.full(texts.height, -1), total.copy()
    for piece in pieces:
        if piece.control:
            counted: npt.NDArray[np.int64] = np.ones(texts.height, dtype=np.int64)
        elif all(isinstance(part, str) for part in piece.parts):
            literal = "".join(str(part) for part in piece.parts)
            one = tokens.count(pl.Series([literal]), vocabulary).item()
            counted = np.full(texts.height, one, dtype=np.int64)
        else:
            names = texts.columns
            parts = [
                pl.lit(part) if isinstance(part, str) else pl.col(names[part])
                for part in piece.parts
            ]
            text = texts.select(pl.concat_str(parts)).to_series()
            counted = tokens.count(text, vocabulary).cast(pl.Int64).to_numpy()
        if piece.trained:
            trained += counted
            first = np.where((first < 0) & (counted > 0), total, first)
            end = np.where(counted > 0, total + counted, end)
        total += counted
    first = np.where(first < 0, total, first)
    return pl.DataFrame(
        {"total": total, "trained": trained, "first": first, "end": end},
        schema=dict.fromkeys(("total", "trained", "first", "end"), pl.Int64),
    ).with_columns(why=pl.lit(None, dtype=pl.String))


def cut(rendered: str, controls: frozenset[str]) -> list[Piece]:
    """Divide a rendered conversation at its control tokens and at the ends of what is trained."""
    pieces: list[Piece] = []
    trained = False
    for part in re.split(f"([{BEGIN}{END}]|{pattern(controls).pattern})", rendered):
        if part in (BEGIN, END):
            trained = part == BEGIN
        elif part in controls:
            pieces.append(Piece((part,), trained, True))
        elif part:
            slots = re.split(f"{SLOT}([0-9]+){SLOT}", part)
            parts = [int(text) if n % 2 else text for n, text in enumerate(slots)]
            held = tuple(one for one in parts if one != "")
            pieces.append(Piece(held, trained, False))
    return pieces


def _at_once(
    group: Group, template: Template, vocabulary: str, controls: frozenset[str]
) -> pl.DataFrame | None:
    """All of a group by one rendering; None where each has to be rendered."""
    if len(group.places) < _FEW or not _copies(template):
        return None
    try:
        trims = _trims(group, template)
        marks = [f"{SLOT}{n}{SLOT}" for n in range(group.texts.width)]
        rendered = template.marked(_with(group, marks), group.tools)
    except Refused:
        return None
    if trims is None:
        return None
    trimmed = group.texts.select(
        _trimmed(pl.col(name), *trim) for name, trim in zip(group.texts.columns, trims, strict=True)
    )
    return measure_pieces(trimmed, cut(rendered, controls), vocabulary)


@functools.lru_cache(maxsize=64)
def _copies(template: Template) -> bool:
    """Whether the template copies and trims texts, and does not look into them."""
    roles = ("system", "user", "assistant", "user", "assistant")
    for first in (0, 1):
        messages = [{"role": role, "content": None} for role in roles[first:]]
        texts = pl.DataFrame({str(n): [""] for n in range(len(messages))})
        try:
            return (
                _trims(Group(np.zeros(1, dtype=np.int64), messages, None, texts), template)
                is not None
            )
        except Refused:
            continue
    return False


def _trims(group: Group, template: Template) -> list[tuple[str, str]] | None:
    """What the template takes off the ends of each text; None where it does other things."""
    marks = [f"{SLOT}{n}{SLOT}" for n in range(group.texts.width)]
    plain = template.render(_with(group, marks), group.tools)

    def filled(texts: Sequence[str], trims: Sequence[tuple[str, str]]) -> str:
        made = plain
        for mark, text, (left, right) in zip(marks, texts, trims, strict=True):
            begun = text.lstrip(left) if left else text
            made = made.replace(mark, begun.rstrip(right) if right else begun)
        return made

    trims: list[tuple[str, str]] = [("", "")] * len(marks)
    for n, mark in enumerate(marks):
        padded = [*marks[:n], f"{_PAD}{mark}{_PAD}", *marks[n + 1 :]]
        rendered = template.render(_with(group, padded), group.tools)
        for left, right in itertools.product(("", "\n", _SPACE), repeat=2):
            trims[n] = (left, right)
            if filled(padded, trims) == rendered:
                break
        else:
            return None
    # A template may tell texts apart by what stands in it: `{% if '</think>' in content %}`.
    for tried in [*_TRIES, *template.constants]:
        texts = [re.sub(f"[{BEGIN}{END}{SLOT}]", "", tried)] * len(marks)
        if template.render(_with(group, texts), group.tools) != filled(texts, trims):
            return None
    return trims


def _trimmed(text: pl.Expr, left: str, right: str) -> pl.Expr:
    text = text.str.strip_chars_start(left) if left else text
    return text.str.strip_chars_end(right) if right else text


def _with(group: Group, texts: Sequence[str]) -> list[Message]:
    """The group's messages with these texts in the places that differ."""
    given = iter(texts)
    return [
        {**message, "content": next(given)} if message.get("content") is None
        and not message.get("tool_calls") else dict(message)
        for message in group.messages
    ]  # fmt: skip


def _one_by_one(
    conversations: Sequence[tuple[int, list[Message], Sequence[Any] | None]],
    template: Template,
    vocabulary: str,
    controls: frozenset[str],
) -> pl.DataFrame:
    """Each conversation rendered alone: those with calls, rare structures, odd templates."""
    # A template that looks for `</think>` in an answer must find it there.
    plain = controls
    if not _copies(template):
        plain = frozenset(
            token
            for token in controls
            if token.startswith("<|") or not any(token in text for text in template.constants)
        )
    pieces: list[tuple[int, str, bool, bool]] = []
    why: list[str | None] = []
    for number, (_, messages, tools) in enumerate(conversations):
        try:
            rendered = template.marked(_broken(messages, plain), _broken(tools, plain))
        except Refused as refused:
            why.append(str(refused).replace(BREAK, ""))
            continue
        why.append(None)
        for piece in cut(rendered, controls):
            text = "".join(map(str, piece.parts)).replace(BREAK, "")
            pieces.append((number, text, piece.trained, piece.control))
    frame = pl.DataFrame(
        pieces,
        schema={"n": pl.Int64, "text": pl.String, "trained": pl.Boolean, "control": pl.Boolean},
        orient="row",
    )
    one = pl.lit(1, dtype=pl.Int64)
    frame = frame.with_columns(count=tokens.count(frame["text"], vocabulary).cast(pl.Int64))
    frame = frame.with_columns(count=pl.when("control").then(one).otherwise("count"))
    frame = frame.with_columns(sofar=pl.col("count").cum_sum().over("n"))
    learnt = pl.col("trained") & (pl.col("count") > 0)
    summed = frame.group_by("n").agg(
        total=pl.col("count").sum(),
        trained=pl.col("count").filter("trained").sum(),
        first=(pl.col("sofar") - pl.col("count")).filter(learnt).min(),
        end=pl.col("sofar").filter(learnt).max(),
    )
    places = pl.Series([place for place, _, _ in conversations], dtype=pl.Int64)
    said = pl.Series(why, dtype=pl.String)
    every = pl.DataFrame({"n": np.arange(len(why)), "why": said, "place": places})
    return every.join(summed, on="n", how="left", maintain_order="left").select(
        pl.col("total", "trained").fill_null(0),
        pl.col("first").fill_null(pl.col("total")).fill_null(0),
        pl.col("end").fill_null(0),
        "why",
        "place",
    )


def _broken(value: Any, controls: frozenset[str]) -> Any:
    """The same with a mark inside of whatever looks like a control token."""
    if isinstance(value, str):
        return pattern(controls).sub(lambda found: found[0][:1] + BREAK + found[0][1:], value)
    if isinstance(value, dict):
        return {key: _broken(one, controls) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_broken(one, controls) for one in value]
    return value
