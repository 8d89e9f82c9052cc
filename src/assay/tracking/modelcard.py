"""Model cards: what a saved model is, filled from what was measured and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from assay.errors import AssayError
from assay.evaluation.evaluation import Evaluation, ModelInfo, Score
from assay.evaluation.predictions import align
from assay.evaluation.truth import truth_from
from assay.rows import ROW_ID
from assay.slices.finding import find_slices
from assay.slices.losses import losses
from assay.storage import write_atomically
from assay.version import Version

CARD = "README.md"
OPEN = "*To be written by you: assay cannot know it.*"
MOST_ROWS = 20_000  # that slices are looked for in, so that a run is not held up
_LIBRARY = {"scikit-learn": "sklearn", "xgboost": "xgboost", "torch": "pytorch"}


def write_cards(
    folder: Path, version: Version, evaluation: Evaluation, predictions: pl.DataFrame
) -> list[Path]:
    """Write a card beside each saved model of a run.

    Args:
        folder: the run's.
        version: what the models learned from and are held against.
        evaluation: their scores.
        predictions: of all models: `row_id`, `model`, `prediction`, …

    Returns:
        The cards' paths.
    """
    written = []
    for info in evaluation.models:
        place = folder / (info.saved or "")
        if not (info.saved or "").startswith("models/") or not place.is_dir():
            continue
        weak = _weak(version, evaluation, predictions, info.model)
        card = render_card(version.manifest, evaluation, info.model, weak)
        write_atomically(place / CARD, card.encode())
        written.append(place / CARD)
    return written


def render_card(
    manifest: Mapping[str, Any], evaluation: Evaluation, model: str, weak: list[str] | None = None
) -> str:
    """Write a model's card.

    Args:
        manifest: of the version that it learned from.
        evaluation: its scores, and those of the models that it was held against.
        model: its title.
        weak: sentences on rows that it does worse on; None where nobody looked.
    """
    info = next(one for one in evaluation.models if one.model == model)
    scores = [one for one in evaluation.scores if one.model == model]
    header = {
        "tags": ["assay", "tabular" if evaluation.task == "number" else "classification"],
        **_library(info),
        "model-index": [_indexed(manifest, evaluation, model, scores)],
    }
    lines = ["---", yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip(), "---"]
    lines += ["", f"# {_cell(model)} for {_cell(manifest['name'])}", ""]
    unit = f" in {evaluation.unit}" if evaluation.unit else ""
    lines += [f"It predicts `{_cell(evaluation.target)}`{_cell(unit)}. Everything below was "
              f"measured by assay {evaluation.assay}, but for what says otherwise."]  # fmt: skip
    for title, part in (
        ("Intended use", [OPEN]),
        ("Data", _data(manifest, evaluation)),
        ("Metrics", _metrics(evaluation, scores)),
        ("Against the other models", _others(evaluation, model)),
        ("Where it is weak", _slices(weak)),
        ("Limits", _limits(manifest, evaluation, info, scores)),
        ("Risks, fairness and who is affected", [OPEN]),
        ("How it was made", _made(manifest, info)),
        ("How to use it", _used(manifest)),
    ):
        lines += ["", f"## {title}", "", *part]
    return "\n".join([*lines, ""])


def _library(info: ModelInfo) -> dict[str, str]:
    found = [name for library, name in _LIBRARY.items() if library in info.libraries]
    return {"library_name": found[0]} if found else {}


def _indexed(
    manifest: Mapping[str, Any], evaluation: Evaluation, model: str, scores: list[Score]
) -> dict[str, Any]:
    """The scores as the hub's model pages read them."""
    task = {"number": "tabular-regression", "class": "text-classification"}
    return {
        "name": model,
        "results": [
            {
                "task": {"type": task.get(evaluation.task, evaluation.task)},
                "dataset": {
                    "name": manifest["name"],
                    "type": manifest["name"],
                    "split": evaluation.split,
                    "revision": manifest["version"],
                },
                "metrics": [
                    {"type": one.metric, "value": one.value}
                    for one in scores
                    if one.value is not None
                ],
            }
        ],
    }


def _data(manifest: Mapping[str, Any], evaluation: Evaluation) -> Iterator[str]:
    rows = manifest["rows"]
    yield (
        f"Version `{manifest['version']}` of `{_cell(manifest['name'])}` (hash "
        f"`{manifest['hash']}`): {rows['kept']:,} of {rows['read']:,} rows were kept. It was "
        f"scored on the {evaluation.n:,} rows of the split `{_cell(evaluation.split)}`."
    )
    yield ""
    yield "| split | rows |"
    yield "|---|---:|"
    yield from (f"| {_cell(name)} | {count:,} |" for name, count in manifest["splits"].items())
    checks = manifest.get("certificate", {}).get("checks", [])
    if checks:
        yield ""
        yield "Leaks from split to split, measured on the files as written:"
        yield ""
        yield from (f"- {one['status']}: {_cell(one['detail'])}" for one in checks)


