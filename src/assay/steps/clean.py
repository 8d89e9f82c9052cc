"""Cleaning: the same rows with better text, one spelling for each category, and no gaps.

For text, a regular expression over the whole column finds the rows that need a repair, and only
these are touched; clean ASCII text costs the look alone. Categories and gaps are
learned from train.
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import polars as pl

from assay.component import Column, Columns, Kept, Learned, Rows
from assay.errors import RecipeError, nearest
from assay.steps import _clean_categories, _clean_text, _impute
from assay.steps._balance_learn import SPLIT, TRAIN, counted, in_train, known, train_places

__all__ = ["categories", "impute", "remove", "text"]


def text(
    rows: Rows,
    *,
    columns: Columns,
    unicode: bool = True,
    entities: bool = True,
    markup: bool = True,
    whitespace: bool = True,
    controls: bool = True,
    newlines: Literal["keep", "space"] = "keep",
) -> Rows:
    """Repair and normalise text: Unicode, HTML entities and mark-up, white space, controls.

    Cleaning twice gives what cleaning once gives, any text is accepted, and null stays null.

    Args:
        rows: any frame.
        columns: the columns to clean, of type String.
        unicode: repair text that was decoded with the wrong encoding (ftfy, Speer 2019), split
            ligatures, and compose characters (NFC). Quotes and full-width forms stay as written.
        entities: `&amp;`, `&#8217;` and the like become the characters they stand for, however
            often they were escaped. Without the semicolon they are left alone.
        markup: HTML tags go; scripts, styles and comments go with their content; tags that begin
            a new line in a browser become a line break. Only the names of HTML count as tags, so
            `a < b`, `I <3 you` and `x<y>z` stay.
        whitespace: runs of spaces and tabs become one space, runs that hold a line break become
            one line break, and both ends are trimmed.
        controls: control characters, terminal colours, and invisible characters such as the
            byte-order mark go.
        newlines: `space` turns the remaining line breaks into spaces.

    Raises:
        RecipeError: a column is missing or is not text.

    >>> rows = pl.DataFrame({"t": ["<p>schÃ¶n &amp; <b>gut</b></p>", "a < b \\t I <3 you", None]})
    >>> text(rows, columns=["t"])["t"].to_list()
    ['schön & gut', 'a < b I <3 you', None]
    """
    changes: list[_clean_text.Change] = []
    if unicode:
        changes.append(_clean_text.unicode)
    if controls or whitespace:
        changes.append(functools.partial(_clean_text.odd, controls=controls, whitespace=whitespace))
    if entities:
        changes.append(_clean_text.entities)
    if markup:
        changes.append(_clean_text.markup)
    last = functools.partial(_clean_text.collapse, newlines=newlines if whitespace else None)
    cleaned = [
        _clean_text.until_still(_texts(rows, name, "clean.text"), changes, last) for name in columns
    ]
    return rows.with_columns(cleaned)


def remove(
    rows: Rows,
    *,
    columns: Columns,
    pattern: str | None = None,
    words: list[str] | None = None,
    length: int = 7,
) -> Rows:
    r"""Remove what a pattern matches, part numbers, or phrases given word for word.

    The white space around what is removed is collapsed as in `clean.text`; texts without a match
    stay as they are, and null stays null.

    Args:
        rows: any frame.
        columns: the columns to remove from, of type String.
        pattern: a regular expression (Rust's syntax: no look-around), or the name of a preset.
            `part_numbers`: whole words of at least `length` ASCII letters and digits with a
            digit among them; `product_codes`: the same of capital letters and digits, with at
            least one of each.
        words: phrases to remove wherever they stand, exactly as written.
        length: the fewest characters of a part number.

    Raises:
        RecipeError: neither pattern nor words, a pattern that cannot be read, or a column that is
            missing or not text.

    >>> rows = pl.DataFrame({"t": ["Valve WD12X10327 by GE", "332H fan", "WATCHES 10 bar"]})
    >>> remove(rows, columns=["t"], pattern="part_numbers", words=["by GE"])["t"].to_list()
    ['Valve', '332H fan', 'WATCHES 10 bar']
    """
    if pattern is None and not words:
        raise RecipeError("clean.remove has nothing to remove.", hint="give `pattern` or `words`")
    phrases = words or []
    if pattern == "" or "" in phrases or length < 1:
        raise RecipeError(
            "clean.remove: an empty pattern, an empty word or a length below 1 removes nothing.",
            received={"pattern": pattern, "words": phrases, "length": length},
        )
    # The longest phrase first, or a shorter one would leave the rest of it.
    escaped = [pl.escape_regex(phrase) for phrase in sorted(phrases, key=len, reverse=True)]
    expression = "|".join([*escaped, *([] if pattern is None else [_pattern(pattern, length)])])

    def change(texts: pl.Series) -> pl.Series:
        return _clean_text.collapse(texts.str.replace_all(expression, " "), newlines="keep")

    removed = []
    for name in columns:
        texts = _texts(rows, name, "clean.remove")
        removed.append(_clean_text.at_some(texts, texts.str.contains(expression), change))
    return rows.with_columns(removed)


def categories(
    table: Kept,
    *,
    columns: Columns,
    typos: bool = True,
    ratio: float = 10.0,
    map: dict[str, dict[str, str]] | None = None,
) -> Learned:
    """Write each category in one way: the spelling that is most frequent in train.

    Spellings that differ in case, white space, accents of Latin letters or punctuation between
    letters are one category. Values with digits or signs such as `+`, `<` or a grade's `-` are
    told apart by them. A rare value counts as a slip of a frequent one if each of its words has
    at most one slip (a letter wrong, missing, too many, or two exchanged: Damerau 1964), and a
    word with a slip has five letters or more, no digit, and begins alike. One that could be a
    slip of two categories is left alone. Null and empty texts stay as they are.

    Args:
        table: any frame; learned from the rows whose `_split` is train, applied to all.
        columns: the columns of categories, of type String.
        typos: look for slips as well. Above 10,000 different values in a column it is not done,
            and the findings say so.
        ratio: the right spelling is at least so many times as frequent in train as the slip.
        map: for each column what is to be written for what; it overrules what is learned. Mapping
            a value to itself keeps it, and a value that another is mapped to is kept as well.

    Returns:
        `changed` with the columns. The findings give for each column the mapping (`map`) with the
        rows in which each spelling was replaced (`rows`) and why (`why`).

    Raises:
        RecipeError: a column is missing or not text, or `ratio` is below 1.

    >>> rows = pl.DataFrame({"city": ["Berlin"] * 20 + ["berlin ", "Berlim", "Bern"]})
    >>> learned = categories(rows, columns=["city"])
    >>> learned.changed["city"].unique().sort().to_list()
    ['Berlin', 'Bern']
    >>> learned.findings["city"]["map"]
    {'Berlim': 'Berlin', 'berlin ': 'Berlin'}
    """
    if not ratio >= 1:
        raise RecipeError("clean.categories: `ratio` is 1 or more.", received=ratio)
    for name in map or {}:
        if name not in columns:
            raise RecipeError(
                f"clean.categories: `map` names {name!r}, which is not among `columns`.",
                allowed=columns,
                hint=nearest(name, columns),
            )
    train = pl.Series(in_train(table))
    changed: list[pl.Series] = []
    findings: dict[str, Any] = {}
    for name in columns:
        texts = _texts(table, name, "clean.categories")
        counts = (
            pl.DataFrame({"value": texts, "train": train})
            .group_by("value")
            .agg(pl.col("train").sum().alias("count"), pl.len().alias("rows"))
        )
        counts = counts.drop_nulls("value").sort("value")
        found = _clean_categories.spellings(
            counts["value"],
            counts["count"],
            given=(map or {}).get(name, {}),
            typos=typos,
            ratio=ratio,
        )
        changes = found.changes
        changed.append(texts.replace(changes["from"], changes["to"]))
        rows = changes.join(counts, left_on="from", right_on="value", how="left")["rows"]
        findings[name] = {
            "map": dict(zip(changes["from"], changes["to"], strict=True)),
            "rows": dict(zip(changes["from"], rows, strict=True)),
            "why": dict(zip(changes["from"], changes["why"], strict=True)),
            "typos": "looked for" if typos and found.compared else "not looked for",
        }
    return Learned(changed=pl.DataFrame(changed), findings=findings)


def impute(
    table: Kept,
    *,
    columns: Columns,
    method: Literal["median", "mean", "most_frequent", "constant", "model"] = "median",
    value: float | str | bool | None = None,
    flag: bool = False,
    target: Column | None = None,
    seed: int = 0,
) -> Learned:
    """Fill what is missing with what train's rows tell, in all splits.

    Null is missing, and so is NaN. Infinite numbers stay, and nothing is learned from them.
    Whole numbers stay whole. A column without any value in train is left as it is, which the
    findings say.

    Args:
        table: any frame; learned from the rows whose `_split` is train, applied to all.
        columns: the columns to fill.
        method: what to fill with. `median` and `mean` are for numbers; texts, booleans and dates
            among the columns then get their most frequent value. `model` guesses each column from
            the other named ones by boosted trees fitted on train.
        value: what `method: constant` fills with.
        flag: add `<column>_missing`, true where the value was filled.
        target: the column that models learn, which is never filled: a guessed answer neither
            teaches nor measures anything.
        seed: of the model.

    Returns:
        `changed` with the columns (and flags). The findings give for each column what it was
        filled with and how many rows of each split.

    Raises:
        RecipeError: a column is missing, is a list or an object, or is the target; `value` without
            `constant`, or one that does not fit; `model` with a single column.

    >>> rows = pl.DataFrame({"x": [1, None, 4, 9], "_split": ["train", "train", "train", "test"]})
    >>> impute(rows, columns=["x"], flag=True).changed.rows()
    [(1, False), (2, True), (4, False), (9, False)]
    """
    names = known(table, columns, "clean.impute")
    _check_imputing(table, names, method=method, value=value, target=target)
    made = _impute.filled(table, names, train_places(table), method=method, value=value, seed=seed)
    split = table[SPLIT] if SPLIT in table.columns else pl.Series([TRAIN] * table.height)
    changed: list[pl.Series] = []
    findings: dict[str, Any] = {}
    for name in names:
        column, meant = made[name]
        gaps = _impute.missing(table[name])
        changed.append(column)
        if flag:
            changed.append(gaps.alias(f"{name}_missing"))
        sides = split.filter(gaps & ~_impute.missing(column)).fill_null("none")
        findings[name] = {
            "with": meant,
            "filled": counted(sides),
            "left": int(_impute.missing(column).sum()),
        }
    return Learned(changed=pl.DataFrame(changed), findings=findings)


def _check_imputing(
    table: pl.DataFrame, names: list[str], *, method: str, value: object, target: str | None
) -> None:
    if target in names:
        raise RecipeError(
            f"clean.impute does not fill the target {target!r}.",
            hint=f"take rows without it out: `keep.where: {{where: {target} IS NOT NULL}}`",
        )
    nested = [name for name in names if table[name].dtype.is_nested()]
    if nested:
        raise RecipeError(
            f"clean.impute cannot fill {nested[0]!r}, a column of lists or objects.",
            received=str(table[nested[0]].dtype),
        )
    if (method == "constant") != (value is not None):
        raise RecipeError(
            "clean.impute: `value` goes with `method: constant`, and only with it.",
            received={"method": method, "value": value},
        )
    if method == "model" and len(names) < 2:
        raise RecipeError(
            "clean.impute: a model guesses a column from the others, so name two or more.",
            received=names,
        )


def _pattern(pattern: str, length: int) -> str:
    """The regular expression of a preset, or the user's own after a trial."""
    if pattern == "part_numbers":
        return rf"(?-u:\b)(?:{_with_one('A-Za-z', '0-9', length)})(?-u:\b)"
    if pattern == "product_codes":
        # A word that begins with a letter must hold a digit, and the other way about.
        first = _with_one("A-Z", "0-9", length, since=1)
        second = _with_one("0-9", "A-Z", length, since=1)
        return rf"(?-u:\b)(?:{first}|{second})(?-u:\b)"
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("This error occurred")[0].strip().splitlines()[-1]
        raise RecipeError(
            f"clean.remove: the pattern is not a regular expression: {reason}.",
            received=pattern,
            allowed="Rust's regular expressions, or part_numbers, product_codes",
            hint="look-around and back-references are not part of that syntax",
        ) from None
    return pattern


def _with_one(usual: str, needed: str, length: int, since: int = 0) -> str:
    """Words of both classes of at least `length` characters with one of the needed class.

    Without look-ahead, the first needed character stands at one of finitely many places.
    """
    both = f"[{usual}{needed}]"
    places = [
        f"[{usual}]{{{place}}}[{needed}]{both}{{{length - 1 - place},}}"
        for place in range(since, length)
    ]
    return "|".join([*places, f"[{usual}]{{{max(length, since)},}}[{needed}]{both}*"])


def _texts(rows: pl.DataFrame, name: str, step: str) -> pl.Series:
    if name not in rows.columns:
        raise RecipeError(
            f"{step}: there is no column {name!r}.",
            allowed=rows.columns,
            hint=nearest(name, rows.columns),
        )
    column = rows[name]
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    if column.dtype != pl.String:
        raise RecipeError(
            f"{step}: the column {name!r} is not text.",
            received=str(column.dtype),
            allowed="columns of type String",
        )
    return column
