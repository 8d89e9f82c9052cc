"""The command line as a stranger meets it: what is printed where, as what, and the exit code."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import polars as pl
import pytest

import assay
from assay import cli
from assay.progress import lines

PROGRAM = [sys.executable, "-c", "from assay.cli import main; main()"]
COMMANDS = sorted(
    command.name or command.callback.__name__ for command in cli.app.registered_commands
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with thirty products, two of them alike and one without a price."""
    monkeypatch.chdir(tmp_path)
    rows = [f"p{n},Lamp {n % 29},{n * 1.5}" for n in range(1, 30)]
    Path("shop.csv").write_text("sku,title,price\n" + "\n".join([*rows, "p30,Lamp 7,"]) + "\n")
    recipe = {
        "name": "shop",
        "source": "shop.csv",
        "seed": 3,
        "id": "sku",
        "target": "price",
        "inputs": ["title"],
        "fields": {"price": {"type": "number", "required": True}},
        "steps": [{"split.random": {"train": 0.6, "validation": 0.0, "test": 0.4}}],
        "models": ["constant", "random"],
        "metrics": ["mae"],
        "gates": [{"rows": {"min": 10}}],
    }
    Path("assay.yaml").write_text(json.dumps(recipe))
    return recipe


@pytest.fixture
def assay_(capsys, monkeypatch):
    """Run the command line in this process: exit code, standard output, standard error."""

    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, arguments)])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return called


@pytest.fixture
def document(assay_):
    """Run a command with --json: the exit code and the one document."""

    def called(*arguments):
        code, out, _ = assay_(*arguments, "--json")
        return code, json.loads(out)

    return called


def gated(recipe, *gates):
    Path("assay.yaml").write_text(json.dumps(recipe | {"gates": list(gates)}))


def test_run_prints_a_short_summary_that_ends_with_the_verdict_and_the_report(shop, assay_):
    code, out, err = assay_("run", "--workers", 1)
    assert code == 0
    assert out.splitlines()[-2] == "verdict  pass"
    assert Path(out.splitlines()[-1].split()[-1]).read_bytes()[:15].lower() == b"<!doctype html>"
    assert "30 rows read" in out and "-1 contract: price: required" in out
    assert max(map(len, out.splitlines())) < 140
    stages = [line.split("  ")[0] for line in err.splitlines()]
    assert stages == [
        "survey",
        "read",
        "decide",
        "write",
        "certify",
        next(line for line in stages if line.endswith("with a chance of 80 %.")),
        "fit constant",
        "fit random",
        "score",
    ]


def test_a_second_run_says_that_nothing_was_done_again(shop, assay_):
    assay_("run", "-q")
    code, out, err = assay_("run", "-q")
    assert (code, err) == (0, "")
    assert "no work was done twice" in out and "no model was fitted again" in out


def test_run_as_json_has_the_parts_that_others_build_upon(shop, document):
    code, found = document("run", "--workers", 1)
    assert code == 0
    assert {"version", "path", "rows", "splits", "scores", "comparisons", "gates", "verdict",
            "report"} <= set(found)  # fmt: skip
    assert set(found["rows"]) == {"read", "kept", "set_aside", "synthetic", "reasons"}
    assert found["rows"]["read"] == found["rows"]["kept"] + sum(found["rows"]["reasons"].values())
    assert set(found["scores"][0]) == {"model", "split", "metric", "value", "low", "high", "n"}
    assert set(found["comparisons"][0]) == {
        "a", "b", "metric", "difference", "low", "high", "p", "test"
    }  # fmt: skip
    assert set(found["gates"][0]) == {
        "gate", "verdict", "detail", "needed", "severity", "code", "figures"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "verdict", "code"),
    [
        ({"rows": {"min": 10}}, "pass", 0),
        ({"rows": {"min": 1000}}, "fail", 1),
        ({"better": {"model": "constant", "than": "random"}}, None, None),
        ({"score": {"metric": "mae", "model": "constant", "max": 11.0}}, "inconclusive", 3),
    ],
)
def test_the_exit_code_says_what_the_gates_said(shop, document, gate, verdict, code):
    gated(shop, gate)
    found_code, found = document("run", "-q", "--workers", 1)
    if verdict is None:
        assert found_code == cli.EXIT_CODES[found["verdict"]]
    else:
        assert (found["verdict"], found_code) == (verdict, code)


def test_options_of_building_commands(shop, document):
    for command in ("build", "run"):
        _, found = document(command, "--workers", 2, "--seed", 9, "--out", "elsewhere")
        assert found["path"].startswith("elsewhere/")
        manifest = json.loads((Path(found["path"]) / "manifest.json").read_text())
        assert manifest["seed"] == 9


