"""How text is repaired: one change a function, each applied only where a look finds the need."""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Callable, Sequence

import polars as pl

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


def at_some(texts: pl.Series, where: pl.Series, change: Change) -> pl.Series:
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


def until_still(texts: pl.Series, changes: Sequence[Change], last: Change) -> pl.Series:
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


def unicode(texts: pl.Series) -> pl.Series:
    return at_some(texts, _beyond_ascii(texts), _unicode_beyond_ascii)


def _unicode_beyond_ascii(texts: pl.Series) -> pl.Series:
    # One look for all three, since most texts need none of them.
    any_of = rf"{suspicious()}|{_COMPOSING}|[\x{{fb00}}-\x{{fb06}}]"
    return at_some(texts, texts.str.contains(any_of), _unicode_repairs)


def _unicode_repairs(texts: pl.Series) -> pl.Series:
    texts = at_some(texts, texts.str.contains(suspicious()), _mended)
    texts = texts.str.replace_many(list(_LIGATURES), list(_LIGATURES.values()))
    return at_some(texts, texts.str.contains(_COMPOSING), lambda hit: hit.str.normalize("NFC"))


@functools.cache
def suspicious() -> str:
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


def odd(texts: pl.Series, *, controls: bool, whitespace: bool) -> pl.Series:
    """Control characters and unusual white space, which one look finds together."""

    def change(odd: pl.Series) -> pl.Series:
        if controls:
            pattern = rf"\x1b\[[0-9;]*[A-Za-z]|[{_CONTROL}{_INVISIBLE}]"
            odd = odd.str.replace_all(pattern, "")
        if whitespace:
            odd = odd.str.replace_all(rf"\r\n|[{_BREAK}]", "\n")
            odd = odd.str.replace_all(f"[{_SPACE}]+", " ")
        return odd

    return at_some(texts, texts.str.contains(_ODD), change)


def collapse(texts: pl.Series, *, newlines: str | None) -> pl.Series:
    if newlines is None:
        return texts
    if newlines == "space":
        texts = texts.str.replace_all("\n", " ", literal=True)
    doubled = texts.str.contains("  ", literal=True)
    texts = at_some(texts, doubled, lambda hit: hit.str.replace_all("  +", " "))
    return texts.str.replace_all(r" \n[ \n]*|\n[ \n]+", "\n").str.strip_chars()


def entities(texts: pl.Series) -> pl.Series:
    return at_some(texts, texts.str.contains(_ENTITY), _unescaped)


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


def markup(texts: pl.Series) -> pl.Series:
    return at_some(texts, texts.str.contains("<", literal=True), _without_tags)


def _without_tags(texts: pl.Series) -> pl.Series:
    return (
        texts.str.replace_all(_HIDDEN, " ")
        .str.replace_all(f"(?i)</?(?:{_BREAKING}){_ATTRIBUTES}>", "\n")
        .str.replace_all(f"(?i)</?(?:td|th){_ATTRIBUTES}>", " ")
        .str.replace_all(f"(?i)</?(?:{_INLINE}){_ATTRIBUTES}>", "")
    )
