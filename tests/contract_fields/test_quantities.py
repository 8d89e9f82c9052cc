"""Numbers as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.contract.quantities import is_currency, read_quantities, written_unit

quick = settings(max_examples=50, deadline=None)
# Group mark, decimal mark, and how the currency stands, for several countries.
LOCALES = {
    "en_US": (",", ".", "${}"),
    "de_DE": (".", ",", "{} €"),
    "fr_FR": ("\u202f", ",", "{}\u00a0€"),
    "de_CH": ("’", ".", "CHF {}"),
    "sv_SE": ("\u00a0", ",", "{} kr"),
    "pt_BR": (".", ",", "R$ {}"),
}
CURRENCY = {
    "en_US": "USD", "de_DE": "EUR", "fr_FR": "EUR",
    "de_CH": "CHF", "sv_SE": "SEK", "pt_BR": "BRL",
}  # fmt: skip


def written(cents: int, locale: str) -> str:
    """An amount as the country's tills print it."""
    group, decimal, place = LOCALES[locale]
    whole, part = divmod(abs(cents), 100)
    number = f"{whole:,}".replace(",", group) + f"{decimal}{part:02d}"
    return ("-" if cents < 0 else "") + place.format(number)


@quick
@given(cents=st.integers(-(10**11), 10**11), locale=st.sampled_from(sorted(LOCALES)))
def test_amounts_of_any_country_read_back(cents, locale):
    text = written(cents, locale)

    (value,) = read_quantities([text], CURRENCY[locale])

    assert value == pytest.approx(cents / 100, abs=1e-9)


@quick
@given(value=st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_number_as_python_writes_it_reads_back(value):
    assert read_quantities([repr(value)]) == [pytest.approx(value)]


@quick
@given(kilograms=st.decimals(0, 10_000, places=3), unit=st.sampled_from(["kg", "g", "lb", "oz"]))
def test_weights_keep_their_mass_in_any_unit(kilograms, unit):
    per_kilogram = {"kg": 1.0, "g": 1000.0, "lb": 1 / 0.45359237, "oz": 16 / 0.45359237}[unit]

    (value,) = read_quantities([f"{float(kilograms) * per_kilogram:.9f} {unit}"], "kg")

    assert value == pytest.approx(float(kilograms), rel=1e-6, abs=1e-6)


@quick
@given(text=st.text(max_size=30))
def test_any_text_is_a_finite_number_or_none(text):
    _finite_or_none(text)


@quick
@given(text=st.text(alphabet="0159.,' -+()/*^%$€°kgmlbft\"", max_size=12))
def test_any_text_that_looks_like_a_quantity_is_a_finite_number_or_none(text):
    _finite_or_none(text)
    written_unit(text)


def _finite_or_none(text):
    for unit in (None, "USD", "kg"):
        (value,) = read_quantities([text], unit)
        assert value is None or abs(value) < float("inf")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("$1,299.00", "USD", 1299.0),
        ("1.299,00 €", "EUR", 1299.0),
        ("US$ 12", "USD", 12.0),
        ("(12.50)", None, -12.5),
        ("($12.50)", "USD", -12.5),
        ("−5", None, -5.0),
        ("12,34,567.50", "INR", 1234567.5),
        ("5 pounds", "GBP", 5.0),
        ("$5 USD", "USD", 5.0),
        ("2.3 pounds", "kg", 2.3 * 0.45359237),
        ("3 ft 2 in", "cm", 96.52),
        ("3'2\"", "inch", 38.0),
        ("5 lb 3 oz", "oz", 83.0),
        ("12.0 oz.", "oz", 12.0),
        ("12 fl. oz.", "mL", 354.88235475),
        ("16.0 OUNCE", "oz", 16.0),
        ("1 h 30 min", "minute", 90.0),
        ("98.6 °F", "degC", 37.0),
        ("45%", "percent", 45.0),
        ("45 %", "1", 0.45),
        ("16 GB", "GB", 16.0),
        ("5 stars", "stars", 5.0),
        ("7", "kg", 7.0),
    ],
)
def test_written_quantities(text, unit, value):
    assert read_quantities([text], unit) == [pytest.approx(value)]


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1,299", None, 1299.0),
        ("1.299", None, 1.299),
        ("1.299 €", "EUR", 1299.0),
        ("$1.299", "USD", 1.299),
        ("1.234.567", None, 1234567.0),
        ("0,299", None, 0.299),
        ("1299,5", None, 1299.5),
        ("1 299,5", None, 1299.5),
    ],
)
def test_the_rule_for_marks_that_could_group_or_point(text, unit, value):
    assert read_quantities([text], unit) == [value]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("€5", "USD"),  # another currency is never converted
        ("$5 EUR", "USD"),
        ("5 kg", "USD"),
        ("$5", "kg"),
        ("5 kg", "cm"),
        ("45%", "GB"),
        ("45%", None),  # a percentage or a measurement needs the field's unit
        ("12 oz", None),
        ("1-2 kg", "kg"),
        ("7 x 4 cm", "cm"),
        ("5 kg each", "kg"),
        ("about 5", None),
        ("3 oz 5 lb", "kg"),
        ("1,29,9", None),
        ("1 2 3", None),
        ("free", "USD"),
        ("$", "USD"),
        ("", None),
    ],
)
def test_what_is_no_quantity_of_the_unit_is_refused(text, unit):
    assert read_quantities([text], unit) == [None]


def test_the_unit_that_is_written_is_named():
    texts = ["$5", "5 €", "12.0 oz.", "45%", "3'2\"", "5", "5 apples", "2.3 pounds"]

    names = [written_unit(text) for text in texts]

    assert names == ["USD", "EUR", "oz", "percent", "foot", None, None, "pounds"]


def test_a_currency_is_a_code_and_nothing_else():
    assert [is_currency(unit) for unit in ("USD", "usd", "kg", "ABC", None)] == [
        True, False, False, False, False,
    ]  # fmt: skip
