"""JSON lines: texts stay as they are, bad lines are set aside by number, every line is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assay
from assay.recipe import Read
from assay.sources.shards import Loaded, load, locate, survey

TEXTS = st.text(
    st.sampled_from('"\\/bfnu{}[],: \n\x00\x0101') | st.characters(codec="utf-8"), max_size=12
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**25), 10**25), TEXTS)
VALUES = st.one_of(
    SCALARS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(SCALARS, max_size=3),
    st.dictionaries(TEXTS, SCALARS, max_size=3),
)
RECORDS = st.lists(
    st.dictionaries(st.sampled_from("abcde"), VALUES, max_size=4), min_size=1, max_size=8
)


def read_all(path: Path, shard_bytes: int = 1 << 25) -> list[Loaded]:
    return [
        load(shard) for shard in locate(str(path), Read(), path.parent, shard_bytes=shard_bytes)
    ]


def load_text(tmp_path: Path, content: bytes | str, **kwargs: Any) -> Loaded:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (shard,) = locate(str(path), Read(), tmp_path)
    return load(shard, **kwargs)


@settings(max_examples=50, deadline=None)
@given(records=RECORDS, shard_bytes=st.integers(1, 200), ascii_only=st.booleans())
def test_what_json_writes_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[dict[str, Any]],
    shard_bytes: int,
    ascii_only: bool,
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    path.write_bytes("\n".join(lines).encode())

    shards = locate(str(path), Read(), path.parent, shard_bytes=shard_bytes)
    parts = [load(shard, list("abcde")) for shard in shards]

    found = [row for part in parts for row in part.rows.to_dicts()]
    assert len(found) == len(records)
    for row, record in zip(found, records, strict=True):
        for name, value in record.items():
            if value is None or isinstance(value, str):
                assert row[name] == value
            else:
                assert type(value)(json.loads(row[name])) == value
        assert all(row[name] is None for name in row.keys() - record.keys())
    numbers, offset = [], 0
    for part in parts:
        numbers += [offset + line for line in part.lines]
        offset += part.line_count
    assert numbers == list(range(1, len(records) + 1))
    assert sum(part.rejects.height for part in parts) == 0


@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(
        st.one_of(
            st.sampled_from(
                ['{"a": 1}', '{"a": NaN}', "", "  ", "[1]", '{"a":', '{"a": "\\ud800"}']
            ),
            st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=6),
        ),
        min_size=1,
        max_size=10,
    ),
    shard_bytes=st.integers(1, 60),
)
def test_every_line_is_a_row_a_reject_or_blank(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], shard_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "a.jsonl"
    path.write_bytes("\n".join(['{"a": 0}', *lines, '{"a": 9}']).encode())

    parts = read_all(path, shard_bytes)

    blank = sum(not line.encode().strip() for line in lines)
    rows = sum(part.lines.len() for part in parts)
    assert rows + sum(part.rejects.height for part in parts) + blank == len(lines) + 2
    assert sum(part.line_count for part in parts) == len(lines) + 2


def test_texts_and_digits_are_not_changed(tmp_path: Path) -> None:
    part = load_text(
        tmp_path,
        '{"a": "1.10", "b": "007", "c": 123456789012345678901234567890, "d": 0.1, "e": true}\n'
        '{"a": "null", "b": null, "d": {"x": [1, null]}}\n',
    )

    assert part.rows.row(0) == ("1.10", "007", "123456789012345678901234567890", "0.1", "true")
    assert part.rows.row(1) == ("null", None, None, '{"x": [1, null]}', None)


def test_bad_lines_are_set_aside_with_number_text_and_problem(tmp_path: Path) -> None:
    long = '{"a": ' + "x" * 20_000
    part = load_text(tmp_path, f'{{"a": 1}}\n\noops\n[1, 2]\n{long}\n{{"a": 2}}\n')

    assert part.rows["a"].to_list() == ["1", "2"]
    assert part.lines.to_list() == [1, 6]
    assert part.rejects["line"].to_list() == [3, 4, 5]
    assert part.rejects["text"].str.len_chars().to_list() == [4, 6, 10_000]
    assert part.rejects["problem"][1] == "this is a JSON list, not an object"
    assert part.line_count == 6


def test_what_only_python_calls_json_is_read_and_said(tmp_path: Path) -> None:
    part = load_text(
        tmp_path, b'{"a": NaN, "b": [NaN]}\n{"a": -Infinity}\n{"a": "x\x00y"}\n{"a": 1e999}\n'
    )

    assert part.rows["a"].to_list() == ["NaN", "-Infinity", "x\x00y", "1e999"]
    assert part.rows["b"][0] == "[null]"
    assert part.rejects.height == 0
    assert "lenient" in part.notes[0]


def test_half_surrogate_pairs_become_the_replacement_character(tmp_path: Path) -> None:
    part = load_text(tmp_path, '{"a": "x\\ud800y"}\n{"a": "\\ud83d\\ude00"}\n{"a": "\\\\ud800"}\n')

    assert part.rows["a"].to_list() == ["x\ufffdy", "😀", "\\ud800"]


def test_nested_values_stay_json(tmp_path: Path) -> None:
    nested = {"x": ["tab\t", "bell\x07", 'quote"']}
    part = load_text(tmp_path, json.dumps({"a": nested}) + "\n")

    assert json.loads(part.rows["a"][0]) == nested


def test_deep_nesting_is_set_aside(tmp_path: Path) -> None:
    part = load_text(tmp_path, '{"a": ' + "[" * 100_000 + "]" * 100_000 + '}\n{"a": 1}\n')

    assert part.rows["a"].to_list() == ["1"]
    assert part.rejects["problem"].to_list() == ["nested too deeply"]


def test_columns_that_appear_late(tmp_path: Path) -> None:
    content = '{"a": 1}\n' * 1000 + '{"b": 2}\n'

    assert load_text(tmp_path, content).rows.row(1000) == (None, "2")
    assert load_text(tmp_path, content, columns=["b", "z"]).rows.row(1000) == ("2", None)


def test_byte_order_mark_crlf_and_a_field_of_5_mb(tmp_path: Path) -> None:
    big = "é" * 2_500_000
    content = "\ufeff" + json.dumps({"a": big}, ensure_ascii=False) + '\r\n{"a": "b"}\r\n'
    path = tmp_path / "a.jsonl"
    path.write_bytes(content.encode())

    parts = read_all(path, shard_bytes=1000)

    assert [value for part in parts for value in part.rows["a"]] == [big, "b"]


def test_mixed_encodings(tmp_path: Path) -> None:
    part = load_text(tmp_path, '{"a": "é"}\n'.encode() + '{"a": "è"}\n'.encode("cp1252"))

    assert part.rows["a"].to_list() == ["é", "è"]
    assert "cp1252" in part.notes[0]


def test_survey_names_columns_in_order_of_first_sight(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"b": 1, "a": "x"}\n{"c": [], "b": 1.5, "a": null}\n{"d": {}, "e": NaN}\nbad\n'
    )
    (shard,) = locate(str(path), Read(), tmp_path)

    found = survey(shard)

    assert list(found) == ["b", "a", "c", "d", "e"]
    assert found["b"] == {"integer", "number"}
    assert found["a"] == {"string", "null"}
    assert (found["c"], found["d"], found["e"]) == ({"list"}, {"object"}, {"number"})


def test_real_products(shared_data, tmp_path: Path) -> None:
    parts = [
        load(shard)
        for shard in locate(
            str(shared_data("prices/products.jsonl")), Read(), tmp_path, shard_bytes=1 << 20
        )
    ]

    assert sum(part.rows.height for part in parts) == 4_132
    assert parts[0].rows.columns == ["title", "text", "price", "category", "style"]


def test_real_raw_texts_inside_gzip(shared_data, tmp_path: Path) -> None:
    shards = locate(str(shared_data("raw/product_texts_22k.jsonl.gz")), Read(), tmp_path)

    parts = [load(shard) for shard in shards]

    assert sum(part.rows.height for part in parts) == 22_000
    assert sum(part.rejects.height for part in parts) == 0


@pytest.mark.parametrize("key", ["*", "^a.*$", "^$", "'*'"])
def test_a_key_that_would_mean_several_columns_stands_in_quotes(tmp_path, key):
    rows = [{"a": 1, key: 2}, {"a": 3}, {key: [4, "\n"], "a": 5}]
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "x.jsonl").write_text("\n".join([*lines, "oops"]), encoding="utf-8")
    (tmp_path / "x.json").write_text(json.dumps(rows), encoding="utf-8")

    for source in ("x.jsonl", "x.json"):
        fields = {"a": {"type": "integer"}}
        recipe = {"name": "t", "source": str(tmp_path / source), "fields": fields}
        version = assay.build(recipe, out=tmp_path / source.replace(".", "-"))
        name = f"'{key}'"
        kept = version.to_polars().sort("a")[name].to_list()
        read = [one if one is None else json.loads(str(one)) for one in kept]
        assert read == [2, None, [4, "\n"]]
        said = f"the key {key!r} is now {name!r}: its name would mean several columns"
        assert any(said in note for note in version.manifest["notes"])


def test_keys_that_differ_by_quotes_stay_apart(tmp_path):
    row = {"*": 1, "'*'": 2, "''*''": 3, "'a'": 4}
    (tmp_path / "x.jsonl").write_text(json.dumps(row), encoding="utf-8")

    (shard,) = locate(tmp_path / "x.jsonl", Read(), tmp_path / "spool")

    found = {"'*'": "1", "''*''": "2", "'''*'''": "3", "'a'": "4"}
    assert load(shard).rows.to_dicts() == [found]
    assert list(survey(shard)) == list(found)
    assert load(shard, ["''*''"]).rows.rows() == [("2",)]
