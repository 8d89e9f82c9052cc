"""A net of layers: trained by PyTorch, on a GPU where there is one, and run by NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from assay.errors import MissingExtra, ModelError
from assay.models._prepare import Floats, Lesson

Device = Literal["auto", "cpu", "cuda"]
EPSILON = 1e-5
BLOCK = 4096
"""Rows that are run at once."""


@dataclass(frozen=True)
class Shape:
    """What a net is made of.

    Attributes:
        hidden: the width of each hidden layer.
        residual: whether each layer behind the first is a block of two whose result is added to
            what it was given (He et al. 2016).
        dropout: share of values left out while training.
    """

    hidden: tuple[int, ...]
    residual: bool
    dropout: float


@dataclass(frozen=True)
class Plan:
    """How a net is trained."""

    epochs: int
    patience: int
    batch: int
    learning_rate: float
    device: Device
    threads: int


@dataclass(frozen=True)
class Net:
    """A trained net; the weights are named as PyTorch names them.

    Attributes:
        unit: mean and deviation of the learned numbers; the net's answers are in these.
    """

    shape: Shape
    weights: Mapping[str, npt.NDArray[np.float32]]
    unit: tuple[float, float]

    def run(self, x: Any) -> Floats:
        """Values, or one column of probabilities for each class, for rows of a sparse matrix."""
        parts = [self._run(x[start : start + BLOCK]) for start in range(0, x.shape[0], BLOCK)]
        out = np.concatenate(parts)
        if out.shape[1] == 1:
            values: Floats = out[:, 0] * self.unit[1] + self.unit[0]
            return values
        out -= out.max(axis=1, keepdims=True)
        out = np.exp(out)
        found: Floats = out / out.sum(axis=1, keepdims=True)
        return found

    def _run(self, x: Any) -> Floats:
        now = np.maximum(self._layer("first", x), 0)
        for place in range(1, len(self.shape.hidden)):
            made = np.maximum(self._layer(f"rest.{place - 1}.one", now), 0)
            if self.shape.residual:
                made = np.maximum(now + self._layer(f"rest.{place - 1}.two", made), 0)
            now = made
        return self._linear("last", now)

    def _layer(self, name: str, x: Any) -> Floats:
        out = self._linear(f"{name}.linear", x)
        out -= out.mean(axis=1, keepdims=True)
        out /= np.sqrt((out**2).mean(axis=1, keepdims=True) + EPSILON)
        scaled: Floats = out * self.weights[f"{name}.norm.weight"]
        return scaled + self.weights[f"{name}.norm.bias"]

    def _linear(self, name: str, x: Any) -> Floats:
        # In double precision, so that a row's answer does not depend on the rows beside it.
        weight = self.weights[f"{name}.weight"].astype(np.float64)
        return np.asarray(x @ weight.T + self.weights[f"{name}.bias"], dtype=np.float64)


def train(
    lesson: Lesson, x: Any, x_other: Any, shape: Shape, plan: Plan, model: str
) -> tuple[Net, list[dict[str, float]]]:
    """Train a net until the judging rows are predicted no better, and keep the best epoch's.

    Returns:
        The net, and its learning curve: one entry an epoch.

    Raises:
        MissingExtra: PyTorch is not installed.
        ModelError: a GPU is asked for and there is none.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", model) from None
    if plan.device == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"{model} finds no GPU.", received="cuda", hint="set `device: auto`")
    fast = plan.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if fast else "cpu")
    learns, judges = lesson.trial()
    if x_other is not None and len(lesson.other_y):
        parts: Any = (x, lesson.y, lesson.weights)
        judged: Any = (x_other, lesson.other_y, lesson.other_weights)
    else:
        parts = (x[learns], lesson.y[learns], lesson.weights_of(learns))
        judged = (x[judges], lesson.y[judges], lesson.weights_of(judges))
    y = parts[1]
    unit = (0.0, 1.0) if lesson.is_class else (float(y.mean()), float(y.std()) or 1.0)
    scaled = parts[0], (y - unit[0]) / unit[1], parts[2]
    with _seeded(torch, lesson.training.seed, plan.threads, fast):
        width = len(lesson.answer.present) if lesson.is_class else 1
        net = _module(torch, x.shape[1], shape, width).to(device)
        course = _Course(torch, net, device, plan, lesson, shape, unit)
        return course.run(scaled, judged)


