"""What a search may choose from: for each model its own space, or one that the recipe writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.errors import RecipeError

SPACES: Mapping[str, Mapping[str, Any]] = {
    "boosted_trees": {
        "learning_rate": [0.02, 0.3],
        "max_depth": [2, 8],
        "min_weight": [1.0, 50.0],
        "subsample": [0.5, 1.0],
    },
    "random_forest": {"leaf": [1, 30], "columns": [0.1, 1.0]},
    "mlp": {"dropout": [0.0, 0.5], "learning_rate": [0.0002, 0.005], "batch": [32, 256]},
    "residual_net": {
        "width": [64, 512],
        "blocks": [1, 6],
        "dropout": [0.0, 0.5],
        "learning_rate": [0.0002, 0.005],
    },
    "tfidf_linear": {"ngrams": [1, 3], "max_terms": [5_000, 200_000]},
    "linear_svm": {"ngrams": [1, 3], "max_terms": [5_000, 200_000]},
    "bag_of_words": {"ngrams": [1, 2], "max_terms": [500, 50_000]},
    "word2vec_linear": {"dimensions": [50, 400], "epochs": [5, 40]},
    "embedding_linear": {"dimensions": [64, 2048]},
}
WIDE = 10
"""From this ratio of high to low on, a range is searched by its logarithm."""


def space_of(model: str, written: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The space to search, as a recipe writes it.

    Raises:
        RecipeError: the model has no space of its own and none is written.
    """
    if written is None and model not in SPACES:
        raise RecipeError(
            f"tuned: {model} has no space of its own to search.",
            received=model,
            allowed=sorted(SPACES),
            hint="write one: `space: {parameter: [low, high]}`",
        )
    return written if written is not None else SPACES[model]


def distribution(name: str, written: Any) -> Any:
    """Optuna's distribution of one parameter.

    `[low, high]` is a range, by its logarithm where high is ten times low or more; `{choices:
    […]}`, or a list of anything else, names the values.

    Raises:
        RecipeError: it is none of these.
    """
    from optuna import distributions

    if isinstance(written, Mapping) and set(written) == {"choices"} and written["choices"]:
        return distributions.CategoricalDistribution(list(written["choices"]))
    if not isinstance(written, list | tuple) or not written:
        raise RecipeError(
            f"tuned: the space of {name!r} cannot be searched.",
            received=written,
            allowed="[low, high], or {choices: […]}",
        )
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in written)
    if not numbers or len(written) != 2:
        return distributions.CategoricalDistribution(list(written))
    low, high = written
    if not low < high:
        raise RecipeError(f"tuned: the range of {name!r} is empty.", received=written)
    wide = low > 0 and high / low >= WIDE
    if all(isinstance(one, int) for one in written):
        return distributions.IntDistribution(low, high, log=wide)
    return distributions.FloatDistribution(float(low), float(high), log=wide)
