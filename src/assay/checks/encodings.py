"""Texts that were read or written in the wrong encoding."""

from __future__ import annotations

from typing import Annotated

import polars as pl

from assay.checks.finding import Code, Finding, Inspected, counted, places, quoted

__all__ = ["encoding", "invisible"]

# UTF-8 read as Latin-1 or Windows-1252: a lead byte's letter, then a continuation byte's sign.
_CONTINUED = "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014\u2018-\u201a\u201c-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"  # noqa: E501
_MOJIBAKE = (
    f"[\u00c2-\u00c5\u00ce-\u00d1\u00d7-\u00da]{_CONTINUED}"
    f"|[\u00e0-\u00ef]{_CONTINUED}{{2}}|\u00f0\u0178{_CONTINUED}{{2}}"
)
_LOST = "\ufffd|\u00ef\u00bf\u00bd|\u00ef\u00bb\u00bf"
_MARK = "\ufeff"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f]"
_INVISIBLE = "[\u200b\u2060\u00ad\ufeff\u180e\u200e\u200f\u202a-\u202e\u2066-\u2069]"
# Letters that need a joiner, and writing from right to left, make these signs ordinary.
_NEEDS = r"[\p{Arabic}\p{Hebrew}\p{Devanagari}\p{Thai}\p{Bengali}\p{Tamil}\p{Emoji_Presentation}]"


def encoding(data: Inspected) -> Annotated[list[Finding], Code("F113", "error")]:
    """Texts with broken letters: read in the wrong encoding, or with letters lost for good.

    Letters in the wrong encoding ("caf\u00c3\u00a9") can be told back, and the repaired text is
    suggested; `clean.text` does it in a build. Replacement characters stand where a letter is
    lost: read the source again in its own encoding.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"a": ["caf\u00c3\u00a9", "tea", "water"]})
    >>> inspect(rows, checks=["encoding"]).cells()["suggested"].to_list()
    ['caf\u00e9']
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        if spec.type in ("string", "category", "list", "object"):
            found += _wrong(data, name) + _lost(data, name)
    return found


def _wrong(data: Inspected, name: str) -> list[Finding]:
    from ftfy import fix_encoding

    texts = data.written[name]
    hit = texts.str.contains(_MOJIBAKE).fill_null(False)
    if not hit.any():
        return []
    # Only texts with such a pair are asked about, each once: few, or the column is broken.
    asked = texts.filter(hit).unique().sort()
    mended = pl.Series([fix_encoding(text) for text in asked.to_list()], dtype=pl.String)
    changed = asked != mended
    broken = texts.is_in(asked.filter(changed).to_list()).fill_null(False)
    count = int(broken.sum())
    if not count:
        return []
    values = texts.filter(broken).replace_strict(asked, mended)
    return [
        Finding(
            says=f"{counted(count, 'text was', 'texts were')} read in the wrong encoding, such as "
            f"{quoted(texts.filter(broken).unique(maintain_order=True), most=2)}.",
            action="`clean.text` tells them back; better, name `read: {encoding: …}`.",
            field=name,
            rows=places(broken),
            values=values,
            measured={"count": count},
            step={"clean.text": {"columns": [name]}},
        )
    ]


def _lost(data: Inspected, name: str) -> list[Finding]:
    texts = data.written[name]
    lost = texts.str.contains(_LOST).fill_null(False)
    if not lost.any():
        return []
    return [
        Finding(
            says=f"{counted(int(lost.sum()), 'text holds', 'texts hold')} a sign that stands for a "
            f"lost letter, such as {quoted(texts.filter(lost), most=2)}.",
            action="Read the source again in the encoding it was written in.",
            field=name,
            rows=places(lost),
            measured={"count": int(lost.sum())},
        )
    ]


def invisible(data: Inspected) -> Annotated[list[Finding], Code("F114", "warning")]:
    """Texts with signs that nobody sees: byte-order marks, control characters, empty spaces.

    Two values that look the same are then two values. `clean.text` removes them.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"a": ["tea", "te\u200ba"]})
    >>> inspect(rows, checks=["invisible"]).cells()["suggested"].to_list()
    ['tea']
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        if spec.type not in ("string", "category"):
            continue
        texts = data.written[name]
        hit = texts.str.contains(_CONTROL) | (
            texts.str.contains(_INVISIBLE) & ~texts.str.contains(_NEEDS)
        )
        hit = hit.fill_null(False)
        count = int(hit.sum())
        if count:
            clean = texts.filter(hit).str.replace_all(_CONTROL, "").str.replace_all(_INVISIBLE, "")
            found.append(
                Finding(
                    says=f"{counted(count, 'text holds', 'texts hold')} signs that cannot be seen.",
                    action="Remove them with `clean.text`.",
                    field=name,
                    rows=places(hit),
                    values=clean,
                    measured={"count": count},
                    step={"clean.text": {"columns": [name]}},
                )
            )
    header = [name for name in data.fields if name.startswith(_MARK)]
    return found + [
        Finding(
            says="The field's name begins with a byte-order mark.",
            action="Rename it, or read the file as UTF-8 with a mark.",
            field=name,
        )
        for name in header
    ]
