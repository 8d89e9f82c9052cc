"""A watch builds whenever bytes are new, once at a time, and ends cleanly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import assay
from assay.errors import AssayError, RecipeError, StorageError

COMMAND = [sys.executable, "-c", "from assay.cli import main; main()", "watch"]


def rows(start: int, count: int = 50) -> str:
    return "".join(f"k{n},text number {n},{n % 7}\n" for n in range(start, start + count))


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "arrivals"
    folder.mkdir()
    (folder / "a.csv").write_text("key,text,n\n" + rows(0))
    return {
        "name": "w",
        "source": str(folder),
        "id": "key",
        "steps": [{"split.random": {"train": 0.7, "validation": 0, "test": 0.3}}],
        "gates": [{"rows": {"min": 60}}],
    }


@pytest.fixture
def once(recipe: dict[str, Any], tmp_path: Path) -> Any:
    def looked(**more: Any) -> list[Any]:
        options = {"once": True, "settle": 0, "workers": 1, "out": tmp_path / "versions"}
        return list(assay.watch(recipe=recipe, **options | more))

    return looked


def test_it_builds_and_gates_what_is_new_and_nothing_twice(
    recipe: dict[str, Any], once: Any, tmp_path: Path
) -> None:
    first = once()
    again = once()
    (tmp_path / "arrivals" / "b.csv").write_text("key,text,n\n" + rows(50))
    grown = once()

    assert [event.what for event in first] == ["watching", "built"]
    assert first[-1].verdict == "fail"  # fewer rows than the gate asks for
    assert [event.what for event in again] == ["watching", "unchanged"]
    assert [event.what for event in grown] == ["watching", "monitored", "built"]
    assert grown[1].said["new"] == ["b.csv"]
    assert grown[-1].verdict == "pass"
    assert [one.rows["kept"] for one in assay.versions("w", out=tmp_path / "versions")] == [50, 100]


def test_a_time_stamp_alone_builds_nothing(once: Any, tmp_path: Path) -> None:
    once()
    os.utime(tmp_path / "arrivals" / "a.csv", (1, 1))

    assert once()[-1].what == "unchanged"


def test_bytes_that_change_under_the_same_time_and_size_are_seen_by_the_next_look(
    once: Any, tmp_path: Path
) -> None:
    once()
    file = tmp_path / "arrivals" / "a.csv"
    stat = file.stat()
    file.write_text(file.read_text().replace("number 3,", "nombre 3,"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert once()[-1].what == "built"


def test_an_empty_folder_is_waited_for(once: Any, tmp_path: Path) -> None:
    (tmp_path / "arrivals" / "a.csv").unlink()

    assert [event.what for event in once()] == ["watching", "unchanged"]


def test_once_raises_what_goes_wrong(once: Any, tmp_path: Path) -> None:
    (tmp_path / "arrivals" / "b.csv").write_bytes(b"\x00\x01\x02" * 500)

    with pytest.raises(AssayError, match="binary"):
        once()


def test_a_second_watch_is_told_who_is_there(recipe: dict[str, Any], tmp_path: Path) -> None:
    first = assay.watch(recipe=recipe, out=tmp_path / "v", settle=0)
    next(first)

    with pytest.raises(StorageError, match="Another watch") as caught:
        next(assay.watch(recipe=recipe, out=tmp_path / "v", settle=0))

    assert f"process {os.getpid()}" in str(caught.value)
    first.close()
    assert next(assay.watch(recipe=recipe, out=tmp_path / "v", settle=0)).what == "watching"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([{"a": 1}, {"a": 2}], "Rows in memory cannot be watched"),
        ({"sql": "sqlite:///shop.db", "query": "SELECT 1"}, "query without a key cannot be"),
    ],
)
def test_a_source_that_cannot_be_watched_is_refused(tmp_path: Path, source: Any, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        assay.watch(recipe={"name": "w", "source": source}, out=tmp_path)
    assert caught.value.hint


@pytest.fixture
def started(recipe: dict[str, Any], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "assay.yaml").write_text(assay.Recipe(**recipe).to_yaml())
    options = ["--every", "0.2", "--settle", "0.5", "--workers", "1", "--json"]
    process = subprocess.Popen(
        [*COMMAND, *options], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def until(process: subprocess.Popen[str], what: str) -> list[dict[str, Any]]:
    """The events up to the first one of a kind."""
    assert process.stdout is not None
    events: list[dict[str, Any]] = []
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["what"] == what:
            return events
    raise AssertionError((events, process.communicate()))


def test_it_waits_out_what_is_being_written_survives_what_is_bad_and_stops(
    started: subprocess.Popen[str], tmp_path: Path
) -> None:
    until(started, "built")
    folder = tmp_path / "arrivals"
    with (folder / "b.csv").open("w") as file:
        file.write("key,text,n\n")
        for start in range(50, 90, 10):
            file.write(rows(start, 10))
            file.flush()
            time.sleep(0.2)
    grown = until(started, "built")
    (folder / "c.csv").write_bytes(b"\x00\x01\x02" * 500)
    failed = until(started, "failed")
    (folder / "c.csv").write_text("key,text,n\n" + rows(90, 10))
    mended = until(started, "built")
    started.send_signal(signal.SIGTERM)
    left, said = started.communicate(timeout=30)

    assert "90 of 90 rows" in grown[-1]["detail"]  # never a half of it
    assert failed[-1]["retry_in"] > 0 and "binary" in failed[-1]["detail"]
    assert "100 of 100 rows" in mended[-1]["detail"]
    assert started.returncode == 0, said
    assert json.loads(left.splitlines()[-1])["what"] == "stopped"
    assert list((tmp_path / "versions").rglob(".building-*")) == []


def test_an_interrupt_ends_it_as_it_ends_every_command(started: subprocess.Popen[str]) -> None:
    until(started, "built")
    started.send_signal(signal.SIGINT)
    left, said = started.communicate(timeout=30)

    assert started.returncode == 130
    assert '"stopped"' in left and "Traceback" not in said
