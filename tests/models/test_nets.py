"""Neural nets: what they learn, when training ends, and that NumPy runs what PyTorch trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from classroom import training

from assay.errors import ModelError
from assay.models.linear import tabular_linear
from assay.models.nets import mlp, residual_net

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'assay[torch]'")
SMALL = {
    mlp: {"hidden": [32, 16], "buckets": 64, "epochs": 60},
    residual_net: {"width": 32, "blocks": 2, "buckets": 64, "epochs": 60},
}


def bent(count: int = 400):
    """A number that no straight line follows, and words that say where it bends."""
    rng = np.random.default_rng(1)
    x, up = rng.normal(size=count), rng.integers(0, 2, count)
    rows = pl.DataFrame(
        {"x": x, "text": [f"{'up' if u else 'down'} no {n}" for n, u in enumerate(up)]}
    )
    y = np.where(up, 1, -1) * np.abs(x) * 5 + rng.normal(0, 0.2, count)
    return training(rows, y, {"x": "number", "text": "string"}, validation=0.25)


def error(fitted, lesson) -> float:
    said = fitted.predict(lesson.validation_rows)["prediction"].to_numpy()
    return float(((said - lesson.validation_target.to_numpy()) ** 2).mean())


@pytest.mark.parametrize("learn", SMALL)
def test_a_net_learns_what_bends(learn):
    lesson = bent()

    fitted = learn(lesson, dropout=0.0, learning_rate=0.005, patience=60, **SMALL[learn])

    assert error(fitted, lesson) < 0.25 * error(tabular_linear(lesson), lesson)


@pytest.mark.parametrize("learn", SMALL)
def test_training_ends_when_it_gets_no_better_and_keeps_the_best(learn):
    lesson = bent()

    fitted = learn(lesson, learning_rate=0.05, patience=2, **SMALL[learn])
    losses = [line["validation"] for line in fitted.history]

    assert len(losses) < 60
    assert losses.index(min(losses)) == len(losses) - 3
    assert fitted.chosen == {"epochs": len(losses) - 2}
    assert error(fitted, lesson) == pytest.approx(min(losses), rel=1e-6)


@pytest.mark.parametrize("weighed", [False, True])
def test_both_lines_of_a_learning_curve_are_in_one_unit(weighed):
    lesson = bent()
    if weighed:
        counted = lesson.target.abs(), lesson.validation_target.abs()
        lesson = replace(lesson, weights=counted[0], validation_weights=counted[1])

    fitted = mlp(lesson, epochs=1, dropout=0.0, learning_rate=1e-12, log=False)
    off = fitted.predict(lesson.rows)["prediction"].to_numpy() - lesson.target.to_numpy()
    weights = lesson.target.abs().to_numpy() if weighed else None

    # Nothing is learned, so that the loss on the way is that of the net as it ends.
    said = fitted.history[0]["train"]
    assert said == pytest.approx(np.average(off**2, weights=weights), rel=1e-4)


def test_numpy_runs_what_pytorch_trained():
    from assay.models import _net

    shape = _net.Shape((7, 7, 7), True, 0.3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = _net._module(torch, 5, shape, 3).eval()
        x = torch.randn(11, 5)
        wanted = torch.softmax(module(x), dim=1).detach().numpy()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}

    found = _net.Net(shape, weights, (0.0, 1.0)).run(x.numpy())

    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_training_leaves_the_caller_s_random_numbers_and_threads_alone():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        before, threads = torch.rand(3), torch.get_num_threads()
        torch.manual_seed(5)
        mlp(bent(60), hidden=[4], epochs=1, threads=1)

        assert torch.equal(torch.rand(3), before)
        assert torch.get_num_threads() == threads


def test_a_gpu_that_is_not_there_is_named():
    if torch.cuda.is_available():
        assert error(mlp(bent(), device="cuda", **SMALL[mlp]), bent()) < 20
        return
    with pytest.raises(ModelError, match=r"no GPU[\s\S]*auto"):
        mlp(bent(60), device="cuda")
