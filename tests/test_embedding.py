"""Vectors of texts: of length 1, of one text only, and like where the texts are."""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay import embedding, grams
from assay.embedding import embed, embedded
from assay.errors import ModelError, RecipeError


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=30) | st.none(), max_size=8))
def test_a_vector_has_length_one_and_depends_on_its_text_only(texts):
    series = pl.Series(texts, dtype=pl.String)

    vectors = embed(series)

    assert vectors.shape == (len(texts), 128)
    assert vectors.dtype == np.float32
    lengths = np.linalg.norm(vectors, axis=1)
    assert (np.isclose(lengths, 1, atol=1e-5) | (lengths == 0)).all()
    for place in range(len(texts)):
        assert (embed(series[place : place + 1])[0] == vectors[place]).all()


def test_pieces_leave_no_trace(monkeypatch):
    texts = pl.Series([f"text number {n} " * (n % 7) for n in range(60)])
    whole = embed(texts)

    monkeypatch.setattr(grams, "PIECE", 50)

    assert (embed(texts) == whole).all()


def test_the_cosine_estimates_what_texts_share():
    """Achlioptas 2003: a random projection keeps inner products within about 1 / sqrt(axes)."""
    rng = np.random.default_rng(0)
    words = np.array([f"{chr(97 + n % 26)}{n * 7919}" for n in range(9_999)])
    shares = np.repeat([0.0, 0.5, 0.9], 100)
    pairs = []
    for share in shares:
        drawn = rng.choice(words, 200, replace=False)
        same = round(100 * share)
        pairs.append((" ".join(drawn[:100]), " ".join([*drawn[:same], *drawn[100 : 200 - same]])))

    ours, theirs = (embed(pl.Series([pair[side] for pair in pairs])) for side in (0, 1))

    cosine = (ours * theirs).sum(axis=1)
    low, middle, high = (cosine[shares == share].mean() for share in (0.0, 0.5, 0.9))
    assert low < 0.3 < middle < 0.75 < high
    assert abs(high - 0.9) < 0.06
    assert max(cosine[shares == share].std() for share in (0.0, 0.5, 0.9)) < 2 / np.sqrt(128)


def test_seed_and_dimensions_count():
    texts = pl.Series(["a red kettle"])

    assert embed(texts, dimensions=64).shape == (1, 64)
    assert not (embed(texts, seed=1) == embed(texts)).all()


def test_columns_are_embedded_together_and_blank_rows_not_at_all():
    rows = pl.DataFrame({"a": ["x y", None, " "], "b": ["z", None, None], "n": [1, 2, None]})

    noted = embedded(rows, columns=["a", "b"])

    assert noted["embedding"].is_null().to_list() == [False, True, True]
    assert noted["_set"].is_null().to_list() == [False, True, True]
    assert noted["_filled"].to_list() == [3, 1, 1]
    assert noted.schema["embedding"] == pl.List(pl.Float32)
    assert embedded(rows[:0], columns=["a"]).schema == noted.schema


def test_wordllama_comes_in_its_wheel():
    pytest.importorskip("wordllama", reason="the extra curate is not installed")
    level, handlers = logging.getLogger().level, list(logging.getLogger().handlers)
    texts = pl.Series(["the car is fast", "a quick automobile", "boiled potatoes", None])

    vectors = embed(texts, method="wordllama")

    assert vectors.shape == (4, 128)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert not vectors[3].any()
    assert (logging.getLogger().level, logging.getLogger().handlers) == (level, handlers)


@pytest.mark.parametrize(
    "asked", [{"method": "hash"}, {"dimensions": 0}, {"method": "https://host/v1"}]
)
def test_what_cannot_be_is_refused(asked):
    with pytest.raises(RecipeError):
        embed(pl.Series(["a"]), **asked)


class Endpoint(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that may be busy or broken at first."""

    failures: ClassVar[list[int]] = []
    answer: object = None
    seen: ClassVar[list[dict[str, object]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Authorization")
        type(self).seen.append({"path": self.path, "key": key, **body})
        if self.failures:
            self.send_error(type(self).failures.pop(0))
            return
        data = [{"index": n, "embedding": [len(text), 1.0]} for n, text in enumerate(body["input"])]
        told = self.answer if self.answer is not None else {"data": data[::-1]}
        payload = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Endpoint, "failures", [])
    monkeypatch.setattr(Endpoint, "answer", None)
    monkeypatch.setattr(Endpoint, "seen", [])
    monkeypatch.setattr(embedding, "_waits", lambda: iter([0.0] * 3))
    monkeypatch.setenv("NO_PROXY", "*")
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1#small"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_endpoint_is_asked_in_batches_and_blank_texts_are_not_sent(endpoint, monkeypatch):
    monkeypatch.setattr(embedding, "BATCH", 2)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    vectors = embed(pl.Series(["a", None, "abc", " ", "ab"]), method=endpoint)

    assert [one["input"] for one in Endpoint.seen] == [["a", "abc"], ["ab"]]
    assert {one["key"] for one in Endpoint.seen} == {"Bearer secret"}
    assert {(one["path"], one["model"]) for one in Endpoint.seen} == {("/v1/embeddings", "small")}
    assert np.allclose(vectors[2], np.array([3, 1]) / np.sqrt(10))
    assert not vectors[[1, 3]].any()
    assert embed(pl.Series([None], dtype=pl.String), method=endpoint).tolist() == [[0.0]]


def test_a_busy_endpoint_is_asked_again(endpoint):
    Endpoint.failures = [429, 503]

    assert embed(pl.Series(["a"]), method=endpoint).shape == (1, 2)
    assert len(Endpoint.seen) == 3


@pytest.mark.parametrize("failures", [[401], [500] * 3])
def test_an_endpoint_that_refuses_is_told_without_the_key(endpoint, monkeypatch, failures):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    Endpoint.failures = list(failures)

    with pytest.raises(ModelError, match=str(failures[0])) as caught:
        embed(pl.Series(["a"]), method=endpoint)

    assert "secret" not in str(caught.value)
    assert len(Endpoint.seen) == len(failures)


@pytest.mark.parametrize(
    "answer",
    [{}, [], {"data": []}, {"data": [{"index": 0, "embedding": ["x"]}]}, {"data": [{"index": 0}]}],
)
def test_an_answer_that_is_none_is_refused(endpoint, answer):
    Endpoint.answer = answer

    with pytest.raises(ModelError):
        embed(pl.Series(["a"]), method=endpoint)


def test_nobody_there_is_told(endpoint, monkeypatch):
    monkeypatch.setattr(embedding, "_waits", lambda: iter([0.0]))

    with pytest.raises(ModelError, match="no vectors"):
        embed(pl.Series(["a"]), method="http://127.0.0.1:9/v1#m")


def test_a_build_asks_an_endpoint_once_whatever_the_threshold(endpoint, tmp_path):
    texts = ["x" * count for count in (1, 2, 40, 41, 42)]
    step = {"columns": "text", "model": endpoint, "most": 0.9}
    recipe = {"name": "asked", "source": pl.DataFrame({"text": texts}), "certificate": "off"}

    strict, loose = (
        assay.build(
            recipe | {"steps": [{"dedup.semantic": {**step, "threshold": threshold}}]},
            out=tmp_path,
            workers=1,
        )
        for threshold in (0.9999, 0.9)
    )

    # The endpoint's vectors are (length, 1): texts of 40 letters and more point the same way.
    assert strict.rows["kept"] == 3
    assert loose.rows["kept"] == 2
    assert sum(len(one["input"]) for one in Endpoint.seen) == 5
