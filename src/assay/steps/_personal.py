"""Finding personal data: a look in Rust at every text, a proof in Python for what looks like it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import polars as pl

from assay.errors import RecipeError, nearest
from assay.steps._proofs import Proved, proof
from assay.steps._shapes import GATES, KINDS, SHAPES, Shape

_SENTENCE = re.compile(r"(?<!\btel)(?<!\bph)(?<!\bno)[.!?]\s|\n|[。！？]", re.I)
MASKED = re.compile(rf"<(?:{'|'.join(KINDS)})(?::[0-9A-Za-z]+)?>")
"""What a mask looks like: it is never taken for personal data, nor for a word about it."""
BEFORE, AFTER = 60, 25
"""How many characters around a value may hold the word that says what it is."""
_CODE = re.compile(
    r"(?i)\b(?:parts?|p/n|pn|sku|models?|items?|bolt|serial|s/n|orders?|oem|ref(?:erence)?|upc|ean|"
    r"gtin|isbn|asin|lot|batch|invoice|tracking|fits|replaces|cat(?:alog)?|article|art)\W{0,3}"
    r"(?:(?:numbers?|no|nr|nos)\W{0,3})?$"
)
_VERSION = re.compile(
    r"(?i)(?:\bv|\bver(?:sion)?|\brev(?:ision)?|release|firmware|build|driver|software|update|"
    r"section|chapter|clause|§|fig(?:ure)?|table|bluetooth|ios|android|oid)\W{0,3}$"
)
_NETWORK = re.compile(
    r"(?i)\b(?:ip|ips|ipv4|address|addr|server|host|hosts|client|gateway|router|dns|subnet|netmask|"
    r"ping|ssh|https?|from|login|port|proxy|network|lan|vpn|source|remote)\b"
)
_FIND = {"kind": pl.String, "start": pl.UInt32, "end": pl.UInt32, "value": pl.String}
_NOTHING = pl.DataFrame(schema={"number": pl.UInt32, "shape": pl.Int64, "candidate": pl.String})


def kinds_of(kinds: Sequence[str] | None, step: str) -> list[str]:
    """The kinds that are looked for, in the order in which they claim a place.

    Raises:
        RecipeError: one that is not known.
    """
    for kind in kinds or ():
        if kind not in KINDS:
            raise RecipeError(
                f"{step}: there is no kind {kind!r} of personal data.",
                allowed=KINDS,
                hint=nearest(kind, KINDS),
            )
    return [kind for kind in KINDS if kinds is None or kind in kinds]


def masked(
    texts: pl.Series, kinds: Sequence[str], name: Callable[[str, str], str]
) -> tuple[pl.Series, pl.DataFrame]:
    """The texts with `name(kind, value)` in place of each value, and what was found at first."""
    places = pl.arange(len(texts), dtype=pl.UInt32, eager=True)
    changed = pl.DataFrame({"place": places, "text": texts.rename("text")})
    first = found = spans(changed["text"], kinds, name=texts.name)
    # Without its neighbour a value may show that seemed part of a longer one, so until none does.
    while found.height:
        by_text = found.group_by("place", maintain_order=True).agg("kind", "start", "end", "value")
        # A loop over the texts that hold personal data, the only ones that must be rewritten.
        rewritten = [
            _rewritten(changed["text"][place], zip(*parts, strict=True), name)
            for place, *parts in by_text.iter_rows()
        ]
        places = changed["place"].gather(by_text["place"])
        changed = pl.DataFrame({"place": places, "text": rewritten})
        # `scatter` writes into the series it is called on.
        texts = texts.clone().scatter(places, changed["text"])
        found = spans(changed["text"], kinds, name=texts.name)
    return texts, first


def _rewritten(
    text: str, finds: Iterable[tuple[str, int, int, str]], name: Callable[[str, str], str]
) -> str:
    parts, since = [], 0
    for kind, start, end, value in finds:
        parts += [text[since:start], name(kind, value)]
        since = end
    return "".join([*parts, text[since:]])


def spans(texts: pl.Series, kinds: Sequence[str], *, name: str = "") -> pl.DataFrame:
    """Where personal data stands in each text.

    Args:
        texts: any texts, nulls included.
        kinds: of `KINDS`, in that order.
        name: what the column is called; a word in it counts as one near each value.

    Returns:
        One line a find, by place and start, none overlapping: `place` of the text, `kind`, `start`
        and `end` in characters, `value` in its one true spelling.

    Raises:
        MissingExtra: a library that proves candidates is not installed.
    """
    frame = texts.cast(pl.String).alias("text").to_frame().with_row_index("place")
    frame = frame.filter(_holds("text", "|".join(GATES[kind] for kind in kinds)))
    distinct = frame.select(pl.col("text").unique(maintain_order=True)).with_row_index("number")
    pools = {kind: distinct.filter(_holds("text", GATES[kind])) for kind in kinds}
    hits = [
        _candidates(pools[shape.kind], shape, name)
        for shape in SHAPES
        if shape.kind in kinds and pools[shape.kind].height
    ]
    by_text = pl.concat([_NOTHING, *hits])
    by_text = by_text.group_by("number", maintain_order=True).agg("shape", "candidate")
    held = by_text.join(distinct, on="number", maintain_order="left")
    # A loop over the distinct texts that hold something proven.
    found = [
        (number, *one)
        for number, numbers, written, text in held.iter_rows()
        for one in _located(text, zip(numbers, written, strict=True), name)
    ]
    located = pl.DataFrame(found, {"number": pl.UInt32, **_FIND}, orient="row")
    places = frame.join(held.select("number", "text"), on="text").select("place", "number")
    return places.join(located, on="number").select("place", *_FIND).sort("place", "start")


def _candidates(pool: pl.DataFrame, shape: Shape, name: str) -> pl.DataFrame:
    """The candidates of one shape that are proven, for each text in the order they stand in."""
    if shape.context and not _named(shape.context, name):
        pool = pool.filter(_holds("text", shape.context))
    if not pool.height:
        return _NOTHING
    hits = pool.select(
        "number",
        shape=pl.lit(SHAPES.index(shape), pl.Int64),
        candidate=pl.col("text").str.extract_all(_quick(shape.pattern)),
    )
    hits = hits.filter(pl.col("candidate").list.len() > 0).explode("candidate")
    # Each distinct candidate is proven once, however many texts hold it.
    prove = _memory(shape.proof)
    true = [one for one in hits["candidate"].unique().to_list() if prove(one) is not None]
    return hits.filter(pl.col("candidate").is_in(true))


def _holds(column: str, pattern: str) -> pl.Expr:
    return pl.col(column).str.contains(_quick(pattern))


def _quick(pattern: str) -> str:
    """The same with ASCII's bounds of words: Unicode's cost Rust's expressions a slow engine."""
    return pattern.replace(r"\b", r"(?-u:\b)")


