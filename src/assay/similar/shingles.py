"""Shingles of texts and their MinHash: what a search for near duplicates notes of each row."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from assay import grams
from assay.errors import RecipeError, nearest

CAP = 1024
"""Shingles kept of a text: those with the smallest hashes, a fair sample of a longer text's."""
HASHES = 64
"""MinHash values of a row, 16 bits each, four to a column."""
CHARACTERS, WORDS = 1, 2
SIZES = {"characters": 4, "words": 2}
FEW_WORDS = 24
"""Texts of fewer words are compared by their characters."""
OVERLAP = 1.45
"""Texts within this factor of `FEW_WORDS` are noted both ways, so that any two texts whose lengths
differ by less than its square, which are all that can be alike by half, have a way in common."""
FLAT = ("_set", "_length", "_filled", "_kinds", *(f"_minhash{n}" for n in range(HASHES // 4)))
BLOCK = 1 << 12
_BETWEEN = r"[\s\p{P}\p{Cf}--[#%&@*]]+"
_TOP = np.uint64(1 << 31)
_LOW = np.uint64((1 << 31) - 1)

Unit = Literal["words", "characters"]


def shingled(
    rows: pl.DataFrame,
    *,
    columns: list[str],
    shingle: int | None = None,
    unit: Unit | None = None,
) -> pl.DataFrame:
    """Note the shingles of each row's texts, and what finds rows that share many of them.

    A shingle is a run of words or of characters, lower-cased and without punctuation. Where
    neither `shingle` nor `unit` is given, rows of fewer than 24 words in all columns are cut into
    runs of 4 characters and longer ones into runs of 2 words, since one edited word of a title
    would take half of its word runs with it. Rows near that limit are noted both ways. A text
    shorter than a run is one run. Columns are read together: a run of one column never equals one
    of another.

    Of each row at most 1,024 shingles of a kind are kept, those with the smallest hashes (Broder
    1997, On the resemblance and containment of documents), so a text of any length costs at most
    8 KB.

    Args:
        rows: any frame.
        columns: the columns to compare.
        shingle: the size of a run; on its own it counts words.
        unit: what a run is made of; on its own, `words` is runs of 2 and `characters` of 4.

    Returns:
        A row each: `_set` (UInt64 hash of the set of shingles, null for a row without text),
        `_length` (UInt32, characters), `_filled` (UInt16, fields that are not null), `_kinds`
        (1 characters, 2 words, 3 both), `_minhash0`… (UInt64, four 16-bit MinHash values each)
        and `shingles` (List(UInt32), distinct, sorted; those of words have the highest bit set).

    Raises:
        RecipeError: no columns, an unknown one, or a `shingle` below 1.

    >>> rows = pl.DataFrame({"title": ["A red kettle", "a  RED kettle", None]})
    >>> noted = shingled(rows, columns=["title"])
    >>> noted["_set"][0] == noted["_set"][1], noted["_set"][2]
    (True, None)
    """
    _refuse(rows, columns, shingle)
    texts = [rows[name].cast(pl.String) for name in columns]
    salts = [np.uint64(xxhash.xxh3_64_intdigest(name.encode())) for name in columns]
    if unit is None and shingle is not None:
        unit = "words"
    parts: list[pl.DataFrame] = []
    longest = pl.select(pl.sum_horizontal(text.str.len_bytes() for text in texts)).to_series()
    start = 0
    for length in _pieces(longest):
        piece = [text[start : start + length] for text in texts]
        parts.append(_piece(piece, salts, shingle, unit))
        start += length
    noted = (
        pl.concat(parts) if parts else _piece([text[:0] for text in texts], salts, shingle, unit)
    )
    size = sum((text.str.len_chars().fill_null(0) for text in texts), pl.Series([0] * len(rows)))
    own = [name for name in rows.columns if not name.startswith("_") and name != "row_id"]
    filled = rows.select(pl.sum_horizontal(pl.col(own).is_not_null()).cast(pl.UInt16))
    return noted.with_columns(
        size.cast(pl.UInt32).alias("_length"), filled.to_series().alias("_filled")
    ).select(*FLAT, "shingles")


def minhash(shingles: npt.NDArray[np.uint32], offsets: grams.Offsets) -> npt.NDArray[np.uint16]:
    """The MinHash values of each row's shingles, one row a row, 16 bits a value.

    Two rows agree in a value with the probability of their Jaccard similarity (Broder 1997), and
    by chance once in 65,536. The functions are multiplications by odd numbers modulo 2^32, which
    permute the shingles' hashes.
    """
    filled = np.flatnonzero(np.diff(offsets))
    made = np.zeros((len(offsets) - 1, HASHES), dtype=np.uint16)
    begins = offsets[filled]
    # In blocks that stay in the processor's cache, since all functions go over the same shingles.
    for first in range(0, len(filled), 512):
        some = filled[first : first + 512]
        low, high = begins[first], offsets[some[-1] + 1]
        block, edges = shingles[low:high], offsets[some] - low
        scratch = np.empty_like(block)
        smallest = np.empty((HASHES, len(some)), dtype=np.uint32)
        for number, factor in enumerate(_FACTORS):
            np.multiply(block, factor, out=scratch)
            np.minimum.reduceat(scratch, edges, out=smallest[number])
        # The smallest of many are small: their upper bits say little until they are mixed.
        smallest *= np.uint32(0x9E3779B1)
        made[some] = (smallest >> np.uint32(16)).astype(np.uint16).T
    return made


def packed(rows: pl.DataFrame) -> list[npt.NDArray[np.uint64]]:
    """The MinHash values of `shingled` rows, column by column, four values to a number."""
    filled = rows.select(pl.col(f"_minhash{n}").fill_null(0) for n in range(HASHES // 4)).rechunk()
    return [column.to_numpy() for column in filled]


def signatures(columns: list[npt.NDArray[np.uint64]]) -> npt.NDArray[np.uint16]:
    """The MinHash values of `packed` rows as a matrix of `HASHES` columns."""
    matrix = np.empty((len(columns[0]), len(columns)), np.uint64)
    # In blocks that stay near the processor until all columns are written.
    for start in range(0, len(matrix), BLOCK):
        part = slice(start, start + BLOCK)
        for number, column in enumerate(columns):
            matrix[part, number] = column[part]
    return matrix.view(np.uint16)


_FACTORS = np.random.default_rng(1997).integers(1 << 20, 1 << 32, HASHES, np.uint32) | np.uint32(1)


def _refuse(rows: pl.DataFrame, columns: list[str], shingle: int | None) -> None:
    if not columns:
        raise RecipeError("There are no `columns` to compare.", allowed=rows.columns)
    for name in columns:
        if name not in rows.columns:
            raise RecipeError(
                f"There is no column {name!r}.",
                allowed=rows.columns,
                hint=nearest(name, rows.columns),
            )
    if shingle is not None and shingle < 1:
        raise RecipeError("A `shingle` is 1 or more words or characters.", received=shingle)


def _pieces(lengths: pl.Series) -> list[int]:
    """How many rows to take at a time, for about `grams.PIECE` bytes of text each."""
    ends = lengths.fill_null(0).cast(pl.Int64).cum_sum().to_numpy()
    taken, start = [], 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + grams.PIECE, "right")), start + 1)
        taken.append(stop - start)
        start = stop
    return taken


def _piece(
    texts: list[pl.Series], salts: list[np.uint64], shingle: int | None, unit: Unit | None
) -> pl.DataFrame:
    rows = len(texts[0])
    told = [grams.words(*grams.characters(grams.folded(text))) for text in texts]
    counts = np.sum([np.diff(offsets) for _, offsets in told], axis=0)
    if unit is None:
        by_words = counts > FEW_WORDS / OVERLAP
        by_characters = counts < FEW_WORDS * OVERLAP
    else:
        by_words = np.full(rows, unit == "words")
        by_characters = ~by_words
    word_size, size = (shingle or SIZES[kind] for kind in ("words", "characters"))
    hashes: list[grams.Hashes] = []
    owners: list[npt.NDArray[np.int64]] = []
    for text, salt, (values, offsets) in zip(texts, salts, told, strict=True):
        runs, places = grams.windows(values, offsets, word_size)
        owner = np.repeat(np.arange(rows), np.diff(places))
        wanted = by_words[owner]
        hashes.append(((grams.mixed(runs[wanted] ^ salt)) & _LOW) | _TOP)
        owners.append(owner[wanted])
        plain = _plain(text.filter(by_characters))
        codes, edges = grams.characters(plain)
        runs, places = grams.windows(codes.astype(np.uint64), edges, size)
        owner = np.repeat(np.flatnonzero(by_characters), np.diff(places))
        hashes.append(grams.mixed(runs ^ salt) & _LOW)
        owners.append(owner)
    return _noted(np.concatenate(owners), np.concatenate(hashes), rows)


def _plain(texts: pl.Series) -> pl.Series:
    """Lower-cased, with one space for whatever stands between words; `c++` and `c#` stay two."""
    texts = texts.fill_null("").str.to_lowercase()
    bare = texts.str.replace_all(_BETWEEN, " ").str.strip_chars()
    empty = bare == ""
    # A text of nothing but punctuation is a text as well.
    return bare.scatter(empty.arg_true(), texts.filter(empty).str.strip_chars())


def _noted(owners: npt.NDArray[np.int64], hashes: grams.Hashes, rows: int) -> pl.DataFrame:
    keyed = (owners.astype(np.uint64) << np.uint64(32)) | hashes
    keyed.sort()
    fresh = np.ones(len(keyed), dtype=bool)
    fresh[1:] = keyed[1:] != keyed[:-1]
    keyed = keyed[fresh]
    whole = _sums(grams.mixed(keyed & np.uint64(0xFFFFFFFF)), keyed >> np.uint64(32), rows)
    keyed = _capped(keyed, rows)
    owner = (keyed >> np.uint64(32)).astype(np.int64)
    values = keyed.astype(np.uint32)
    is_word = values >= np.uint32(_TOP)
    of_words = np.bincount(owner, is_word, rows).astype(np.int64)
    sizes = np.bincount(owner, minlength=rows)
    kinds = (of_words > 0) * WORDS + (sizes > of_words) * CHARACTERS
    signs = minhash(values, grams.starts(sizes))
    both = np.flatnonzero(kinds == CHARACTERS | WORDS)
    if len(both):
        # Half of the values from either kind: such a row meets its like from both sides.
        double = np.isin(owner, both)
        for kind, part in ((CHARACTERS, slice(0, HASHES // 2)), (WORDS, slice(HASHES // 2, None))):
            chosen = double & (is_word == (kind == WORDS))
            of_kind = np.bincount(owner[chosen], minlength=rows)
            half = minhash(values[chosen], grams.starts(of_kind))
            signs[both, part] = half[both, part]
    packed = signs.view(np.uint64)
    empty = pl.Series(sizes == 0)
    lists = grams.listed(values, sizes).alias("shingles")
    frame = pl.DataFrame(
        {
            "_set": grams.mixed(whole),
            "_kinds": kinds.astype(np.uint8),
            **{f"_minhash{n}": packed[:, n] for n in range(HASHES // 4)},
        }
    ).with_columns(lists)
    return frame.with_columns(pl.when(~empty).then(pl.all()))


def _sums(values: grams.Hashes, owners: grams.Hashes, rows: int) -> grams.Hashes:
    """The sum of each row's values modulo 2^64, which no order of them changes."""
    total = np.concatenate((np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)))
    edges = np.searchsorted(owners, np.arange(rows + 1, dtype=np.uint64))
    return total[edges[1:]] - total[edges[:-1]]


def _capped(keyed: grams.Hashes, rows: int) -> grams.Hashes:
    """The first `CAP` of each row's sorted shingles of each kind."""
    group = (keyed >> np.uint64(31)).astype(np.int64)
    if not len(group) or np.bincount(group, minlength=1).max() <= CAP:
        return keyed
    begins = np.searchsorted(group, np.arange(2 * rows))
    return keyed[np.arange(len(keyed)) - begins[group] < CAP]
