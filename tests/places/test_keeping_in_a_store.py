"""Versions in an object store are named, restored, thinned out and traced like others."""

from __future__ import annotations

import polars as pl
import pytest

import assay
from assay.objects import Store

pytestmark = pytest.mark.usefixtures("planted")


def test_versions_in_a_store_are_kept_like_others(bucket, monkeypatch, tmp_path):
    out = f"{bucket}/kept"
    made = [
        assay.build({"name": "shop", "source": pl.DataFrame({"n": [n, 7]})}, out=out, workers=1)
        for n in range(3)
    ]
    assay.tag("shop/v1", "shipped", out=out, note="to the customer")
    # Another machine, with nothing on it.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert assay.tag(out=out).tags["shop/shipped"].version == made[0].id
    told = assay.prune(keep=1, out=out, yes=True)
    assert list(told.gone) == [f"shop/{made[1].id}"]
    keys = [one.key for one in Store(out).list("shop")]
    assert not [key for key in keys if key.startswith(f"shop/{made[1].id}/")]
    assert f"shop/pruned/{made[1].id}.json" in keys
    restored = assay.restore("shop/shipped", out=out)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "third"))
    newest = assay.versions("shop", out=out)[-1]
    assert (newest.id, newest.manifest["restored_from"]) == (restored.id, made[0].id)
    assert sorted(newest.to_polars()["n"]) == [0, 7]
    above = [node.title for node in assay.lineage("shop", out=out).made_of]
    assert f"shop/{made[1].id}" in above
    assert assay.diff("shop/shipped", "shop", out=out).counts["changed"] == 0
