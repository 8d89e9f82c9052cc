"""Numbers, rows and texts that are far from all others."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, counted
from assay.contract.infer import names_things
from assay.rows import row_ids
from assay.steps._far import FEWEST, forest_distances, robust_z, text_distances
from assay.steps.outliers import THRESHOLDS

__all__ = ["far_numbers", "far_rows", "far_texts"]

WORDS = 3.0
"""Words that a field's texts have on average from which it is one of free text."""


def far_numbers(
    data: Inspected, *, threshold: float = THRESHOLDS["robust_z"]
) -> Annotated[list[Finding], Code("F301", "note")]:
    """Numbers far from the median of their field.

    Distance is measured in robust standard deviations (median absolute deviation of each side),
    on the scale of logarithms where a field is skewed, so that the long tail of prices or incomes
    is none (Iglewicz & Hoaglin 1993). Fields of codes, with fewer than 10 different numbers or a
    name such as `product_id`, are not looked at.

    Args:
        data: what is inspected.
        threshold: the largest distance that is not reported.

    Raises:
        NotApplicable: there is no field of numbers.

    >>> from assay.recipe import FieldSpec
    >>> rows = pl.DataFrame({"price": [10.0 + n % 13 for n in range(99)] + [9000.0]})
    >>> far_numbers(Inspected(rows, rows, {"price": FieldSpec(type="number")}))[0].rows.to_list()
    [99]
    """
    names = [name for name in data.numbers if not names_things(name)]
    if not names:
        raise NotApplicable("there is no field of numbers")
    found = [_far(data, name, threshold) for name in names]
    return [one for one in found if one is not None]


def _far(data: Inspected, name: str, threshold: float) -> Finding | None:
    values = data.rows[name].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    z = robust_z(values, np.ones(len(values), dtype=bool))
    if z is None or not (np.abs(z) > threshold).any():
        return None
    rows = np.flatnonzero(np.abs(z) > threshold)
    rows = rows[np.argsort(-np.abs(z[rows]), kind="stable")]
    middle, most = float(np.median(values[np.isfinite(values)])), values[rows[0]]
    return Finding(
        says=f"{counted(len(rows), 'value is', 'values are')} far from the others: the farthest is "
        f"{most:,.6g}, the median {middle:,.6g}.",
        action="Correct what is a slip of unit or decimal point; keep what is rare and true, or "
        "set it aside where models should not learn from it.",
        field=name,
        rows=pl.Series(rows.astype(np.uint32)),
        measured={"outliers": len(rows), "farthest": float(most), "median": middle,
                  "distance": float(np.abs(z[rows[0]])), "threshold": threshold},
        step={"outliers.drop": {"columns": [name], "method": "robust_z", "threshold": threshold}},
    )  # fmt: skip


def far_rows(
    data: Inspected, *, threshold: float = THRESHOLDS["isolation_forest"]
) -> Annotated[list[Finding], Code("F302", "note")]:
    """Rows whose numbers are odd together, though none need be odd alone.

    Reference: Liu, Ting & Zhou 2008, Isolation Forest, ICDM.

    Args:
        data: what is inspected.
        threshold: the largest score that is not reported, in robust standard deviations.

    Raises:
        NotApplicable: there are fewer than two fields of numbers, or fewer than 20 rows.

    >>> from assay.recipe import FieldSpec
    >>> rows = pl.DataFrame({"a": [n % 17 for n in range(300)], "b": [n % 17 for n in range(300)]})
    >>> far_rows(Inspected(rows, rows, {name: FieldSpec(type="number") for name in "ab"}))
    []
    """
    names = [name for name in data.numbers if name != data.target and not names_things(name)]
    if len(names) < 2 or data.rows.height < FEWEST:
        raise NotApplicable(f"it takes two fields of numbers and {FEWEST} rows")
    values = data.rows.select(pl.col(names).cast(pl.Float64, strict=False)).to_numpy()
    everything = np.ones(len(values), dtype=bool)
    z = forest_distances(values, everything, row_ids(data.rows), data.seed)
    rows = np.flatnonzero(z > threshold)
    if not len(rows):
        return []
    rows = rows[np.argsort(-z[rows], kind="stable")]
    return [
        Finding(
            says=f"{counted(len(rows), 'row is', 'rows are')} odd in all numbers taken together.",
            action="Look at them: they may be wrong, of another kind, or rare and what matters.",
            rows=pl.Series(rows.astype(np.uint32)),
            measured={"outliers": len(rows), "fields": len(names), "threshold": threshold,
                      "distance": float(z[rows[0]])},
            step={"outliers.drop": {"columns": names, "method": "isolation_forest",
                                    "threshold": threshold}},
        )
    ]  # fmt: skip


def far_texts(
    data: Inspected, *, threshold: float = THRESHOLDS["embedding"], embedding: str = "hashed"
) -> Annotated[list[Finding], Code("F303", "note")]:
    """Texts unlike all others of their field: another subject, language or kind of thing.

    Distance is 1 minus the mean cosine to the 10 most similar of 4,000 texts.

    Args:
        data: what is inspected.
        threshold: the largest distance that is not reported, in robust standard deviations.
        embedding: what turns texts into vectors: `hashed`, `wordllama` or an endpoint's address.

    Raises:
        NotApplicable: there is no field of free text with 20 texts.

    >>> from assay.recipe import FieldSpec
    >>> texts = [f"kettle {n % 9} with {n % 7} jugs, {n % 5} cords, {n} lids" for n in range(99)]
    >>> rows = pl.DataFrame({"t": [*texts, "zur Theorie dünner Gase"]})
    >>> far_texts(Inspected(rows, rows, {"t": FieldSpec()}))[0].rows.to_list()
    [99]
    """
    names = [name for name in data.texts if is_free(data.rows[name])]
    if not names:
        raise NotApplicable(f"no field of free text has {FEWEST} texts")
    found = []
    for name in names:
        texts = data.rows[name].cast(pl.String)
        learn = texts.is_not_null().to_numpy()
        z = text_distances([texts], learn, row_ids(data.rows), data.seed, embedding)
        rows = np.flatnonzero(z > threshold)
        if len(rows):
            rows = rows[np.argsort(-z[rows], kind="stable")]
            found.append(
                Finding(
                    says=f"{counted(len(rows), 'text is', 'texts are')} unlike all others.",
                    action="Look at them: they may be of another kind, broken, or misplaced.",
                    field=name,
                    rows=pl.Series(rows.astype(np.uint32)),
                    measured={"outliers": len(rows), "threshold": threshold,
                              "distance": float(z[rows[0]]), "embedding": embedding},
                    step={"outliers.drop": {"columns": [name], "method": "embedding",
                                            "threshold": threshold}},
                )
            )  # fmt: skip
    return found


def is_free(texts: pl.Series) -> bool:
    """Whether a field's texts are sentences, and enough of them."""
    filled = texts.cast(pl.String).drop_nulls()
    words = filled.str.count_matches(r"\S+").mean()
    dense = filled.str.count_matches(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]").mean()
    many = max(one for one in (words, dense, 0.0) if isinstance(one, int | float))
    return len(filled) >= FEWEST and many >= WORDS
