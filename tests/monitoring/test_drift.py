"""New data held against a version: what alarms, what must not, and what odd batches come to."""

import json
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

import assay
from assay.errors import RecipeError, SourceError, VersionError
from assay.monitoring.drift import drift
from assay.monitoring.effects import chi_square, jensen_shannon, of_field, of_missing, psi
from assay.monitoring.making import of_frame
from assay.monitoring.profile import Count, count_in, merged, number, summarise

SPLIT = {"split.random": {"train": 0.8, "validation": 0.1, "test": 0.1}}


def world(count: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    words = np.array(["red", "kettle", "steel", "lamp", "chair", "table", "oak", "glass", "blue"])
    return pl.DataFrame(
        {
            "row_id": [f"{seed}-{n}" for n in range(count)],
            "price": np.exp(rng.normal(3, 1, count)).round(2),
            "stars": rng.integers(1, 6, count),
            "kind": rng.choice(["a", "b", "c", "d"], count, p=[0.5, 0.3, 0.15, 0.05]),
            "gift": rng.random(count) < 0.3,
            "size": np.where(rng.random(count) < 0.1, np.nan, rng.normal(size=count)),
            "text": [" ".join(line) for line in rng.choice(words, (count, 8))],
        }
    ).with_columns(pl.col("size").fill_nan(None))


TYPES = {
    "price": "number", "stars": "integer", "kind": "category", "gift": "boolean",
    "size": "number", "text": "string",
}  # fmt: skip


@pytest.fixture(scope="module")
def profile():
    return of_frame(world(4000, 1), TYPES)


def held(profile, rows, **more):
    summary = summarise(rows, profile.fields, profile.kinds, 0)
    return drift(profile, summary, **more)


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    rows = world(3000, 2).drop("row_id")
    fields = {"price": {"type": "number", "min": 0, "max": 100_000}}
    recipe = {"name": "shop", "source": rows, "fields": fields, "steps": [SPLIT], "target": "stars"}
    return assay.build(recipe, out=tmp_path_factory.mktemp("versions"), workers=1)


def test_jensen_shannon_is_scipys():
    p, q = np.array([0.1, 0.4, 0.5]), np.array([0.6, 0.4, 0.0])

    assert math.isclose(float(jensen_shannon(p, q)), jensenshannon(p, q, base=2))


def test_chi_square_is_scipys_where_no_cell_is_poor():
    table = [[30, 10, 25], [20, 20, 10]]

    assert math.isclose(chi_square(*table), stats.chi2_contingency(table, correction=False).pvalue)


def test_stability_index_has_its_textbook_value():
    # Two cells: (0.6 - 0.5) ln(0.6/0.5) + (0.4 - 0.5) ln(0.4/0.5) = 0.040547.
    before, after = Count(np.array([500, 500])), Count(np.array([600, 400]))

    assert round(psi(before, after), 6) == 0.040547


def test_missing_shares_have_newcombes_interval():
    # Newcombe (1998), Statistics in Medicine 17:873-890, table II (a): 56/70 against 48/80.
    effect = of_missing(Count(np.array([32]), 48), Count(np.array([14]), 56))

    assert (round(effect.low, 4), round(effect.high, 4)) == (0.0524, 0.3339)


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0, 9.0])
def test_wasserstein_is_scipys(shift):
    rng = np.random.default_rng(3)
    old, new = rng.normal(size=5000), rng.normal(shift, 1.5, 3000)
    field = of_frame(pl.DataFrame({"row_id": map(str, range(5000)), "x": old}), {"x": "number"})
    field = field.fields["x"]

    effect = of_field(field, count_in(field, pl.Series(new)), rng)

    spread = (np.quantile(old, 0.8413) - np.quantile(old, 0.1587)) / 2
    assert effect.value == pytest.approx(stats.wasserstein_distance(old, new) / spread, abs=0.02)
    assert effect.low <= effect.value <= effect.high


def test_kolmogorov_smirnov_is_scipys():
    rng = np.random.default_rng(4)
    old, new = rng.normal(size=4000), rng.normal(0.08, 1, 2000)
    field = of_frame(pl.DataFrame({"row_id": map(str, range(4000)), "x": old}), {"x": "number"})
    field = field.fields["x"]

    effect = of_field(field, count_in(field, pl.Series(new)), rng)

    # The cells hide at most 1/512 of the distance.
    assert effect.p >= stats.ks_2samp(old, new, method="asymp").pvalue
    assert effect.p == pytest.approx(stats.ks_2samp(old, new, method="asymp").pvalue, rel=0.5)


