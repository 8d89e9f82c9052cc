"""Texts as vectors, so that texts that mean much the same lie close together."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from assay import grams
from assay.errors import MissingExtra, ModelError, RecipeError, nearest
from assay.rows import text_hash

Vectors = npt.NDArray[np.float32]
METHODS = ("hashed", "wordllama")
KEY = "OPENAI_API_KEY"
BATCH = 256
TRIES = 4
_SIGNS = 4


def embed(
    texts: pl.Series,
    *,
    method: Literal["hashed", "wordllama"] | str = "hashed",
    seed: int = 0,
    dimensions: int = 128,
) -> Vectors:
    """Turn each text into a vector of length 1; a text's vector depends on that text only.

    `hashed` needs no model: the words and the runs of 4 characters of a text, weighted by the
    logarithm of their number, are projected at random onto `dimensions` axes by their hashes, so
    that the cosine of two vectors estimates the share of what the texts have in common
    (Weinberger et al. 2009, Feature Hashing for Large Scale Multitask Learning; Achlioptas 2003,
    Database-friendly random projections). `wordllama` averages word vectors that come inside its
    wheel. An address `http(s)://host/v1#model` asks an OpenAI-compatible endpoint; the key is
    read from the environment variable OPENAI_API_KEY.

    Args:
        texts: any texts.
        method: `hashed`, `wordllama`, or an address with the model's name behind `#`.
        seed: another seed projects another way; for `hashed` only.
        dimensions: the length of a vector; at most 256 with `wordllama`. An endpoint decides
            itself.

    Returns:
        A matrix of float32, one row a text; zeros for null and for a text without any content.

    Raises:
        RecipeError: an unknown method, or dimensions out of range.
        MissingExtra: `wordllama` is not installed.
        ModelError: the endpoint cannot be reached, or what it answers is no embedding.

    >>> texts = pl.Series(["a red kettle", "red kettles", "tax law", None])
    >>> vectors = embed(texts)
    >>> bool(vectors[0] @ vectors[1] > vectors[0] @ vectors[2]), float(vectors[3] @ vectors[3])
    (True, 0.0)
    """
    if dimensions < 1:
        raise RecipeError("`dimensions` is 1 or more.", received=dimensions)
    texts = texts.cast(pl.String).fill_null("")
    if method == "hashed":
        return _hashed(texts, seed, dimensions)
    if method == "wordllama":
        return _wordllama(texts, dimensions)
    if method.startswith(("http://", "https://")):
        return _endpoint(texts, method)
    raise RecipeError(
        f"There is no embedding {method!r}.",
        allowed=[*METHODS, "https://host/v1#model"],
        hint=nearest(method, METHODS),
    )


def embedded(
    rows: pl.DataFrame, *, columns: list[str], model: str = "hashed", dimensions: int = 128
) -> pl.DataFrame:
    """Note the vector of each row's texts, its columns read one after the other.

    Args:
        rows: any frame.
        columns: the columns to embed together.
        model: as `embed`'s method.
        dimensions: as `embed`'s.

    Returns:
        A row each: `_set` (UInt64 hash of the lower-cased text, null for a row without text),
        `_length` (UInt32, characters), `_filled` (UInt16, fields that are not null), and
        `embedding` (List(Float32), null for a row without text).

    Raises:
        RecipeError: no columns, or an unknown one; and whatever `embed` raises.

    >>> embedded(pl.DataFrame({"t": ["a", None]}), columns=["t"])["embedding"].list.len().to_list()
    [128, None]
    """
    if not columns:
        raise RecipeError("There are no `columns` to compare.", allowed=rows.columns)
    for name in columns:
        if name not in rows.columns:
            raise RecipeError(
                f"There is no column {name!r}.",
                allowed=rows.columns,
                hint=nearest(name, rows.columns),
            )
    joined = rows.select(
        pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator="\n",
                      ignore_nulls=True).alias("text")
    )["text"].fill_null("").str.strip_chars()  # fmt: skip
    vectors = embed(joined, method=model, dimensions=dimensions)
    listed = pl.Series(vectors).arr.to_list() if len(rows) else pl.Series([], dtype=_LISTED)
    own = [name for name in rows.columns if not name.startswith("_") and name != "row_id"]
    filled = rows.select(pl.sum_horizontal(pl.col(own).is_not_null()).cast(pl.UInt16))
    told = pl.Series((vectors != 0).any(axis=1))
    frame = pl.DataFrame(
        {
            "_set": text_hash(joined.str.to_lowercase().str.replace_all(r"\s+", " ")),
            "embedding": listed.cast(_LISTED),
        }
    ).with_columns(pl.when(told).then(pl.all()))
    return frame.select(
        "_set",
        joined.str.len_chars().cast(pl.UInt32).alias("_length"),
        filled.to_series().alias("_filled"),
        "embedding",
    )


_LISTED = pl.List(pl.Float32)


def _hashed(texts: pl.Series, seed: int, dimensions: int) -> Vectors:
    key = np.uint64(xxhash.xxh3_64_intdigest(f"{seed}/embed".encode()))
    made = [_projected(piece, key, dimensions) for piece in grams.slices(texts)]
    return np.concatenate(made) if made else np.zeros((0, dimensions), np.float32)


def _projected(texts: pl.Series, key: np.uint64, dimensions: int) -> Vectors:
    codes, offsets = grams.characters(grams.folded(texts))
    words, word_offsets = grams.words(codes, offsets)
    runs, run_offsets = grams.windows(codes.astype(np.uint64), offsets, 4)
    count = len(texts)
    told = np.repeat(np.diff(word_offsets) > 0, np.diff(run_offsets))
    owners = np.concatenate(
        (
            np.repeat(np.arange(count), np.diff(word_offsets)),
            np.repeat(np.arange(count), np.diff(run_offsets))[told],
        )
    )
    # What a text holds twice counts less than twice.
    features = np.concatenate((grams.mixed(words ^ key), grams.mixed(runs[told] + key)))
    order = np.lexsort((features, owners))
    owners, features = owners[order], features[order]
    fresh = np.ones(len(owners), dtype=bool)
    fresh[1:] = (owners[1:] != owners[:-1]) | (features[1:] != features[:-1])
    begins = np.flatnonzero(fresh)
    owners, features = owners[begins], features[begins]
    weights = 1 + np.log(np.diff(np.append(begins, len(order))))
    total = np.zeros(count * dimensions)
    for _ in range(_SIGNS):
        features = grams.mixed(features + np.uint64(0x9E3779B97F4A7C15))
        axis = ((features >> np.uint64(33)) % np.uint64(dimensions)).astype(np.int64)
        sign = 1.0 - 2.0 * (features & np.uint64(1))
        total += np.bincount(owners * dimensions + axis, weights * sign, count * dimensions)
    return _unit(total.reshape(count, dimensions))


def _unit(vectors: npt.NDArray[Any]) -> Vectors:
    lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
    units = np.zeros(vectors.shape, dtype=np.float32)
    np.divide(vectors, lengths, out=units, where=lengths > 0, casting="same_kind")
    return units


def _wordllama(texts: pl.Series, dimensions: int) -> Vectors:
    if dimensions > 256:
        raise RecipeError("wordllama has 256 `dimensions` at most.", received=dimensions)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        import wordllama
    except ImportError:
        raise MissingExtra("curate", "The embedding 'wordllama'") from None
    finally:
        # Its import turns on everybody's log messages.
        root.handlers[:] = handlers
        root.setLevel(level)
    from pathlib import Path

    # Its own files are where it looks last; without this it would look for a network first.
    home = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=home, disable_download=True)
    made = [model.embed(piece.to_list()) for piece in grams.slices(texts)]
    vectors = np.concatenate(made) if made else np.zeros((0, 256), np.float32)
    return _unit(vectors[:, :dimensions])


def _endpoint(texts: pl.Series, address: str) -> Vectors:
    base, _, model = address.partition("#")
    if not model:
        raise RecipeError(
            "An embedding endpoint needs the model's name behind `#`.",
            received=address,
            allowed="https://host/v1#model",
        )
    told = (texts.str.strip_chars() != "").arg_true()
    some = texts.gather(told)
    made: list[npt.NDArray[np.float64]] = []
    for start in range(0, len(some), BATCH):
        made.append(_asked(base, model, some[start : start + BATCH].to_list()))
    width = made[0].shape[1] if made else 1
    if any(part.shape[1] != width for part in made):
        raise ModelError("The embedding endpoint gives vectors of different lengths.", where=base)
    vectors = np.zeros((len(texts), width))
    if made:
        vectors[told.to_numpy()] = np.concatenate(made)
    return _unit(vectors)


def _asked(base: str, model: str, texts: list[str]) -> npt.NDArray[np.float64]:
    import urllib.error
    import urllib.request

    import orjson

    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY):
        headers["Authorization"] = f"Bearer {key}"
    body = orjson.dumps({"model": model, "input": texts})
    request = urllib.request.Request(f"{base.rstrip('/')}/embeddings", body, headers)
    problem = ""
    for wait in _waits():
        time.sleep(wait)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return _read(answer.read(), len(texts), base)
        except urllib.error.HTTPError as error:
            problem = f"it answers {error.code} {error.reason}"
            error.close()
            if error.code != 429 and error.code < 500:
                break
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            problem = str(getattr(error, "reason", error))
    raise ModelError(
        f"The embedding endpoint gives no vectors: {problem}.",
        where=base,
        hint=f"check the address, the model's name {model!r} and the variable {KEY}",
    )


def _waits() -> Iterator[float]:
    """Seconds before each try: busy endpoints ask for patience."""
    yield 0.0
    for attempt in range(TRIES - 1):
        yield 0.5 * 4.0**attempt


def _read(answer: bytes, count: int, base: str) -> npt.NDArray[np.float64]:
    import orjson

    try:
        items = orjson.loads(answer)["data"]
        # The items say which text they belong to, and need not come in order.
        items = sorted(items, key=lambda item: item["index"])
        vectors = np.array([item["embedding"] for item in items], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"What the embedding endpoint answers is no list of embeddings: {error!r}.",
            where=base,
            received=answer[:200].decode(errors="replace"),
        ) from None
    if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():
        raise ModelError(
            f"The embedding endpoint gives {len(vectors):,} vectors for {count:,} texts,"
            " or vectors that are no numbers.",
            where=base,
        )
    return vectors
