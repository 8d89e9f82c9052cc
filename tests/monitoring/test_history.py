"""The history: nothing twice, nothing lost, one clear error."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import time
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from assay.errors import StorageError
from assay.monitoring.history import HISTORY, Batch, opened
from assay.monitoring.trends import clock

DAY = datetime(2026, 11, 1, tzinfo=UTC)


def batch(number, **more):
    given = {"cells": {"x": [number, 10]}, "document": {"verdict": "pass"}, **more}
    at = given.pop("at", DAY + timedelta(days=number))
    return Batch(f"hash {number}", "demo/v1-9f2c41ab", f"day {number}", at, 10 + number, **given)


def test_what_goes_in_comes_out_in_the_order_of_its_time(tmp_path):
    table = pl.DataFrame({"row_id": ["a"], "model": ["m"], "prediction": [1.5]})
    with opened(tmp_path) as history:
        for number in (2, 0, 1):
            history.add(batch(number, predictions=table))
    with opened(tmp_path) as history:
        found = history.batches("demo/v1-9f2c41ab")

        assert [one.name for one in found] == ["day 0", "day 1", "day 2"]
        assert [one.arrival for one in found] == [2, 3, 1]
        assert found[2].cells == {"x": [2, 10]} and found[2].at == DAY + timedelta(days=2)
        assert history.predictions(1).equals(table)
        assert history.batches("demo/v2-00000000") == []


def test_a_batch_that_comes_twice_counts_once(tmp_path):
    with opened(tmp_path) as history:
        history.add(batch(1), lambda past: {"seen": len(past)})
        again = history.add(batch(1), lambda past: {"seen": -1})

        assert again.document == {"seen": 1}
        assert len(history.batches()) == 1


def test_times_are_compared_in_one_zone(tmp_path):
    from datetime import timezone

    east = timezone(timedelta(hours=9))
    with opened(tmp_path) as history:
        history.add(batch(0, at=datetime(2026, 11, 1, 8, tzinfo=east)))
        history.add(batch(1, at=datetime(2026, 10, 31, 23, 30, tzinfo=UTC)))
        history.add(batch(2, at=datetime(2026, 10, 31, 22)))  # no zone: UTC

        assert [one.name for one in history.batches()] == ["day 2", "day 0", "day 1"]


def test_a_clock_that_jumps_is_told():
    past = [batch(1), batch(5)]

    assert clock(DAY + timedelta(days=6), past, DAY + timedelta(days=6)) == []
    back = clock(DAY + timedelta(days=2), past, DAY + timedelta(days=6))
    assert [one["code"] for one in back] == ["clock.backwards"]
    assert "day 5" in back[0]["detail"]
    ahead = clock(DAY + timedelta(days=99), past, DAY)
    assert [(one["code"], one["severity"]) for one in ahead] == [("clock.ahead", "warn")]


def test_labels_that_arrive_twice(tmp_path):
    def labels(*rows):
        return pl.DataFrame(rows, schema=["row_id", "value"], orient="row")

    with opened(tmp_path) as history:
        first = history.add_labels(labels(("a", "1"), ("b", "2")), "monday.csv")
        again = history.add_labels(labels(("a", "1"), ("b", "3"), ("c", "4")), "tuesday.csv")
        within = history.add_labels(labels(("d", "1"), ("d", "1"), ("d", "2")), "wednesday.csv")

        assert (first.new, first.same, first.different) == (2, 0, 0)
        assert (again.new, again.same, again.different) == (1, 1, 1)
        assert again.examples == (("b", "2", "3"),)
        assert (within.new, within.same, within.different) == (1, 1, 1)
        known = dict(history.labels().iter_rows())
        assert known == {"a": "1", "b": "2", "c": "4", "d": "1"}


def _monitor(home, first, count):
    with opened(home) as history:
        for number in range(first, first + count):
            history.add(batch(number), lambda past: {"seen": len(past)})


def test_monitors_at_once_lose_nothing(tmp_path):
    """Three at a time, two of which bring the same batches, from a file that is not there yet."""
    spawn = multiprocessing.get_context("fork")
    running = [spawn.Process(target=_monitor, args=(tmp_path, first, 20)) for first in (0, 0, 20)]
    for process in running:
        process.start()
    for process in running:
        process.join(60)

    assert [process.exitcode for process in running] == [0, 0, 0]
    with opened(tmp_path) as history:
        found = history.batches()
    assert len(found) == 40
    # Each saw all that came before it: no two judged the same past.
    assert sorted(one.document["seen"] for one in found) == list(range(1, 41))


def _held(home):
    def wait(past):
        (home / "held").touch()
        time.sleep(60)
        return {}

    with opened(home) as history:
        history.add(batch(7), wait)


def test_a_kill_in_the_middle_leaves_it_whole(tmp_path):
    with opened(tmp_path) as history:
        history.add(batch(1))
    process = multiprocessing.get_context("fork").Process(target=_held, args=(tmp_path,))
    process.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    with opened(tmp_path) as history:
        assert [one.name for one in history.batches()] == ["day 1"]
        history.add(batch(7))
        assert len(history.batches()) == 2


def test_what_fails_while_a_batch_is_judged_leaves_no_trace(tmp_path):
    def fail(past):
        raise RuntimeError("out of luck")

    with opened(tmp_path) as history:
        with pytest.raises(RuntimeError, match="out of luck"):
            history.add(batch(1), fail)
        assert history.batches() == []
        history.add(batch(1))


@pytest.mark.parametrize("where", ["start", "middle"])
def test_a_damaged_file_is_one_clear_error(tmp_path, where):
    with opened(tmp_path) as history:
        for number in range(50):
            history.add(batch(number, document={"text": "x" * 3000}))
    path = tmp_path / HISTORY
    content = bytearray(path.read_bytes())
    begin = 0 if where == "start" else 8192
    content[begin : len(content) // 2] = bytes(len(content) // 2 - begin)
    path.write_bytes(content)

    with pytest.raises(StorageError, match=r"history .* damaged") as told, opened(tmp_path) as one:
        one.batches()
    assert str(path) in str(told.value) and "move the file away" in str(told.value)


def test_other_databases_and_newer_histories_are_refused(tmp_path):
    path = tmp_path / HISTORY
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(StorageError, match="not a history of monitoring"), opened(tmp_path):
        pass
    path.unlink()
    with opened(tmp_path):
        pass
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StorageError, match="newer assay") as told, opened(tmp_path):
        pass
    assert "upgrade assay" in str(told.value)


def test_a_history_that_is_not_there_is_not_made_by_looking(tmp_path):
    with pytest.raises(StorageError, match="no history"), opened(tmp_path, make=False):
        pass
    assert list(tmp_path.iterdir()) == []


def _fill(home, said):
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with opened(home) as history:
            for number in range(1, 100):
                history.add(batch(number, document={"text": "x" * 20_000}))
    except StorageError as error:
        said.put(str(error))


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path):
    with opened(tmp_path) as history:
        history.add(batch(0))
    spawn = multiprocessing.get_context("fork")
    said = spawn.Queue()
    process = spawn.Process(target=_fill, args=(tmp_path, said))
    process.start()
    told = said.get(timeout=30)
    process.join(30)

    assert "full" in told and "free some space" in told
    with opened(tmp_path) as history:
        before = len(history.batches())
        assert before >= 1
        history.add(batch(200))
        assert len(history.batches()) == before + 1
