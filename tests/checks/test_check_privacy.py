"""Personal data is reported with its place and never with its value."""

from __future__ import annotations

import polars as pl
import pytest

from assay.checks import privacy
from assay.checks.finding import Inspected, NotApplicable
from assay.recipe import FieldSpec

pytest.importorskip("presidio_analyzer")


def inspected(**columns) -> Inspected:
    written = pl.DataFrame({name: values for name, (values, _) in columns.items()})
    fields = {name: FieldSpec(type=kind) for name, (_, kind) in columns.items()}
    return Inspected(written, written, fields)


def test_each_kind_in_each_field_is_a_finding_with_its_step():
    data = inspected(
        note=(["ann@example.com or +44 20 7946 0958", "nothing", None], "string"),
        home=(["ip 192.168.0.7", "x", "y"], "category"),
    )

    found = privacy.personal_data(data)

    assert [(one.field, one.measured["kind"], one.rows.to_list()) for one in found] == [
        ("note", "email", [0]), ("note", "phone", [0]), ("home", "ip", [0]),
    ]  # fmt: skip
    assert found[0].step == {"privacy.mask": {"columns": ["note"], "kinds": ["email"]}}
    assert found[0].values.to_list() == ["<email> or <phone>"]


def test_no_message_repeats_a_value():
    values = ["ann@example.com", "4111 1111 1111 1111", "password: hunter2Xy9"]
    data = inspected(note=(values, "string"))

    said = repr([*privacy.personal_data(data), *privacy.secrets(data)])

    for value in ("ann@", "example.com", "4111 1111", "hunter2"):
        assert value not in said


def test_a_column_of_ids_is_known_by_its_name():
    numbers = ["078051125", "219099990", "123456789"] * 4

    assert privacy.personal_data(inspected(ssn=(numbers, "integer")))
    assert privacy.personal_data(inspected(part=(numbers, "integer"))) == []


def test_numbers_alone_are_not_looked_at():
    with pytest.raises(NotApplicable):
        privacy.secrets(inspected(price=([1.5, 2.5], "number")))


@pytest.mark.parametrize("rows", [[], [None], [""], [None] * 50])
def test_nothing_gives_nothing(rows):
    data = inspected(note=(pl.Series(rows, dtype=pl.String), "string"))

    assert privacy.personal_data(data) == []


def test_no_document_shows_a_value():
    from assay import inspect

    rows = pl.DataFrame({"note": ["ann@example.com has password: hunter2Xy9", "call a cab today"]})

    found = inspect(rows, checks=["F601", "F602"])

    shown = repr(found.to_dict()) + repr(found.cells().to_dicts()) + repr(found)
    assert "ann@" not in shown and "hunter2" not in shown
    assert "<email> has password: <secret>" in shown
