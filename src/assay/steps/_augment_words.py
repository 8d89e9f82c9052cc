"""Texts with some of their words changed, each change chosen by the word's own random number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.rows import uniform
from assay.steps import _augment_units

Way = Literal["typos", "drop", "swap", "synonyms", "case", "units"]

# Scripts that put no space between words: each character (with its marks) counts as a word.
_JOINED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN = rf"^\s+|[{_JOINED}]\p{{M}}*\s*|[^\s{_JOINED}]+\s*"
_LETTERS = r"^([^\p{L}\p{N}]*)(\p{L}+)([^\p{L}\p{N}]*)$"
# Without these a text says the opposite.
_NEGATIONS = [
    "no",
    "not",
    "never",
    "none",
    "nor",
    "without",
    "cannot",
    "不",
    "没",
    "沒",
    "無",
    "ない",
]
_KEYBOARD = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij",
    "i": "uok", "o": "ipl", "p": "ol", "a": "qsz", "s": "adwx", "d": "sfec", "f": "dgrv",
    "g": "fhtb", "h": "gjyn", "j": "hkum", "k": "jli", "l": "kop", "z": "xas", "x": "zcsd",
    "c": "xvdf", "v": "cbfg", "b": "vngh", "n": "bmhj", "m": "njk",
}  # fmt: skip
_STRIDE = np.uint64(0x9E3779B97F4A7C15)


def altered(
    texts: pl.Series,
    rows: pl.Series,
    *,
    ways: Sequence[Way],
    strength: float,
    synonyms: Mapping[str, Sequence[str]],
    seed: int,
    purpose: str,
) -> tuple[pl.Series, dict[str, int]]:
    """Change some words of each text.

    A word with a digit, and the word behind a number, stay as they are but for `units`. At least
    one word of each text is changed where one can be.

    Args:
        texts: the texts.
        rows: the hash of each text's row, which with a word's place decides what becomes of it.
        ways: what may happen to a word.
        strength: the chance that a word that can be changed is.
        synonyms: other words for a word in small letters.
        seed: another seed makes other changes.
        purpose: what the random numbers are drawn for.

    Returns:
        The texts, and how many words were changed in each way.
    """
    tokens = _tokens(texts)
    if tokens.is_empty():
        return texts, dict.fromkeys(ways, 0)
    places = tokens["place"].to_numpy().astype(np.uint64) * _STRIDE
    keys = rows.to_numpy()[tokens["text"].to_numpy()] + places

    def draw(what: str, which: npt.NDArray[np.uint64] = keys) -> pl.Series:
        return pl.Series(uniform(which, seed, f"{purpose}/{what}"))

    # Whether the first and second word make a pair to swap, or the second and third.
    odd = uniform(rows, seed, f"{purpose}/pairs") < 0.5
    pairs = (tokens["place"].to_numpy() + odd[tokens["text"].to_numpy()]) % 2 == 0
    tokens = tokens.with_columns(
        draw("hit").alias("hit"), draw("way").alias("way"), pl.Series("pair", pairs)
    )
    units = _augment_units.measured(tokens) if "units" in ways else None
    tokens = _eligible(tokens, ways, synonyms, units)
    tokens = _chosen(tokens, ways, strength)
    counts: dict[str, int] = dict.fromkeys([str(way) for way in ways], 0)
    after = {"word": tokens["word"], "space": tokens["space"]}
    for way in ways:
        places_of = (tokens["chosen"] == way).fill_null(False).arg_true()
        if not len(places_of):
            continue
        counts[way] = len(places_of)
        some = tokens[places_of]
        which = keys[places_of.to_numpy()]
        if way == "swap":
            following = places_of + 1
            first, second = after["word"].gather(places_of), after["word"].gather(following)
            after["word"] = _put(_put(after["word"], places_of, second), following, first)
        elif way == "drop":
            nothing = pl.Series([""]).new_from_index(0, len(places_of))
            after["word"] = _put(after["word"], places_of, nothing)
            # Where no space stands before the word, the one behind it still parts its neighbours.
            parted = places_of.filter(tokens["parted"].gather(places_of))
            after["space"] = _put(after["space"], parted, nothing.head(len(parted)))
        elif way == "units" and units is not None:
            new = _augment_units.rewritten(units[places_of], draw("unit", which))
            after["word"] = _put(after["word"], places_of, new["first"])
            second = new["second"].is_not_null()
            following = places_of.filter(second) + 1
            after["word"] = _put(after["word"], following, new["second"].filter(second))
        else:
            draws = [draw(f"{way}/{number}", which) for number in range(3)]
            core = {"typos": _mistyped, "case": _other_case}.get(way)
            changed = core(some, draws) if core else _synonymous(some, draws, synonyms)
            after["word"] = _put(after["word"], places_of, changed)
    whole = (
        pl.DataFrame({"text": tokens["text"], "word": after["word"] + after["space"]})
        .group_by("text", maintain_order=True)
        .agg(pl.col("word").str.join(""))
    )
    return _put(texts, whole["text"].cast(pl.UInt32), whole["word"]), counts


def _tokens(texts: pl.Series) -> pl.DataFrame:
    """Every word with its `text`, `place`, the `space` behind it, its letters and neighbours."""
    tokens = (
        pl.DataFrame({"text": pl.int_range(len(texts), eager=True), "token": texts})
        .with_columns(pl.col("token").str.extract_all(_TOKEN))
        .explode("token")
        .drop_nulls("token")
    )
    tokens = tokens.select(
        "text",
        pl.int_range(pl.len()).over("text").alias("place"),
        pl.col("token").str.strip_chars_end().alias("word"),
        pl.col("token").str.extract(r"(\s*)$").alias("space"),
    )

    def beside(steps: int) -> pl.Expr:
        same = pl.col("text").shift(steps) == pl.col("text")
        return pl.when(same).then(pl.col("word").shift(steps))

    letters = pl.col("word").str.extract_groups(_LETTERS)
    return tokens.with_columns(
        beside(2).alias("past"),
        beside(1).alias("before"),
        beside(-1).alias("after"),
        beside(-2).alias("next"),
        letters.struct.field("1").alias("head"),
        letters.struct.field("2").alias("core"),
        letters.struct.field("3").alias("tail"),
        pl.col("word").str.contains(f"^[{_JOINED}]").alias("joined"),
        (pl.col("space").shift(1).over("text") != "").fill_null(True).alias("parted"),
    )


def _eligible(
    tokens: pl.DataFrame,
    ways: Sequence[Way],
    synonyms: Mapping[str, Sequence[str]],
    units: pl.DataFrame | None,
) -> pl.DataFrame:
    """Add one column a way: whether it may happen to the word."""
    core, word = pl.col("core"), pl.col("word")
    small = word.str.to_lowercase()
    tokens = tokens.with_columns(
        (
            word.str.contains(r"\p{L}")
            & ~word.str.contains(r"\p{N}")
            & ~pl.col("before").str.contains(r"\p{N}").fill_null(False)
            & ~small.is_in(_NEGATIONS)
            & ~small.str.contains(r"n['’]t\b")
        ).alias("free")
    )
    # The last word to be dropped is the one with the highest number, so that a text remains.
    last = pl.col("hit") == pl.col("hit").filter("free").max().over("text")
    # What stands before a number says what it counts: "x" in "2 x 4", "size" in "size 9".
    number_next = pl.col("after").str.contains(r"\p{N}").fill_null(False)
    number_beyond = pl.col("next").str.contains(r"\p{N}").fill_null(False)
    letters = core.str.len_chars()
    may: dict[str, pl.Expr] = {
        "typos": pl.col("free") & ((letters >= 4) | (pl.col("joined") & (letters == 1))),
        "drop": pl.col("free") & (core == word) & ~last & ~number_next,
        "swap": pl.col("free")
        & pl.col("pair")
        & (core == word)
        & pl.col("free").shift(-1)
        & (pl.col("text").shift(-1) == pl.col("text"))
        & (pl.col("after") != word)
        & ~number_beyond
        & pl.col("after").str.contains(r"^\p{L}+$"),
        "synonyms": pl.col("free") & core.str.to_lowercase().is_in(list(synonyms)),
        "case": pl.col("free")
        & core.is_not_null()
        & (core.str.to_lowercase() != core.str.to_uppercase())
        & (letters >= 2),
        "units": pl.lit(False) if units is None else pl.lit(units["unit"].is_not_null()),
    }
    return tokens.with_columns(may[way].fill_null(False).alias(f"may {way}") for way in ways)


def _chosen(tokens: pl.DataFrame, ways: Sequence[Way], strength: float) -> pl.DataFrame:
    """Add `chosen`: what happens to the word, or null."""
    possible = pl.sum_horizontal(pl.col(f"may {way}").cast(pl.Int32) for way in ways)
    tokens = tokens.with_columns(possible.alias("possible"))
    able = pl.col("possible") > 0
    lowest = pl.col("hit") == pl.col("hit").filter(able).min().over("text")
    hit = able & ((pl.col("hit") < strength) | lowest)
    turn = (pl.col("way") * pl.col("possible")).floor().cast(pl.Int32) + 1
    upto = pl.lit(0, pl.Int32)
    chosen = pl.lit(None, pl.String)
    # Of the ways that may happen, the one whose turn it is.
    for way in ways:
        upto = upto + pl.col(f"may {way}").cast(pl.Int32)
        now = hit & pl.col(f"may {way}") & (upto == turn)
        chosen = pl.when(now).then(pl.lit(way)).otherwise(chosen)
    tokens = tokens.with_columns(chosen.alias("chosen"))
    # The second word of a pair that is swapped, or a unit that is rewritten, has had its change.
    taken = (pl.col("chosen").shift(1) == "swap").fill_null(False)
    return tokens.with_columns(pl.when(~taken).then("chosen").alias("chosen"))


def _mistyped(some: pl.DataFrame, draws: Sequence[pl.Series]) -> pl.Series:
    """A letter left out, doubled, exchanged with the next, or replaced by its key's neighbour."""
    core = pl.col("core")
    frame = some.select("head", "core", "tail").with_columns(
        pl.Series("where", draws[0]), pl.Series("kind", draws[1]), pl.Series("key", draws[2])
    )
    inner = (core.str.len_chars().cast(pl.Int64) - 2).clip(lower_bound=0)
    at = (1 + (pl.col("where") * inner).floor()).cast(pl.Int64)
    near = (
        pl.col("letter")
        .str.to_lowercase()
        .replace_strict(
            list(_KEYBOARD), list(_KEYBOARD.values()), default=None, return_dtype=pl.String
        )
    )
    frame = frame.with_columns(
        core.str.slice(0, at).alias("start"),
        core.str.slice(at, 1).alias("letter"),
        core.str.slice(at + 1, 1).alias("following"),
        core.str.slice(at + 2).alias("end"),
    ).with_columns(near.alias("near"))
    key = pl.col("near").str.slice(
        (pl.col("key") * pl.col("near").str.len_chars()).floor().cast(pl.Int64), 1
    )
    capital = pl.col("letter") != pl.col("letter").str.to_lowercase()
    letter, following = pl.col("letter"), pl.col("following")
    kind = pl.col("kind")
    middle = (
        pl.when(core.str.len_chars() == 1)
        .then(pl.lit(""))
        .when(kind < 0.25)
        .then(following)
        .when((kind < 0.5) & (letter != following))
        .then(following + letter)
        .when((kind < 0.75) & pl.col("near").is_not_null())
        .then(pl.when(capital).then(key.str.to_uppercase()).otherwise(key) + following)
        .otherwise(letter + letter + following)
    )
    start = pl.when(core.str.len_chars() == 1).then(core + core).otherwise("start")
    return frame.select(
        pl.concat_str("head", start, middle, "end", "tail").alias("word")
    ).to_series()


