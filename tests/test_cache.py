"""Finished work is found by its content, whole or not at all."""

from __future__ import annotations

import multiprocessing

import pytest

from assay.cache import Cache, code_version
from assay.recipe import digest


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def filled(cache, key, content=b"rows"):
    with cache.writing(key, "rows") as path:
        path.write_bytes(content)
    cache.note(key, {"key": key}, ["rows"])


def test_what_was_noted_is_recalled(cache):
    assert cache.recall("ab12") is None
    filled(cache, "ab12")
    assert cache.recall("ab12") == {"key": "ab12"}
    assert cache.path("ab12", "rows").read_bytes() == b"rows"


def test_keys_are_made_of_content_in_any_order_of_mappings():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1, "b": [2]}) != digest({"a": 1, "b": [2, 2]})
    assert code_version() == code_version() and len(code_version()) == 16


def test_what_is_interrupted_leaves_nothing_behind(cache):
    with pytest.raises(KeyboardInterrupt), cache.writing("ab12", "rows") as path:
        path.write_bytes(b"half of i")
        assert not cache.path("ab12", "rows").exists()
        raise KeyboardInterrupt
    assert not [file for file in cache.folder.rglob("*") if file.is_file()]


def test_the_former_file_stays_until_the_new_one_is_complete(cache):
    filled(cache, "ab12", b"first")
    with pytest.raises(OSError), cache.writing("ab12", "rows") as path:
        path.write_bytes(b"sec")
        raise OSError
    assert cache.path("ab12", "rows").read_bytes() == b"first"


@pytest.mark.parametrize("suffix", ["rows", "json"])
@pytest.mark.parametrize("damage", [b"", b"\x00\xff", b"rowz", b'{"summary": {}, "parts": {}}'])
def test_a_damaged_entry_is_not_there_any_more(cache, suffix, damage):
    filled(cache, "ab12")
    cache.path("ab12", suffix).write_bytes(damage)
    assert cache.recall("ab12") is None


def test_only_what_no_owner_uses_is_deleted(cache):
    for key in ("aa01", "aa02", "bb03"):
        filled(cache, key)
    with cache.in_use() as lock:
        cache.keep_only(lock, "first", ["aa01", "aa02"])
        assert cache.recall("bb03") is None
    filled(cache, "bb03")
    with cache.in_use() as lock:
        cache.keep_only(lock, "second", ["bb03"])
    assert all(cache.recall(key) for key in ("aa01", "aa02", "bb03"))
    with cache.in_use() as lock:
        cache.keep_only(lock, "first", ["aa02"])
    assert cache.recall("aa01") is None
    assert cache.recall("aa02") and cache.recall("bb03")
    assert not cache.path("aa01", "rows").exists()


def hold(folder, held, done):
    with Cache(folder).in_use():
        held.set()
        done.wait(30)


def test_nothing_is_deleted_while_another_build_reads(cache):
    filled(cache, "aa01")
    processes = multiprocessing.get_context("spawn")
    held, done = processes.Event(), processes.Event()
    other = processes.Process(target=hold, args=(cache.folder, held, done))
    other.start()
    try:
        assert held.wait(30)
        with cache.in_use() as lock:
            cache.keep_only(lock, "mine", [])
        assert cache.recall("aa01")
    finally:
        done.set()
        other.join(30)
    with cache.in_use() as lock:
        cache.keep_only(lock, "mine", [])
    assert cache.recall("aa01") is None
