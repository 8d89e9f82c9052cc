"""One name for each form of output, and files whose ending says which it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import wrap

from assay.errors import AssayError, nearest
from assay.storage import storage_errors, write_atomically
from assay.verdicts.hosts import github, gitlab
from assay.verdicts.judged import Judged, word_of
from assay.verdicts.junit import junit
from assay.verdicts.markdown import markdown
from assay.verdicts.sarif import sarif

WIDTH = 100
ENDINGS = {
    ".xml": "junit",
    ".sarif": "sarif",
    ".md": "markdown",
    ".json": "gitlab",
    ".txt": "text",
}


def text(judged: Judged) -> str:
    """The gates for a terminal.

    >>> from assay.gates import Verdict
    >>> print(text(Judged("shop/v1-00000000", "fail", [Verdict("rows", "fail", "3 rows.")])))
    shop/v1-00000000
      fail  rows
            3 rows.
    <BLANKLINE>
    verdict  fail
    """
    return "\n".join([judged.title, *gate_text(judged), "", f"verdict  {judged.verdict}"])


def gate_text(judged: Judged) -> list[str]:
    """Two lines a gate: the verdict with what is asked, and why."""
    lines = []
    width = max((len(word_of(gate)) for gate in judged.gates), default=0)
    for gate in judged.gates:
        lines.append(f"  {word_of(gate):<{width}}  {gate.gate}")
        for part in wrap(gate.detail, WIDTH, break_on_hyphens=False):
            # A log must not take what data says for a command of its own.
            mark = "· " if part.startswith("::") else ""
            lines.append(f"{'':{width + 4}}{mark}{part}")
    return lines


FORMS: dict[str, Callable[[Judged], str]] = {
    "text": text,
    "junit": junit,
    "sarif": sarif,
    "github": github,
    "gitlab": gitlab,
    "markdown": markdown,
}


def form(name: str) -> Callable[[Judged], str]:
    """The form of this name.

    Raises:
        AssayError: there is none.
    """
    if name not in FORMS:
        raise AssayError(
            f"There is no form {name!r} of the gates' verdicts.",
            allowed=FORMS,
            hint=nearest(name, FORMS),
        )
    return FORMS[name]


def checked_paths(paths: Iterable[str | Path]) -> list[Path]:
    """Files to write, each with an ending that is known; asked before any work is done.

    Raises:
        AssayError: an ending says nothing.

    >>> checked_paths(["junit.xml"])
    [PosixPath('junit.xml')]
    """
    found = [Path(path) for path in paths]
    for path in found:
        if path.suffix.lower() not in ENDINGS:
            raise AssayError(
                "The file's ending does not say how to write the gates' verdicts.",
                received=str(path),
                allowed=[f"{ending} ({name})" for ending, name in ENDINGS.items()],
            )
    return found


def write(judged: Judged, paths: Iterable[str | Path]) -> None:
    """Write the verdicts to files, each as its ending says.

    Raises:
        AssayError: an ending says nothing.
        StorageError: nothing can be written there.
    """
    for path in checked_paths(paths):
        content = FORMS[ENDINGS[path.suffix.lower()]](judged)
        with storage_errors(path):
            write_atomically(path, content.encode("utf-8", "replace"))