def test_intervals_of_distances_cover_what_is_true():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(200):
        old, new = rng.normal(size=2000), rng.normal(0.3, 1, 400)
        field = number("x", "x", pl.Series(old))
        assert field is not None
        filled = type(field)(**{**vars(field), "count": count_in(field, pl.Series(old))})
        effect = of_field(filled, count_in(filled, pl.Series(new)), rng)
        covered.append(effect.low <= 0.3 <= effect.high)

    assert np.mean(covered) >= 0.95


def test_clean_batches_raise_few_alarms(profile):
    # `benchmarks/drift.py` does it a thousand times, against many profiles.
    stream = world(120_000, 6)
    alarms = 0
    for at in range(300):
        found = held(profile, stream[400 * at : 400 * (at + 1)], classifiers=False, floors=NOTHING)
        alarms += any(line.alarm for line in found.lines)

    # At a true rate of 5 %, more than 24 have a chance below 1 %.
    assert alarms <= 24


NOTHING = dict.fromkeys(("wasserstein", "jensen_shannon", "missing", "new", "auc"), 0.0)


def test_classifiers_raise_few_alarms_on_clean_batches(profile):
    p = [
        line.effect.p
        for at in range(25)
        for line in held(profile, world(500, 1000 + at)).lines
        if line.effect.name == "auc"
    ]

    assert np.mean(np.array(p) <= 0.05) <= 0.16


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (pl.col("price") * 1.5, "price"),
        (pl.col("stars").clip(3), "stars"),
        (pl.col("kind").replace({"b": "a"}), "kind"),
        (pl.col("kind").replace({"d": "e"}), "kind (new)"),
        (~pl.col("gift"), "gift"),
        (pl.when(pl.int_range(pl.len()) % 4 > 0).then("size"), "size (missing)"),
        (pl.col("text") + pl.lit(" warranty"), "text (length)"),
        (pl.col("text").str.replace_all("oak", "plastic"), "text (words)"),
    ],
)
def test_what_has_changed_alarms_and_nothing_else(profile, change, field):
    rows = world(2000, 7)
    name = change.meta.output_name()

    found = held(profile, rows.with_columns(change.alias(name)))

    alarms = {line.field for line in found.lines if line.alarm}
    assert field in alarms
    assert all(alarm.startswith(name) or alarm == "all fields" for alarm in alarms)


def test_fields_that_moved_only_together_alarm_together(profile):
    rows = world(2000, 8)
    sorted_alike = rows.with_columns(price=pl.col("price").sort(), size=pl.col("size").sort())

    found = held(profile, sorted_alike)

    assert [line.field for line in found.lines if line.alarm] == ["all fields"]


def test_many_rows_do_not_cry_wolf():
    large = of_frame(world(400_000, 1), {"price": "number"})

    rows = world(400_000, 9).with_columns(price=pl.col("price") * 1.02)
    (line,) = held(large, rows, classifiers=False).lines

    assert line.p_adjusted < 0.05 and line.effect.value < line.floor and not line.alarm


def test_rows_that_moved_most_are_named(profile):
    rows = world(1000, 10)
    odd = rows.head(100).with_columns(price=pl.lit(1e6), kind=pl.lit("d"))

    found = held(profile, pl.concat([odd, rows.tail(900)]))

    assert len(set(found.moved.head(50)["row_id"]) & set(odd["row_id"])) >= 40


def test_shards_add_up_in_any_order(profile):
    rows = world(1500, 11)
    whole = summarise(rows, profile.fields, profile.kinds, 0)
    three = (rows[:500], rows[500:1000], rows[1000:])
    parts = [summarise(part, profile.fields, profile.kinds, 0) for part in three]

    for order in ([0, 1, 2], [2, 0, 1]):
        found = merged([parts[at] for at in order])
        assert found.rows == whole.rows and found.sample.equals(whole.sample)
        for name, count in whole.counts.items():
            assert (found.counts[name].cells == count.cells).all()
            assert found.counts[name].beyond == pytest.approx(count.beyond)


def test_a_clean_batch_passes_and_reads_no_old_row_again(version):
    assert assay.monitor(world(1000, 12).drop("row_id"), against=version, workers=1)
    data = version.path / "data"
    hidden = data.rename(data.with_name("hidden"))
    try:
        found = assay.monitor(world(1000, 12).drop("row_id"), against=version, workers=1)
    finally:
        hidden.rename(data)

    assert found.verdict == "pass"
    assert found.batch["rows"] == found.batch["usable"] == 1000


def test_the_same_for_any_number_of_workers_and_files(version, tmp_path):
    rows = world(1200, 13).drop("row_id")
    for at in range(3):
        rows[400 * at : 400 * (at + 1)].write_csv(tmp_path / f"{at}.csv")

    one = assay.monitor(str(tmp_path), against=version, workers=1, at=None).to_dict()
    two = assay.monitor(str(tmp_path), against=version, workers=2).to_dict()

    assert one["drift"] == two["drift"] and one["batch"]["hash"] == two["batch"]["hash"]


