"""Export as pieces of documents, for search and retrieval."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay import tokens
from assay.errors import RecipeError
from assay.exports._filling import column
from assay.exports._writing import leave_out
from assay.exports.part import Exported, Part, appending, json_members, plain, write_lines

__all__ = ["documents"]

# A piece ends behind an empty line, behind the end of a sentence and the space after it, or behind
# a full stop of scripts that put no space there.
_PIECE = r"(?s).+?(?:\n[^\S\n]*\n\s*|[.!?…]+[\"'”’»)\]]*\s+|[。！？｡]+[」』”]*\s*|[؟۔।]+\s*|\z)"
_PARAGRAPH = r"\n[^\S\n]*\n\s*\z"
_WORD = r"\s*\S+|\s+"


def documents(
    part: Part,
    folder: Path,
    *,
    text: str,
    size: int = 1000,
    overlap: int = 0,
    unit: Literal["characters", "tokens"] = "characters",
    vocabulary: str = "o200k",
    metadata: list[str] | None = None,
) -> Exported:
    r"""Write texts in pieces with their metadata for retrieval, JSON lines in `<split>.jsonl`.

    Pieces end between paragraphs where that leaves them at least half full, else between sentences;
    a sentence that is too long is divided between words, and a word between characters. Put
    together without what overlaps they are the text again.

    Args:
        part: the rows.
        folder: the folder to write to.
        text: the field that is divided.
        size: the largest piece.
        overlap: how much of a piece may stand in the next one again, in whole sentences.
        unit: what both are measured in.
        vocabulary: of the tokens, as in `chat`.
        metadata: fields that go with every piece; all others when left out.

    Returns:
        Pieces written, and rows left out. A line has `id` (`<row_id>#<number>`), `text`, `row_id`,
        `chunk` (from 0), `chunks` (of its row), `start` (in characters) and `metadata`.

    Raises:
        RecipeError: an unknown field, or an overlap that is not below half of the size.
        MissingExtra: tokens are to be counted and the libraries are not installed.
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = pl.DataFrame({"row_id": ["a"], "t": ["One two. Three four."]})
    >>> documents(Part(rows), folder, text="t", size=12)
    2
    >>> print((folder / "train.jsonl").read_text().splitlines()[1])
    {"id":"a#1","text":"Three four.","row_id":"a","chunk":1,"chunks":2,"start":9,"metadata":{}}
    """
    if size < 1 or not 0 <= overlap * 2 < size:
        raise RecipeError(
            "documents: `size` is 1 or more and `overlap` below half of it.",
            received={"size": size, "overlap": overlap},
        )
    rows = plain(part.rows)
    texts = column(rows, text, "text", "documents").cast(pl.String)
    fields = [name for name in rows.columns if name not in (text, "row_id")]
    for name in metadata or []:
        column(rows, name, "metadata", "documents")
    fields = fields if metadata is None else [name for name in metadata if name != "row_id"]
    empty = texts.str.strip_chars() == ""
    reason = pl.select(
        pl.when(texts.is_null())
        .then(pl.lit(f"no value for {text}"))
        .when(empty)
        .then(pl.lit("empty text"))
    ).to_series()
    left_out = leave_out(part, folder, reason)
    kept = reason.is_null()
    chunks = _divided(texts.filter(kept), size, overlap, vocabulary if unit == "tokens" else None)
    if "row_id" in rows.columns:
        ids = rows["row_id"].cast(pl.String)
    else:
        ids = pl.Series(range(rows.height), dtype=pl.Int64).cast(pl.String)
    doc = chunks["doc"]
    said = chunks.with_columns(row_id=ids.filter(kept)[doc]).select(
        pl.concat_str("row_id", pl.lit("#"), pl.col("chunk").cast(pl.String)).alias("id"),
        "text",
        "row_id",
        "chunk",
        "chunks",
        "start",
    )
    body = said.select(json_members([pl.col(name) for name in said.columns])).to_series()
    held: pl.Series | pl.Expr = pl.lit("")
    if fields:
        told = json_members([pl.col(name) for name in fields])
        held = rows.select(told.alias("held")).to_series().filter(kept)[doc]
    pieces = [pl.lit("{"), body, pl.lit(',"metadata":{'), held, pl.lit("}}")]
    line = pl.select(pl.concat_str(pieces).alias("line")).to_series()
    with appending(folder / f"{part.split}.jsonl") as file:
        write_lines(line if said.height else line.clear(), file)
    return Exported(said.height, left_out, {part.split: said.height})


def _divided(texts: pl.Series, size: int, overlap: int, vocabulary: str | None) -> pl.DataFrame:
    """All pieces of all texts: `doc`, `chunk`, `chunks`, `start`, `text`."""
    parts = _parts(texts, size, vocabulary)
    limits = np.full(len(texts), size, dtype=np.int64)
    made = _joined(parts, limits, overlap)
    # Two parts may have more tokens together than apart, though rarely and few more.
    for _ in range(8 if vocabulary else 0):
        over = _sizes(made["text"], vocabulary).to_numpy() - size
        if not (over > 0).any():
            break
        np.subtract.at(limits, made["doc"].to_numpy()[over > 0], over[over > 0])
        made = _joined(parts, np.maximum(limits, 1), overlap)
    return made


def _parts(texts: pl.Series, size: int, vocabulary: str | None) -> pl.DataFrame:
    """The smallest parts that pieces are put together from: `doc`, `part`, `size`."""
    frame = texts.alias("part").to_frame().with_row_index("doc")
    # By sentences; by words where one is too long; by characters where a word is. A character has
    # four bytes at most, and a token one byte at least.
    step = size if vocabulary is None else max(size // 4, 1)
    for pattern in (_PIECE, _WORD, ""):
        long = frame.select(_sizes(frame["part"], vocabulary) > size).to_series()
        if pattern == _PIECE:
            long = pl.repeat(True, frame.height, eager=True)
        if not long.any():
            continue
        order = frame.with_row_index("order")
        cut = order.filter(long)
        text = cut["part"]
        lists = text.str.extract_all(pattern) if pattern else _characters(text, step)
        cut = cut.with_columns(lists.alias("part")).explode("part")
        both = pl.concat([order.filter(~long), cut])
        frame = both.sort("order", maintain_order=True).drop("order")
    return frame.with_columns(size=_sizes(frame["part"], vocabulary))


def _characters(words: pl.Series, step: int) -> pl.Series:
    """Each word in runs of so many characters."""
    chars = words.alias("c").to_frame().with_row_index("word")
    chars = chars.with_columns(pl.col("c").str.split("")).explode("c")
    run = pl.int_range(pl.len()).over("word") // step
    runs = chars.group_by("word", run.alias("run"), maintain_order=True).agg(pl.col("c").str.join())
    return runs.group_by("word", maintain_order=True).agg("c")["c"]


def _sizes(texts: pl.Series, vocabulary: str | None) -> pl.Series:
    counted = texts.str.len_chars() if vocabulary is None else tokens.count(texts, vocabulary)
    return counted.cast(pl.Int64)


def _joined(parts: pl.DataFrame, limits: npt.NDArray[np.int64], overlap: int) -> pl.DataFrame:
    """Put parts together to pieces, the next piece of every text in each round."""
    doc = parts["doc"].to_numpy()
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(parts["size"].to_numpy())])
    places = np.arange(len(sums))
    ends_paragraph = np.concatenate([[False], parts["part"].str.contains(_PARAGRAPH).to_numpy()])
    paragraph = np.maximum.accumulate(np.where(ends_paragraph, places, 0))
    start = np.flatnonzero(np.diff(doc, prepend=-1))
    stop = np.append(start[1:], len(doc))
    found: list[npt.NDArray[np.int64]] = []
    while len(start):
        limit = limits[doc[start]]
        end = np.searchsorted(sums, sums[start] + limit, side="right") - 1
        end = np.clip(end, start + 1, stop)
        better = paragraph[end]
        half = (end < stop) & (better > start) & (2 * (sums[better] - sums[start]) >= limit)
        end = np.where(half, better, end)
        found.append(np.stack([start, end]))
        left = end < stop
        start, end, stop, limit = start[left], end[left], stop[left], limit[left]
        # Back by what may overlap, but so that the next part fits in behind it.
        back = np.searchsorted(sums, sums[end] - overlap, side="left")
        fits = np.searchsorted(sums, sums[end + 1] - limit, side="left")
        start = np.minimum(np.maximum(np.maximum(back, fits), start + 1), end)
    spans = np.concatenate(found, axis=1) if found else np.empty((2, 0), dtype=np.int64)
    order = np.argsort(spans[0], kind="stable")
    begin, end = spans[0][order], spans[1][order]
    count = end - begin
    chunk = np.repeat(np.arange(len(begin)), count)
    offset = np.arange(len(chunk)) - np.repeat(np.cumsum(count) - count, count)
    gathered = parts["part"].gather(np.repeat(begin, count) + offset)
    texts = (
        pl.DataFrame({"chunk": chunk, "text": gathered})
        .group_by("chunk", maintain_order=True)
        .agg(pl.col("text").str.join())["text"]
    )
    characters = parts["part"].str.len_chars().cast(pl.Int64).to_numpy()
    lengths = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(characters)])
    of = doc[begin] if len(begin) else np.empty(0, dtype=np.int64)
    first = np.searchsorted(doc, of)
    frame = pl.DataFrame({"doc": of, "start": lengths[begin] - lengths[first], "text": texts})
    return frame.with_columns(
        pl.col("doc").cast(pl.UInt32),
        chunk=pl.int_range(pl.len()).over("doc"),
        chunks=pl.len().over("doc").cast(pl.Int64),
    )
