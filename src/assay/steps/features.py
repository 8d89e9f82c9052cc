"""Features: numbers read out of texts, and the inputs that matter."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import polars as pl

from assay.component import Column, Columns, Kept, Learned, Mark, Rows
from assay.errors import RecipeError, nearest
from assay.rows import row_ids
from assay.steps import _features_numbers, _features_select
from assay.steps._balance_learn import known, needed, others, train_places

__all__ = ["numbers", "select", "text"]

_MEASURES = ("characters", "words", "digits", "capitals", "distinct_words")


def numbers(
    rows: Rows,
    *,
    column: Column,
    find: Annotated[dict[str, str], Mark("new number")],
) -> Rows:
    r"""Read numbers out of a text into fields of their own: weights, sizes, ranks, years.

    What is labelled (`Item Weight: 1.5 pounds`) counts before what only has the unit, and the
    first before a later one. Units are converted; `1,299.5` and `1 299,5` are read as people
    mean them.

    Args:
        rows: any frame.
        column: the column to read, of type String.
        find: for each new field what to look for: a kind, or a regular expression (Rust's syntax)
            whose first group, or whole match, is a number. Kinds: `weight_kg`; `length_cm`,
            `width_cm` and `height_cm`, the first, second and third of `8 x 4 x 3 inches` (a
            single length is a length); `box_l`, their product in litres; `volume_l`, `power_w`,
            `voltage_v`, `percent`, `rank`, `rating` (of five), `year` and `count` (`pack of 3`).

    Returns:
        The rows with the new fields, null where there is no such number.

    Raises:
        RecipeError: the column is missing or not text, nothing to find, a name that is taken, or
            neither a kind nor a regular expression.

    >>> rows = pl.DataFrame({"t": ["Weight: 2 lb, 10 x 4 x 2 in", "500 g, model 7", None]})
    >>> found = numbers(rows, column="t", find={"kg": "weight_kg", "model": r"model (\d+)"})
    >>> found["kg"].round(3).to_list(), found["model"].to_list()
    ([0.907, 0.5, None], [None, 7.0, None])
    """
    texts = _texts(rows, column, "features.numbers")
    _free(rows, find, "features.numbers")
    readers = {name: _features_numbers.reader_of(what) for name, what in find.items()}
    frame = pl.DataFrame({"text": texts})
    return rows.with_columns(
        reader(frame).alias(name).cast(pl.Float64) for name, reader in readers.items()
    )


def text(
    rows: Rows,
    *,
    column: Column,
    measure: Annotated[
        dict[str, Literal["characters", "words", "digits", "capitals", "distinct_words"]],
        Mark("new number"),
    ],
) -> Rows:
    """Measure texts: their length, and the shares of digits, capitals and distinct words.

    Args:
        rows: any frame.
        column: the column to measure, of type String.
        measure: for each new field what it holds: `characters` and `words` are counts; `digits`
            the share of digits among the characters; `capitals` of capitals among the letters
            that have case; `distinct_words` of different words among all. A share of nothing is 0.

    Returns:
        The rows with the new fields, null where the text is.

    Raises:
        RecipeError: the column is missing or not text, or a name is taken.

    >>> rows = pl.DataFrame({"t": ["BIG box 12", ""]})
    >>> text(rows, column="t", measure={"n": "words", "loud": "capitals"}).rows()
    [('BIG box 12', 3.0, 0.5), ('', 0.0, 0.0)]
    """
    texts = _texts(rows, column, "features.text")
    _free(rows, measure, "features.text")
    value = pl.col("text")
    words = value.str.count_matches(r"\S+")
    ways = {
        "characters": value.str.len_chars(),
        "words": words,
        "digits": value.str.count_matches(r"\p{Nd}") / value.str.len_chars(),
        "capitals": value.str.count_matches(r"\p{Lu}") / value.str.count_matches(r"[\p{Lu}\p{Ll}]"),
        "distinct_words": value.str.extract_all(r"\S+").list.n_unique() / words,
    }
    for what in measure.values():
        if what not in ways:
            raise RecipeError(
                f"features.text does not measure {what!r}.",
                allowed=_MEASURES,
                hint=nearest(what, _MEASURES),
            )
    made = pl.DataFrame({"text": texts}).select(
        ways[what].cast(pl.Float64).fill_nan(0.0).alias(name) for name, what in measure.items()
    )
    return rows.hstack(made)


def select(
    table: Kept,
    *,
    target: Column | None = None,
    inputs: Columns | None = None,
    method: Literal["mutual_information", "permutation", "l1"] = "mutual_information",
    keep: int | float = 10,
    seed: int = 0,
) -> Learned:
    """Keep the inputs that tell most about the target in train, and drop the others.

    Numbers, dates, booleans and categories are ranked. Texts, lists and objects are always kept,
    since what they tell is not in one number. Missing values count as a value of their own.

    Args:
        table: any frame; learned from the rows whose `_split` is train, up to 20,000 of them.
        target: what models learn; texts, booleans and whole numbers of up to 20 different values
            are classes, other numbers are numbers.
        inputs: the fields to choose from. All fields but the target without it.
        method: `mutual_information` in nats of each input with the target, alone (Kraskov et al.
            2004; Ross 2014). `permutation`: by how much the error of boosted trees, fitted to two
            thirds of the rows, grows on the last third when the input is shuffled (Breiman 2001):
            log loss for classes, absolute error for numbers, with a 95 % interval over these
            rows. `l1`: the sum of an input's standardised coefficients in a linear model with an
            L1 penalty (Tibshirani 1996), which is 0 for most inputs that add nothing.
        keep: how many ranked inputs stay, or below 1 their share (at least one stays).
        seed: of the sample, the noise that breaks ties, the shuffles and the trees.

    Returns:
        `dropped`. The findings rank the inputs by score and name those not ranked.

    Raises:
        RecipeError: no target, an unknown column, or `keep` not above 0.

    >>> rows = pl.DataFrame({"a": range(60), "b": [0, 1] * 30, "y": [n * 2.5 for n in range(60)]})
    >>> learned = select(rows, target="y", keep=1)
    >>> learned.dropped
    ['b']
    """
    target = needed(target, table, "features.select")
    if not keep > 0:
        raise RecipeError(
            "features.select: `keep` is a number of inputs, or a share below 1.", received=keep
        )
    names = known(table, inputs if inputs is not None else others(table, target), "features.select")
    names = [name for name in names if name != target]
    places = train_places(table)
    ranked, kinds = _features_select.scored(
        table.select(target, *names)[places],
        row_ids(table)[places],
        target=target,
        names=names,
        method=method,
        seed=seed,
    )
    stay = max(1, round(keep * len(ranked))) if keep < 1 else int(keep)
    # Where nothing could be learned, nothing tells one input from another.
    dropped = [one["input"] for one in ranked[stay:]] if kinds["note"] is None else []
    findings: dict[str, Any] = {
        "target": target,
        "method": method,
        "unit": kinds["unit"],
        "rows": kinds["rows"],
        "ranking": [one | {"kept": one["input"] not in dropped} for one in ranked],
        "not_ranked": [name for name in names if name in kinds["unranked"]],
    }
    if kinds["note"] is not None:
        findings["note"] = kinds["note"]
    return Learned(dropped=dropped, findings=findings)


def _texts(rows: pl.DataFrame, name: str, step: str) -> pl.Series:
    known(rows, [name], step)
    if rows[name].dtype not in (pl.String, pl.Null):
        raise RecipeError(
            f"{step}: the column {name!r} is not text.",
            received=str(rows[name].dtype),
            allowed="columns of type String",
        )
    return rows[name].cast(pl.String)


def _free(rows: pl.DataFrame, new: dict[str, Any], step: str) -> None:
    taken = [name for name in new if name in rows.columns]
    if taken or not new:
        raise RecipeError(
            f"{step}: there is a field {taken[0]!r} already."
            if taken
            else f"{step} makes no field.",
            hint="give the new field another name" if taken else None,
        )