def _other_case(some: pl.DataFrame, draws: Sequence[pl.Series]) -> pl.Series:
    """The word in small letters, in capitals, or with a capital first: one that it was not."""
    core = pl.col("core")
    small = core.str.to_lowercase()
    title = core.str.slice(0, 1).str.to_uppercase() + small.str.slice(1)
    forms = [small, core.str.to_uppercase(), title]
    frame = some.select("head", "core", "tail").with_columns(
        pl.Series("turn", (draws[0] * 3).floor().cast(pl.Int32))
    )
    new = core
    for turn in range(3):
        # From this form on, the first that differs.
        order = [forms[(turn + step) % 3] for step in range(3)]
        differs = pl.coalesce(pl.when(form != core).then(form) for form in order)
        new = pl.when(pl.col("turn") == turn).then(differs).otherwise(new)
    return frame.select(pl.concat_str("head", new, "tail").alias("word")).to_series()


def _synonymous(
    some: pl.DataFrame, draws: Sequence[pl.Series], synonyms: Mapping[str, Sequence[str]]
) -> pl.Series:
    """Another word for the word, with capitals where it has them."""
    listed = pl.DataFrame(
        {"small": list(synonyms), "others": [list(words) for words in synonyms.values()]}
    )
    frame = some.select(
        "head", "core", "tail", pl.col("core").str.to_lowercase().alias("small"), turn=draws[0]
    ).join(listed, on="small", how="left", maintain_order="left")
    others = pl.col("others")
    new = others.list.get((pl.col("turn") * others.list.len()).floor().cast(pl.Int64))
    core = pl.col("core")
    loud = (core == core.str.to_uppercase()) & (core.str.len_chars() > 1)
    capital = core.str.slice(0, 1) != pl.col("small").str.slice(0, 1)
    titled = new.str.slice(0, 1).str.to_uppercase() + new.str.slice(1)
    word = pl.when(loud).then(new.str.to_uppercase()).when(capital).then(titled).otherwise(new)
    return frame.select(pl.concat_str("head", word, "tail").alias("word")).to_series()


def _put(series: pl.Series, places: pl.Series, others: pl.Series) -> pl.Series:
    """Put other values in some places."""
    if not len(places):
        return series
    order = pl.int_range(len(series), eager=True, dtype=pl.Int64)
    new = pl.int_range(len(series), len(series) + len(places), eager=True, dtype=pl.Int64)
    order = order.scatter(places, new)
    return pl.concat([series.alias("x"), others.alias("x")]).gather(order).alias(series.name)