def _metrics(evaluation: Evaluation, scores: list[Score]) -> Iterator[str]:
    yield "| metric | value | 95 % interval | rows | method | better |"
    yield "|---|---:|---|---:|---|---|"
    for one in scores:
        value = "–" if one.value is None else f"{one.value:.4g}"
        interval = "–" if one.low is None else f"{one.low:.4g} to {one.high:.4g}"
        cells = [one.metric, value, interval, f"{one.n:,}", one.method, one.better]
        yield f"| {' | '.join(map(_cell, cells))} |"
    if evaluation.weights:
        yield ""
        yield f"Rows are weighed by `{_cell(evaluation.weights)}`."


def _others(evaluation: Evaluation, model: str) -> Iterator[str]:
    told = [one.sentence for one in evaluation.comparisons if model in (one.a, one.b)]
    if model == evaluation.best and len(evaluation.models) > 1:
        yield f"It is the best of {len(evaluation.models)} models on `{evaluation.metrics[0]}`."
        yield ""
    yield from (f"- {_cell(sentence)}" for sentence in told)
    if not told:
        yield "It was compared with no other model."


def _slices(weak: list[str] | None) -> Iterator[str]:
    if weak is None:
        yield "Nobody has looked: `assay improve` does."
    elif weak:
        yield "On these rows it loses more than elsewhere, beyond chance:"
        yield ""
        yield from (f"- {_cell(sentence)}" for sentence in weak)
    else:
        yield "No group of rows was found on which it loses more than elsewhere beyond chance."


def _limits(
    manifest: Mapping[str, Any], evaluation: Evaluation, info: ModelInfo, scores: list[Score]
) -> Iterator[str]:
    yield "- It was measured on rows of the same source as those it learned from; how it does on"
    yield "  rows of another time or place is not known from this. `assay monitor` watches that."
    if info.missing:
        yield f"- It gave no usable answer for {info.missing:,} of {evaluation.n:,} rows."
    wide = [one for one in scores if one.value and one.low is not None and one.high is not None
            and one.high - one.low > abs(one.value) / 2]  # fmt: skip
    for one in wide:
        yield (
            f"- {_cell(one.metric)} is known from {one.low:.4g} to {one.high:.4g} only: "
            f"{one.n:,} rows are few."
        )
    failed = [one for one in manifest.get("certificate", {}).get("checks", [])
              if one["status"] == "fail"]  # fmt: skip
    if failed:
        yield "- Some leaks were found (see Data), so the scores may flatter it."
    elif not manifest.get("certificate"):
        yield "- Whether anything leaks from split to split was not measured."
    for name, field in list(manifest["fields"].items())[:60]:
        if "min" in field and name != evaluation.target:
            yield (
                f"- `{_cell(name)}` lay between {field['min']:.6g} and {field['max']:.6g}; beyond "
                "that it has learned nothing."
            )
    yield from (f"- {_cell(note)}" for note in evaluation.notes)


def _made(manifest: Mapping[str, Any], info: ModelInfo) -> Iterator[str]:
    given = yaml.safe_dump(
        {"parameters": info.parameters, "chosen": info.chosen, "seed": info.seed,
         "libraries": info.libraries}, sort_keys=False, allow_unicode=True,
    )  # fmt: skip
    time = f"{info.seconds:,.3g} s" if info.seconds is not None else "a time that was not measured"
    memory = f" and {info.memory_mb:,.0f} MB at most" if info.memory_mb is not None else ""
    yield f"It was fitted in {time}{memory}, with:"
    yield from ("", "```yaml", given.rstrip(), "```")


def _used(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield "New records go through the same contract and steps as the rows it learned from:"
    yield from ("", "```", f"assay predict {manifest['name']}/{manifest['version']} NEW_RECORDS "
                "--to predictions.csv", "```")  # fmt: skip


def _weak(
    version: Version, evaluation: Evaluation, predictions: pl.DataFrame, model: str
) -> list[str] | None:
    """What the rows have in common on which a model loses more; for the best model only."""
    if model != evaluation.best or evaluation.task not in ("number", "class"):
        return None
    kinds = {name: field["type"] for name, field in version.manifest["fields"].items()
             if name != evaluation.target}  # fmt: skip
    scan = version.scan(evaluation.split).filter(pl.col(evaluation.target).is_not_null())
    rows = scan.select(ROW_ID, evaluation.target, *kinds).head(MOST_ROWS).collect()
    try:
        truth = truth_from(rows, id=ROW_ID, target=evaluation.target, task=evaluation.task,
                           positive=evaluation.positive)  # fmt: skip
        ours = predictions.filter(pl.col("model") == model).drop("model")
        tables, _ = align([(model, ours)], truth.ids, ROW_ID)
        lost = losses(truth, tables[model], metric=evaluation.metrics[0])
        found = find_slices(
            rows.select(ROW_ID, *kinds), lost.values, kinds=kinds, name=lost.kind, clusters=False
        )
    except AssayError:
        return None
    return [one.sentence(lost.kind.replace("_", " ")) for one in found.found]


def _cell(text: object) -> str:
    return (
        str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    )
