"""Errors: their message, their tree, and their way across processes."""

from __future__ import annotations

import concurrent.futures
import inspect
import multiprocessing
import pickle
import re

import pytest

from assay import errors
from assay.errors import AssayError, MissingExtra, RecipeError, StorageError, nearest

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, AssayError) and kind.__module__ == errors.__name__
]


def full(kind: type[AssayError]) -> AssayError:
    if kind is MissingExtra:
        return MissingExtra("ray", "the engine `ray`")
    return kind(
        "No such column.",
        where="assay.yaml:4",
        received={"pric": 1},
        allowed=["price", "title"],
        hint="did you mean 'price'?",
    )


def raise_in_worker(kind_name: str) -> None:
    raise full(getattr(errors, kind_name))


def test_message_says_where_what_received_allowed_and_hint_in_that_order():
    message = str(full(RecipeError))

    assert message.splitlines() == [
        "assay.yaml:4: No such column.",
        "  received: {'pric': 1}",
        "  allowed: price, title",
        "  try: did you mean 'price'?",
    ]


def test_message_without_details_is_one_line():
    assert str(AssayError("The disk is full.")) == "The disk is full."


def test_allowed_may_be_a_text_or_any_iterable():
    assert "allowed: a number above 0" in str(AssayError("x.", allowed="a number above 0"))
    assert "allowed: a, b" in str(AssayError("x.", allowed=iter(["a", "b"])))
    assert "allowed" not in str(AssayError("x.", allowed=[]))


def test_falsy_values_received_are_shown():
    assert "received: 0" in str(AssayError("x.", received=0))
    assert "received: ''" in str(AssayError("x.", received=""))


def test_long_values_and_long_lists_are_cut():
    message = str(AssayError("x.", received="y" * 5_000_000, allowed=range(1_000)))

    assert len(message) < 1_000
    assert "(960 more)" in message


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_pickle_keeps_kind_message_and_parts(kind):
    error = full(kind)

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("kind", [StorageError, MissingExtra], ids=lambda kind: kind.__name__)
def test_an_error_raised_in_a_worker_process_arrives_whole(kind):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        future = pool.submit(raise_in_worker, kind.__name__)
        with pytest.raises(kind) as caught:
            future.result()

    assert str(caught.value) == str(full(kind))
    assert caught.value.hint == full(kind).hint


def test_one_except_clause_catches_every_kind():
    for kind in KINDS:
        with pytest.raises(AssayError):
            raise full(kind)


def test_the_tree_in_the_docstring_is_the_tree_in_the_code():
    drawn = {
        match["name"]: match["branch"]
        for match in re.finditer(
            r"^ {4}(?P<branch>[├└]── )?(?P<name>[A-Z]\w+) ", errors.__doc__ or "", re.MULTILINE
        )
    }
    by_depth = {kind.__name__: None if kind is AssayError else AssayError for kind in KINDS}

    assert set(drawn) == set(by_depth)
    for kind in KINDS:
        parent = kind.__bases__[0]
        assert (drawn[kind.__name__] is None) == (parent is Exception)
        assert parent in (Exception, AssayError)


def test_every_kind_says_what_it_means():
    for kind in KINDS:
        assert kind.__doc__ and kind.__doc__.partition("\n")[0].endswith(".")


def test_missing_extra_says_how_to_install_it():
    assert "pip install 'assay[ray]'" in str(full(MissingExtra))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("dedup.exct", "dedup.exact"), ("keep.lenght", "keep.length"), ("zebra", None), ("", None)],
)
def test_nearest_names_a_likely_match_only(written, meant):
    hint = nearest(written, ["dedup.exact", "keep.length", "split.random"])

    assert hint == (f"did you mean {meant!r}?" if meant else None)
