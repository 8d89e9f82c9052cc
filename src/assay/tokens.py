"""Counting and cutting text in a model's own tokens.

Four vocabularies come inside an installed wheel; any other one is read from a local file
`tokenizer.json`. Texts are data: what looks like a control token in them (`<|im_end|>`) is encoded
as the characters it is made of. Work is done in the calling thread; a build has its own workers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import MissingExtra, RecipeError, nearest

VOCABULARIES = {
    "o200k": "o200k_base",
    "cl100k": "cl100k_base",
    "llama3": "llama3",
    "qwen3": "qwen3",
}
"""Names that recipes use, and what each is called in the library that holds it. They belong to
GPT-4o and later, GPT-3.5 and GPT-4, Llama 3, and Qwen 2.5 and 3."""

# A batch of this many bytes holds its ids in a few tens of megabytes.
_BATCH = 8_000_000


class Vocabulary(Protocol):
    """Something that turns texts into token ids."""

    specials: frozenset[str]

    def encode(self, texts: list[str]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """The ids of all texts in one array, and where each text's begin; one offset more."""
        ...

    @property
    def bytes_of(self) -> npt.NDArray[np.int64] | None:
        """How many bytes each id stands for; None where texts are changed before."""
        ...


def count(texts: pl.Series, vocabulary: str = "o200k") -> pl.Series:
    """Count the tokens of every text.

    Args:
        texts: String.
        vocabulary: one of `VOCABULARIES`, or the path of a `tokenizer.json`.

    Returns:
        UInt32, null for null.

    Raises:
        RecipeError: there is no such vocabulary, or the file cannot be read.
        MissingExtra: the libraries are not installed.

    >>> count(pl.Series(["Hello world", "", None]), "o200k").to_list()
    [2, 0, None]
    """
    known = load(vocabulary)
    counts = [
        np.diff(known.encode(batch)[1]) for batch in _batches(texts.cast(pl.String).fill_null(""))
    ]
    whole = np.concatenate(counts) if counts else np.empty(0, dtype=np.int64)
    counted = pl.Series(texts.name, whole, dtype=pl.UInt32)
    return pl.select(pl.when(texts.is_not_null()).then(counted)).to_series().alias(texts.name)


def truncate(
    texts: pl.Series, vocabulary: str, at_most: int, side: Literal["end", "start"] = "end"
) -> pl.Series:
    """Cut texts so that each, encoded again, has `at_most` tokens or fewer.

    What stays is the beginning of the text (its end with `side="start"`), unchanged: nothing is
    cut inside a character. Fewer tokens than allowed stay where the last one would split a
    character, or where the shorter text would be divided into more tokens than it was.

    Args:
        texts: String.
        vocabulary: one of `VOCABULARIES`, or the path of a `tokenizer.json`.
        at_most: tokens that may stay; 0 leaves empty texts.
        side: where to cut.

    Returns:
        String, null for null.

    >>> truncate(pl.Series(["one two three", "one", None]), "o200k", 2).to_list()
    ['one two', 'one', None]
    """
    known = load(vocabulary)
    long = (count(texts, vocabulary) > at_most).fill_null(False)
    places = long.arg_true()
    if not len(places):
        return texts
    found = [
        _cut(pl.Series(batch, dtype=pl.String), known, at_most, side)
        for batch in _batches(texts.gather(places))
    ]
    # `scatter` writes into the series it is called on.
    return texts.clone().scatter(places, pl.concat(found))


def encode(texts: pl.Series, vocabulary: str) -> pl.Series:
    """Turn texts into token ids.

    >>> encode(pl.Series(["<|endoftext|>"]), "o200k").list.len().item() > 1
    True
    """
    known = load(vocabulary)
    parts = []
    for batch in _batches(texts.fill_null("")):
        ids, offsets = known.encode(batch)
        lengths = np.diff(offsets)
        rows = pl.DataFrame({"row": np.repeat(np.arange(len(batch)), lengths), "id": ids})
        lists = rows.group_by("row", maintain_order=True).agg("id")
        every = pl.DataFrame({"row": np.arange(len(batch))})
        parts.append(every.join(lists, on="row", how="left", maintain_order="left")["id"])
    whole = pl.concat(parts) if parts else pl.Series(dtype=pl.List(pl.UInt32))
    empty = pl.lit([], dtype=pl.List(pl.UInt32))
    return pl.select(pl.when(texts.is_not_null()).then(whole.fill_null(empty))).to_series()


def specials(vocabulary: str) -> frozenset[str]:
    """The control tokens of a vocabulary, as they are written.

    >>> "<|im_end|>" in specials("qwen3")
    True
    """
    return load(vocabulary).specials


def load(vocabulary: str) -> Vocabulary:
    """Open a vocabulary; it stays in memory.

    Raises:
        RecipeError: there is none of this name, or the file cannot be read.
        MissingExtra: the libraries are not installed.
    """
    if vocabulary in VOCABULARIES:
        return _bundled(vocabulary)
    path = Path(vocabulary)
    if path.suffix != ".json":
        raise RecipeError(
            f"There is no vocabulary {vocabulary!r}.",
            allowed=[*VOCABULARIES, "the path of a tokenizer.json"],
            hint=nearest(vocabulary, VOCABULARIES),
        )
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise RecipeError(
            f"The vocabulary cannot be read: {error.strerror or error}.", where=vocabulary
        ) from None
    return _from_file(vocabulary, changed)