@functools.cache
def _memory(name: str) -> Callable[[str], Proved | None]:
    return functools.lru_cache(maxsize=4096)(proof(name))


def _located(
    text: str, hits: Iterable[tuple[int, str]], name: str
) -> Iterator[tuple[str, int, int, str]]:
    """The finds in one text, none overlapping: of two, the one whose shape comes first."""
    # What a mask says is no word about its neighbours.
    plain = MASKED.sub(lambda mask: " " * len(mask[0]), text)
    taken = bytearray(len(text))
    since: dict[int, int] = {}
    for number, candidate in hits:
        shape = SHAPES[number]
        at = _place(plain, candidate, since.get(number, 0))
        proved = _memory(shape.proof)(candidate)
        if at is None or proved is None:
            continue
        since[number] = at + len(candidate)
        start, end = at + proved.start, at + proved.end
        if taken.find(1, start, end) < 0 and _likely(plain, start, end, shape, name):
            taken[start:end] = b"\x01" * (end - start)
            yield shape.kind, start, end, proved.value


def _place(text: str, candidate: str, since: int) -> int | None:
    """Where the candidate stands next with no letter or digit of a longer word at its sides."""
    at = text.find(candidate, since)
    while at >= 0:
        end = at + len(candidate)
        inside = at > 0 and _joined(text[at - 1], text[at])
        if not inside and not (end < len(text) and _joined(text[end - 1], text[end])):
            return at
        at = text.find(candidate, at + 1)
    return None


def _joined(one: str, other: str) -> bool:
    return (one.isalnum() or one == "_") and (other.isalnum() or other == "_")


def _likely(text: str, start: int, end: int, shape: Shape, name: str) -> bool:
    """Whether what stands around a value lets it be what it looks like."""
    before, after = text[max(0, start - BEFORE) : start], text[end : end + AFTER]
    if shape.proof == "ipv4":
        if _VERSION.search(before):
            return False
        large = max(int(part) for part in text[start:end].partition("/")[0].split(".")) >= 100
        return large or _named(_NETWORK, f"{name} {before} {after}")
    if shape.kind in ("phone", "national_id", "card"):
        # The head or tail of a longer number, a list of numbers, an amount, a numbered item.
        joint = "[-./, ]" if shape.kind == "card" else "[-./]"
        if re.search(rf"[0-9]{joint}$|[+$€£#]$", before) or re.match(rf"{joint}?[0-9]", after):
            return False
        if not shape.context and _CODE.search(before):
            return False
    if shape.kind in ("phone", "card"):
        # Sentences about other things hold numbers of their own.
        before, after = _SENTENCE.split(before)[-1], ""
    return not shape.context or _named(shape.context, f"{name} {before} {after}")


def _named(context: str | re.Pattern[str], words: str) -> bool:
    return bool(re.search(context, words.replace("_", " ")))
