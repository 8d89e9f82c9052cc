"""Look at data and write a recipe that runs as it is: `assay init`."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from assay.contract.infer import Inferred, infer
from assay.contract.reading import expected
from assay.contract.target import Task, study
from assay.errors import SourceError, StorageError
from assay.recipe import FieldSpec, Read
from assay.urls import hidden

# What is looked at of a large source: kinds of values in so many shards, rows of so few.
SURVEYED, SAMPLED = 16, 3
SAMPLE_ROWS = 100_000
WIDTH = 96
# Shares of duplicates above this are no accident: the columns are too few to tell rows apart.
COINCIDENCE = 0.2
# Where one class has more of the rows than this, always guessing it is too accurate a guess.
LOPSIDED = 0.7
# Not `stop`: a field that tells the target may be known in time as well, which only its owner can
# say, and the first run of a recipe should end with all that there is to see.
LEAK = (
    "  # A leak between splits makes scores too good. Once what it names is mended, or allowed by",
    "  # `allow: [...]`, take the severity away, and a leak stops the run.",
    "  - leak: {}",
    "    severity: warn",
)


@dataclass(frozen=True)
class _Look:
    """What was seen of the source."""

    sample: pl.DataFrame
    kinds: dict[str, frozenset[str]]
    whole: bool
    headless: bool


def init(
    source: str | Path | Sequence[str | Path],
    *,
    target: str | None = None,
    out: str | Path | None = None,
) -> str:
    """Look at the data and write a commented recipe that runs as it is.

    Args:
        source: a file, glob or folder, or a list of them.
        target: the column that models are to learn; without it the recipe has no models.
        out: the file to write; without it the text is only returned. An existing file with
            another content is left alone.

    Returns:
        The recipe as YAML. Its source is relative to the folder of `out`.

    Raises:
        SourceError: the source is missing, empty or unreadable, or is not a path.
        RecipeError: the target is not a column, or cannot be learned.
        StorageError: `out` is already there, or cannot be written.
    """
    if not isinstance(source, str | Path) and not (
        isinstance(source, Sequence) and all(isinstance(part, str | Path) for part in source)
    ):
        raise SourceError(
            "A recipe file names its source, so `init` needs a path.",
            received=type(source).__name__,
            allowed="a file, glob or folder, or a list of them",
            hint="write the frame to a Parquet file first",
        )
    paths = [source] if isinstance(source, str | Path) else list(source)
    for path in map(str, paths):
        if hidden(path) != path:
            raise SourceError(
                "This address holds a password, and a recipe is no place for one.",
                where=path,
                hint="put the whole address into the environment, `export PLACE=…`, and name it "
                "'${PLACE}'",
            )
    look = _look([str(path) for path in paths])
    found = infer(look.sample, look.kinds)
    task = study(found, target)
    folder = Path(out).parent if out is not None else Path()
    text = _recipe(look, found, task, [_relative(str(path), folder) for path in paths])
    if out is not None:
        _write(text, Path(out))
    return text


def _look(paths: list[str]) -> _Look:
    from assay.sources.shards import load, locate, survey

    with tempfile.TemporaryDirectory(prefix="assay-init-") as spool:
        shards = locate(paths[0] if len(paths) == 1 else paths, Read(), Path(spool))
        kinds: dict[str, frozenset[str]] = {}
        surveyed = _spread(shards, SURVEYED)
        for shard in surveyed:
            seen = survey(shard)
            for name in [*kinds, *(name for name in seen if name not in kinds)]:
                # A column that some shard lacks is null there.
                before = kinds.get(name, frozenset() if shard is shards[0] else frozenset({"null"}))
                kinds[name] = before | seen.get(name, frozenset({"null"}))
        if not kinds:
            raise SourceError("There are no columns in the source.", where=", ".join(paths))
        frames = [load(shard, list(kinds)).rows for shard in _spread(shards, SAMPLED)]
    sample = pl.concat([frame.head(SAMPLE_ROWS) for frame in frames], how="vertical_relaxed")
    if sample.is_empty():
        raise SourceError("There are no rows in the source.", where=", ".join(paths))
    whole = len(shards) <= SAMPLED and all(frame.height <= SAMPLE_ROWS for frame in frames)
    headless = shards[0].format == "csv" and all(re.fullmatch(r"column_\d+", n) for n in kinds)
    return _Look(sample, kinds, whole, headless)


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """So many of them, from the first to the last, evenly apart."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _relative(path: str, folder: Path) -> str:
    """As the recipe in that folder must write it; absolute paths outside of it stay."""
    if "://" in path or path.startswith("${"):
        return path
    relative = Path(os.path.relpath(path, folder or "."))
    if Path(path).is_absolute() and relative.parts[:1] == ("..",):
        return path
    return relative.as_posix()


def _write(text: str, path: Path) -> None:
    try:
        if path.exists():
            if path.read_text(encoding="utf-8") == text:
                return
            raise StorageError(
                "There is already a file of this name, and it says something else.",
                where=str(path),
                hint="name another with --out, or move the file away",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"The recipe cannot be written: {error}.", where=str(path)) from None


