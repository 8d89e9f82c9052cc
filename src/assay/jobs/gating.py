"""Hold a version against gates again, and mark the version that later ones are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import polars as pl
from pydantic import ValidationError

from assay.component import using
from assay.errors import RecipeError, VersionError
from assay.evaluation.evaluation import Evaluation
from assay.gates import ACCEPTED, Run, State, Verdict, judge, newest_run, overall, state_of
from assay.gates._seen import Seen
from assay.own import own
from assay.recipe import Recipe, load
from assay.records.recording import recorded
from assay.remote import placed
from assay.rows import as_pandas
from assay.storage import storage_errors, write_atomically
from assay.tags import Tag, read_tags, set_tag
from assay.verdicts.judged import Judged, gate_lines
from assay.verdicts.writing import checked_paths, form, gate_text, write
from assay.version import Version, open_version

RUNS, GATES = "runs", "gates.json"
Plain = Mapping[str, Any] | str | Path


@dataclass(frozen=True)
class Gated:
    """A version held against gates.

    Attributes:
        version: the version; None for an evaluation alone.
        gates: the verdict of every gate.
        verdict: `pass`, `fail` or `inconclusive`, over all gates that stop.
        judged: the same for `render`.
    """

    version: Version | None
    gates: tuple[Verdict, ...]
    verdict: str
    judged: Judged

    def render(self, form_name: str) -> str:
        """The verdicts as `text`, `junit`, `sarif`, `github`, `gitlab` or `markdown`.

        Raises:
            AssayError: there is no such form.
        """
        return form(form_name)(self.judged)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "version": self.version.id if self.version else None,
            "path": str(self.version.path) if self.version else None,
            "gates": [asdict(verdict) for verdict in self.gates],
            "verdict": self.verdict,
        }

    def to_pandas(self) -> Any:
        """The verdicts as a pandas frame."""
        plain = [asdict(one) | {"figures": dict(one.figures)} for one in self.gates]
        return as_pandas(pl.DataFrame([{k: one[k] for k in _COLUMNS} for one in plain]))

    def __repr__(self) -> str:
        return self.render("text")

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


_COLUMNS = ("code", "gate", "verdict", "severity", "detail", "needed")


@placed
def gate(
    version: Version | Evaluation | str | Path,
    recipe: Recipe | Mapping[str, Any] | str | Path | None = None,
    *,
    monitor: Plain | None = None,
    to: Iterable[str | Path] = (),
    out: str | Path = "versions",
    functions: Iterable[Callable[..., Any] | str | Path] = (),
) -> Gated:
    """Hold a version and its newest run against gates again; nothing is built or fitted.

    The verdicts are noted beside the run, where `accept` looks for them.

    Args:
        version: a version, its folder, or its name under `out`; or an evaluation, or the path of
            its `evaluation.json`, for gates that look at scores only.
        recipe: the recipe with the gates; the one that the version was built from if not given.
        monitor: the `monitor.json` of new data that was held against the version, or its content.
        to: files to write the verdicts to as well; the ending says how: `.xml` JUnit, `.sarif`,
            `.md` Markdown, `.json` GitLab's code quality, `.txt` text.
        out: the folder that holds all versions.
        functions: your own gates, or files of them, that the recipe may name.

    Raises:
        VersionError: there is no such version.
        RecipeError: a gate or what it names does not exist, or an evaluation comes without recipe.
        PredictionsError: the file is not an evaluation.
        AssayError: a file's ending says nothing, or the monitor's file cannot be read.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> rows = pl.DataFrame({"key": ["a", "b"], "n": [1, 2]})
    >>> made = build({"name": "tiny", "source": rows, "id": "key"}, out=tempfile.mkdtemp())
    >>> gated = gate(made, {"name": "tiny", "source": "-", "gates": [{"rows": {"min": 5}}]})
    >>> gated.verdict, gated.gates[0].detail
    ('fail', '2 rows where at least 5 are wanted.')
    """
    paths = checked_paths(to)
    seen = read_monitor(monitor)
    if isinstance(version, str | Path) and Path(version).suffix == ".json":
        version = Evaluation.from_file(version)
    with using(own(functions)):
        if isinstance(version, Evaluation):
            gated = _scores_gated(version, recipe, seen)
        else:
            opened = version if isinstance(version, Version) else open_version(version, out)
            asked = load(recipe if recipe is not None else _own_recipe(opened))
            with recorded("gate", opened, asked) as record:
                made = newest_run(opened)
                verdicts = judge(asked.gates, state_of(made, asked, seen))
                judged = judged_of(made, verdicts, recipe)
                gated = Gated(opened, verdicts, judged.verdict, judged)
                folder, plain = run_folder(made), [asdict(one) for one in verdicts]
                with storage_errors(folder):
                    write_atomically(folder / GATES, orjson.dumps(plain))
                record.verdict, record.gates = judged.verdict, plain
    write(gated.judged, paths)
    return gated


def _scores_gated(evaluation: Evaluation, recipe: Any, monitor: Mapping[str, Any] | None) -> Gated:
    """Hold an evaluation of anybody's predictions against gates."""
    if recipe is None:
        raise RecipeError(
            "An evaluation has no recipe of its own, so it has no gates.",
            hint="name a recipe with gates: `--recipe assay.yaml`",
        )
    asked = load(recipe)
    state = State(None, evaluation, monitor, metrics=asked.metrics, seed=asked.seed)
    verdicts = judge(asked.gates, state)
    file, lines = _places(recipe)
    title, about = evaluation.name, _scores(evaluation)
    judged = Judged(title, overall(verdicts), verdicts, file, lines, about)
    return Gated(None, verdicts, judged.verdict, judged)


