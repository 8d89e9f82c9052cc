"""Look at data without any recipe and say what is wrong with it: `assay inspect`."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import polars as pl
import yaml

from assay.checks._running import Result, cells, chosen, run_checks
from assay.checks.finding import Finding, Inspected, counted
from assay.component import using
from assay.contract.check import check as hold
from assay.contract.infer import Inferred, infer
from assay.contract.reading import as_text
from assay.contract.target import study
from assay.errors import RecipeError, SourceError
from assay.own import own
from assay.places import called
from assay.progress import Progress
from assay.recipe import FieldSpec, Read, Recipe, load
from assay.rows import ROW, as_pandas, content_hash, hex_ids, uniform
from assay.storage import storage_errors

EXAMPLES = 5
SURVEYED = 16  # shards
SHOWN = 200  # characters of a value
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Inspection:
    """What the checks saw in a source.

    Attributes:
        source: what was looked at.
        total: how many rows there are.
        looked_at: how many of them the checks saw: all, or a keyed sample.
        unreadable: how many lines could not be read.
        fields: the contract of each field, given or inferred.
        results: what came of each check, in order of their codes.
        notes: what reading found out, such as the encoding.
    """

    source: str
    total: int
    looked_at: int
    unreadable: int
    fields: Mapping[str, FieldSpec]
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()
    _written: pl.DataFrame = field(repr=False, default_factory=pl.DataFrame)
    _where: pl.DataFrame = field(repr=False, default_factory=pl.DataFrame)

    @property
    def counts(self) -> dict[str, int]:
        """Findings by severity, and checks by what came of them."""
        severities = Counter(r.severity(one) for r in self.results for one in r.findings)
        statuses = Counter(result.status for result in self.results)
        return {
            **{severity: severities[severity] for severity in SEVERITIES},
            **{status: statuses[status] for status in ("found", "passed", "skipped")},
            "not applicable": statuses["not applicable"],
        }

    def cells(self) -> pl.DataFrame:
        """One line for every row and field that a finding is about.

        Returns:
            `row` (place among the rows that were looked at), `file`, `line` (as an editor counts),
            `field`, `code`, `check`, `severity`, `value` as it is written and `suggested`, what
            should stand there instead, null where nothing or nobody can tell.
        """
        return cells(self.results, self._written, self._where)

    def to_pandas(self) -> Any:
        """The cells as a pandas frame."""
        return as_pandas(self.cells())

    def to_dict(self) -> dict[str, Any]:
        """As plain values: the document that is written as `inspection.json`."""
        return {
            "source": self.source,
            "rows": self.total,
            "looked_at": self.looked_at,
            "unreadable": self.unreadable,
            "notes": list(self.notes),
            "fields": {
                name: {"type": spec.type, **spec.model_dump(mode="json", exclude_defaults=True)}
                for name, spec in self.fields.items()
            },
            "checks": [self._result(result) for result in self.results],
            "counts": self.counts,
        }

    def _result(self, result: Result) -> dict[str, Any]:
        return {
            "check": result.check,
            "code": result.code.code,
            "severity": result.code.severity,
            "status": result.status,
            "reason": result.reason,
            "summary": result.summary,
            "docs": result.docs,
            "findings": [self._finding(result, finding) for finding in result.findings],
        }

    def _finding(self, result: Result, finding: Finding) -> dict[str, Any]:
        count = None if finding.rows is None else len(finding.rows)
        return {
            "says": finding.says,
            "action": finding.action,
            "field": finding.field,
            "count": count,
            "share": None if count is None else count / max(1, self.looked_at),
            "severity": result.severity(finding),
            "measured": dict(finding.measured),
            "step": None if finding.step is None else _yaml(finding.step),
            "examples": self._examples(finding),
        }

    def _examples(self, finding: Finding) -> list[dict[str, Any]]:
        if finding.rows is None or not len(finding.rows):
            return []
        rows = finding.rows.head(EXAMPLES)
        values: list[str | None] = [None] * len(rows)
        if finding.field in self._written.columns and not finding.hidden:
            values = self._written[finding.field].gather(rows).to_list()
        whither = None if finding.values is None else finding.values.head(EXAMPLES).cast(pl.String)
        suggested = [None] * len(rows) if whither is None else whither.to_list()
        return [
            {**where, "value": _short(value), "suggested": _short(instead)}
            for where, value, instead in zip(
                self._where[rows].to_dicts(), values, suggested, strict=True
            )
        ]

    def __repr__(self) -> str:
        seen = "" if self.looked_at == self.total else f", of which {self.looked_at:,} looked at"
        lines = [f"{self.source}: {self.total:,} rows in {len(self.fields)} fields{seen}"]
        if self.unreadable:
            lines.append(f"  {self.unreadable:,} lines could not be read")
        lines += [f"  note: {note}" for note in self.notes]
        found = [(r, one) for r in self.results for one in r.findings]
        found.sort(key=lambda pair: SEVERITIES.index(pair[0].severity(pair[1])))
        for result, one in found:
            about = f"{one.field}: " if one.field is not None else ""
            lines.append(
                f"  {result.severity(one):<7}  {result.code.code}  {about}{one.says} {one.action}"
            )
        counts = self.counts
        tally = ", ".join(counted(counts[one], one, f"{one}s") for one in SEVERITIES)
        lines.append(
            f"{tally}; {counts['passed']} checks passed, {counts['skipped']} skipped, "
            f"{counts['not applicable']} not applicable"
        )
        skipped = [result for result in self.results if result.status == "skipped"]
        lines += [f"  skipped  {one.code.code}  {one.check}: {one.reason}" for one in skipped]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def inspect(  # noqa: PLR0913 - each is an option of the command of the same name
    source: Any = None,
    *,
    target: str | None = None,
    read: Read | Mapping[str, Any] | None = None,
    fields: Mapping[str, FieldSpec | Mapping[str, Any]] | None = None,
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    checks: list[str] | None = None,
    rows: int = 100_000,
    seed: int = 0,
    out: str | Path | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    progress: Progress | None = None,
) -> Inspection:
    """Look at data and say what is wrong with it, cell by cell where that can be told.

    Args:
        source: a file, glob, folder, list of them or a frame; the recipe's when left out.
        target: what models are to learn.
        read: how to read the source, as in a recipe.
        fields: the contract of some fields; the others' is inferred.
        recipe: fields, target, read and source are taken from it where they are not given.
        checks: names or codes of the checks to run; all of them when not given.
        rows: of a source with more rows a sample of so many is looked at, chosen by the rows'
            content, whatever their order.
        seed: of the sample, and of whatever is random in a check.
        out: folder to write `inspection.json` and `inspection.html` to.
        functions: checks of your own, or files with some.
        progress: called with a stage's name, how much of it is done and how much there is.

    Raises:
        SourceError: the source is missing, empty or unreadable.
        RecipeError: the target is not a column, there is no such check, or the recipe is wrong.
        StorageError: `out` cannot be written.

    >>> seen = inspect(pl.DataFrame({"age": [30, 41, -5, 28] * 5}), checks=["impossible"])
    >>> seen.cells().select("line", "field", "value").row(0)
    (3, 'age', '-5')
    """
    if rows < 1:
        raise RecipeError(
            "`rows` is how many rows are looked at.", received=rows, allowed="1, 2, …"
        )
    known = load(recipe) if recipe is not None else None
    if source is None and known is None:
        raise SourceError("There is nothing to look at.", hint="name a source, or a recipe")
    place = source if source is not None else known.source if known else None
    tell = progress or (lambda stage, done, total: None)
    with using(own(functions)):
        asked = chosen(checks)
        given = {**(known.fields if known else {}), **_specs(fields or {})}
        reading = _read(read, known)
        taken = _take(place, reading, rows, seed, tell)
        wanted = target if target is not None else known.target if known else None
        task = known.task if known and target is None else None
        data = _typed(taken, given, wanted, task, seed)
        results = run_checks(data, asked, tell)
    inspection = Inspection(
        called(place),
        taken.total,
        data.rows.height,
        taken.unreadable,
        data.fields,
        tuple(results),
        taken.notes,
        data.written,
        taken.where.select(hex_ids(data.rows[ROW]).alias("row"), "file", "line"),
    )
    if out is not None:
        _write(inspection, Path(out))
    return inspection


@dataclass(frozen=True)
class _Taken:
    rows: pl.DataFrame
    where: pl.DataFrame
    kinds: Mapping[str, frozenset[str]]
    total: int
    unreadable: int
    notes: tuple[str, ...]


# Columns of our own beside those of the source, under names that no source has.
_DRAW, _SHARD, _FILE, _LINE = "\0draw", "\0shard", "\0file", "\0line"


def _take(source: Any, read: Read, most: int, seed: int, progress: Progress) -> _Taken:
    """Read every shard, and keep the rows whose draws are smallest where there are too many."""
    from assay.sources.shards import load as load_shard
    from assay.sources.shards import locate, survey

    with tempfile.TemporaryDirectory(prefix="assay-inspect-") as spool:
        shards = locate(source, read, Path(spool))
        kinds: dict[str, frozenset[str]] = {}
        for shard in shards[:: max(1, len(shards) // SURVEYED)]:
            for name, seen in survey(shard).items():
                kinds[name] = kinds.get(name, frozenset()) | seen
        kept: list[pl.DataFrame] = []
        offsets: Counter[str] = Counter()
        total = unreadable = waiting = 0
        notes: dict[str, None] = {}
        for done, shard in enumerate(shards):
            progress("read", done, len(shards))
            loaded = load_shard(shard)
            kept.append(
                loaded.rows.with_columns(
                    pl.Series(_DRAW, uniform(content_hash(loaded.rows), seed, "inspect")),
                    pl.lit(done).alias(_SHARD),
                    pl.lit(shard.name).alias(_FILE),
                    (loaded.lines + offsets[shard.path]).cast(pl.UInt64).alias(_LINE),
                )
            )
            offsets[shard.path] += loaded.line_count
            total += loaded.rows.height
            waiting += loaded.rows.height
            unreadable += loaded.rejects.height
            notes |= dict.fromkeys(loaded.notes)
            if waiting > 2 * most:
                kept, waiting = [_fewest(kept, most)], most
        progress("read", len(shards), len(shards))
        sample = _fewest(kept, most)
    rows = sample.drop(_DRAW, _SHARD, _FILE, _LINE)
    if rows.is_empty():
        missing = "rows" if rows.width else "columns"
        raise SourceError(f"There are no {missing} in the source.", where=called(source))
    where = sample.select(pl.col(_FILE).alias("file"), pl.col(_LINE).alias("line"))
    return _Taken(rows, where, kinds, total, unreadable, tuple(notes))


def _fewest(kept: list[pl.DataFrame], most: int) -> pl.DataFrame:
    rows = pl.concat(kept, how="diagonal_relaxed", rechunk=True)
    if rows.height > most:
        rows = rows.sort(_DRAW, _FILE, _LINE).head(most)
    return rows.sort(_SHARD, _LINE)


def _typed(
    taken: _Taken,
    given: Mapping[str, FieldSpec],
    target: str | None,
    task: Literal["number", "class"] | None,
    seed: int,
) -> Inspected:
    found = infer(taken.rows, taken.kinds)
    named = {name: spec for name, spec in given.items() if name in found.fields}
    # Checks say themselves what breaks a contract, and want to see the value that does.
    spared = {
        name: spec.model_copy(update={"on_violation": "set_aside"}) for name, spec in named.items()
    }
    fields = {**found.fields, **spared}
    typed = found.rows
    if spared:
        typed = typed.with_columns(hold(taken.rows.select(list(spared)), spared).rows)
    if target is not None:
        kind = _task(dataclasses.replace(found, fields=fields, rows=typed), target)
        task = task or kind
    columns = taken.rows
    files = taken.where["file"]
    return Inspected(
        rows=typed.with_columns(content_hash(columns).alias(ROW)),
        written=columns.select(as_text(columns[name]).alias(name) for name in columns.columns),
        fields=fields,
        target=target,
        task=task,
        sources=files if files.n_unique() > 1 else None,
        total=taken.total,
        seed=seed,
    )


def _task(found: Inferred, target: str) -> Literal["number", "class"]:
    """What the target is; also where it cannot be learned, which checks say better."""
    if target in found.fields:
        try:
            return study(found, target).kind
        except RecipeError:
            number = found.fields[target].type in ("number", "integer")
            return "number" if number else "class"
    return study(found, target).kind


def _specs(fields: Mapping[str, FieldSpec | Mapping[str, Any]]) -> dict[str, FieldSpec]:
    plain = {n: s.model_dump() if isinstance(s, FieldSpec) else dict(s) for n, s in fields.items()}
    return dict(load({"name": "fields", "source": "", "fields": plain}).fields)


def _read(read: Read | Mapping[str, Any] | None, recipe: Recipe | None) -> Read:
    if read is None:
        return recipe.read if recipe else Read()
    body = read.model_dump() if isinstance(read, Read) else dict(read)
    return load({"name": "read", "source": "", "read": body}).read


def _yaml(step: Mapping[str, Any]) -> str:
    return yaml.safe_dump([dict(step)], sort_keys=False, allow_unicode=True, width=96).strip()


def _short(value: str | None) -> str | None:
    return value if value is None or len(value) <= SHOWN else value[: SHOWN - 1] + "…"


def _write(inspection: Inspection, folder: Path) -> None:
    from assay.reporting.inspection import render_inspection

    document = inspection.to_dict()
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
        (folder / "inspection.json").write_text(text + "\n", encoding="utf-8")
        page = render_inspection(document)
        (folder / "inspection.html").write_text(page, encoding="utf-8")
