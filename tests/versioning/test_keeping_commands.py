"""The commands that keep versions: one document, the right exit code, one clear error."""

from __future__ import annotations

import json
import sys

import pytest

from assay import cli


@pytest.fixture
def document(capsys, monkeypatch, folder):
    """Run a command on the three versions with --json: the exit code and the one document."""

    def called(*arguments):
        given = [*arguments, "--out", folder / "versions", "--json"]
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, given)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, json.loads(capsys.readouterr().out)

    return called


def test_diff_prints_one_document_and_writes_a_page(document, tmp_path):
    code, found = document("diff", "offers/v1", "offers/v2", "--to", tmp_path / "page.html")
    assert (code, found["verdict"], found["report"]) == (0, "pass", str(tmp_path / "page.html"))
    assert "offers/v1" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_runs_are_filtered_and_compared(document):
    code, listed = document("runs", "offers", "--where", "mae<1000", "--limit", "2")
    assert (code, len(listed)) == (0, 2)
    ids = ",".join(run["id"] for run in listed)
    _, compared = document("runs", "--compare", ids)
    assert len(compared["runs"]) == 2 and len(compared["differences"]) == 1
    assert document("runs", "nosuch") == (0, [])


def test_lineage_restore_prune_and_tag_print_one_document(document, tmp_path):
    assert document("lineage", "offers/v1")[1]["what"][0]["kind"] == "version"
    code, copied = document("restore", "offers/v1", "--to", tmp_path / "copy")
    assert code == 0 and copied["path"] == str(tmp_path / "copy")
    assert document("prune", "--keep", "1") == (
        0, document("prune", "offers", "--keep", "1")[1],
    )  # fmt: skip
    assert document("tag") == (0, {})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("diff", "offers/v1", "offers/v9"), "no version 'offers/v9'"),
        (("lineage", "nonsense"), "Nothing is known"),
        (("runs", "--where", "mae"), "not a bound"),
        (("tag", "offers/v1", "v2"), "cannot be called"),
        (("restore", "offers/v9"), "no version"),
        (("prune", "nosuch", "--keep", "1"), "no versions of 'nosuch'"),
        (("prune",), "--keep"),
    ],
)
def test_a_wrong_request_is_one_error_with_exit_code_2(document, arguments, said):
    code, found = document(*arguments)
    assert (code, found["error"]["exit"]) == (2, 2)
    assert said in found["error"]["what"]