@dataclass(frozen=True)
class Accepted:
    """A version that later ones are held against.

    Attributes:
        version: the version.
        tag: the tag `accepted`, with the run that was accepted and its verdict.
        previous: the version that was accepted before.
        failed: the gates that had failed.
        undecided: the gates that could not be decided.
    """

    version: Version
    tag: Tag
    previous: str | None
    failed: tuple[str, ...]
    undecided: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "version": self.version.id,
            "path": str(self.version.path),
            "previous": self.previous,
            "failed": list(self.failed),
            "undecided": list(self.undecided),
            "tag": self.tag.to_dict(),
        }

    def __repr__(self) -> str:
        lines = [f"{self.version.title} is accepted; later versions are held against it."]
        if self.previous and self.previous != self.version.id:
            lines.append(f"  before it was {self.previous}")
        lines += [f"  accepted although this gate failed: {name}" for name in self.failed]
        lines += [f"  undecided: {name}" for name in self.undecided]
        return "\n".join(lines)


@placed
def accept(
    version: Version | str | Path,
    *,
    force: bool = False,
    note: str = "",
    out: str | Path = "versions",
) -> Accepted:
    """Mark a version, with its newest run, as the one that later versions are held against.

    Gates such as `better: {than: accepted}` compare with it from then on.

    Args:
        version: a version, its folder, or its name under `out`.
        force: accept it although gates have failed, or were never held.
        note: why, in your words.
        out: the folder that holds all versions.

    Raises:
        VersionError: there is no such version, a gate has failed, or its recipe has gates that
            it was never held against.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> rows = pl.DataFrame({"key": ["a", "b"], "n": [1, 2]})
    >>> made = build({"name": "tiny", "source": rows, "id": "key"}, out=tempfile.mkdtemp())
    >>> accept(made).tag.version == made.id
    True
    """
    opened = version if isinstance(version, Version) else open_version(version, out)
    if problem := opened.damage():
        raise VersionError(
            "A damaged version cannot be accepted.", where=problem, hint="build it again"
        )
    made = newest_run(opened)
    gates = read_gates(run_folder(made))
    stops = [one for one in gates or () if one.get("severity", "stop") == "stop"]
    failed = tuple(str(one["gate"]) for one in stops if one["verdict"] == "fail")
    undecided = tuple(str(one["gate"]) for one in stops if one["verdict"] == "inconclusive")
    if failed and not force:
        raise VersionError(
            f"{opened.title} failed {len(failed)} of {len(gates or ())} gates, so it is not "
            "accepted.",
            received="; ".join(failed),
            hint="mend the data or the models and run again; --force accepts it all the same",
        )
    if gates is None and opened.manifest["recipe"].get("gates") and not force:
        raise VersionError(
            f"{opened.title} was never held against the gates of its recipe.",
            hint=f"`assay gate {opened.title}` does that; --force accepts it all the same",
        )
    home = opened.path.resolve().parent
    before = read_tags(home).get(ACCEPTED)
    verdict = "fail" if failed else "inconclusive" if undecided else "pass"
    details: dict[str, Any] = {"verdict": verdict, "failed": list(failed), "forced": force}
    if made.folder is not None:
        details["run"] = made.folder.name
    tag = set_tag(home, ACCEPTED, opened.id, note=note, details=details)
    return Accepted(opened, tag, before.version if before else None, failed, undecided)


