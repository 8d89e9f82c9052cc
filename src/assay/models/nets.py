"""Neural nets over hashed words and the columns of a table; they need the extra `torch`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from assay.models._hashed import Hashed, fit_hashed
from assay.models._net import Net, Plan, Shape, train
from assay.models._prepare import Answer, prepare
from assay.models.training import Fitted, Training

__all__ = ["mlp", "residual_net"]


@dataclass(frozen=True)
class _Trained:
    answer: Answer
    maker: Hashed
    net: Net
    curve: tuple[Mapping[str, float], ...]

    @property
    def chosen(self) -> Mapping[str, Any]:
        judged = [line for line in self.curve if "validation" in line]
        best = min(judged, key=lambda line: line["validation"], default=self.curve[-1])
        return {"epochs": int(best["epoch"])}

    @property
    def history(self) -> Sequence[Mapping[str, float]]:
        return self.curve

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not rows.height:
            return self.answer.nothing()
        return self.answer.frame(self.net.run(self.maker.matrix(rows)))


def mlp(  # noqa: PLR0913 - what a recipe may say of a net
    training: Training,
    *,
    hidden: list[int] | None = None,
    buckets: int = 8192,
    dropout: float = 0.2,
    epochs: int = 30,
    patience: int = 4,
    batch: int = 64,
    learning_rate: float = 0.001,
    log: bool | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 1,
) -> Fitted:
    """Learn a multilayer perceptron of hashed words and the columns of a table.

    Each hidden layer is linear, then layer normalisation, rectifier and dropout. Columns are made
    as in `tabular_linear`; a word counts once a row, in the column that its hash names. Trained by
    AdamW with a cosine schedule; training stops when the validation rows, or else 15 % of the
    train rows, have not been predicted better for `patience` epochs, and the best epoch is kept.

    Args:
        training: what to learn from.
        hidden: widths of the hidden layers; [256, 128] by default.
        buckets: columns for words.
        dropout: share of values left out while training.
        epochs: most passes over the train rows.
        patience: epochs without a better one after which training stops.
        batch: rows a step.
        learning_rate: of the first step.
        log: as in `tfidf_linear`.
        device: `auto` takes a GPU where there is one. Another device gives other last digits.
        threads: of the processor; fixed, since sums by another number of threads differ in their
            last digits.

    Raises:
        MissingExtra: PyTorch is not installed.
        ModelError: no usable field, no target, a single class, or no GPU where one is asked for.

    >>> import polars as pl
    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> mlp(training, epochs=2).predict(rows).columns  # doctest: +SKIP
    ['prediction']
    """
    shape = Shape(tuple(hidden or (256, 128)), False, dropout)
    plan = Plan(epochs, patience, batch, learning_rate, device, threads)
    return _fitted(training, "mlp", shape, plan, buckets, log)


def residual_net(  # noqa: PLR0913 - what a recipe may say of a net
    training: Training,
    *,
    width: int = 256,
    blocks: int = 4,
    buckets: int = 5000,
    dropout: float = 0.5,
    epochs: int = 20,
    patience: int = 4,
    batch: int = 64,
    learning_rate: float = 0.001,
    log: bool | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 1,
) -> Fitted:
    """Learn a residual net of hashed words and the columns of a table.

    A layer, then blocks of two layers whose result is added to what they were given (He et al.
    2016, Deep Residual Learning), each layer with layer normalisation. Trained as `mlp`. The net
    of the course that priced products with 400,000 rows is `{width: 4096, blocks: 8}`; the
    defaults are for thousands of rows on a processor.

    Args:
        training: what to learn from.
        width: of each layer.
        blocks: how many, of two layers each.
        buckets: columns for words.
        dropout: share of values left out while training.
        epochs: most passes over the train rows.
        patience: epochs without a better one after which training stops.
        batch: rows a step.
        learning_rate: of the first step.
        log: as in `tfidf_linear`.
        device: as in `mlp`.
        threads: as in `mlp`.

    Raises:
        MissingExtra: PyTorch is not installed.
        ModelError: no usable field, no target, a single class, or no GPU where one is asked for.

    >>> import polars as pl
    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> residual_net(training, epochs=2).predict(rows).columns  # doctest: +SKIP
    ['prediction']
    """
    shape = Shape((width,) * (blocks + 1), True, dropout)
    plan = Plan(epochs, patience, batch, learning_rate, device, threads)
    return _fitted(training, "residual_net", shape, plan, buckets, log)


def _fitted(
    training: Training, model: str, shape: Shape, plan: Plan, buckets: int, log: bool | None
) -> Fitted:
    lesson = prepare(training, model, log=log)
    maker, x = fit_hashed(lesson, model, buckets)
    other = maker.matrix(lesson.other) if lesson.other.height else None
    net, curve = train(lesson, x, other, shape, plan, model)
    return _Trained(lesson.answer, maker, net, tuple(curve))