def test_every_command_prints_one_document(shop, document):
    code, built = document("build")
    assert code == 0 and {"version", "path", "rows", "splits"} <= set(built)
    code, listed = document("versions")
    assert code == 0 and [one["version"] for one in listed] == [built["version"]]
    code, row = document("why", "shop", "p30")
    assert code == 0 and row["kept"] is False and row["decisions"][-1]["rule"] == "price: required"
    code, written = document("export", "shop", "--as", "csv", "--out", "csv")
    assert code == 0 and all(Path(file).exists() for file in written["files"])
    code, path = document("report", "shop", "--to", "here")
    assert code == 0 and path == {"report": "here/report.html"}
    code, made = document("init", "shop.csv", "--target", "price", "--out", "other.yaml")
    assert code == 0 and Path("other.yaml").read_text() == made["text"]
    code, checked = document("check", "shop.csv")
    assert code == 1 and checked["verdict"] == "fail" and checked["violations"][0]["rows"] == 1
    code, schema = document("schema")
    assert code == 0 and "steps" in schema["properties"]
    code, known = document("explain")
    assert code == 0 and "dedup.exact" in known["steps"]
    code, one = document("explain", "dedup.exact")
    assert code == 0 and one["parameters"]["columns"]["required"] is True


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (["build", "nosuch.yaml"], "no such recipe file", "assay init"),
        (["init", "nosuch.csv"], "no such file", None),
        (["init", "shop.csv", "--target", "prise", "--out", "n.yaml"], "'prise'", "'price'"),
        (["init", "shop.csv"], "already a file", "--out"),
        (["why", "nosuch", "p1"], "no version 'nosuch'", None),
        (["report", "nosuch.json"], "cannot be read", None),
        (["explain", "dedup.exct"], "no component", "'dedup.exact'"),
        (["build", "--engine", "spark"], "no engine 'spark'", None),
        (["build", "--worker", "2"], "No such option: --worker", "--workers"),
        (["build", "--workers", "0"], "--workers", "assay build --help"),
        (["evaluate", "--truth", "shop.csv"], "--predictions", "assay evaluate --help"),
        (["nosuch"], "nosuch", "assay --help"),
        (["export", "shop", "--as", "csv", "--out", "x", "--set", "bom"], "name=value", None),
    ],
)
def test_a_wrong_request_ends_with_2_and_says_what_to_try(
    shop, assay_, document, arguments, what, hint
):
    code, out, err = assay_(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and what in err and (hint or "") in err
    assert "Traceback" not in err
    code, found = document(*arguments)
    assert code == 2 and what in found["error"]["what"] and found["error"]["exit"] == 2
    assert hint is None or hint in found["error"]["hint"]


def test_a_failing_function_of_one_s_own_is_no_defect_of_assay(shop, assay_):
    Path("mine.py").write_text(
        "from assay.component import Rows\ndef broken(rows: Rows) -> Rows:\n    return 1 / 0\n"
    )
    Path("own.yaml").write_text(json.dumps(shop | {"steps": ["mine.broken"]}))
    code, _, err = assay_("build", "own.yaml", "--functions", "mine.py", "--workers", 1, "-q")
    assert code == 2
    assert "mine.py:3: Your function failed: ZeroDivisionError" in err


def test_a_defect_ends_with_70_and_is_told_from_a_failed_gate(shop, assay_, document, monkeypatch):
    monkeypatch.setattr(assay, "versions", lambda *_, **__: 1 / 0, raising=False)
    code, out, err = assay_("versions")
    assert code == 70 and out == "" and "ZeroDivisionError" in err and "please report it" in err
    code, found = document("versions")
    assert code == 70 and "ZeroDivisionError" in found["error"]["what"]


def test_an_interrupt_ends_with_130(shop, assay_, document, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(assay, "build", interrupted, raising=False)
    code, out, err = assay_("build")
    assert code == 130 and out == "" and "finished shards are not done twice" in err
    assert "Traceback" not in err
    code, found = document("build")
    assert code == 130 and found["error"]["exit"] == 130


def test_output_into_a_pipe_that_is_closed_is_no_error(shop):
    command = f"{shlex.join(PROGRAM)} schema | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "{", "")


@pytest.fixture
def guesses(tmp_path):
    """A truth and the guesses of three models in two files, one of them naming its models."""
    truth = pl.DataFrame({"id": range(40), "price": [float(n) for n in range(40)]})
    truth.write_csv(tmp_path / "truth.csv")
    both = [(n, model, n + off) for model, off in (("near", 1.0), ("far", 9.0)) for n in range(40)]
    pl.DataFrame(both, schema=["id", "model", "prediction"], orient="row").write_ndjson(
        tmp_path / "two.jsonl"
    )
    truth.select("id", prediction="price").write_parquet(tmp_path / "exact.parquet")
    return tmp_path


@pytest.mark.parametrize("repeated", [True, False])
def test_predictions_come_in_several_files(guesses, document, repeated):
    files = [guesses / "two.jsonl", guesses / "exact.parquet"]
    given = ["--predictions", files[0], *["--predictions"] * repeated, files[1]]
    code, found = document(
        "evaluate", "--truth", guesses / "truth.csv", *given,
        "--id", "id", "--target", "price", "--metrics", "mae,rmse",
    )  # fmt: skip
    assert code == 0
    values = {(s["model"], s["metric"]): s["value"] for s in found["scores"]}
    assert values["near", "mae"] == 1 and values["far", "rmse"] == 9 and values["exact", "mae"] == 0
    assert {line["a"] for line in found["comparisons"]} == {"exact"}


def test_evaluate_shows_the_best_first_and_writes_a_report(guesses, assay_):
    code, out, _ = assay_(
        "evaluate", "--truth", guesses / "truth.csv", "--predictions", guesses / "two.jsonl",
        "--target", "price", "--metrics", "mae", "--out", guesses / "report",
    )  # fmt: skip
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["near", "far"]
    assert out.splitlines()[4].startswith("Cannot tell far from near by mae")
    assert (guesses / "report" / "report.html").exists()
    assert (guesses / "report" / "evaluation.json").exists()


def test_published_totals_come_out(shared_data, document):
    code, found = document(
        "evaluate", "--truth", shared_data("prices/test_250.jsonl"),
        "--predictions", shared_data("prices/predictions.csv"),
        "--id", "id", "--target", "price", "--metrics", "mae,rmsle,hits",
    )  # fmt: skip
    assert code == 0
    printed = {}
    for score in found["scores"]:
        value = score["value"] * (100 if score["metric"] == "hits" else 1)
        digits = 1 if score["metric"] == "hits" else 2
        printed.setdefault(score["model"], {})[score["metric"]] = f"{value:.{digits}f}"
    assert printed == {
        "gpt-4o-mini": {"mae": "79.58", "rmsle": "0.59", "hits": "52.0"},
        "gpt-4o": {"mae": "75.92", "rmsle": "0.75", "hits": "58.0"},
        "claude-3.5-sonnet": {"mae": "100.83", "rmsle": "0.60", "hits": "50.8"},
        "gpt-4o-mini-finetuned": {"mae": "91.45", "rmsle": "0.68", "hits": "44.0"},
    }


def test_warnings_of_libraries_stay_off_the_terminal(shop):
    code = (
        "import sys, warnings, assay\n"
        "assay.versions = lambda *a, **k: warnings.warn('a library speaks') or []\n"
        "sys.argv = ['assay', 'versions']\n"
        "from assay.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "a library speaks" not in done.stderr


def test_versions_without_any_says_so_and_prints_nothing(shop, assay_):
    code, out, err = assay_("versions", "nosuch")
    assert (code, out) == (0, "")
    assert "no versions of 'nosuch'" in err


def test_help_names_every_command(assay_):
    code, out, _ = assay_("--help")
    assert code == 0
    assert all(f"  {command} " in out for command in COMMANDS)
    assert "..." not in out.partition("Commands:")[2], "a summary is too long for its line"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_each_of_its_options(assay_, command):
    code, out, _ = assay_(command, "--help")
    assert code == 0 and out.startswith("Usage: assay")


def test_lines_are_printed_at_the_end_of_a_stage_and_now_and_then_before(capsys):
    times = iter([0, 1, 12, 13, 30, 30, 31])
    progress = lines(clock=lambda: next(times))
    for done in (0, 1, 2, 3, 4):
        progress("read", done, 4)
    progress("decide", 0, 1)
    progress("decide", 1, 1)
    told = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert told == [
        ["read", "2", "of", "4", "12.0", "s"],
        ["read", "4", "of", "4", "30.0", "s"],
        ["decide", "1.0", "s"],
    ]


@pytest.mark.skipif(not Path("/usr/bin/script").exists(), reason="needs `script` for a terminal")
def test_a_terminal_sees_bars(shop):
    command = shlex.join([*PROGRAM, "build", "--workers", "1"])
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        capture_output=True, text=True, check=True, timeout=60,
        env=environment, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "━" in done.stdout and "survey" in done.stdout


def test_a_template_given_on_the_command_line_is_a_text(shop, assay_):
    assay_("build", "-q")

    code, _, err = assay_(
        *("export", "shop", "--as", "chat", "--out", "talk"),
        *("--set", "prompt={title}", "--set", "completion=${price:.2f}"),
    )

    assert code == 0, err
    first = json.loads(Path("talk/train.jsonl").read_text().splitlines()[0])
    assert [message["role"] for message in first["messages"]] == ["user", "assistant"]
