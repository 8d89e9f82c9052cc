"""Personal data: found by proof, masked consistently, never repeated."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import privacy

pytest.importorskip("presidio_analyzer")

KEY = "env:ASSAY_TEST_KEY"
# Numbers that authorities and issuers publish as examples. Tokens are put together here so that
# nobody takes this file for one that leaks.
HELD = {
    "email": ["Ann.Lee@example.com", "jürgen@müller-bau.de", "x_1+tag@mail.example.co.uk"],
    "phone": ["+44 20 7946 0958", "(212) 555-2368", "+49 30 901820", "1-866-356-1992"],
    "card": [
        "4111 1111 1111 1111", "5555-5555-5555-4444", "card 378282246310005", "2223 0031 2200 3222",
    ],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"],
    "ip": ["192.168.0.17", "8.8.4.4 (the server)", "2001:db8::8a2e:370:7334"],
    "national_id": [
        "SSN 078-05-1125", "RSSMRA85T10A562S", "DNI 12345678Z", "PESEL 44051401359",
        "756.9217.0769.85", "111.444.777-35", "NHS 943 476 5919", "BSN 111222333",
    ],
    "secret": [
        "AKIA" + "IOSFODNN7EXAMPLE", "ghp_" + "a1B2c3D4" * 5, "password: hunter2Xy9",
        "api_key=9f8b7c6d5e4f3a2b1c0d", "postgres://app:s3cr3tPw@db.example.com/x",
        "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIB" + "AAKB\n-----END RSA " + "PRIVATE KEY-----",
    ],
}  # fmt: skip
HARMLESS = [
    "ISBN 978-3-16-148410-0 and 0-306-40615-2", "part 110700-5438 fits 350-05-5000, 304-05-5202",
    "$1,299.00 was 1.399,00 EUR", "2024-03-15 12:30:45 or 15.03.2024", "firmware v10.2.33.128",
    "order number 4711998822", "models 5540 5541 5542 5543 5544 5545 5547 5548", "std::vector::x",
    "bolts 420-950-860 and 420-956-741", "EAN 4006381333931, GTIN 00012345600012", "see 3.2.1.4",
    "resolution 1920x1080 at 60 Hz, 5 x 10 x 20", "@decorator and user@localhost",
    "your password: required", "the token: a coin", "12:34:56:78", "serial 1234567890123",
    "call me on 5 March", "bolt 740-549-1990 for pump 15", "Part No. 212-555-2368",
    "reset password=request.form['password']", "IPv4 255.255.255.255",
]  # fmt: skip


def masked(texts: list[str | None], **parameters) -> list[str | None]:
    return privacy.mask(pl.DataFrame({"t": texts}), columns=["t"], **parameters)["t"].to_list()


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, vs in HELD.items() for v in vs])
def test_every_kind_is_found_in_the_middle_of_a_sentence(kind, value):
    text = f"Well, {value}, he said."

    found = masked([text], kinds=[kind])[0]

    assert f"<{kind}>" in found
    assert found.startswith("Well, ") and found.endswith(", he said.")
    assert len(re.findall("<", found)) == 1


@pytest.mark.parametrize("text", HARMLESS)
def test_prices_parts_dates_and_versions_are_left_alone(text):
    assert masked([text]) == [text]


@pytest.mark.parametrize("value", ["4111 1111 1111 1112", "DE88 3704 0044 0532 0130 00"])
def test_a_wrong_checksum_is_no_number(value):
    assert masked([f"pay {value} now"], kinds=["card", "iban"]) == [f"pay {value} now"]


def test_one_value_has_one_pseudonym_however_it_is_written(monkeypatch):
    monkeypatch.setenv("ASSAY_TEST_KEY", "k" * 32)
    rows = pl.DataFrame(
        {"a": ["call +1 (212) 555-2368"], "b": ["or 212-555-2368, ANN@example.com"]}
    )

    found = privacy.mask(rows, columns=["a", "b"], key=KEY)

    first, second = (re.findall(r"<phone:[A-Z2-7]{12}>", found[name][0]) for name in "ab")
    assert first == second and len(first) == 1
    lower = masked(["ann@example.com"], key=KEY)[0]
    assert lower in found["b"][0]


def test_another_key_gives_other_pseudonyms(monkeypatch):
    monkeypatch.setenv("ASSAY_TEST_KEY", "k" * 32)
    one = masked(["ann@example.com"], key=KEY)
    monkeypatch.setenv("ASSAY_TEST_KEY", "l" * 32)

    assert masked(["ann@example.com"], key=KEY) != one


def test_a_hash_is_the_whole_keyed_hash_and_wants_a_key(monkeypatch):
    monkeypatch.setenv("ASSAY_TEST_KEY", "k" * 32)

    assert re.fullmatch(r"<ip:[0-9a-f]{64}>", masked(["192.168.0.7"], how="hash", key=KEY)[0])
    with pytest.raises(RecipeError, match="without a key"):
        masked(["192.168.0.7"], how="hash")


def test_the_key_is_named_and_never_repeated(monkeypatch):
    monkeypatch.delenv("ASSAY_TEST_KEY", raising=False)
    with pytest.raises(RecipeError, match="ASSAY_TEST_KEY"):
        masked(["x"], key=KEY)
    with pytest.raises(RecipeError) as caught:
        masked(["x"], key="correct horse battery staple")
    assert "horse" not in str(caught.value)


PIECES = st.sampled_from(
    [*(value for values in HELD.values() for value in values), *HARMLESS, "phone", " ", ", ", "\n",
     "<email>", "<phone:ABCDEFGH2345>", "中文", "é", "call 0", "12", "-", ".", "@", ":"]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=8).map("".join), max_size=4))
def test_masking_twice_is_masking_once_and_order_changes_nothing(texts):
    once = masked(texts)

    assert masked(once) == once
    assert masked(texts[::-1]) == once[::-1]


def test_nothing_but_the_value_changes():
    text = "İstanbul\u202e 😀 ann@example.com\n\tמחיר 4111-1111-1111-1111\x00 end "

    assert masked([text, None, ""]) == [
        "İstanbul\u202e 😀 <email>\n\tמחיר <card>\x00 end ", None, "",
    ]  # fmt: skip


def test_huge_texts_are_masked_in_time():
    texts = ["x" * 5_000_000 + " ann@example.com", "ann@example.com " * 20_000, "1 " * 2_000_000]

    found = masked(texts)

    assert found[0].endswith("x <email>")
    assert found[1] == "<email> " * 20_000
    assert found[2] == texts[2]


def test_rows_that_hold_too_much_are_dropped_with_the_count():
    rows = pl.DataFrame({"t": ["ann@example.com, +44 20 7946 0958", "ip 192.168.0.7", "", None]})

    found = privacy.drop(rows, columns=["t"], at_most=1)

    assert found["rule"].to_list() == ["personal data", None, None, None]
    assert found["value"].to_list() == [2.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "parameters", [{"columns": ["q"]}, {"columns": ["n"]}, {"columns": ["t"], "kinds": ["e-mail"]}]
)
def test_what_cannot_be_masked_is_refused(parameters):
    rows = pl.DataFrame({"t": ["a"], "n": [1]})

    with pytest.raises(RecipeError) as caught:
        privacy.mask(rows, **parameters)

    assert caught.value.allowed


def test_real_product_texts_raise_no_false_alarm(shared_data):
    texts = pl.read_ndjson(shared_data("prices/products.jsonl"), infer_schema_length=None)["text"]

    assert privacy.drop(texts.to_frame(), columns=["text"])["rule"].null_count() == len(texts)


def test_random_numbers_are_hardly_ever_taken_for_a_person():
    digits = np.random.default_rng(5).integers(10**8, 10**15, 3000).astype(str)

    found = privacy.drop(
        pl.DataFrame({"t": [f"item {each} in stock" for each in digits]}), columns="t"
    )

    assert found["rule"].count() <= 3


def test_a_version_holds_neither_the_value_nor_the_key_and_another_key_is_not_ignored(
    tmp_path, monkeypatch
):
    import assay

    rows = pl.DataFrame({"t": ["mail ann@example.com", "nothing to see"] * 3, "n": range(6)})
    step = {"privacy.mask": {"columns": ["t"], "key": KEY}}
    recipe = {"name": "v", "source": rows, "steps": [step], "certificate": "off"}
    texts = []
    for key in ("first key " * 4, "other key " * 4):
        monkeypatch.setenv("ASSAY_TEST_KEY", key)
        version = assay.build(recipe, out=tmp_path)
        texts.append(version.to_polars()["t"].sort().to_list())
        for file in version.path.rglob("*"):
            held = file.read_bytes() if file.is_file() else b""
            assert b"ann@" not in held and key.encode() not in held

    assert texts[0] != texts[1]
    assert all(re.search("<email:[A-Z2-7]{12}>", found[0]) for found in texts)
