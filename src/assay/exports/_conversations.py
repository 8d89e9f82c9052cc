"""Conversations of rows: from templates over fields, or from a field that holds messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import polars as pl

from assay.errors import RecipeError
from assay.exports._counting import Group, Message, measure
from assay.exports._filling import column, filled
from assay.exports._targets import read_messages, read_tools
from assay.exports._writing import Trainer, empty_answer, first_reason

Tools = str | list[dict[str, Any]] | None


@dataclass(frozen=True)
class Conversations:
    """The conversations of some rows.

    Attributes:
        reason: for each row why it is left out, or null.
        texts: where they come from templates, a column of texts for each role.
        messages: where they come from a field, the messages of each row.
        tools: JSON of the tools of each row, or null.
        groups: those that are not left out, by structure.
    """

    reason: pl.Series
    texts: pl.DataFrame | None
    messages: list[list[Message]]
    tools: pl.Series
    groups: list[Group]

    def measured(self, reader: Trainer) -> pl.DataFrame | None:
        """Their tokens, as `measure`; None where nobody asks for them."""
        if reader.template is None or reader.vocabulary is None:
            return None
        return measure(self.groups, reader.template, reader.vocabulary, len(self.reason))


def conversations(
    rows: pl.DataFrame,
    export: str,
    *,
    prompt: str | None,
    completion: str | None,
    system: str | None,
    messages: str | None,
    tools: Tools,
    target: str | None,
) -> Conversations:
    """Make a conversation of every row.

    Raises:
        RecipeError: neither templates nor a field of messages, or both; templates that cannot be
            filled in; fields that are not there.
    """
    if (messages is None) == (prompt is None) or (prompt is None) != (completion is None):
        raise RecipeError(
            f"{export}: give `prompt` and `completion`, or `messages`.",
            received={"prompt": prompt, "completion": completion, "messages": messages},
        )
    said, tools_reason = _tools(rows, tools, export)
    if messages is not None:
        values = column(rows, messages, "messages", export)
        start = filled(rows, {"system": system}, export) if system is not None else None
        return _from_field(values, messages, start, said, tools_reason, target)
    named = {"system": system, "user": prompt, "assistant": completion}
    texts, missing = filled(rows, {k: v for k, v in named.items() if v is not None}, export)
    reason = first_reason(missing, tools_reason, empty_answer(texts["assistant"]))
    shape = [{"role": role, "content": None} for role in texts.columns]
    kept = texts.with_columns(_tools=said, _place=pl.int_range(pl.len(), dtype=pl.Int64))
    groups = []
    # As many groups as there are sets of tools, which are few.
    for (listed,), group in kept.filter(reason.is_null()).group_by("_tools", maintain_order=True):
        places = group["_place"].to_numpy()
        called = None if listed is None else orjson.loads(str(listed))
        groups.append(Group(places, shape, called, group.select(texts.columns)))
    return Conversations(reason, texts, [], said, groups)


def _tools(rows: pl.DataFrame, tools: Tools, export: str) -> tuple[pl.Series, pl.Series]:
    """JSON of every row's tools, and why they cannot be read."""
    none = pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
    if tools is None:
        return none, none
    if isinstance(tools, list):
        text = orjson.dumps(tools).decode()
        return pl.Series([text]).new_from_index(0, rows.height), none
    values = column(rows, tools, "tools", export)
    if values.dtype.is_nested():
        found = [read_tools(value) for value in values.to_list()]
    else:
        # Each is read once: rows share their tools.
        distinct = {value: read_tools(value) for value in values.unique().to_list()}
        found = [distinct[value] for value in values.to_list()]
    texts = [None if one is None else orjson.dumps(one).decode() for one, _ in found]
    return pl.Series(texts, dtype=pl.String), pl.Series([why for _, why in found], dtype=pl.String)


def _from_field(
    values: pl.Series,
    name: str,
    start: tuple[pl.DataFrame, pl.Series] | None,
    tools: pl.Series,
    tools_reason: pl.Series,
    target: str | None,
) -> Conversations:
    # JSON of any shape has no columns: it is read row by row.
    read: list[list[Message]] = []
    why: list[str | None] = []
    systems: Sequence[str | None] = [None] * len(values)
    if start is not None:
        systems = start[0]["system"].to_list()
    for value, system in zip(values.to_list(), systems, strict=True):
        messages, broken = read_messages(value, target, system)
        read.append(messages)
        why.append(f"no value for {name}" if value is None else broken)
    missing = start[1] if start is not None else None
    reason = first_reason(missing, pl.Series(why, dtype=pl.String), tools_reason)
    return Conversations(reason, None, read, tools, _groups(read, reason, tools))


def _groups(conversations: list[list[Message]], reason: pl.Series, tools: pl.Series) -> list[Group]:
    """Conversations that differ in their texts only, together."""
    found: dict[Any, tuple[list[int], list[Message], list[list[str]]]] = {}
    called = tools.to_list()
    for place, (messages, why) in enumerate(zip(conversations, reason.to_list(), strict=True)):
        if why is not None:
            continue
        shape = [
            message if message.get("tool_calls") else {**message, "content": None}
            for message in messages
        ]
        plain = all(set(message) <= {"role", "content", "weight"} for message in messages)
        structure = tuple((one["role"], one.get("weight", 1)) for one in shape)
        key = (structure, called[place]) if plain else place
        places, _, texts = found.setdefault(key, ([], shape, []))
        places.append(place)
        texts.append([one["content"] for one in messages if not one.get("tool_calls")])
    return [
        Group(
            np.array(places, dtype=np.int64),
            [_for_template(message) for message in shape],
            None if called[places[0]] is None else orjson.loads(called[places[0]]),
            pl.DataFrame(
                texts, schema={str(n): pl.String for n in range(len(texts[0]))}, orient="row"
            ),
        )
        for places, shape, texts in found.values()
    ]


def _for_template(message: Message) -> Message:
    """Templates take a call's arguments as an object."""
    if not message.get("tool_calls"):
        return message
    calls = []
    for call in message["tool_calls"]:
        arguments = call["function"]["arguments"]
        if isinstance(arguments, str):
            try:
                arguments = orjson.loads(arguments)
            except orjson.JSONDecodeError:
                # The rules of this target take any text.
                arguments = {"": arguments}
        calls.append({**call, "function": {**call["function"], "arguments": arguments}})
    return {**message, "tool_calls": calls}
