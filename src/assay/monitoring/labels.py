"""Labels that come later than their rows."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from assay.errors import PredictionsError
from assay.evaluation.truth import needed
from assay.evaluation.values import labels
from assay.rows import ROW_ID


def labels_from(
    table: pl.DataFrame, target: str, keys: Sequence[str], *, where: str
) -> pl.DataFrame:
    """Labels that came later, as `row_id` and `value`, both texts; rows without a value left out.

    Args:
        table: with `row_id`, or with the columns that make the ids of the recipe.
        target: the column of the true values.
        keys: the recipe's id columns.
        where: what to call the table in errors.

    Raises:
        PredictionsError: a column is missing, or no row has a label.

    >>> later = pl.DataFrame({"sku": ["a", "b"], "price": [3.0, None]})
    >>> labels_from(later, "price", ["sku"], where="later.csv").rows()
    [('a', '3')]
    """
    needed(table, [target], where)
    found = pl.DataFrame([ids_of(table, keys, where=where), labels(table[target]).alias("value")])
    found = found.drop_nulls()
    if not found.height:
        raise PredictionsError(f"No row has an id and a {target!r}.", where=where)
    return found


def ids_of(table: pl.DataFrame, keys: Sequence[str], *, where: str) -> pl.Series:
    """The rows' ids: `row_id`, or the columns that make the ids of the recipe.

    Raises:
        PredictionsError: neither is there.
    """
    named = [ROW_ID] if ROW_ID in table.columns else list(keys)
    if not named:
        raise PredictionsError(
            "Rows cannot be told apart.",
            where=where,
            received=table.columns,
            allowed="a column `row_id`",
            hint="`assay predict` writes it; a recipe's `id` names columns of your own instead",
        )
    needed(table, named, where)
    ids = table.select(labels(table[name]).alias(name) for name in named)
    return ids.select(pl.concat_str(named, separator="/").alias(ROW_ID))[ROW_ID]
