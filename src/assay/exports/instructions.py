"""Exports of single answers: instructions, prompts with completions, and preferences."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from assay.errors import RecipeError
from assay.exports._counting import Group, Piece, measure, measure_pieces
from assay.exports._filling import filled
from assay.exports._targets import Target
from assay.exports._writing import Trainer, empty_answer, first_reason, too_long, trainer, write
from assay.exports.part import Exported, Part, json_members

__all__ = ["alpaca", "preference", "prompt_completion"]

_ANSWER = {"role": "assistant", "content": None}


def alpaca(  # noqa: PLR0913 - three templates, and who reads them
    part: Part,
    folder: Path,
    *,
    instruction: str,
    output: str,
    input: str | None = None,
    target: Literal["axolotl"] | None = None,
    template: str | None = None,
    vocabulary: str | None = None,
    max_tokens: int | None = None,
    price_per_million: float | None = None,
    epochs: int = 1,
) -> Exported:
    r"""Write rows as instructions with inputs and outputs, JSON lines in `<split>.jsonl`.

    Tokens are counted as one turn of a conversation, the input behind the instruction. A trainer
    that puts the original's preamble before them adds about 40 tokens an example.

    Args:
        part: the rows.
        folder: the folder to write to.
        instruction: template of what is asked; fields stand in braces, as in `chat`.
        output: template of the answer.
        input: template of what it is asked about; a row that lacks its fields has an empty one.
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
    >>> alpaca(Part(pl.DataFrame({"q": ["2 + 2"]})), folder, instruction="Add.", input="{q}",
    ...        output="4")
    1
    >>> (folder / "train.jsonl").read_text()
    '{"instruction":"Add.","input":"2 + 2","output":"4"}\n'
    """
    reader = trainer(
        "alpaca",
        target=target,
        template=template,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        model=None,
        price_per_million=price_per_million,
        epochs=epochs,
    )
    needed = {"instruction": instruction, "output": output}
    texts, missing = filled(part.rows, needed, "alpaca")
    given = filled(part.rows, {"input": input or ""}, "alpaca")[0]["input"].fill_null("")
    texts = texts.select("instruction", given, "output")
    reason = first_reason(missing, empty_answer(texts["output"]))
    both = pl.concat_str("instruction", pl.lit("\n"), "input")
    asked = pl.when(pl.col("input") == "").then("instruction").otherwise(both)
    turns = texts.select(asked.alias("user"), assistant="output")
    measured = _measured(turns, [{"role": "user", "content": None}, _ANSWER], reason, reader)
    reason = first_reason(reason, too_long(measured, reader.max_tokens))
    return write(part, folder, _lines(texts), reason, measured, reader)


def prompt_completion(  # noqa: PLR0913 - two templates, and who reads them
    part: Part,
    folder: Path,
    *,
    prompt: str,
    completion: str,
    conversational: bool = False,
    target: Literal["trl", "together"] | None = None,
    template: str | None = None,
    vocabulary: str | None = None,
    max_tokens: int | None = None,
    model: str | None = None,
    price_per_million: float | None = None,
    epochs: int = 1,
) -> Exported:
    r"""Write rows as prompts with their completions, JSON lines in `<split>.jsonl`.

    Plain texts are read as they are, without a chat template, and one token that ends the answer is
    counted with it.

    Args:
        part: the rows.
        folder: the folder to write to.
        prompt: template of the prompt; fields stand in braces, as in `chat`.
        completion: template of the answer.
        conversational: write both as lists of messages, which a chat template renders.
        target: the trainer whose rules every row is held against.
        template: the chat template of a conversational file, as in `chat`.
        vocabulary: as in `chat`.
        max_tokens: the window: a row whose answer does not fit whole is left out.
        model: whose price is taken from the dated table, for the estimate of cost.
        price_per_million: US dollars for a million training tokens, in place of the table.
        epochs: how often the file is trained on.

    Returns: what was written, left out and counted.

    Raises:
        RecipeError: as `chat`; or a target that reads plain texts only.
        MissingExtra: tokens are to be counted and the libraries are not installed.
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> made = prompt_completion(Part(pl.DataFrame({"q": ["2 + 2 ="]})), folder, prompt="{q}",
    ...                          completion=" 4", vocabulary="o200k")
    >>> made.plain()["tokens"]["total"], made.plain()["tokens"]["trained"]
    (8, 3)
    >>> (folder / "train.jsonl").read_text()
    '{"prompt":"2 + 2 =","completion":" 4"}\n'
    """
    if conversational and target == "together":
        raise RecipeError(
            "prompt_completion: together reads plain texts here.",
            hint="leave out `conversational`, or use the export `chat`",
        )
    reader = trainer(
        "prompt_completion",
        target=target,
        template=template,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        model=model,
        price_per_million=price_per_million,
        epochs=epochs,
    )
    needed = {"prompt": prompt, "completion": completion}
    texts, missing = filled(part.rows, needed, "prompt_completion")
    reason = first_reason(missing, empty_answer(texts["completion"]))
    if target == "together":
        empty = texts["prompt"].str.strip_chars() == ""
        why = pl.select(pl.when(empty).then(pl.lit("empty prompt"))).to_series()
        reason = first_reason(reason, why)
    if conversational:
        measured = _measured(texts, [{"role": "user", "content": None}, _ANSWER], reason, reader)
        lines = texts.select(
            prompt=_said("user", "prompt"), completion=_said("assistant", "completion")
        )
    else:
        measured, lines = _plain(texts, reader), texts
    reason = first_reason(reason, too_long(measured, reader.max_tokens))
    return write(part, folder, _lines(lines), reason, measured, reader)


def preference(  # noqa: PLR0913 - four templates, and who reads them
    part: Part,
    folder: Path,
    *,
    prompt: str,
    chosen: str,
    rejected: str,
    system: str | None = None,
    target: Target | None = None,
    template: str | None = None,
    vocabulary: str | None = None,
    max_tokens: int | None = None,
    model: str | None = None,
    price_per_million: float | None = None,
    epochs: int = 1,
) -> Exported:
    r"""Write rows as prompts with a better and a worse answer, JSON lines in `<split>.jsonl`.

    OpenAI, Together and Fireworks read `input`, `preferred_output` and `non_preferred_output`;
    axolotl reads `messages`, `chosen` and `rejected` (`chat_template.default`); TRL, and no target,
    `prompt`, `chosen` and `rejected`, each a list of messages. Tokens are those of both answers,
    each behind the prompt.

    Args:
        part: the rows.
        folder: the folder to write to.
        prompt: template of the user's message; fields stand in braces, as in `chat`.
        chosen: template of the better answer.
        rejected: template of the worse one; a row with twice the same answer is left out.
        system: template of a system message.
        target: the trainer whose form is written and whose rules are kept.
        template: the chat template, as in `chat`.
        vocabulary: as in `chat`.
        max_tokens: the window: a row of which an answer does not fit whole is left out.
        model: whose price is taken from the dated table, for the estimate of cost.
        price_per_million: US dollars for a million training tokens, in place of the table.
        epochs: how often the file is trained on.

    Returns: what was written, left out and counted.

    Raises:
        RecipeError: as `chat`.
        MissingExtra: tokens are to be counted and the libraries are not installed.
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> preference(Part(pl.DataFrame({"q": ["2 + 2?"]})), folder, prompt="{q}", chosen="4",
    ...            rejected="5")
    1
    >>> print((folder / "train.jsonl").read_text().replace('"chosen"', '\n "chosen"'), end="")
    {"prompt":[{"role":"user","content":"2 + 2?"}],
     "chosen":[{"role":"assistant","content":"4"}],"rejected":[{"role":"assistant","content":"5"}]}
    """
    reader = trainer(
        "preference",
        target=target,
        template=template,
        vocabulary=vocabulary,
        max_tokens=max_tokens,
        model=model,
        price_per_million=price_per_million,
        epochs=epochs,
    )
    named = {"system": system, "user": prompt, "chosen": chosen, "rejected": rejected}
    needed = {name: text for name, text in named.items() if text is not None}
    texts, missing = filled(part.rows, needed, "preference")
    equal = texts["chosen"] == texts["rejected"]
    same = pl.select(pl.when(equal).then(pl.lit("both answers are the same"))).to_series()
    reason = first_reason(missing, empty_answer(texts["chosen"], texts["rejected"]), same)
    roles = [name for name in texts.columns if name in ("system", "user")]
    shape = [*({"role": role, "content": None} for role in roles), _ANSWER]
    both = [
        _measured(texts.select(*roles, answer), shape, reason, reader)
        for answer in ("chosen", "rejected")
    ]
    reason = first_reason(reason, *(too_long(one, reader.max_tokens) for one in both))
    measured = None
    if both[0] is not None and both[1] is not None:
        measured = both[0].with_columns(
            total=both[0]["total"] + both[1]["total"],
            trained=both[0]["trained"] + both[1]["trained"],
        )
    asked = [_message(role, role) for role in roles]
    better, worse = _message("assistant", "chosen"), _message("assistant", "rejected")
    if target in ("openai", "together", "fireworks"):
        forms = {
            "input": pl.struct(pl.concat_list(asked).alias("messages")),
            "preferred_output": pl.concat_list(better),
            "non_preferred_output": pl.concat_list(worse),
        }
    elif target == "axolotl":
        forms = {"messages": pl.concat_list(asked), "chosen": better, "rejected": worse}
    else:
        forms = {
            "prompt": pl.concat_list(asked),
            "chosen": pl.concat_list(better),
            "rejected": pl.concat_list(worse),
        }
    return write(part, folder, _lines(texts.select(**forms)), reason, measured, reader)


def _measured(
    texts: pl.DataFrame, shape: list[dict[str, str | None]], reason: pl.Series, reader: Trainer
) -> pl.DataFrame | None:
    """The tokens of one conversation a row, all of one structure."""
    if reader.template is None or reader.vocabulary is None:
        return None
    kept = reason.is_null().arg_true().to_numpy().astype(np.int64)
    group = Group(kept, shape, None, texts[kept])
    return measure([group], reader.template, reader.vocabulary, texts.height)


def _plain(texts: pl.DataFrame, reader: Trainer) -> pl.DataFrame | None:
    if reader.vocabulary is None:
        return None
    pieces = [
        Piece((0,), trained=False, control=False),
        Piece((1,), trained=True, control=False),
        Piece(("",), trained=True, control=True),
    ]
    return measure_pieces(texts.fill_null(""), pieces, reader.vocabulary)


def _message(role: str, name: str) -> pl.Expr:
    return pl.struct(pl.lit(role).alias("role"), pl.col(name).alias("content"))


def _said(role: str, name: str) -> pl.Expr:
    return pl.concat_list(_message(role, name))


def _lines(texts: pl.DataFrame) -> pl.Series:
    body = json_members([pl.col(name) for name in texts.columns])
    return texts.select(pl.concat_str(pl.lit("{"), body, pl.lit("}")).alias("line")).to_series()