def judged_of(made: Run, verdicts: Iterable[Verdict], recipe: object = None) -> Judged:
    """The verdicts of a run with what all forms of output say of it."""
    verdicts = tuple(verdicts)
    file, lines = _places(recipe)
    return Judged(made.version.title, overall(verdicts), verdicts, file, lines, _about(made))


def _places(recipe: object) -> tuple[str | None, Sequence[int | None]]:
    """A recipe's file, and the line of each of its gates."""
    if not isinstance(recipe, str | Path):
        return None, ()
    path = Path(recipe)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        # Code hosts know files by their path from the repository on.
        path = path.relative_to(Path.cwd())
    return str(path), gate_lines(recipe)


def shown_gates(made: Run, verdicts: Iterable[Verdict]) -> list[str]:
    """The gates of a run as lines for a terminal."""
    return gate_text(judged_of(made, verdicts))


def run_folder(made: Run) -> Path:
    """Where the verdicts of a run lie; a version without one has a folder of its own."""
    return made.folder or made.version.path.parent / RUNS / made.version.id


def read_gates(folder: Path) -> list[Mapping[str, Any]] | None:
    """The verdicts that were noted beside a run; None where there are none.

    Raises:
        VersionError: the file is damaged.
    """
    path = folder / GATES
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        found, why = None, str(error)
    else:
        why = "it is not a list of verdicts"
    if not isinstance(found, list) or not all(
        isinstance(one, dict) and {"gate", "verdict"} <= set(one) for one in found
    ):
        raise VersionError(
            f"The gates' verdicts cannot be read: {why}.",
            where=str(path),
            hint="`assay gate VERSION` writes them again",
        )
    return found


def read_monitor(source: Plain | None) -> Mapping[str, Any] | None:
    """What a monitor found, from its file or as it is, with all that gates read checked.

    Raises:
        RecipeError: the file is missing, or is not a monitor's.
    """
    if source is None:
        return None
    where = str(source) if isinstance(source, str | Path) else "monitor"
    try:
        found = source
        if isinstance(source, str | Path):
            found = orjson.loads(Path(source).read_bytes())
        Seen.model_validate(found)
    except OSError as error:
        why = str(error.strerror)
    except orjson.JSONDecodeError as error:
        why = f"it is not JSON ({error})"
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        why = f"{path + ': ' if path else ''}{first['msg']}"
    else:
        return cast("Mapping[str, Any]", found)
    raise RecipeError(
        f"The monitor's findings cannot be read: {why}.",
        where=where,
        hint="`assay monitor` writes a monitor.json",
    )


def _own_recipe(version: Version) -> dict[str, Any]:
    return {**version.manifest["recipe"], "source": "-"}


def _about(made: Run) -> list[str]:
    rows = made.version.manifest["rows"]
    splits = ", ".join(f"{name} {count:,}" for name, count in made.version.splits.items())
    facts = [f"{rows['kept']:,} of {rows['read']:,} rows kept: {splits}"]
    if made.evaluation is not None:
        facts += _scores(made.evaluation)
    return facts


def _scores(evaluation: Evaluation) -> list[str]:
    found = []
    for metric in evaluation.metrics[:3]:
        score = evaluation.score_of(evaluation.best or "", metric)
        if score is not None and score.value is not None:
            span = (
                f" (95 % {score.low:.4g} to {score.high:.4g})"
                if score.low is not None and score.high is not None
                else ""
            )
            found.append(f"{metric} of {score.model}: {score.value:.4g}{span} on {score.n:,} rows")
    return found
