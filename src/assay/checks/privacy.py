"""Personal data in texts, of which no message ever repeats a value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable
from assay.steps._personal import kinds_of, masked
from assay.steps._shapes import KINDS, WORDS

__all__ = ["personal_data", "secrets"]

WHOLE = 0.5
"""Share of its values from which a field of whole numbers is taken for one of personal data."""


def personal_data(
    data: Inspected, *, kinds: list[str] | None = None
) -> Annotated[list[Finding], Code("F601", "warning")]:
    """Personal data in texts: e-mail, phone, card, IBAN, national id, IP address.

    What looks like one counts only where a checksum, an issuer, a number plan or a word nearby
    proves it, so that prices, part numbers and dates are left alone. Messages show values with all
    but their first character masked; `values` are the whole texts with tags in their place.

    Args:
        data: what is inspected.
        kinds: of `email`, `phone`, `card`, `iban`, `national_id`, `ip`; all by default.

    Raises:
        NotApplicable: there is no field of text.
        MissingExtra: the libraries that prove personal data are not installed.

    >>> from assay.recipe import FieldSpec
    >>> rows = pl.DataFrame({"note": ["mail to ann@mail.example.com", "a kettle"]})
    >>> found = personal_data(Inspected(rows, rows, {"note": FieldSpec()}))
    >>> found[0].says
    '1 of 2 values of `note` holds an e-mail address, for instance a**@****.*******.***.'
    """
    wanted = kinds_of(kinds, "personal_data")
    return list(_findings(data, [kind for kind in wanted if kind != "secret"]))


def secrets(data: Inspected) -> Annotated[list[Finding], Code("F602", "error")]:
    """Passwords, keys and tokens in texts.

    Raises:
        NotApplicable: there is no field of text.
        MissingExtra: the libraries that prove personal data are not installed.

    >>> from assay.recipe import FieldSpec
    >>> rows = pl.DataFrame({"note": ["password: Xk29vbqL7", "your password: see below"]})
    >>> secrets(Inspected(rows, rows, {"note": FieldSpec()}))[0].rows.to_list()
    [0]
    """
    return list(_findings(data, ["secret"]))


def _findings(data: Inspected, kinds: list[str]) -> Iterator[Finding]:
    written = [name for name in (*data.texts, *data.categories) if name in data.written.columns]
    digits = [name for name in data.numbers if data.fields[name].type == "integer"]
    if not written and not digits:
        raise NotApplicable("no field holds text")
    for name in (*written, *(one for one in digits if one in data.written.columns)):
        texts = data.written[name].cast(pl.String)
        # All kinds are masked in what is shown, whichever this check is about.
        tagged, found = masked(texts, KINDS, lambda kind, _: f"<{kind}>")
        found = found.filter(pl.col("kind").is_in(kinds))
        if name in digits and found["place"].n_unique() < WHOLE * max(1, texts.count()):
            continue
        for (kind,), finds in found.group_by("kind", maintain_order=True):
            yield _finding(str(kind), name, texts, tagged, finds)


def _finding(
    kind: str, name: str, texts: pl.Series, tagged: pl.Series, finds: pl.DataFrame
) -> Finding:
    rows = finds["place"].unique(maintain_order=True)
    first = finds.row(0, named=True)
    shown = re.sub(r"(?<=.)\w", "*", texts[first["place"]][first["start"] : first["end"]])[:40]
    verb = "holds" if len(rows) == 1 else "hold"
    return Finding(
        says=f"{len(rows):,} of {texts.count():,} values of `{name}` {verb} {WORDS[kind]}, "
        f"for instance {shown}.",
        action="Mask it before the data is stored, shown or learned from, and ask whether it "
        "may be used at all.",
        field=name,
        rows=rows,
        values=tagged.gather(rows),
        measured={
            "kind": kind,
            "rows": len(rows),
            "finds": finds.height,
            "different": finds["value"].n_unique(),
            "masked_example": shown,
        },
        hidden=True,
        step={"privacy.mask": {"columns": [name], "kinds": [kind]}},
    )
