"""An evaluation: what models scored on a version, as one file that everything else reads."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import assay
from assay.errors import PredictionsError
from assay.evaluation.leaderboard import headline, leaderboard, ranked
from assay.rows import as_pandas

if TYPE_CHECKING:
    import pandas as pd


VERDICTS = ("better", "worse", "no difference that matters", "cannot tell")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelInfo(_Part):
    """One model: how it was set up, what it cost, and for how many rows it gave no answer."""

    model: str
    parameters: dict[str, Any] = {}
    seconds: float | None = None
    predict_seconds: float | None = Field(
        default=None, description="of these, what predicting the held-out rows took"
    )
    cost: float | None = None
    missing: int = Field(default=0, description="rows without a usable prediction")
    unparsable: int = Field(default=0, description="of these, rows whose answer cannot be read")
    error: str | None = Field(default=None, description="why there are none, or why some lack")
    memory_mb: float | None = Field(default=None, description="most memory held while it was made")
    seed: int | None = None
    libraries: dict[str, str] = Field(default={}, description="their versions")
    chosen: dict[str, Any] = Field(
        default={}, description="what was chosen on rows that were not learned from"
    )
    history: list[dict[str, Any]] = Field(
        default=[], description="the learning curve, or the trials of a search"
    )
    saved: str | None = Field(
        default=None, description="the folder it lies in, or `not saved: why`"
    )


class Score(_Part):
    """The value of one metric for one model, with its 95 % interval."""

    model: str
    split: str = "test"
    metric: str
    value: float | None = Field(description="None where the metric cannot be computed")
    low: float | None
    high: float | None
    n: int = Field(description="rows scored")
    method: str = Field(description="of the interval; `none: why` where there is none")
    better: Literal["lower", "higher", "nearest"]


class Comparison(_Part):
    """Two models on the rows that both predicted."""

    a: str
    b: str
    metric: str
    difference: float = Field(description="value of a minus value of b")
    low: float | None
    high: float | None
    p: float | None = Field(description="two-sided, adjusted by Holm within the metric")
    test: str
    n: int
    sentence: str
    method: str = Field(default="", description="of the interval")
    verdict: str = Field(default="", description="of b against a: " + ", ".join(VERDICTS))
    unadjusted_p: float | None = None
    needed: int | None = Field(
        default=None, description="rows that would tell them apart, where these cannot"
    )
    margin: float | None = Field(default=None, description="the difference that does not matter")
    chances: dict[str, float] | None = Field(
        default=None, description="that a is better, that they are equal but for the margin, or b"
    )


class RankPair(_Part):
    """Two models' mean ranks."""

    a: str
    b: str
    difference: float = Field(description="mean rank of a minus mean rank of b")
    p: float = Field(description="two-sided, adjusted by Holm")


class Ranking(_Part):
    """Many models ranked row by row on one metric: the data of a critical-difference picture."""

    metric: str
    models: list[str] = Field(description="by mean rank, best first")
    mean_ranks: list[float]
    blocks: int = Field(description="rows or groups in which the models are ranked")
    friedman_p: float
    critical_difference: float = Field(description="Nemenyi's, of mean ranks, at 5 %")
    alike: list[list[str]] = Field(description="models within the critical difference")
    pairs: list[RankPair]
    sentence: str


class Evaluation(_Part):
    """Scores, intervals and comparisons of models on the same rows.

    >>> empty = Evaluation(name="demo", task="number", target="price", n=0)
    >>> Evaluation.model_validate_json(empty.to_json()) == empty
    True
    """

    assay: str = Field(default_factory=lambda: assay.__version__)
    name: str
    version: str | None = None
    task: Literal["number", "class", "ranking", "labels", "text"]
    target: str
    unit: str | None = None
    positive: str | None = None
    split: str = "test"
    n: int
    classes: list[str] = []
    metrics: list[str] = []
    models: list[ModelInfo] = []
    scores: list[Score] = []
    comparisons: list[Comparison] = []
    rankings: list[Ranking] = Field(
        default=[], description="of three models or more; `evaluate` ranks by the first metric"
    )
    best: str | None = None
    slices: dict[str, Any] | None = Field(
        default=None, description="of a run: rows on which the best model loses more, confirmed"
    )
    details: dict[str, dict[str, Any]] = {}
    groups: str | None = Field(default=None, description="the column that keeps rows together")
    weights: str | None = Field(default=None, description="the column of the rows' weights")
    detectable: dict[str, float] = Field(
        default={}, description="for each metric the difference found with a chance of 80 %"
    )
    notes: list[str] = []

    def plain_scores(self) -> list[dict[str, Any]]:
        """Every score as plain values."""
        return [score.model_dump() for score in self.scores]

    def to_json(self) -> str:
        """The evaluation as an indented JSON document, the content of `evaluation.json`."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_file(cls, path: str | Path) -> Evaluation:
        """Read an `evaluation.json`.

        Raises:
            PredictionsError: it is missing, or is not an evaluation.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except OSError as error:
            raise PredictionsError(
                f"The evaluation cannot be read: {error.strerror}.", where=str(path)
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            raise PredictionsError(
                f"This is not an evaluation: {first['msg']}.",
                where=f"{path}: {'.'.join(str(part) for part in first['loc'])}",
                hint="`assay evaluate` and `assay run` write one",
            ) from None

    def score_of(self, model: str, metric: str) -> Score | None:
        """The score of one model on one metric."""
        return next((s for s in self.scores if s.model == model and s.metric == metric), None)

    def to_polars(self) -> pl.DataFrame:
        """The scores as a Polars frame, a row for each model and metric."""
        schema = {name: _POLARS[name] for name in Score.model_fields}
        return pl.DataFrame([score.model_dump() for score in self.scores], schema=schema)

    def to_pandas(self) -> pd.DataFrame:
        """The scores as a pandas frame, a row for each model and metric."""
        return as_pandas(self.to_polars())

    def to_dict(self) -> dict[str, Any]:
        """The scores and comparisons as the command line's JSON gives them."""
        scores = {"model", "split", "metric", "value", "low", "high", "n"}
        comparisons = {"a", "b", "metric", "difference", "low", "high", "p", "test"}
        return {
            "scores": [score.model_dump(include=scores) for score in self.scores],
            "comparisons": [line.model_dump(include=comparisons) for line in self.comparisons],
        }

    def __repr__(self) -> str:
        return leaderboard(self)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        head, *body = [[html.escape(cell) for cell in line] for line in ranked(self)]
        rows = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in line) + "</tr>" for line in body)
        top = "".join(f"<th>{cell}</th>" for cell in head)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        drawn = assay.charts(self, models=1)._repr_html_()
        return (
            f"<p>{html.escape(headline(self))}</p>"
            f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>{notes}{drawn}"
        )


_POLARS: dict[str, Any] = {
    "model": pl.String,
    "split": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "method": pl.String,
    "better": pl.String,
}