def _recipe(look: _Look, found: Inferred, task: Task, sources: list[str]) -> str:
    parts = [
        _head(look, found, sources),
        _learning(task),
        _fields(found, task),
        _steps(found, task),
        ["# What to write beside the version's Parquet files.", "exports: [jsonl]"],
        _models(found, task, look.sample.height),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _head(look: _Look, found: Inferred, sources: list[str]) -> list[str]:
    rows, columns = look.sample.height, look.sample.width
    seen = f"all {rows:,} rows" if look.whole else f"a sample of {rows:,} rows"
    lines = [
        f"# Written by `assay init` after a look at {seen} in {columns} columns.",
        "# It runs as it is: read it, correct what you know better, then `assay run`.",
        "",
        *_entry("name", _name(sources[0])),
        *_entry("source", sources[0] if len(sources) == 1 else sources),
    ]
    if look.headless:
        lines += [
            "# The file has no header. To name its columns, and then use those names below:",
            "# read: {header: false, columns: [first, second, …]}",
        ]
    lines += ["seed: 1  # of every random choice: same seed, same rows, same version"]
    if found.ids:
        key = f"id: {_flow(found.ids[0])}"
        lines += (
            [f"{key}  # different in every row; without it, a row's id is its content"]
            if look.whole
            else [f"# {key}  # different in every row of the sample; is it in all?"]
        )
    return lines


def _name(source: str) -> str:
    parts = [part for part in Path(source).parts if not re.search(r"[*?\[]", part)]
    stem = (parts[-1] if parts else "data").partition(".")[0] or "data"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100] or "data"


def _learning(task: Task) -> list[str]:
    if task.target is None:
        return [
            "# Nothing is to be learned yet: name a `target` and `models`, or run",
            "# `assay init` with --target.",
        ]
    kind = f"task: {task.kind}"
    if not task.sure:
        other = "class" if task.kind == "number" else "number"
        kind += f"  # its few whole numbers could also be meant as `{other}`"
    lines = ["# What models learn, and what they may see.", *_entry("target", task.target), kind]
    if task.positive is not None:
        lines.append(f"positive: {_flow(task.positive)}  # the class that metrics are about")
    lines += _entry("inputs", task.inputs)
    if task.left_out:
        lines.append("# Left out of the inputs:")
        lines += [f"#   {_plain(name)}: {why}" for name, why in task.left_out.items()]
    if task.suspects:
        lines.append("# Look twice at these: are they known before the target is?")
        lines += [f"#   {_plain(name)}: {_plain(why)}" for name, why in task.suspects.items()]
    return lines


def _fields(found: Inferred, task: Task) -> list[str]:
    lines = [
        "# The contract: a row that breaks it is set aside with the reason, unless the field says",
        "# `on_violation: 'null'` (lose the value, keep the row) or `stop`.",
        "fields:",
    ]
    names = {name: _flow(name) + ":" for name in found.fields}
    width = min(40, max(map(len, names.values())))
    for name, spec in found.fields.items():
        body, comment = _field(name, spec, found, task)
        lines.append(
            f"  {names[name]:<{width}} {_flow(body)}" + (f"  # {comment}" if comment else "")
        )
    return lines


def _field(name: str, spec: FieldSpec, found: Inferred, task: Task) -> tuple[dict[str, Any], str]:
    body = {"type": spec.type} | spec.model_dump(exclude_defaults=True)
    if isinstance(spec.min, float) and spec.min.is_integer():
        body["min"] = int(spec.min)
    comments = [found.notes[name]] if name in found.notes else []
    unread = found.unread.get(name, 0)
    if name == task.target:
        body["required"] = True
    if unread:
        comments.append(f"{unread:,} values in the sample are no {expected(spec)}")
        if not body.get("required"):
            body["on_violation"] = "null"
    return body, "; ".join(comments)


def _steps(found: Inferred, task: Task) -> list[str]:
    texts = [name for name in found.fields if name in found.texts and name in task.inputs]
    lines = ["# What is done with the rows, in this order.", "steps:"]
    if texts:
        lines += _step(
            "clean.text", {"columns": texts}, "repair Unicode, entities, mark-up, spaces"
        )
    lines += _dedup(found, task)
    long = [name for name in texts if _is_long(found.rows[name])]
    if long:
        near = {"columns": long, "keep": "all"}
        lines += _step("dedup.near", near, "what is nearly the same stays on one side of the split")
    return lines + _split(found, task)


def _is_long(values: pl.Series) -> bool:
    """Long, and mostly different from row to row: what the leak certificate compares as well."""
    filled = values.cast(pl.String).drop_nulls().head(2000)
    length = filled.str.len_chars().mean()
    return isinstance(length, float) and length >= 20 and filled.n_unique() > len(filled) // 10


