"""Write a ready pipeline, or a hook, for a recipe: `assay ci`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import assay
from assay.component import using
from assay.errors import AssayError, RecipeError, StorageError
from assay.gates import looks_back
from assay.own import own
from assay.recipe import Recipe, load
from assay.storage import storage_errors, write_atomically

Kind = Literal["github", "gitlab", "pre-commit"]
KINDS: tuple[Kind, ...] = ("github", "gitlab", "pre-commit")
# Paths stand in shell commands and in expressions of code hosts.
_PLAIN = re.compile(r"[\w./ -]+")
_SPECIAL = re.compile(r"([.^$*+?{}\[\]\\|()])")
_GITLAB = ".gitlab-ci.yml"


@dataclass(frozen=True)
class Pipelines:
    """What was written for a recipe, and what to do next.

    Attributes:
        files: the files.
        next: what to do next, a sentence each.
    """

    files: tuple[Path, ...]
    next: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"files": [str(file) for file in self.files], "next": list(self.next)}

    def __repr__(self) -> str:
        return "\n".join([*map(str, self.files), "", *(f"next: {one}" for one in self.next)])


def ci(
    recipe: str | Path = "assay.yaml",
    *,
    kinds: Sequence[str] | None = None,
    to: str | Path = ".",
    install: str | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    commands: bool = False,
    force: bool = False,
) -> Pipelines:
    """Write a ready pipeline for GitHub or GitLab and a pre-commit hook for a recipe.

    Args:
        recipe: the recipe's file, within the repository.
        kinds: `github`, `gitlab`, `pre-commit`; if not given what the repository's remote says,
            or all of them.
        to: the repository's root.
        install: the command that installs assay there.
        functions: files of your own functions that the recipe needs.
        commands: let the recipe's models run programs.
        force: write over files that are there.

    Returns:
        The files, and what to do next.

    Raises:
        RecipeError: the recipe cannot be read, or lies outside of the repository.
        StorageError: a file is there already, or cannot be written.
        AssayError: there is no such kind.

    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> _ = (root / "assay.yaml").write_text("name: a\\nsource: a.csv\\ngates: [leak]\\n")
    >>> made = ci(root / "assay.yaml", kinds=["github"], to=root)
    >>> [file.relative_to(root).as_posix() for file in made.files]
    ['.github/workflows/assay.yml']
    """
    root = Path(to)
    asked = _kinds(kinds, root)
    files = [str(one) for one in functions if isinstance(one, str | Path)]
    with using(own(functions)):
        loaded = load(recipe)
        looking_back = any(looks_back(use) for use in loaded.gates)
    named = _within(Path(recipe), root)
    words = ["assay", "run", named]
    words += [word for file in files for word in ("--functions", _within(Path(file), root))]
    words += ["--allow-commands"] if commands else []
    about: dict[str, Any] = {
        "name": loaded.name,
        "recipe": named,
        "run": shlex.join(words),
        "install": _one_command(install or f"python -m pip install assay=={assay.__version__}"),
        "baseline": looking_back,
        "stage": "pre-push" if loaded.models else "pre-commit",
        "files": _pattern(loaded, [named, *(_within(Path(file), root) for file in files)], root),
    }
    stem = Path(named).stem
    suffix = "" if stem == "assay" else f"-{re.sub(r'[^A-Za-z0-9-]+', '-', stem).strip('-')}"
    texts = _texts(asked, about, root, suffix)
    there = [path for path in texts if path.exists()]
    if there and not force:
        raise StorageError(
            f"{'These files are' if len(there) > 1 else 'This file is'} there already.",
            received=", ".join(str(path) for path in there),
            hint="--force writes over; or write elsewhere with --to and copy what you want",
        )
    for path, text in texts.items():
        with storage_errors(path):
            write_atomically(path, text.encode())
    return Pipelines(tuple(texts), tuple(_next(asked, loaded, about, texts, root, suffix)))


def _kinds(kinds: Sequence[str] | None, root: Path) -> list[str]:
    """The kinds asked for, or those of the code host that the repository names."""
    for kind in kinds or ():
        if kind not in KINDS:
            raise AssayError(f"There is no kind of pipeline {kind!r}.", allowed=KINDS)
    if kinds:
        return list(dict.fromkeys(kinds))
    try:
        remotes = (root / ".git" / "config").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return list(KINDS)
    hosts = [host for host in ("github", "gitlab") if re.search(rf"url\s*=.*{host}", remotes)]
    return [*(hosts or ("github", "gitlab")), "pre-commit"]


def _texts(
    kinds: Sequence[str], about: Mapping[str, Any], root: Path, suffix: str
) -> dict[Path, str]:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Code hosts and shells have braces of their own.
    pages = Environment(
        loader=PackageLoader("assay.pipelines"),
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    found: dict[Path, str] = {}
    if "github" in kinds:
        path = root / ".github" / "workflows" / f"assay{suffix}.yml"
        found[path] = pages.get_template("github.yml.j2").render(about)
    if "gitlab" in kinds:
        path = root / ".gitlab" / f"assay{suffix}.yml"
        found[path] = pages.get_template("gitlab.yml.j2").render(about)
        if not (root / _GITLAB).exists():
            found[root / _GITLAB] = f"include:\n  - local: .gitlab/assay{suffix}.yml\n"
    if "pre-commit" in kinds:
        path = root / ".pre-commit-config.yaml"
        found[path] = pages.get_template("pre-commit.yaml.j2").render(about)
    return found


def _within(path: Path, root: Path) -> str:
    """A file's path from the repository's root on, as commands there name it."""
    try:
        inside = path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise RecipeError(
            "The file lies outside of the repository, where a pipeline would not find it.",
            where=str(path),
            allowed=f"a file below {root.resolve()}",
            hint="name the repository's root: `--to FOLDER`",
        ) from None
    if not _PLAIN.fullmatch(inside):
        raise RecipeError(
            "A pipeline cannot name a file that is called like this.",
            received=inside,
            allowed="letters, digits, spaces and ._-/",
            hint="rename it",
        )
    return inside


def _one_command(install: str) -> str:
    if not install.strip() or "\n" in install or "${{" in install or ": " in install:
        raise AssayError(
            "The command that installs assay is one line of shell.",
            received=install,
            hint="python -m pip install -r requirements.txt",
        )
    return install.strip()


def _pattern(recipe: Recipe, files: Sequence[str], root: Path) -> str:
    """A regular expression over the paths whose change makes the hook run."""
    found = [f"{_SPECIAL.sub(_escaped, file)}$" for file in files]
    sources = recipe.source if isinstance(recipe.source, list) else [recipe.source]
    for source in sources:
        if not isinstance(source, str) or "://" in source:
            continue
        path = Path(source)
        whole = path.resolve()
        try:
            inside = whole.relative_to(root.resolve()).as_posix()
        except ValueError:
            continue
        star = re.split(r"[*?\[{]", inside, maxsplit=1)[0]
        end = "/" if whole.is_dir() else "" if star != inside else "$"
        found.append(f"{_SPECIAL.sub(_escaped, star)}{end}")
    return f"^({'|'.join(dict.fromkeys(found))})".replace("'", "''")


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[1]}"


def _next(
    kinds: Sequence[str],
    recipe: Recipe,
    about: Mapping[str, Any],
    texts: Mapping[Path, str],
    root: Path,
    suffix: str,
) -> Iterable[str]:
    if not recipe.gates:
        yield (
            f"{about['recipe']} has no `gates`, so nothing can fail: add some, for instance "
            "`- rows: {min: 1000}`"
        )
    if "gitlab" in kinds and root / _GITLAB not in texts:
        yield f"add to {_GITLAB}: `include: [{{local: .gitlab/assay{suffix}.yml}}]`"
    if "pre-commit" in kinds:
        kind = "" if about["stage"] == "pre-commit" else f" --hook-type {about['stage']}"
        yield f"`pip install pre-commit && pre-commit install{kind}`"
    ignored = root / ".gitignore"
    known = ignored.read_text(encoding="utf-8", errors="replace") if ignored.exists() else ""
    if "versions" not in known:
        yield "put `versions/` and `gates/` into .gitignore"
    if about["baseline"]:
        yield (
            "the first version has nothing to be held against: start the pipeline by hand with "
            "`accept` (GitHub) or ASSAY_ACCEPT (GitLab), here with `assay accept "
            f"{recipe.name}`"
        )
    if any(host in kinds for host in ("github", "gitlab")):
        yield f"look at the line that installs assay: `{about['install']}`"
    yield "commit the files"
