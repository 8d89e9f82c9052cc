"""A name's batches over time: `assay monitor` with its history, labels and report."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import assay
from assay.errors import PredictionsError, RecipeError, SourceError, StorageError
from assay.monitoring.history import opened

DAY = datetime(2026, 11, 1, tzinfo=UTC)


def offers(n, seed, *, moved=0.0, noise=1.0):
    """Prices that follow from size and kind; sizes may move, and the noise may grow."""
    draw = np.random.default_rng(seed)
    size, kind = draw.normal(10 + moved, 2, n), draw.choice(["a", "b", "c"], n)
    price = 3 * size + 5 * (kind == "a") + draw.normal(0, noise, n)
    return pl.DataFrame({
        "sku": [f"{seed}-{number}" for number in range(n)],
        "day": [str(DAY + timedelta(days=seed % 1000))[:19]] * n,
        "size": size, "kind": kind, "price": price,
    })  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("versions")
    recipe = {
        "name": "offers", "source": offers(3000, 999), "id": "sku", "target": "price",
        "inputs": ["size", "kind"],
        "fields": {"kind": {"type": "category"}, "day": {"type": "datetime"}},
        "steps": [{"split.random": {"train": 0.5, "validation": 0, "test": 0.5}}],
        "models": ["tabular_linear"], "metrics": ["mae", "rmse"],
    }  # fmt: skip
    return assay.run(recipe, out=out, workers=1).version


@pytest.fixture
def version(built, tmp_path):
    """A copy of it, with a history of its own."""
    import shutil

    home = tmp_path / "versions" / "offers"
    shutil.copytree(built.path.parent, home, ignore=shutil.ignore_patterns("monitor*"))
    return assay.Version(home / built.path.name)


def monitor(version, rows, number, **more):
    given = {"at": DAY + timedelta(days=number), "name": f"day {number}", "workers": 1, **more}
    return assay.monitor(rows, against=version, **given)


def by_metric(found):
    return {(one["metric"], one["estimated"]): one for one in found.performance}


def test_quiet_days_pass_and_a_change_is_found_with_its_first_batch(version):
    for number in range(3):
        quiet = monitor(version, offers(400, number), number)
        assert quiet.verdict == "pass" and not quiet.alarms
    for number in range(3, 5):
        loud = monitor(version, offers(400, number, moved=1.5), number)

    assert loud.verdict == "fail"
    assert "size" in {line["field"] for line in loud.drift if line["alarm"]}
    trend = next(one for one in loud.trends if one["name"] == "size")
    assert trend["alarm"] and trend["since"]["name"] == "day 3" and trend["p"] < 0.001
    assert not next(one for one in loud.trends if one["name"] == "kind")["alarm"]
    said = [one for one in loud.findings if one["code"] == "history.field"]
    assert any("most likely since 'day 3'" in one["detail"] for one in said)
    page = loud.report.read_text()
    assert "size has changed, most likely since day 3" in page
    assert json.loads(loud.path.read_text())["verdict"] == "fail"

    followed = assay.monitored(version)
    assert [one["batch"]["name"] for one in followed.batches] == [f"day {n}" for n in range(5)]
    assert "ALARM size" in repr(followed) and followed.verdict == "fail"
    assert followed.to_polars().filter(pl.col("field") == "size").height == 5


def test_performance_is_estimated_first_and_realised_when_labels_come(version, tmp_path):
    """The noise grows, which the inputs do not show: labels say so, the estimate cannot."""
    batches = [offers(400, number, noise=1.0 if number < 2 else 2.5) for number in range(4)]
    for number, rows in enumerate(batches):
        found = monitor(version, rows.drop("price"), number)
        assert set(by_metric(found)) == {("mae", True), ("rmse", True)}
        one = by_metric(found)["mae", True]
        assert one["low"] < one["reference"] < one["high"]
        assert "same inputs" in one["assumption"]

    for number, rows in enumerate(batches):
        rows.select("sku", "price").write_csv(tmp_path / f"{number}.csv")
        followed = assay.monitor_labels(tmp_path / f"{number}.csv", against=version)

    last = {(one["metric"], one["estimated"]): one for one in followed.batches[-1]["performance"]}
    assert last["mae", False]["alarm"] and not last["mae", True]["alarm"]
    assert last["mae", False]["value"] == pytest.approx(2.0, abs=0.3)
    trends = {(one["about"], one["name"]): one for one in followed.trends}
    trend = trends["performance", "tabular_linear mae"]
    assert trend["alarm"] and trend["since"]["name"] == "day 2"
    mean, low, high = trend["so_far"]
    assert low < mean < high and mean == pytest.approx(1.4, abs=0.25)
    assert followed.verdict == "fail"
    assert "of tabular_linear has changed, most likely since day 2" in followed.report.read_text()
    told = {number: figure["alarm"] for number, one in enumerate(followed.batches)
            for figure in one["performance"]
            if figure["metric"] == "mae" and not figure["estimated"]}  # fmt: skip
    assert told == {0: False, 1: False, 2: True, 3: True}


def test_labels_in_the_batch_are_scored_at_once_and_count_once(version, tmp_path):
    rows = offers(400, 1)
    found = by_metric(monitor(version, rows, 1))
    assert found["mae", False]["n"] == 400
    assert found["mae", False]["low"] < found["mae", True]["value"] < found["mae", False]["high"]

    other = rows.with_columns(price=pl.col("price") + 100)
    mixed = pl.concat([rows.head(390), other.tail(10)]).select("sku", "price")
    followed = assay.monitor_labels(mixed, against=version)

    codes = {one["code"]: one["detail"] for one in followed.findings}
    assert "10 rows" in codes["labels.different"] and "390 rows" in codes["labels.twice"]
    again = followed.batches[0]["performance"]
    assert by_metric_of(again)["mae", False]["value"] == found["mae", False]["value"]


def by_metric_of(figures):
    return {(one["metric"], one["estimated"]): one for one in figures}


def test_the_same_rows_twice_count_once(version):
    first = monitor(version, offers(400, 1), 1)
    again = monitor(version, offers(400, 1), 2, name="once more")

    assert again.batch["name"] == "day 1" and again.verdict == first.verdict
    assert any("count once" in note for note in again.notes)
    assert len(assay.monitored(version).batches) == 1


def test_a_clock_that_jumps_is_a_finding_and_the_order_is_by_time(version):
    monitor(version, offers(400, 5), 5)
    late = monitor(version, offers(400, 2), 2)
    ahead = monitor(version, offers(400, 9), 9, at=datetime.now(UTC) + timedelta(days=400))

    assert "clock.backwards" in {one["code"] for one in late.findings}
    assert "clock.ahead" in {one["code"] for one in ahead.findings}
    names = [one["batch"]["name"] for one in assay.monitored(version).batches]
    assert names == ["day 2", "day 5", "day 9"]


def test_a_time_may_stand_in_a_field(version):
    found = monitor(version, offers(400, 7), 7, at=None, time="day")

    assert found.batch["at"].startswith("2026-11-08T00:00:00")
    with pytest.raises(SourceError, match="has a time in 'kind'"):
        monitor(version, offers(400, 7), 7, time="kind")


def test_without_a_history_nothing_is_written(version):
    found = monitor(version, offers(400, 1), 1, history=False)

    assert found.report is None and found.trends == ()
    assert not list(version.path.parent.glob("monitor*"))
    with pytest.raises(StorageError, match="no history"):
        assay.monitored(version)
    with pytest.raises(StorageError, match="no history"):
        assay.monitor_labels(offers(5, 1).select("sku", "price"), against=version)


def test_predictions_from_elsewhere(version):
    rows = offers(400, 1)
    given = rows.select("sku", prediction=pl.col("price") + 2.0)

    found = by_metric(monitor(version, rows, 1, predictions=given))

    assert found["mae", False]["value"] == pytest.approx(2.0)
    with pytest.raises(PredictionsError, match="None of the predictions"):
        monitor(version, rows, 2, predictions=offers(3, 8).select("sku", prediction="price"))
    with pytest.raises(PredictionsError, match="no predictions in the table"):
        monitor(version, rows, 2, predictions=offers(3, 8).select("sku", "size"))


def test_a_batch_without_an_input_is_still_held_against_the_version(version):
    found = monitor(version, offers(400, 1).drop("kind"), 1)

    assert found.performance == []
    assert any("needs the field 'kind'" in note for note in found.notes)
    assert found.verdict == "fail"  # the field has gone


def test_one_row_and_rows_that_all_break_the_contract(version):
    one = monitor(version, offers(1, 1), 1)
    assert one.verdict == "inconclusive"
    nothing = monitor(version, offers(50, 2).with_columns(size=pl.lit("x")), 2)
    assert nothing.verdict in ("fail", "inconclusive")
    assert len(assay.monitored(version).batches) == 2


def test_rows_that_moved_are_shown_without_personal_data(version):
    rows = offers(400, 3, moved=4).with_columns(kind=pl.lit("write to jo.doe@example.com"))

    found = monitor(version, rows, 1)

    page = found.report.read_text()
    assert len(found.rows) == 20 and "Rows that moved most" in page
    assert "jo.doe@example.com" not in page + found.path.read_text()


def test_two_monitors_at_once_lose_nothing(version):
    home = version.path.parent.parent
    commands = []
    for number in range(2):
        offers(300, number).write_csv(home / f"{number}.csv")
        commands.append([
            str(Path(sys.executable).with_name("assay")), "monitor", str(home / f"{number}.csv"),
            "--against", "offers", "--out", str(home), "--at", f"2026-11-0{number + 1}",
            "--workers", "1", "--json", "--quiet",
        ])  # fmt: skip
    running = [subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for one in commands]  # fmt: skip
    said = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0, 0], said
    assert [json.loads(out)["verdict"] for out, _ in said] == ["pass"] * 2
    with opened(version.path.parent) as history:
        looks = sorted(one.document["looks"] for one in history.batches())
    assert looks == [1, 2]


def test_the_command_line_tells_the_history(version, tmp_path):
    home = version.path.parent.parent
    monitor(version, offers(300, 1).drop("price"), 1)
    offers(300, 1).select("sku", "price").write_csv(tmp_path / "late.csv")
    program = [str(Path(sys.executable).with_name("assay")), "monitor", "--against", "offers",
               "--out", str(home)]  # fmt: skip

    def run(*more):
        return subprocess.run([*program, *more], capture_output=True, text=True, check=False)

    late = run("--labels", str(tmp_path / "late.csv"))
    status = run("--status", "--json")

    assert late.returncode == 0 and "offers/v1-" in late.stdout, late.stderr
    document = json.loads(status.stdout)
    assert document["batches"][0]["name"] == "day 1"
    assert {one["estimated"] for one in document["batches"][0]["performance"]} == {True, False}
    wrong = run("--status", str(tmp_path / "late.csv"))
    assert wrong.returncode == 2 and "not at new data" in wrong.stderr


def test_a_pruned_history_says_of_later_batches_what_the_whole_one_says(version, tmp_path):
    """Labels in a batch, late ones, a row in two batches, a batch of a day before, and a change."""
    import shutil

    home = version.path.parent
    days = [offers(400, number, noise=1.0 if number < 6 else 2.5) for number in range(9)]
    days[7] = pl.concat([days[7], days[0].head(50)])  # these counted on day 0
    for number in range(5):
        monitor(version, days[number].drop("price") if number else days[0], number)
    assay.monitor_labels(days[1].select("sku", "price"), against=version)
    shutil.copytree(home, tmp_path / "pruned" / "offers")
    pruned = assay.Version(tmp_path / "pruned" / "offers" / version.path.name)

    before = (tmp_path / "pruned" / "offers" / "monitor.sqlite").stat().st_size
    said = assay.monitored(pruned, keep=1)
    assert (tmp_path / "pruned" / "offers" / "monitor.sqlite").stat().st_size < before / 1.3
    assert said.trends == assay.monitored(version).trends
    assert assay.monitored(pruned, keep=1).to_dict()["trends"] == said.trends  # nothing is left
    with opened(pruned.path.parent) as history:
        kept = {one.name: history.predictions(one.arrival).shape for one in history.batches()}
    assert kept == {"day 0": (400, 1), "day 1": (400, 1), "day 2": (0, 1), "day 3": (0, 1),
                    "day 4": (400, 2)}  # fmt: skip

    looks = [(5, days[5]), (1.5, days[6]), (7, days[7].drop("price")), (8, days[8])]
    for number, rows in looks:
        one, other = (monitor(which, rows, number) for which in (version, pruned))
        for part in ("drift", "performance", "trends", "findings", "verdict"):
            assert getattr(one, part) == getattr(other, part), part
    assert any(trend["alarm"] for trend in one.trends)
    found = monitor(pruned, days[2].drop("price"), 2)
    assert (found.batch["name"], len(assay.monitored(pruned).batches)) == ("day 2", 9)
    assert found.trends == assay.monitored(pruned).trends

    late = pl.concat([days[4], days[7]]).select("sku", "price")
    one, other = (assay.monitor_labels(late, against=which) for which in (version, pruned))
    assert one.trends == other.trends and one.findings == other.findings
    assert [day["performance"] for day in one.batches] == [
        day["performance"] for day in other.batches
    ]
    # Of a batch that was pruned labels come too late; nothing breaks, and nothing is counted.
    figures = [day["performance"] for day in other.batches]
    other = assay.monitor_labels(days[3].select("sku", "price"), against=pruned)
    assert [day["performance"] for day in other.batches] == figures


def test_no_history_is_pruned_away(version):
    monitor(version, offers(400, 1), 1)
    with pytest.raises(RecipeError, match="newest batch at least"):
        assay.monitored(version, keep=0)
