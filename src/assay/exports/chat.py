"""Export as conversations, the form in which chat models are fine-tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl

from assay.exports._conversations import Conversations, conversations
from assay.exports._targets import Target
from assay.exports._writing import first_reason, too_long, trainer, write
from assay.exports.part import Exported, Part

__all__ = ["chat", "sharegpt"]


def chat(  # noqa: PLR0913 - where conversations come from, and who reads them
    part: Part,
    folder: Path,
    *,
    prompt: str | None = None,
    completion: str | None = None,
    system: str | None = None,
    messages: str | None = None,
    tools: str | list[dict[str, Any]] | None = None,
    target: Target | None = None,
    template: str | None = None,
    vocabulary: str | None = None,
    max_tokens: int | None = None,
    model: str | None = None,
    price_per_million: float | None = None,
    epochs: int = 1,
) -> Exported:
    r"""Write rows as messages of a conversation, JSON lines in `<split>.jsonl`.

    Templates name fields in braces with Python's format specifications, `{price:.2f}`; a brace
    itself is written twice, `{{`. Rows that cannot be learnt from are left out, each with its
    reason in `<split>.left_out.jsonl`: a named field is null or NaN, the answer is empty, a rule of
    the target is broken, or the answer does not fit into `max_tokens`.

    Tokens are counted, in a real chat template, as soon as one of `target`, `template`,
    `vocabulary` and `max_tokens` is given.

    Args:
        part: the rows.
        folder: the folder to write to.
        prompt: template of the user's message.
        completion: template of the assistant's message.
        system: template of a system message before them.
        messages: in place of `prompt` and `completion`, a field that holds whole conversations: a
            list of messages, or its JSON.
        tools: the functions that the model may call: a field, or the list itself.
        target: the trainer whose rules every row is held against.
        template: the chat template: `chatml`, `qwen3`, `llama3`, `openai`, or the path of a
            model's `tokenizer_config.json` or `chat_template.jinja`.
        vocabulary: `o200k`, `cl100k`, `llama3`, `qwen3`, or the path of a `tokenizer.json`.
        max_tokens: the window: a row whose answer does not fit whole is left out.
        model: whose price is taken from the dated table, for the estimate of cost.
        price_per_million: US dollars for a million training tokens, in place of the table.
        epochs: how often the file is trained on.

    Returns: what was written, left out and counted.

    Raises:
        RecipeError: a template that cannot be read, an unknown field, a format that does not
            fit the field's type, or parameters that contradict each other.
        MissingExtra: tokens are to be counted and the libraries are not installed.
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> part = Part(pl.DataFrame({"title": ["Fan", None], "price": [9.5, 1.0]}))
    >>> chat(part, folder, prompt="What does {title} cost?", completion="${price:.2f}").left_out
    Counter({'no value for title': 1})
    >>> print((folder / "train.jsonl").read_text().replace("},{", "},\n {"), end="")
    {"messages":[{"role":"user","content":"What does Fan cost?"},
     {"role":"assistant","content":"$9.50"}]}
    """
    reader = trainer(
        "chat",
        target=target,
        template=template,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        model=model,
        price_per_million=price_per_million,
        epochs=epochs,
    )
    found = conversations(
        part.rows,
        "chat",
        prompt=prompt,
        completion=completion,
        system=system,
        messages=messages,
        tools=tools,
        target=target,
    )
    measured = found.measured(reader)
    reason = first_reason(found.reason, too_long(measured, reader.max_tokens))
    lines = _lines(found, "messages", "role", "content", {})
    return write(part, folder, lines, reason, measured, reader)


def sharegpt(  # noqa: PLR0913 - where conversations come from, and who reads them
    part: Part,
    folder: Path,
    *,
    prompt: str | None = None,
    completion: str | None = None,
    system: str | None = None,
    messages: str | None = None,
    target: Literal["axolotl", "trl"] | None = None,
    template: str | None = None,
    vocabulary: str | None = None,
    max_tokens: int | None = None,
    price_per_million: float | None = None,
    epochs: int = 1,
) -> Exported:
    r"""Write rows as ShareGPT conversations, JSON lines in `<split>.jsonl`.

    As `chat`, with `from` and `value` in place of `role` and `content`, and `human` and `gpt` for
    the user and the assistant.

    Args:
        part: the rows.
        folder: the folder to write to.
        prompt: template of the user's message.
        completion: template of the assistant's message.
        system: template of a system message before them.
        messages: in place of `prompt` and `completion`, a field that holds whole conversations.
        target: the trainer whose rules every row is held against.
        template: the chat template, as in `chat`.
        vocabulary: as in `chat`.
        max_tokens: the window: a row whose answer does not fit whole is left out.
        price_per_million: US dollars for a million training tokens.
        epochs: how often the file is trained on.

    Returns: what was written, left out and counted.

    Raises:
        RecipeError: as `chat`.
        MissingExtra: tokens are to be counted and the libraries are not installed.
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> sharegpt(Part(pl.DataFrame({"q": ["2 + 2?"]})), folder, prompt="{q}", completion="4")
    1
    >>> (folder / "train.jsonl").read_text()
    '{"conversations":[{"from":"human","value":"2 + 2?"},{"from":"gpt","value":"4"}]}\n'
    """
    reader = trainer(
        "sharegpt",
        target=target,
        template=template,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        model=None,
        price_per_million=price_per_million,
        epochs=epochs,
    )
    found = conversations(
        part.rows,
        "sharegpt",
        prompt=prompt,
        completion=completion,
        system=system,
        messages=messages,
        tools=None,
        target=target,
    )
    measured = found.measured(reader)
    reason = first_reason(found.reason, too_long(measured, reader.max_tokens))
    names = {"user": "human", "assistant": "gpt"}
    lines = _lines(found, "conversations", "from", "value", names)
    return write(part, folder, lines, reason, measured, reader)


def _lines(
    found: Conversations, name: str, role: str, content: str, names: dict[str, str]
) -> pl.Series:
    """The conversations as JSON lines; what is left out has any line or none."""
    if found.texts is None:
        texts = [
            None if why else orjson.dumps([_renamed(one, role, content, names) for one in messages])
            for messages, why in zip(found.messages, found.reason.to_list(), strict=True)
        ]
        body = pl.Series("body", [one and one.decode() for one in texts], dtype=pl.String)
    else:
        parts = [
            pl.struct(pl.lit(names.get(one, one)).alias(role), pl.col(one).alias(content))
            .struct.json_encode()
            for one in found.texts.columns
        ]  # fmt: skip
        joined = pl.concat_str(pl.lit("["), pl.concat_str(parts, separator=","), pl.lit("]"))
        body = found.texts.select(joined.alias("body")).to_series()
    tools = pl.concat_str(pl.lit(',"tools":'), found.tools).fill_null("")
    return pl.select(
        pl.concat_str(pl.lit(f'{{"{name}":'), body, tools, pl.lit("}")).alias("line")
    ).to_series()


def _renamed(
    message: dict[str, Any], role: str, content: str, names: dict[str, str]
) -> dict[str, Any]:
    rest = {key: value for key, value in message.items() if key not in ("role", "content")}
    who = message["role"]
    return {role: names.get(who, who), content: message["content"], **rest}
