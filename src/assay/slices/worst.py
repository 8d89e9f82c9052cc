"""The rows on which a model loses most, what training rows are like them, and what may be why."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.evaluation.scored import Floats
from assay.models.training import Training
from assay.slices.nearest import Likeness

COUNT = 20
NEAREST = 5
SHOWN = 3
SAME, SAME_VALUES = 0.98, 0.9995
"""The likeness from which a training row counts as the same, by words and by values alone."""
ALONE = 0.05
"""The share of held-out rows that counts as unlike anything in train."""
CUT = 300


def worst_rows(  # noqa: PLR0913 - what is known of a row stands in as many tables
    ids: pl.Series,
    rows: pl.DataFrame,
    truth: pl.Series,
    prediction: pl.Series,
    loss: Floats,
    training: Training,
    like: Likeness,
    *,
    alike: Floats | None = None,
    count: int = COUNT,
) -> list[dict[str, Any]]:
    """Describe the rows with the largest losses.

    Args:
        ids: of the held-out rows.
        rows: their inputs.
        truth: their targets.
        prediction: what the model said.
        loss: of each row, NaN where there is none.
        training: what the model learned from.
        like: searches it.
        alike: how alike each held-out row is to its nearest training row.
        count: rows at most.

    Returns:
        Worst first: `row_id`, `truth`, `prediction`, `loss`, `fields` (long texts cut),
        `nearest` (up to 3 training rows: `row` (their id's hash), `likeness`, `target`, `fields`)
        and `reasons` (`code` and `says`).
    """
    order = np.argsort(-np.where(np.isfinite(loss), loss, -np.inf), kind="stable")
    places = order[np.isfinite(loss[order]) & (loss[order] > 0)][:count]
    if not len(places):
        return []
    some = rows[places]
    near, likes = like.nearest(some, NEAREST)
    limit = float(np.nanquantile(alike, ALONE)) if alike is not None and len(alike) else None
    told = some.with_columns(pl.col(pl.String).str.head(CUT)).to_dicts()
    outside = _outside(some, training)
    same = SAME if like.by_words else SAME_VALUES
    found = []
    for rank, place in enumerate(places.tolist()):  # at most `count`
        neighbours = training.target.gather(near[rank])
        wanted, guess = truth[place], prediction[place]
        reasons = [
            *_of_neighbours(wanted, guess, neighbours, likes[rank], (limit, same), training),
            *outside[rank],
        ]
        shown = training.rows[near[rank][:SHOWN]].with_columns(pl.col(pl.String).str.head(CUT))
        beside = [
            {
                "row": int(training.row[int(at)]),
                "likeness": round(float(likes[rank][n]), 4),
                "target": training.target[int(at)],
                "fields": fields,
            }
            for n, (at, fields) in enumerate(
                zip(near[rank][:SHOWN], _plain(shown.to_dicts()), strict=True)
            )
        ]
        found.append(
            {
                "row_id": str(ids[place]),
                "truth": wanted,
                "prediction": guess,
                "loss": float(loss[place]),
                "fields": _plain([told[rank]])[0],
                "nearest": beside,
                "reasons": reasons or [{"code": "unknown", "says": "no reason was found"}],
            }
        )
    return found


def _of_neighbours(
    truth: Any,
    guess: Any,
    targets: pl.Series,
    likes: npt.NDArray[np.float32],
    limits: tuple[float | None, float],
    training: Training,
) -> list[dict[str, str]]:
    if not len(targets):
        return []
    best, says = float(likes[0]), []
    limit, nearly = limits
    if training.task == "class":
        same = (targets == truth).to_numpy()
        others = (targets == guess).to_numpy()
        agree, against = same.mean() > 0.5, others.mean() > 0.5 and not same.any()
        other = not same[0]
        if truth not in training.classes:
            says.append(("unseen_class", f"no training row is {truth!r}"))
    else:
        middle = float(targets.median() or 0.0)  # type: ignore[arg-type]
        apart = abs(float(guess) - float(truth))
        agree = abs(middle - float(truth)) < apart / 3
        against = abs(middle - float(guess)) < apart / 3
        other = abs(float(targets[0]) - float(truth)) > apart / 2
    if best >= nearly and other:
        says.append(
            ("same_but_other", f"a training row is nearly the same but has {_short(targets[0])}")
        )
    elif limit is not None and best < limit:
        says.append(("alone", f"nothing in train is like it (likeness {best:.2f})"))
    if against and best >= (limit or 0.0):
        says.append(
            ("label_in_doubt", "its nearest training rows say what the model says: is it right?")
        )
    elif agree and best >= (limit or 0.0):
        says.append(
            ("not_seen_by_model", "its nearest training rows are right: the model misses it")
        )
    return [{"code": code, "says": text} for code, text in says]


def _outside(some: pl.DataFrame, training: Training) -> list[list[dict[str, str]]]:
    """Of each row the fields that are missing, or that hold what train never held."""
    found: list[list[dict[str, str]]] = [[] for _ in range(some.height)]
    for name, kind in training.kinds.items():
        seen, column = training.rows[name], some[name]
        gaps = column.is_null()
        rare = seen.null_count() < 0.5 * len(seen)
        if rare:
            for place in gaps.arg_true().to_list():  # of at most `count` rows
                found[place].append({"code": "missing", "says": f"{name} is missing"})
        if kind in ("integer", "number"):
            low, high = seen.min(), seen.max()
            if low is None or high is None:
                continue
            beyond = ((column < low) | (column > high)).fill_null(False)
            for place in beyond.arg_true().to_list():
                says = f"{name} = {_short(column[place])} lies outside of train's range"
                found[place].append({"code": "outside", "says": says})
        elif kind in ("category", "boolean"):
            new = (~column.is_in(seen.unique().implode())).fill_null(False) & ~gaps
            for place in new.arg_true().to_list():
                says = f"{name} = {_short(column[place])} does not occur in train"
                found[place].append({"code": "unseen", "says": says})
    return found


def _plain(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Values that JSON can hold."""
    kept = (str, int, float, bool, type(None))
    return [
        {
            name: value if isinstance(value, kept) else str(value)[:CUT]
            for name, value in one.items()
        }
        for one in lines
    ]


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)[:60]