def test_a_damaged_profile_is_made_again(version):
    batch = world(800, 14).drop("row_id")
    before = assay.monitor(batch, against=version, workers=1)
    kept = version.path.parent / "runs" / version.id / "profile" / "profile.json"
    kept.write_bytes(b"{")

    assert assay.monitor(batch, against=version, workers=1).drift == before.drift


def test_a_schema_that_changed_overnight(version):
    rows = world(500, 15).drop("row_id", "kind")
    rows = rows.rename({"gift": "is_gift"}).with_columns(price=pl.lit([1.0]))

    found = assay.monitor(rows, against=version, workers=1)

    told = {(one["code"], one["field"]) for one in found.findings if one["alarm"]}
    assert {("schema.gone", "kind"), ("schema.gone", "gift"), ("schema.type", "price")} <= told
    assert ("schema.new", "is_gift") in {(one["code"], one["field"]) for one in found.findings}
    assert found.verdict == "fail"


def test_numbers_that_became_words_break_the_contract(version):
    rows = world(500, 16).drop("row_id").with_columns(price=pl.lit("on request"))

    found = assay.monitor(rows, against=version, workers=1)

    assert found.verdict == "fail" and found.batch["usable"] == 0
    assert any(one["code"] == "contract.broken" and one["alarm"] for one in found.findings)


def test_one_row_is_too_little_and_says_what_would_do(version):
    found = assay.monitor(world(1, 17).drop("row_id"), against=version, workers=1)

    (small,) = (one for one in found.findings if one["code"] == "batch.small")
    assert found.verdict == "inconclusive"
    assert "about" in small["detail"] and "1 usable rows" in small["detail"]


def test_a_field_without_values_and_numbers_that_are_none(version):
    rows = world(600, 18).drop("row_id")
    rows = rows.with_columns(
        size=pl.lit(None, pl.Float64),
        price=pl.when(pl.int_range(pl.len()) % 50 > 0).then("price").otherwise(float("nan")),
    )

    found = assay.monitor(rows, against=version, workers=1)

    assert "size (missing)" in {line["field"] for line in found.drift if line["alarm"]}
    assert json.dumps(found.to_dict())


def test_infinities_are_far_and_finite(profile):
    rows = world(600, 19).with_columns(
        price=pl.when(pl.int_range(pl.len()) < 100).then(float("inf")).otherwise("price")
    )

    line = next(line for line in held(profile, rows).lines if line.field == "price")

    assert line.alarm and math.isfinite(line.effect.value) and math.isfinite(line.effect.high)


def test_an_empty_file_an_odd_floor_and_no_such_version_are_one_error_each(version, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.touch()
    batch = world(50, 20).drop("row_id")

    with pytest.raises(SourceError, match="empty"):
        assay.monitor(str(empty), against=version)
    with pytest.raises(RecipeError, match="no effect 'acu'"):
        assay.monitor(batch, against=version, floors={"acu": 0.7}, workers=1)
    with pytest.raises(VersionError):
        assay.monitor(batch, against="nosuch", out=tmp_path)


def test_hostile_text_and_huge_fields_are_counted(version):
    rows = world(400, 21).drop("row_id")
    rows = rows.with_columns(
        text=pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("<script>=cmd()" * 400_000))
        .when(pl.int_range(pl.len()) < 40).then(pl.lit("=HYPERLINK('x')\u202e\x00"))
        .otherwise("text")
    )  # fmt: skip

    assert assay.monitor(rows, against=version, workers=1).batch["usable"] == 400


def test_a_running_number_and_times_are_left_out(tmp_path):
    rows = world(500, 22).drop("row_id").with_row_index("number")
    rows = rows.with_columns(day=pl.datetime(2026, 1, 1) + pl.duration(hours=pl.col("number")))
    old = assay.build({"name": "t", "source": rows.head(400)}, out=tmp_path, workers=1)

    found = assay.monitor(rows.tail(100), against=old, workers=1)

    assert not [line for line in found.drift if line["field"].startswith(("number", "day"))]
    assert any("numbers the rows" in note for note in found.notes)


