"""What every export of training examples does alike: windows, prices, what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.errors import RecipeError
from assay.exports import _targets as targets
from assay.exports import _templates as templates
from assay.exports.part import EDGES, Exported, Part, Tokens, appending, write_lines

CUT_OFF = "the answer is cut off"
NO_ROOM = "the prompt fills the window"
EMPTY = "empty answer"


@dataclass(frozen=True)
class Trainer:
    """Who will read the examples, and how their tokens are counted.

    Attributes:
        target: the trainer whose rules are kept.
        template: the chat template; None where tokens are not counted.
        vocabulary: in which they are counted.
        max_tokens: the window of one example.
        price: as `Exported.price`.
    """

    target: str | None
    template: templates.Template | None
    vocabulary: str | None
    max_tokens: int | None
    price: dict[str, Any] | None


def trainer(
    export: str,
    *,
    target: str | None,
    template: str | None,
    vocabulary: str | None,
    max_tokens: int | None,
    model: str | None,
    price_per_million: float | None,
    epochs: int,
) -> Trainer:
    """Fill in what a target implies.

    Raises:
        RecipeError: parameters that contradict each other or name what is not there.
    """
    price = targets.price(export, target, model, price_per_million, epochs)
    if max_tokens is not None and max_tokens < 1:
        raise RecipeError(f"{export}: `max_tokens` is 1 or more.", received=max_tokens)
    counted = (target, template, vocabulary, max_tokens, price)
    if all(one is None for one in counted):
        return Trainer(None, None, None, None, None)
    rules = targets.RULES.get(target or "")
    named = template or (rules.template if rules else "chatml")
    vocabulary = vocabulary or templates.vocabulary_of(named)
    if vocabulary is None:
        raise RecipeError(
            f"{export}: the template needs a `vocabulary` to be counted in.",
            received=named,
            hint="o200k, cl100k, llama3, qwen3, or the path of the model's tokenizer.json",
        )
    window = max_tokens or (rules.window if rules else None)
    return Trainer(target, templates.load(named), vocabulary, window, price)


def too_long(measured: pl.DataFrame | None, max_tokens: int | None) -> pl.Series | None:
    """Why an example cannot be learnt whole: null, the template, or the window."""
    if measured is None:
        return None
    why = pl.col("why")
    if max_tokens is not None:
        why = (
            pl.when(why.is_not_null())
            .then(why)
            .when(pl.col("first") >= max_tokens)
            .then(pl.lit(NO_ROOM))
            .when(pl.col("end") > max_tokens)
            .then(pl.lit(CUT_OFF))
        )
    return measured.select(why.alias("reason")).to_series()


def first_reason(*reasons: pl.Series | None) -> pl.Series:
    """For each row the first of several reasons."""
    return pl.select(pl.coalesce(*[one for one in reasons if one is not None])).to_series()


def empty_answer(*texts: pl.Series) -> pl.Series:
    """The reason where one of these texts has nothing in it."""
    empty = pl.any_horizontal([text.str.strip_chars() == "" for text in texts])
    return pl.select(pl.when(empty).then(pl.lit(EMPTY)).alias("reason")).to_series()


def write(
    part: Part,
    folder: Path,
    lines: pl.Series,
    reason: pl.Series,
    measured: pl.DataFrame | None,
    reader: Trainer,
) -> Exported:
    """Write the examples that have no reason to be left out, and say of the others why.

    Raises:
        StorageError: a file cannot be written.
    """
    kept = reason.is_null()
    with appending(folder / f"{part.split}.jsonl") as file:
        write_lines(lines.filter(kept), file)
    rows = int(kept.sum())
    counted = {} if measured is None else {part.split: _tokens(measured.filter(kept))}
    left_out = leave_out(part, folder, reason)
    return Exported(rows, left_out, {part.split: rows}, counted, reader.price)


def leave_out(part: Part, folder: Path, reason: pl.Series) -> Counter[str]:
    """Write the rows that have a reason to `<split>.left_out.jsonl`, and count the reasons."""
    left = reason.drop_nulls()
    if not len(left):
        return Counter()
    ids = pl.Series([None], dtype=pl.String).new_from_index(0, len(left))
    if "row_id" in part.rows.columns:
        ids = part.rows["row_id"].cast(pl.String).filter(reason.is_not_null())
    with appending(folder / f"{part.split}.left_out.jsonl") as file:
        pl.select(row_id=ids, reason=left).write_ndjson(file)
    return Counter(dict(left.value_counts().iter_rows()))


def _tokens(measured: pl.DataFrame) -> Tokens:
    total = measured["total"].to_numpy()
    bins = np.searchsorted(np.array(EDGES), total, side="right") - 1
    counts = np.bincount(bins, minlength=len(EDGES))
    longest = int(total.max()) if len(total) else 0
    histogram = tuple(int(one) for one in counts)
    return Tokens(int(total.sum()), int(measured["trained"].sum()), longest, histogram)
