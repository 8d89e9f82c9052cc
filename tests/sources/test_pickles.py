"""Pickles: data comes back, nothing runs, whatever is refused is named."""

from __future__ import annotations

import datetime
import decimal
import os
import pickle
import subprocess
import sys
import types
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from assay.errors import SourceError
from assay.recipe import Read
from assay.sources import pickles
from assay.sources.shards import load, locate


class Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *values: Any) -> None:
        self.call = (function, values)

    def __reduce__(self) -> Any:
        return self.call


def read(tmp_path: Path, content: bytes) -> Any:
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    return pickles.read(path)


def rows_of(tmp_path: Path, value: Any, protocol: int = 5) -> list[dict[str, Any]]:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    (shard,) = locate(tmp_path / "a.pkl", Read(format="pickle"), tmp_path / "spool")
    return load(shard).rows.to_dicts()


FRAME = pd.DataFrame(
    {
        "i": [1, 2],
        "t": ["x", None],
        "c": pd.Categorical(["u", "v"]),
        "d": pd.to_datetime(["2024-02-29", None]),
        "z": pd.to_datetime(["2024-02-29", "2024-03-01"]).tz_localize("UTC"),
        "n": pd.array([1, None], dtype="Int64"),
        "o": [{"x": 1}, [1, 2]],
    }
)


@pytest.mark.parametrize("protocol", range(6))
def test_frames_come_back(tmp_path: Path, protocol: int) -> None:
    pd.testing.assert_frame_equal(read(tmp_path, pickle.dumps(FRAME, protocol)), FRAME)
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    assert read(tmp_path, pickle.dumps(frame, protocol)).equals(frame)
    array = np.array([[1.5, 2.0]])
    assert np.array_equal(read(tmp_path, pickle.dumps(array, protocol)), array)


def test_records_become_rows(tmp_path: Path) -> None:
    records = [
        {"a": 1, "b": "x", "c": decimal.Decimal("1.10"), "d": datetime.date(2024, 2, 29)},
        {"a": np.int64(2), "b": None, "c": 2**70, "d": [1, {"y": None}], "e": {3}},
    ]

    found = rows_of(tmp_path, records)

    assert found[0] == {"a": "1", "b": "x", "c": "1.1", "d": "2024-02-29", "e": None}
    assert found[1]["a"] == "2"
    assert found[1]["c"] == str(2**70)
    assert found[1]["d"] == '[1, {"y": null}]'


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_objects_of_unknown_classes_are_their_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    module = types.ModuleType("course_items")
    exec(
        "class Item:\n    def __init__(self, t, p): self.title, self.price = t, p", module.__dict__
    )
    monkeypatch.setitem(sys.modules, "course_items", module)
    module.Item.__module__ = "course_items"
    content = pickle.dumps([module.Item("a", 1.5), module.Item("b", None)], protocol)
    monkeypatch.delitem(sys.modules, "course_items")
    (tmp_path / "train.pkl").write_bytes(content)

    (shard,) = locate(tmp_path / "train.pkl", Read(format="pickle"), tmp_path / "spool")

    assert load(shard).rows.to_dicts() == [
        {"title": "a", "price": "1.5"},
        {"title": "b", "price": None},
    ]
    assert "course_items" not in sys.modules


@pytest.mark.parametrize(
    ("function", "values", "named"),
    [
        (os.system, ("touch pwned",), "posix.system"),
        (eval, ("1",), "builtins.eval"),
        (exec, ("",), "builtins.exec"),
        (getattr, ({}, "keys"), "builtins.getattr"),
        (open, ("/etc/passwd",), "io.open"),
        (subprocess.Popen, (["true"],), "subprocess.Popen"),
        (pd.read_pickle, ("x",), "pandas"),
        (np.load, ("x",), "numpy.load"),
    ],
)
def test_what_would_run_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Any, values: Any, named: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SourceError, match=named):
        read(tmp_path, pickle.dumps(Runs(function, *values)))
    assert not (tmp_path / "pwned").exists()


def test_an_unknown_function_is_not_called(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"elsewhere\.evil, which would have to be called"):
        read(tmp_path, b"celsewhere\nevil\n(I1\ntR.")


@pytest.mark.parametrize("module", ["os", "posix", "nt", "builtins", "sys", "importlib", "polars"])
@pytest.mark.parametrize("name", ["system", "path.join", "__import__"])
def test_nothing_of_known_modules_gets_in(tmp_path: Path, module: str, name: str) -> None:
    with pytest.raises(SourceError, match=module):
        read(tmp_path, f"c{module}\n{name}\n.".encode())


def test_a_pickle_cannot_change_a_class(tmp_path: Path) -> None:
    before = uuid.UUID.__str__

    for target in (b"cuuid\nUUID\n", b"cfractions\nFraction\n", b"celsewhere\nThing\n"):
        with pytest.raises(SourceError):
            read(tmp_path, target + b"(N}S'__str__'\ncbuiltins\nint\nstbcos\nsystem\n.")
    assert uuid.UUID.__str__ is before


@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", b"\x80\x04\x95", b"\x80\x05Pspam\n."])
def test_damaged_pickles(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read(tmp_path, content)