@pytest.mark.parametrize(("broken", "lists"), [(0.0, False), (0.95, False), (0.0, True)])
def test_rows_that_moved_are_called_as_a_build_calls_them(tmp_path, broken, lists):
    rng = np.random.default_rng(3)
    n, kind = rng.normal(size=12_000), rng.choice(["a", "b"], 12_000)
    frame = pl.DataFrame({"n": n.round(3), "kind": kind})
    fields = {"n": {"type": "number", "max": 90}, "kind": {"type": "category"}}
    if lists:
        frame = frame.with_columns(tags=pl.concat_list("n", "n"))
        fields["tags"] = {"type": "list"}
    recipe = {"name": "ids", "fields": fields}
    version = assay.build({**recipe, "source": frame}, out=tmp_path)
    gone = pl.Series(rng.random(12_000) < broken)
    new = frame.with_columns(n=pl.when(gone).then(100.0).otherwise(pl.col("n") + 3))

    found = assay.monitor(new, against=version, history=False)

    assert found.moved.height > 100
    built = assay.build({**recipe, "source": new}, out=tmp_path / "new")
    assert set(found.moved["row_id"]) <= set(built.to_polars()["row_id"])
    shuffled = new.sample(fraction=1.0, shuffle=True, seed=5)
    again = assay.monitor(shuffled, against=version, history=False)
    assert again.moved.equals(found.moved)
    assert again.drift == found.drift


def test_a_process_beside_says_the_same_and_loads_nothing_here(version, tmp_path):
    new = tmp_path / "new.parquet"
    world(3_000, 4).with_columns(pl.col("price") * 2).write_parquet(new)
    said = []
    for workers in (1, 2):
        script = (
            "import sys, json, assay\n"
            f"found = assay.monitor({str(new)!r}, against={str(version.path)!r},"
            f" workers={workers}, history=False)\n"
            "print(json.dumps([found.drift, found.moved.rows(), 'xgboost' in sys.modules]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        said.append(json.loads(done.stdout))
    assert said[0][:2] == said[1][:2]
    assert [one[2] for one in said] == [True, False]
    assert {"all fields", "text (words)"} <= {line["field"] for line in said[0][0]}


def test_row_wise_steps_are_done_again(tmp_path):
    rows = world(1000, 23).drop("row_id")
    noisy = rows.with_columns(text=pl.lit("<b>") + pl.col("text") + pl.lit("</b>"))
    steps = [{"clean.text": {"columns": ["text"]}}, {"keep.length": {"column": "text", "min": 5}}]
    version = assay.build({"name": "t", "source": rows, "steps": steps}, out=tmp_path, workers=1)

    found = assay.monitor(noisy, against=version, workers=1)

    assert found.verdict == "pass"


def test_the_command_writes_the_file_and_its_exit_code(version, tmp_path, run_cli):
    world(900, 24).drop("row_id").with_columns(pl.col("price") * 3).write_csv(tmp_path / "new.csv")

    done = run_cli("monitor", str(tmp_path / "new.csv"), "--against", str(version.path), "--to",
                   str(tmp_path / "here"), "--json", "--quiet")  # fmt: skip

    assert done.returncode == 1, done.stderr
    document = json.loads((tmp_path / "here" / "monitor.json").read_text())
    assert json.loads(done.stdout)["verdict"] == document["verdict"] == "fail"
    assert document["drift"][0]["alarm"] and document["drift"][0]["field"] == "price"


def test_replay_finds_no_drift_by_chance_and_the_month_it_began_by_time(tmp_path, run_cli):
    rows = world(3000, 25).drop("row_id").with_row_index("day")
    later = pl.when(pl.col("day") >= 2400).then(pl.col("price") * 2).otherwise("price")
    rows = rows.with_columns(
        pl.datetime(2026, 1, 1) + pl.duration(hours=pl.col("day")), price=later
    )
    recipe = {"name": "sales", "source": rows}
    version = assay.build(recipe, out=tmp_path, workers=1)
    steady = assay.build({"name": "steady", "source": world(3000, 26).drop("row_id")}, out=tmp_path)

    moved, still = assay.replay(version, rows=100), assay.replay(steady, rows=100)

    alarmed = [bool(batch["alarms"]) for batch in moved.batches]
    assert sum(alarmed[:9]) <= 2 and all(alarmed[9:])
    assert still.by is None and still.alarms <= 3
    done = run_cli("monitor", "--replay", "--against", "steady", "--out", str(tmp_path), "--json")
    assert json.loads(done.stdout)["alarms"] <= 3 and done.returncode == 0


def test_a_version_too_small_to_replay_says_so(tmp_path):
    version = assay.build(
        {"name": "tiny", "source": world(10, 1).drop("row_id")}, out=tmp_path, workers=1
    )

    with pytest.raises(SourceError, match="too few rows"):
        assay.replay(version)
    with pytest.raises(RecipeError, match="no field 'when'"):
        assay.replay(version, by="when")


def test_monitor_without_data_or_with_a_floor_that_is_no_number_is_one_error(version, run_cli):
    for more in ([], ["new.csv", "--floor", "auc=high"]):
        done = run_cli("monitor", "--against", str(version.path), *more)
        assert done.returncode == 2 and done.stderr.count("error:") == 1
        assert "Traceback" not in done.stderr