@dataclass
class _Course:
    """One training: the net, and where and how it is trained."""

    torch: Any
    net: Any
    device: Any
    plan: Plan
    lesson: Lesson
    shape: Shape
    unit: tuple[float, float]

    def run(self, parts: Any, judged: Any) -> tuple[Net, list[dict[str, float]]]:
        optim = self.torch.optim
        # One pass over the weights a step instead of a dozen: most of the time goes there.
        tool = optim.AdamW(
            self.net.parameters(), lr=self.plan.learning_rate, weight_decay=0.01, fused=True
        )
        pace = optim.lr_scheduler.CosineAnnealingLR(tool, self.plan.epochs)
        rng = np.random.default_rng(self.lesson.training.seed % 2**32)
        best, best_loss, since = self._taken(), np.inf, 0
        history: list[dict[str, float]] = []
        for epoch in range(1, self.plan.epochs + 1):
            line = {"epoch": float(epoch), "train": self._epoch(tool, parts, rng)}
            pace.step()
            if not len(judged[1]):
                best = self._taken()
                history.append(line)
                continue
            taken = self._taken()
            loss = self.lesson.loss(taken.run(judged[0]), *judged[1:])
            history.append(line | {"validation": loss})
            if loss < best_loss:
                best, best_loss, since = taken, loss, 0
            else:
                since += 1
                if since >= self.plan.patience:
                    break
        return best, history

    def _epoch(self, tool: Any, parts: Any, rng: np.random.Generator) -> float:
        """Go once through the rows, and give the loss on the way in the unit of the judges'."""
        x, y, weights = parts
        total, weighed = 0.0, 0.0
        self.net.train()
        order = rng.permutation(len(y))
        for start in range(0, len(order), self.plan.batch):
            some = order[start : start + self.plan.batch]
            tool.zero_grad()
            out = self.net(self._tensor(x[some].toarray()))
            loss = self._loss(out, y[some])
            weight = self.torch.ones_like(loss) if weights is None else self._tensor(weights[some])
            (loss * weight).mean().backward()
            tool.step()
            shown = loss if self.lesson.is_class else (out[:, 0] - self._tensor(y[some])) ** 2
            total += float((shown * weight).detach().sum())
            weighed += float(weight.sum())
        return total / weighed * self.unit[1] ** 2

    def _loss(self, out: Any, y: Floats) -> Any:
        functional = self.torch.nn.functional
        if self.lesson.is_class:
            wanted = self.torch.as_tensor(y.astype(np.int64), device=self.device)
            return functional.cross_entropy(out, wanted, reduction="none")
        # Far off, an error counts once and not squared: prices have long tails.
        return functional.smooth_l1_loss(out[:, 0], self._tensor(y), reduction="none")

    def _tensor(self, values: Any) -> Any:
        return self.torch.as_tensor(values.astype(np.float32), device=self.device)

    def _taken(self) -> Net:
        state = self.net.state_dict().items()
        weights = {name: value.detach().cpu().numpy().copy() for name, value in state}
        return Net(self.shape, weights, self.unit)


def _module(torch: Any, columns: int, shape: Shape, width: int) -> Any:
    nn = torch.nn

    def layer(before: int, after: int) -> Any:
        named = {"linear": nn.Linear(before, after), "norm": nn.LayerNorm(after, eps=EPSILON)}
        return nn.ModuleDict(named)

    class Layers(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = layer(columns, shape.hidden[0])
            self.rest = nn.ModuleList()
            for before, after in zip(shape.hidden, shape.hidden[1:], strict=False):
                pair = {"one": layer(before, after)}
                if shape.residual:
                    pair["two"] = layer(after, after)
                self.rest.append(nn.ModuleDict(pair))
            self.last = nn.Linear(shape.hidden[-1], width)
            self.dropout = nn.Dropout(shape.dropout)

        def forward(self, x: Any) -> Any:
            now = self.dropout(torch.relu(_through(self.first, x)))
            for pair in self.rest:
                made = self.dropout(torch.relu(_through(pair["one"], now)))
                now = torch.relu(now + _through(pair["two"], made)) if shape.residual else made
            return self.last(now)

    return Layers()


def _through(layer: Any, x: Any) -> Any:
    return layer["norm"](layer["linear"](x))


@contextmanager
def _seeded(torch: Any, seed: int, threads: int, fast: bool) -> Iterator[None]:
    """The same numbers drawn every time, and the caller's own left as they were."""
    before = torch.get_num_threads()
    devices = [torch.cuda.current_device()] if fast else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed % 2**63)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
