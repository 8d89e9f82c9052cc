"""What machines are told of gates: every form holds what it must, whatever texts say."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import AssayError
from assay.gates import Verdict
from assay.verdicts.judged import Judged, gate_lines, one_line
from assay.verdicts.writing import FORMS, checked_paths, form, write

HOSTILE = [
    "long " * 18 + "::error::at the beginning of a wrapped line",
    "x" * 99 + " ::error::and of another",
    "a\n::error file=x::pwned",
    "\r\n  ::stop-commands::x",
    "##[add-mask]secret",
    "]]> & <script>alert(1)</script> \"'",
    "| a | b |\n|---|",
    "@everyone [link](https://example.org) www.example.org `code` <!-- -->",
    "\x00\x07\x1b[31mred\x1b[0m\ufffe",
    "\ud800 lone",
    "100 % of it, 50%",
    "\u2028\u2029",
]


def gates(text="rows"):
    return [
        Verdict(text, "fail", f"Why: {text}", code="rows"),
        Verdict(text, "inconclusive", text, needed=5000, code="score"),
        Verdict(text, "fail", text, severity="warn", code="better"),
        Verdict(text, "inconclusive", text, severity="warn", code="mine"),
        Verdict(text, "pass", text, code="rows"),
    ]


def judged(text="rows", **more):
    given = {"file": "sub folder/assay.yaml", "lines": [3, 4, 5, None], "about": [text]} | more
    return Judged(f"shop/{text}", "fail", gates(text), **given)


def test_junit_counts_what_failed_what_is_open_and_what_only_warns():
    root = ElementTree.fromstring(form("junit")(judged()).encode())
    suite = root[0]
    assert root.tag == "testsuites" and suite.tag == "testsuite"
    for one in (root, suite):
        assert [one.get(n) for n in ("tests", "failures", "errors", "skipped")] == [
            *("5", "1", "1", "2")
        ]
    cases = suite.findall("testcase")
    assert [case[0].tag for case in cases] == [
        *("failure", "error", "skipped", "skipped", "system-out")
    ]
    assert {case.get("classname") for case in cases} == {
        "assay.gates.rows", "assay.gates.score", "assay.gates.better", "assay.gates.mine",
    }  # fmt: skip
    assert [case.get("line") for case in cases] == ["3", "4", "5", None, None]


def test_sarif_has_what_its_schema_requires():
    document = json.loads(form("sarif")(judged()))
    assert document["version"] == "2.1.0" and document["$schema"].endswith("2.1.0.json")
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"] == "assay"
    assert [rule["id"] for rule in rules] == ["rows", "score", "better", "mine"]
    assert rules[0]["shortDescription"]["text"].startswith("Hold the number of kept rows")
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        # 3.27.10: what is no failure has the level `none`.
        assert (result["kind"] == "pass") == (result["level"] == "none")
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "sub%20folder/assay.yaml"
        assert place.get("region", {"startLine": 1})["startLine"] >= 1
    levels = [result["level"] for result in run["results"]]
    assert levels == ["error", "warning", "warning", "note", "none"]


def test_github_is_told_of_what_did_not_pass_and_where():
    lines = form("github")(judged()).splitlines()
    assert [re.match(r"::(\w+) ", line)[1] for line in lines] == [
        *("error", "error", "warning", "warning")
    ]
    assert lines[0] == ("::error title=rows,file=sub folder/assay.yaml,line=3::Why: rows")
    assert lines[1].endswith("::Inconclusive: rows")


def test_gitlab_is_told_of_what_did_not_pass_and_where():
    found = json.loads(form("gitlab")(judged()))
    assert [one["severity"] for one in found] == ["critical", "major", "minor", "info"]
    assert found[0]["location"] == {"path": "sub folder/assay.yaml", "lines": {"begin": 3}}
    assert all(set(one) >= {"description", "check_name", "fingerprint"} for one in found)


def test_markdown_shows_the_worst_first_and_the_rows_that_are_needed():
    lines = form("markdown")(judged()).splitlines()
    table = [line for line in lines if line.startswith("| ")][1:]
    assert [re.match(r"\| \S+ ([\w ()]+) \|", line)[1] for line in table] == [
        "fail", "fail (warning)", "inconclusive", "inconclusive (warning)", "pass",
    ]  # fmt: skip
    assert table[2].endswith("| 5,000 |")
    assert all(line.count("|") - line.count("\\|") == 5 for line in table)


def test_no_gates_are_no_error():
    nothing = Judged("shop/v1-00000000", "pass", [])
    assert "No gates were asked for" in form("markdown")(nothing)
    assert json.loads(form("gitlab")(nothing)) == []
    assert json.loads(form("sarif")(nothing))["runs"][0]["results"] == []
    assert ElementTree.fromstring(form("junit")(nothing).encode()).get("tests") == "0"
    assert form("github")(nothing) == ""


def obeyed(text):
    """Lines that a code host's log would take for commands."""
    return [line for line in text.splitlines() if re.match(r"\s*::", line) or "##[" in line]


def holds(text):
    made = {name: make(judged(text, file=text, lines=())) for name, make in FORMS.items()}
    suite = ElementTree.fromstring(made["junit"].encode())[0]
    assert len(suite.findall("testcase")) == 5
    assert len(json.loads(made["sarif"])["runs"][0]["results"]) == 5
    assert len(json.loads(made["gitlab"])) == 4
    commands = made["github"].splitlines()
    assert len(commands) == 4
    assert all(re.match(r"::(error|warning) title=[^,:]*,file=[^,:]*::", c) for c in commands)
    assert not obeyed(made["text"])
    body = made["markdown"]
    assert len(body.splitlines()) == 11 and "<" not in body
    assert not re.search(r"@[a-z]|://|(?<!\\)\[", body)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", "".join(made.values()))
    for content in made.values():
        content.encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(text):
    holds(text)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_text_stays_a_text(text):
    holds(f"x{text}")


def test_files_are_written_as_their_endings_say(tmp_path):
    paths = [tmp_path / "deep" / name for name in ("j.xml", "s.sarif", "m.md", "q.json")]
    write(judged(), paths)
    kinds = ["junit", "sarif", "markdown", "gitlab"]
    assert [path.read_text() for path in paths] == [form(kind)(judged()) for kind in kinds]


def test_an_ending_that_says_nothing_is_refused_before_any_work(tmp_path):
    with pytest.raises(AssayError, match="ending"):
        checked_paths([tmp_path / "out.docx"])
    with pytest.raises(AssayError, match="did you mean 'junit'"):
        form("junti")


def test_lines_are_those_of_the_recipe(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: a\nsource: b\ngates:\n  - leak\n  - rows: {min: 3}\n    severity: warn\n"
    )
    assert gate_lines(path) == [4, 5]
    assert gate_lines(tmp_path / "nosuch.yaml") == []


def test_one_line_keeps_what_is_harmless():
    assert one_line("  Größe ≥ 3 % | “x”  ") == "Größe ≥ 3 % | “x”"