def _dedup(found: Inferred, task: Task) -> list[str]:
    """Equal records must not be learned from and tested on; which columns make a record?"""
    rows = found.rows
    main = next((name for name in found.texts if name in task.inputs), None)
    if main is not None:
        filled = rows[main].drop_nulls()
        words = filled.str.count_matches(r"\S+").mean()
        if isinstance(words, float) and words >= 5 and filled.n_unique() > 0.7 * len(filled):
            return _step("dedup.exact", {"columns": [main]}, "the same text stays once")
    columns = [name for name in task.inputs if not rows[name].dtype.is_nested()]
    columns += [task.target] if task.target is not None else []
    copies = 1 - rows.select(columns).n_unique() / rows.height if columns else 1.0
    if copies > COINCIDENCE:
        return [
            f"  # No dedup.exact: {copies:.0%} of the rows equal another in all that models see,",
            "  # which so few different values do by chance.",
        ]
    return _step("dedup.exact", {"columns": columns}, "the same record stays once")


def _split(found: Inferred, task: Task) -> list[str]:
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    groups = {"groups": found.groups[:1]} if found.groups[:1] not in ([], [task.target]) else {}
    together = f"rows of one {_plain(groups['groups'][0])} stay together" if groups else ""
    if task.target is not None:
        why = f"{_plain(task.target)} is spread alike over the splits" + (
            f"; {together}" * bool(groups)
        )
        lines = _step("split.stratified", {"by": [task.target], **shares, **groups}, why)
    elif groups:
        lines = _step("split.grouped", {**groups, **shares}, together)
    else:
        lines = _step("split.random", shares, "a row never changes sides, however the data grows")
    times = [name for name, spec in found.fields.items() if spec.type == "datetime"]
    if times:
        later = _step("split.temporal", {"by": times[0], **shares}, "")[1:]
        lines.append(
            "  # Or, if models are to predict what comes later than what they learned from:"
        )
        lines += ["  # " + line.strip() for line in later]
    return lines


def _step(name: str, parameters: Mapping[str, Any], why: str) -> list[str]:
    line = f"  - {name}: {_flow(dict(parameters))}"
    if len(line) <= WIDTH:
        return [f"  # {why}", line]
    entries = [_entry(key, value, indent=6) for key, value in parameters.items()]
    return [f"  # {why}", f"  - {name}:", *(line for entry in entries for line in entry)]


def _models(found: Inferred, task: Task, rows: int) -> list[str]:
    if task.target is None:
        return []
    texts = [name for name in task.inputs if name in found.texts]
    models = ["constant", "random"]
    models += ["tabular_linear"] if len(texts) < len(task.inputs) else []
    models += ["tfidf_linear"] if texts else []
    models += ["boosted_trees"]
    if task.kind == "number":
        metrics = ["mae", "rmse", "r2", "median_ae"] + (["rmsle", "hits"] if task.price else [])
    else:
        metrics = ["accuracy", "balanced_accuracy", "f1", "log_loss"]
        if task.majority > LOPSIDED:
            metrics[:2] = metrics[1::-1]
        metrics += ["roc_auc"] if len(task.classes) == 2 else []
    least = min(100, rows // 20)
    gates: list[dict[str, Any]] = [{"rows": {"split": "test", "min": least}}] if least > 1 else []
    gates += [{"better": {"model": "best", "than": "constant"}}]
    return [
        "# Two guesses to beat, and models that learn.",
        *_entry("models", models),
        "",
        "# Each with its 95 % interval on the test rows; the first decides which model is best.",
        *_entry("metrics", metrics),
        "",
        "# What must hold for `assay run` to pass.",
        "gates:",
        *(f"  - {_flow(gate)[1:-1]}" for gate in gates),
        *LEAK,
        "  # - not_worse: {than: accepted}  # once `assay accept` has marked a version",
    ]


def _entry(key: str, value: Any, *, indent: int = 0) -> list[str]:
    """`key: value`, a long list over several lines."""
    start = " " * indent + f"{_flow(key)}: "
    if not isinstance(value, list):
        return [start + _flow(value)]
    lines = [start + "["]
    for position, item in enumerate(value):
        word = _flow(item) + ("]" if position == len(value) - 1 else ",")
        if len(lines[-1]) + 1 + len(word) > WIDTH and not lines[-1].endswith("["):
            lines.append(" " * (indent + 2) + word)
        else:
            lines[-1] += ("" if lines[-1].endswith("[") else " ") + word
    return lines


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    # Inside brackets more characters need quotes, and quotes harm nowhere.
    text = yaml.safe_dump([value], allow_unicode=True, width=10**9, default_flow_style=True)
    text = text.strip()[1:-1]
    # What looks like a number to other readers of YAML than this one, and line breaks, are
    # written as JSON, which is YAML too.
    if isinstance(value, str) and ("\n" in text or (text == value and text[:1] in "+-.0123456789")):
        return json.dumps(value, ensure_ascii=False)
    return text


def _plain(text: str) -> str:
    """A name as a comment can hold it."""
    return " ".join(text.split())
