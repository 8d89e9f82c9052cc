"""Predictions of any form are read and aligned by id; what does not fit is refused with figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import AssayError, PredictionsError
from assay.evaluation.evaluate import evaluate
from assay.evaluation.predictions import about, align, outputs, read_predictions
from assay.evaluation.truth import Truth, classes_of, id_column, positive_of, truth_from
from assay.evaluation.values import all_numbers, in_order, labels, numbers

CALM = settings(max_examples=50, deadline=None)
IDS = pl.Series(["1", "2", "3"])


def of_classes(values: list[str], positive: str | None = None) -> Truth:
    ids = pl.Series([str(place) for place in range(1, len(values) + 1)])
    return Truth(ids, pl.Series(values), "class", positive=positive)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12.5", 12.5),
        ("$12.50", 12.5),
        ("-$5", -5.0),
        ("The price is $1,299.00 or so", 1299.0),
        ("1.299,00 €", 1299.0),
        ("12,5", 12.5),
        ("1,234", 1234.0),
        ("model A-5", 5.0),
        ("between 10 and 20", 10.0),
        ("1e-3", 0.001),
        ("cost: 1.5e2!", 150.0),
        ("12.50.", 12.5),
        (".99", 0.99),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("", None),
        ("no idea", None),
        (None, None),
    ],
)
def test_numbers_are_found_in_text(text, number):
    assert numbers(pl.Series([text], dtype=pl.String)).to_list() == [number]


@CALM
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), max_size=20))
def test_written_numbers_are_read_back(values):
    written = pl.Series([None if v is None else repr(v) for v in values], dtype=pl.String)

    assert numbers(written).to_list() == values


@CALM
@given(st.lists(st.text(max_size=12), max_size=20))
def test_any_text_is_a_finite_number_or_none(texts):
    found = numbers(pl.Series(texts, dtype=pl.String)).drop_nulls()

    assert found.is_finite().all()


def test_not_finite_numbers_are_missing():
    assert numbers(pl.Series([1.0, float("nan"), float("inf")])).to_list() == [1.0, None, None]


def test_categories_are_read_as_their_text():
    for dtype in (pl.Categorical, pl.Enum(["20", "10"])):
        assert numbers(pl.Series(["10", "20"], dtype=dtype)).to_list() == [10.0, 20.0]


def test_labels_are_the_same_whatever_their_type():
    assert labels(pl.Series([1, 2])).to_list() == ["1", "2"]
    assert labels(pl.Series([1.0, 2.0])).to_list() == ["1", "2"]
    assert labels(pl.Series(["1.0", " 2 "])).to_list() == ["1", "2"]
    assert labels(pl.Series([True, False])).to_list() == ["true", "false"]
    assert labels(pl.Series(["True", "1.5", "007"])).to_list() == ["true", "1.5", "007"]
    assert in_order(["10", "2", "1"]) == ("1", "2", "10")
    assert not all_numbers(pl.Series([], dtype=pl.String))


def test_predictions_are_aligned_by_id_whatever_the_order_and_type():
    table = pl.DataFrame({"id": [3.0, 1.0], "prediction": [30, 10]})

    tables, notes = align([("m", table)], IDS, "id")

    assert tables["m"]["prediction"].to_list() == [10, None, 30]
    assert notes == []


def test_unknown_ids_are_left_out_and_counted():
    table = pl.DataFrame({"id": [1, 8, 9], "prediction": [1, 2, 3]})

    tables, notes = align([("m", table)], IDS, "id")

    assert tables["m"]["prediction"].to_list() == [1, None, None]
    assert "2 of 3 predictions" in notes[0]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([("m", {"id": [1, 1, 2, 2, 3]})], "2 ids stand more than once, in 4 of 5 rows"),
        ([("m", {"id": [1, None]})], "1 of 2 rows have no id"),
        ([("m", {"id": [7, 8]})], "None of the 2 ids is known"),
        ([("m", {"id": [1]}), ("m", {"id": [2]})], "more than one table"),
        ([("m", {"id": [1, 2], "model": ["a", None]})], "1 of 2 rows name no model"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tables, message):
    with pytest.raises(PredictionsError, match=message):
        align([(name, pl.DataFrame(table)) for name, table in tables], IDS, "id")


def test_a_model_column_tells_models_apart():
    table = pl.DataFrame({"id": [1, 1], "model": ["a", "b"], "prediction": [1, 2]})

    tables, _ = align([("file", table)], IDS, "id")

    assert list(tables) == ["a", "b"]


def test_every_kind_of_frame_is_read():
    body = {"id": [1, 2], "prediction": [0.5, 0.7]}
    frames = [pl.DataFrame(body), pl.LazyFrame(body), pd.DataFrame(body), pa.table(body), body]

    for frame in frames:
        ((name, read),) = read_predictions(frame)
        assert (name, read.to_dict(as_series=False)) == ("model", body)
    assert [name for name, _ in read_predictions(frames[:2])] == ["model 1", "model 2"]
    with pytest.raises(PredictionsError, match="not a table"):
        read_predictions(3)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_files_of_every_format_are_read(tmp_path, suffix):
    path = tmp_path / f"gpt{suffix}"
    frame = pl.DataFrame({"id": ["1", "2", "3"], "prediction": [1.0, 2.0, 4.0]})
    writers = {".csv": "write_csv", ".jsonl": "write_ndjson", ".parquet": "write_parquet"}
    getattr(frame, writers[suffix])(path)
    truth = pl.DataFrame({"id": [1, 2, 3], "y": [1.0, 2.0, 3.0]})

    found = evaluate(truth, path, metrics="mae")

    assert found.best == "gpt"
    assert found.scores[0].value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("", AssayError),
        ("id,prediction\n", AssayError),
        ("id,guess\n1,2\n", PredictionsError),
    ],
)
def test_files_without_predictions_are_refused(tmp_path, content, kind):
    path = tmp_path / "empty.csv"
    path.write_text(content)
    truth = pl.DataFrame({"id": [1, 2, 3], "y": [1.0, 2.0, 3.0]})

    with pytest.raises(kind):
        evaluate(truth, path)
    with pytest.raises(AssayError):
        evaluate(path, truth)
    with pytest.raises(AssayError):
        evaluate(truth, tmp_path / "absent.csv")


def test_without_a_common_id_the_hint_names_the_candidates():
    truth, table = pl.DataFrame({"key": [1], "y": [1]}), pl.DataFrame({"key": [1]})

    with pytest.raises(PredictionsError, match="--id key"):
        id_column(truth, [table], None)
    with pytest.raises(PredictionsError, match="did you mean 'key'"):
        id_column(truth, [table], "kex")
    assert id_column(truth, [table], "key") == "key"


def test_the_task_is_told_from_the_values():
    def task(values, **given):
        table = pl.DataFrame({"id": range(len(values)), "y": values})
        return truth_from(table, id="id", **given).task

    assert task([1.5, 2.5]) == "number"
    assert task(["$1", "2"]) == "class"
    assert task([0, 1] * 5) == "class"
    assert task([1, 2, 3, 4, 5] * 2) == "number"
    assert task([True, False]) == "class"
    assert task([1, 2, 3], positive="1") == "class"


def test_a_truth_with_repeated_ids_or_an_unclear_target_is_refused():
    with pytest.raises(PredictionsError, match="stand more than once"):
        truth_from(pl.DataFrame({"id": [1, 1], "y": [1, 2]}), id="id")
    with pytest.raises(PredictionsError, match="--target"):
        truth_from(pl.DataFrame({"id": [1], "x": [1], "y": [1]}), id="id")
    with pytest.raises(PredictionsError, match="did you mean 'price'"):
        truth_from(pl.DataFrame({"id": [1], "price": [1]}), id="id", target="prize")


def test_the_most_probable_class_is_the_prediction():
    truth = of_classes(["a", "b", "b"])
    frame = pl.DataFrame({"proba_a": [0.9, 0.4, None], "proba_b": [0.1, 0.6, 0.5]})

    scored, usable = outputs(frame, truth, ("a", "b"))

    assert usable.tolist() == [True, True, False]
    assert scored.prediction[:2].tolist() == [0, 1]


def test_one_probability_of_two_classes_is_enough():
    truth = of_classes(["a", "b"])

    scored, _ = outputs(pl.DataFrame({"proba_b": [0.25, 0.75]}), truth, ("a", "b"))

    assert scored.proba.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_rounded_probabilities_are_accepted_and_made_to_sum_to_one():
    truth = of_classes(["a", "b", "c"])
    third = pl.DataFrame({f"proba_{label}": ["0.33"] * 3 for label in "abc"})

    scored, _ = outputs(third, truth, ("a", "b", "c"))

    assert scored.proba.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([0.5, 1.2], [0.5, -0.2], "outside 0 to 1 in 1 rows"),
        ([0.5, 0.5], [0.5, 0.2], "do not sum to 1 in 1 rows"),
    ],
)
def test_what_is_no_probability_is_refused_with_its_row(a, b, message):
    with pytest.raises(PredictionsError, match=message) as caught:
        outputs(pl.DataFrame({"proba_a": a, "proba_b": b}), of_classes(["a", "b"]), ("a", "b"))
    assert caught.value.where == "row 2"


def test_labels_outside_the_truth_are_wrong_and_empty_ones_are_missing():
    truth = of_classes(["a", "b", "b"])

    scored, usable = outputs(pl.DataFrame({"prediction": ["a", "?", ""]}), truth, ("a", "b"))

    assert scored.prediction.tolist()[:2] == [0, -1]
    assert usable.tolist() == [True, True, False]


def test_a_score_needs_a_positive_class():
    frame = pl.DataFrame({"score": [0.1, 0.9]})

    with pytest.raises(PredictionsError, match="--positive b"):
        outputs(frame, of_classes(["a", "b"]), ("a", "b"))
    scored, _ = outputs(frame, of_classes(["a", "b"], "b"), ("a", "b"))
    assert scored.prediction is None
    assert scored.positive == 1


def test_a_table_without_anything_to_score_is_refused():
    with pytest.raises(PredictionsError, match="no column 'prediction'"):
        outputs(pl.DataFrame({"guess": ["a"]}), of_classes(["a"]), ("a",))


def test_classes_come_from_truth_and_probabilities():
    truth = of_classes(["10", "9"])
    tables = [pl.DataFrame({"proba_11.0": [0.5]})]

    assert classes_of(truth, tables) == ("9", "10", "11")
    assert positive_of(("no", "yes"), None) == "yes"
    assert positive_of(("0", "1"), "0.0") == "0"
    with pytest.raises(PredictionsError, match="none of the classes"):
        positive_of(("a", "b"), "c")


def test_what_predictions_cost_is_summed():
    frame = pl.DataFrame(
        {"seconds": ["0.5", "0.25"], "cost": [0.1, None], "error": ["timeout", "refused"]}
    )

    info = about("m", frame)

    assert (info.seconds, info.cost) == (0.75, 0.1)
    assert info.error == "refused (and 1 other messages)"
    assert about("m", pl.DataFrame({"prediction": [1]})).error is None


def test_categorical_and_boolean_predictions_are_labels():
    truth = of_classes(["true", "false"])
    scored, _ = outputs(pl.DataFrame({"prediction": [True, True]}), truth, ("false", "true"))

    assert scored.prediction.tolist() == [1, 1]
    assert np.array_equal(scored.truth, [1, 0])
