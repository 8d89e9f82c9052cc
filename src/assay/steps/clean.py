"""Cleaning: the same rows with better text in some columns.

A regular expression over the whole column finds the rows that need a repair, and only these are
touched; clean ASCII text costs the look alone.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Sequence
from typing import Literal

import polars as pl

from assay.component import Columns, Rows
from assay.errors import RecipeError, nearest

__all__ = ["remove", "text"]

# Polars' regular expressions (Rust) run at the speed of their slowest class: a scan for one
# literal takes a tenth of the time of a scan for a class, hence the literal tests before many.
_CONTROL = r"\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}"
# Soft hyphen, zero-width space, word joiner, byte-order mark, and the marks that turn the
# direction of writing around. The joiners U+200C and U+200D stay: Persian and emoji need them.
_INVISIBLE = r"\x{ad}\x{200b}\x{202a}-\x{202e}\x{2060}\x{2066}-\x{2069}\x{feff}"
_SPACE = r"\t\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}"
_BREAK = r"\x0b\x0c\r\x{85}\x{2028}\x{2029}"
_ODD = f"[{_CONTROL}{_INVISIBLE}{_SPACE}{_BREAK}]"
_ENTITY = r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,40});"
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}

# Only the names of HTML make a tag: `x<y>z`, `a <b and c> d` and `<your name>` are ordinary text,
# which a parser would swallow.
_BREAKING = (
    "address|article|aside|blockquote|body|br|caption|center|dd|details|dialog|div|dl|dt|fieldset|"
    "figcaption|figure|footer|form|h[1-6]|head|header|hr|html|legend|li|main|menu|nav|ol|option|p|"
    "pre|section|select|summary|table|tbody|textarea|tfoot|thead|title|tr|ul"
)
_INLINE = (
    "a|abbr|acronym|applet|area|audio|b|base|basefont|bdi|bdo|big|button|canvas|circle|cite|code|"
    "col|colgroup|data|datalist|defs|del|dfn|em|embed|font|frame|frameset|g|i|iframe|img|input|ins|"
    "kbd|label|line|link|map|mark|meta|meter|nobr|noscript|object|optgroup|output|param|path|"
    "picture|polygon|progress|q|rect|rp|rt|ruby|s|samp|script|small|source|span|strike|strong|"
    "style|sub|sup|svg|td|template|th|time|track|tt|u|var|video|wbr"
)
_BARE = (
    "allowfullscreen|async|autoplay|checked|controls|default|defer|disabled|hidden|loop|multiple|"
    "muted|noshade|novalidate|nowrap|open|readonly|required|selected"
)
_ATTRIBUTES = (
    r"""(?:\s[^<>"'=]*=(?:"[^"]*"|'[^']*'|[^<>"'])*|\s[^<>]*=[^<>]*"""
    rf"""|(?:\s+(?:{_BARE}))+\s*/?|\s*/?)"""
)
_HIDDEN = (
    r"(?is)<script(?:\s[^<>]*)?>.*?</script\s*>|<style(?:\s[^<>]*)?>.*?</style\s*>|<!--.*?-->"
    r"|<!doctype[^<>]*>|<!\[CDATA\[|\]\]>|<\?xml[^<>]*>"
)
_ROUNDS = 100

# Characters that NFC changes or joins to the one before: marks, the later parts of Korean
# syllables, and single characters that have a canonical form.
_COMPOSING = (
    r"[\p{M}\x{374}\x{37e}\x{387}\x{958}-\x{95f}\x{9dc}-\x{9df}\x{a33}-\x{a36}\x{a59}-\x{a5e}"
    r"\x{b5c}\x{b5d}\x{f43}-\x{f69}\x{1161}-\x{1175}\x{11a8}-\x{11c2}\x{1f71}-\x{2001}\x{2126}"
    r"\x{212a}\x{212b}\x{2329}\x{232a}\x{2adc}\x{f900}-\x{fad9}\x{fb1d}-\x{fb4e}"
    r"\x{1d15e}-\x{1d1c0}\x{2f800}-\x{2fa1d}]"
)

Change = Callable[[pl.Series], pl.Series]


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
    changes: list[Change] = []
    if unicode:
        changes.append(_unicode)
    if controls or whitespace:
        changes.append(functools.partial(_odd, controls=controls, whitespace=whitespace))
    if entities:
        changes.append(_entities)
    if markup:
        changes.append(_markup)
    last = functools.partial(_collapse, newlines=newlines if whitespace else None)
    cleaned = [_until_still(_texts(rows, name, "clean.text"), changes, last) for name in columns]
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
        return _collapse(texts.str.replace_all(expression, " "), newlines="keep")

    removed = []
    for name in columns:
        texts = _texts(rows, name, "clean.remove")
        removed.append(_at(texts, texts.str.contains(expression), change))
    return rows.with_columns(removed)


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


def _at(texts: pl.Series, where: pl.Series, change: Change) -> pl.Series:
    """Change the texts at some places only."""
    places = where.arg_true().cast(pl.Int64)
    return texts if len(places) == 0 else _put(texts, places, change(texts.gather(places)))


def _put(texts: pl.Series, places: pl.Series, others: pl.Series) -> pl.Series:
    """Put other texts in some places."""
    if len(places) == len(texts):
        return others.alias(texts.name)
    order = pl.int_range(len(texts), eager=True, dtype=pl.Int64)
    after = pl.int_range(len(texts), len(texts) + len(places), eager=True, dtype=pl.Int64)
    return pl.concat([texts, others]).gather(order.scatter(places, after))


def _until_still(texts: pl.Series, changes: Sequence[Change], last: Change) -> pl.Series:
    """Apply the changes, again to those texts in which one change may have readied another.

    The last change, of white space, is the common one and readies little: a stray capital before
    a space, which is a sign of wrong decoding.
    """
    result = texts
    todo = pl.int_range(len(texts), eager=True, dtype=pl.Int64)
    # One escaped layer goes each round, so the bound is met by no text that people write.
    for _ in range(_ROUNDS):
        before = result.gather(todo)
        changed = before
        for change in changes:
            changed = change(changed)
        after = last(changed)
        result = _put(result, todo, after)
        again = (before != changed) | ((changed != after) & after.str.contains(r"[ÃÂ]\s"))
        again &= (
            _beyond_ascii(after)
            | after.str.contains("&", literal=True)
            | after.str.contains("<", literal=True)
        )
        todo = todo.filter(again.fill_null(False))
        if len(todo) == 0:
            break
    return result


def _beyond_ascii(texts: pl.Series) -> pl.Series:
    # Counting is 40 times as fast as looking for a character outside of ASCII.
    return texts.str.len_bytes() != texts.str.len_chars()


def _unicode(texts: pl.Series) -> pl.Series:
    return _at(texts, _beyond_ascii(texts), _unicode_beyond_ascii)


def _unicode_beyond_ascii(texts: pl.Series) -> pl.Series:
    # One look for all three, since most texts need none of them.
    any_of = rf"{_suspicious()}|{_COMPOSING}|[\x{{fb00}}-\x{{fb06}}]"
    return _at(texts, texts.str.contains(any_of), _unicode_repairs)


def _unicode_repairs(texts: pl.Series) -> pl.Series:
    texts = _at(texts, texts.str.contains(_suspicious()), _mended)
    texts = texts.str.replace_many(list(_LIGATURES), list(_LIGATURES.values()))
    return _at(texts, texts.str.contains(_COMPOSING), lambda hit: hit.str.normalize("NFC"))


@functools.cache
def _suspicious() -> str:
    """A pattern that every text meets which ftfy would hold for wrongly decoded.

    Wrongly decoded characters come at least in pairs of the few hundred that ftfy lists, and one
    of the pair is not a Greek or Cyrillic letter. What meets it goes to ftfy's own, slower test.
    """
    from ftfy.badness import BADNESS_RE, MOJIBAKE_CATEGORIES

    ranges = re.findall(r"([^\x00-\x7f])-([^\x00-\x7f])", BADNESS_RE.pattern)
    listed = {character for character in BADNESS_RE.pattern if ord(character) > 0x9F}
    for low, high in ranges:
        listed.update(map(chr, range(max(ord(low), 0xA0), ord(high) + 1)))
    letters = MOJIBAKE_CATEGORIES["lower_common"] + MOJIBAKE_CATEGORIES["upper_common"]
    known = re.compile(f"[{letters}]")
    codes = {character: f"\\x{{{ord(character):x}}}" for character in sorted(listed)}
    any_of = "".join(codes.values())
    sign = "".join(code for character, code in codes.items() if not known.match(character))
    return (
        rf"[\x{{80}}-\x{{9f}}]|[{any_of}][{sign}]|[{sign}][{any_of}]|[вВ]Ђ|[ŒœØÙ][^A-Za-z]|[ÃÂ]\s"
    )


def _mended(texts: pl.Series) -> pl.Series:
    import ftfy
    from ftfy.badness import is_bad

    config = ftfy.TextFixerConfig(
        unescape_html=False,
        remove_terminal_escapes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        uncurl_quotes=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization="NFC",
    )
    # ftfy is Python, one text at a time: only the distinct texts that look broken reach it.
    distinct = texts.unique()
    mended = [ftfy.fix_text(one, config) if is_bad(one) else one for one in distinct.to_list()]
    return texts.replace_strict(distinct, pl.Series(mended, dtype=pl.String))


def _odd(texts: pl.Series, *, controls: bool, whitespace: bool) -> pl.Series:
    """Control characters and unusual white space, which one look finds together."""

    def change(odd: pl.Series) -> pl.Series:
        if controls:
            pattern = rf"\x1b\[[0-9;]*[A-Za-z]|[{_CONTROL}{_INVISIBLE}]"
            odd = odd.str.replace_all(pattern, "")
        if whitespace:
            odd = odd.str.replace_all(rf"\r\n|[{_BREAK}]", "\n")
            odd = odd.str.replace_all(f"[{_SPACE}]+", " ")
        return odd

    return _at(texts, texts.str.contains(_ODD), change)


def _collapse(texts: pl.Series, *, newlines: str | None) -> pl.Series:
    if newlines is None:
        return texts
    if newlines == "space":
        texts = texts.str.replace_all("\n", " ", literal=True)
    doubled = texts.str.contains("  ", literal=True)
    texts = _at(texts, doubled, lambda hit: hit.str.replace_all("  +", " "))
    return texts.str.replace_all(r" \n[ \n]*|\n[ \n]+", "\n").str.strip_chars()


def _entities(texts: pl.Series) -> pl.Series:
    return _at(texts, texts.str.contains(_ENTITY), _unescaped)


def _unescaped(texts: pl.Series) -> pl.Series:
    found = texts.str.extract_all(_ENTITY).explode().drop_nulls().unique().to_list()
    # A loop over the distinct entities of a column: a few dozen.
    meant = {entity: _meaning(entity) for entity in sorted(found)}
    known = {entity: value for entity, value in meant.items() if value is not None}
    if not known:
        return texts
    return texts.str.replace_many(list(known), list(known.values()))


def _meaning(entity: str) -> str | None:
    """What an entity stands for; null for a name that HTML does not have."""
    if entity.startswith("&#"):
        return html.unescape(entity)
    return html.entities.html5.get(entity[1:])


def _markup(texts: pl.Series) -> pl.Series:
    return _at(texts, texts.str.contains("<", literal=True), _without_tags)


def _without_tags(texts: pl.Series) -> pl.Series:
    return (
        texts.str.replace_all(_HIDDEN, " ")
        .str.replace_all(f"(?i)</?(?:{_BREAKING}){_ATTRIBUTES}>", "\n")
        .str.replace_all(f"(?i)</?(?:td|th){_ATTRIBUTES}>", " ")
        .str.replace_all(f"(?i)</?(?:{_INLINE}){_ATTRIBUTES}>", "")
    )