class _Bundled:
    def __init__(self, name: str) -> None:
        try:
            import quicktok
        except ImportError:
            raise MissingExtra("curate", "Counting tokens") from None
        self._tokenizer = quicktok.get_encoding(VOCABULARIES[name])
        self.specials = frozenset(self._tokenizer.special_tokens_set)

    def encode(self, texts: list[str]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        ids, offsets = self._tokenizer.encode_batch(texts, 1)
        return np.asarray(ids), np.asarray(offsets)

    @functools.cached_property
    def bytes_of(self) -> npt.NDArray[np.int64]:
        # `token_byte_values` is sorted by bytes, not by id; it says only how many there are.
        plain = range(len(self._tokenizer.token_byte_values()))
        return np.array([len(self._tokenizer.decode_single_token_bytes(one)) for one in plain])


class _FromFile:
    def __init__(self, path: str) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtra("curate", "Reading a tokenizer.json") from None
        try:
            self._tokenizer = Tokenizer.from_file(path)
        except Exception as error:  # noqa: BLE001 - the library raises plain Exception
            raise RecipeError(f"The vocabulary cannot be read: {error}.", where=path) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True
        added: dict[int, Any] = self._tokenizer.get_added_tokens_decoder()
        self.specials = frozenset(token.content for token in added.values())
        self.bytes_of = None

    def encode(self, texts: list[str]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in found], dtype=np.int64)])
        ids = [np.array(one.ids, dtype=np.uint32) for one in found]
        return np.concatenate(ids or [np.empty(0, dtype=np.uint32)]), offsets.astype(np.int64)


@functools.lru_cache(maxsize=8)
def _bundled(name: str) -> Vocabulary:
    return _Bundled(name)


@functools.lru_cache(maxsize=8)
def _from_file(path: str, changed: int) -> Vocabulary:
    return _FromFile(path)


def _batches(texts: pl.Series) -> Iterator[list[str]]:
    """Runs of texts of limited size, a text alone where it is larger."""
    if not len(texts):
        return
    number = texts.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy() // _BATCH
    borders = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    for start, stop in zip(borders, [*borders[1:], len(texts)], strict=True):
        yield texts.slice(start, stop - start).to_list()


def _cut(texts: pl.Series, known: Vocabulary, at_most: int, side: str) -> pl.Series:
    """Texts that all have more tokens than `at_most`."""
    lengths = texts.str.len_bytes().cast(pl.Int64).to_numpy()
    ids, offsets = known.encode(texts.to_list())
    if known.bytes_of is None:
        return _searched(texts, known, at_most, side)
    ends = np.concatenate([[0], np.cumsum(known.bytes_of[ids])])
    # A vocabulary that composes accents first has other bytes than the text.
    same = ends[offsets[1:]] - ends[offsets[:-1]] == lengths
    kept = texts.clear().extend_constant("", len(texts))
    left = np.flatnonzero(same)
    # A shorter text may fall into more tokens than it did within the whole one; twice as many are
    # taken off every time, so that few rounds are needed.
    spare = 0
    while len(left) and spare < at_most:
        wanted = at_most - spare
        if side == "end":
            size = ends[offsets[left] + wanted] - ends[offsets[left]]
        else:
            size = ends[offsets[left + 1]] - ends[offsets[left + 1] - wanted]
        tried = _sliced(texts.gather(left), size, side)
        fits = np.diff(known.encode(tried.to_list())[1]) <= at_most
        kept = kept.scatter(left[fits], tried.filter(pl.Series(fits)))
        left, spare = left[~fits], spare * 2 + 1
    others = np.flatnonzero(~same)
    if len(others):
        kept = kept.scatter(others, _searched(texts.gather(others), known, at_most, side))
    return kept


def _sliced(texts: pl.Series, size: npt.NDArray[np.int64], side: str) -> pl.Series:
    """The first or last `size` bytes of each text, less the bytes of a character that is cut."""
    raw = texts.to_frame("t").select(pl.col("t").cast(pl.Binary)).to_series()
    joined = np.frombuffer(b"".join(raw.to_list()) + b" ", dtype=np.uint8)
    ends = np.cumsum(raw.bin.size().cast(pl.Int64).to_numpy())
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    place, step = (starts + size, -1) if side == "end" else (ends - size, 1)
    # The bytes of a character behind its first are 10xxxxxx, three at most.
    for _ in range(3):
        place = place + step * ((joined[place] & 0xC0) == 0x80)
    size = place - starts if side == "end" else ends - place
    frame = pl.DataFrame({"t": raw, "n": size})
    cut = pl.col("t").bin.head(pl.col("n")) if side == "end" else pl.col("t").bin.tail(pl.col("n"))
    return frame.select(cut.cast(pl.String)).to_series()


def _searched(texts: pl.Series, known: Vocabulary, at_most: int, side: str) -> pl.Series:
    """The same by halving the number of characters, for vocabularies that change texts first."""
    high = texts.str.len_chars().cast(pl.Int64).to_numpy().copy()
    low = np.zeros_like(high)
    frame = texts.to_frame("t")
    piece = (
        pl.col("t").str.head(pl.col("n")) if side == "end" else pl.col("t").str.tail(pl.col("n"))
    )
    # `low` characters always fit, and `high` never do.
    while (open_ := high - low > 1).any():
        middle = (low + high) // 2
        tried = frame.with_columns(n=middle).filter(pl.Series(open_)).select(piece).to_series()
        fits = np.zeros(len(high), dtype=bool)
        fits[open_] = np.diff(known.encode(tried.to_list())[1]) <= at_most
        low, high = np.where(open_ & fits, middle, low), np.where(open_ & ~fits, middle, high)
    return frame.with_columns(n=low).select(piece).to_series()
