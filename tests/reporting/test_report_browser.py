"""The report in a real browser: it draws, answers to pointer and keys, and logs no error."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import curation_examples as curated
import monitoring_examples
import pytest
import report_examples as examples

from assay.reporting import render
from assay.reporting.duplication import render_duplicates
from assay.reporting.inspection import render_inspection
from assay.reporting.monitoring import render_monitoring

BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
]
PROBE = """<script>
const tip = document.getElementById("tip"), found = [];
const press = (area, key) =>
  area.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
document.querySelectorAll(".panel:not([hidden]) .area").forEach((area) => {
  press(area, "ArrowRight"); press(area, "ArrowRight"); found.push(tip.textContent);
});
const over = (selector) => {
  const target = document.querySelector(selector);
  target.scrollIntoView({ block: "center", behavior: "instant" });
  const box = target.getBoundingClientRect();
  target.dispatchEvent(new PointerEvent("pointermove", { bubbles: true,
    clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
  found.push(tip.textContent);
};
over(".waterfall .out .lane"); over(".spark"); over(".board .lane");
const model = document.getElementById("model");
model.value = "m1"; model.dispatchEvent(new Event("change"));
found.push(document.querySelector(".panel:not([hidden]) h3").textContent);
const search = document.querySelector(".panel:not([hidden]) input");
search.value = "no such words"; search.dispatchEvent(new Event("input"));
found.push(document.querySelector(".panel:not([hidden]) .nothing").hidden ? "hits" : "no hits");
document.querySelectorAll(".sortable th button")[0].click();
found.push(document.querySelector(".sortable tbody bdi").textContent);
document.getElementById("theme").click();
found.push(document.documentElement.dataset.theme);
document.body.dataset.found = JSON.stringify(found);
</script>"""


def _open(html: str, folder: Path) -> tuple[str, str]:
    page = folder / "report.html"
    page.write_text(html, encoding="utf-8")
    command = [
        str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
        "--v=0", f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr))


@pytest.mark.parametrize(
    "arguments",
    [
        (examples.manifest(), examples.numbers(), examples.GATES),
        (None, examples.classes(), ()),
        (*examples.hostile(),),
    ],
    ids=["numbers", "classes", "hostile"],
)
def test_the_browser_draws_it_without_a_word_on_the_console(arguments, tmp_path):
    dom, console = _open(render(*arguments), tmp_path)

    assert console == ""
    assert 'class="js"' in dom
    assert dom.count('<div class="panel"') >= 3
    assert len(re.findall(r'<div class="panel"[^>]*hidden', dom)) >= 2
    dom = re.sub(r"<script>.*?</script>", "", dom, flags=re.DOTALL)
    assert "undefined" not in dom and "NaN" not in dom


def test_it_answers_to_pointer_and_keys(tmp_path):
    import json
    from html import unescape

    html = render(examples.manifest(), examples.numbers(), examples.GATES)
    # The page's own policy would refuse the probe, as it should.
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)

    dom, console = _open(html.replace("</body>", f"{PROBE}</body>"), tmp_path)
    found = json.loads(unescape(re.search(r'data-found="([^"]*)"', dom).group(1)))

    assert console == ""
    (
        point,
        _,
        calibration,
        running,
        learning,
        bar,
        histogram,
        whisker,
        model,
        search,
        first,
        theme,
    ) = found
    assert re.fullmatch(r"[0-9a-f]{16}\ntruth \$[\d.,]+\nprediction \$[\d.,]+\nerror .*", point)
    assert calibration.startswith("predicted $50") and calibration.endswith("62 rows")
    assert learning.startswith("epoch 2\ntrain 1")
    assert running.startswith("2 rows\nmean error $")
    assert bar.endswith("rows, 0.1\u202f% of those read")
    assert "train:" in histogram and "test:" in histogram
    assert whisker.startswith("boosted_trees\nMean absolute error $")
    assert (model, search) == ("tfidf_linear", "no hits")
    assert first == "boosted_trees"
    assert theme == "dark"


FILTERS = """<script>
const shown = () => document.querySelectorAll(".finding:not([hidden])").length, seen = [shown()];
const set = (id, value) => { const one = document.getElementById(id);
  one.value = value; one.dispatchEvent(new Event("input")); seen.push(shown()); };
set("severity", "warning"); set("about", "city"); set("severity", "");  set("about", "");
set("find", "dedup.exact"); set("find", "no such words");
seen.push(document.querySelector("#findings .nothing").hidden ? "hits" : "none");
document.querySelector("[data-pick=ounces]").click(); seen.push(shown());
document.body.dataset.found = JSON.stringify(seen);
</script>"""


def test_findings_can_be_filtered_by_severity_field_and_words(tmp_path):
    import json
    from html import unescape

    html = render_inspection(curated.inspection())
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)

    dom, console = _open(html.replace("</body>", f"{FILTERS}</body>"), tmp_path)
    found = json.loads(unescape(re.search(r'data-found="([^"]*)"', dom).group(1)))

    assert console == ""
    assert found == [4, 2, 1, 1, 4, 1, 0, "none", 1]


@pytest.mark.parametrize(
    "html",
    [
        render(curated.manifest(), examples.numbers(), examples.GATES),
        render_inspection(curated.inspection()),
        render_duplicates(curated.duplicates()),
        render_monitoring(monitoring_examples.history()),
    ],
    ids=["report", "inspection", "duplicates", "monitoring"],
)
def test_no_page_is_wider_than_a_telephone(html, tmp_path):
    """At 375 pixels and a scroll bar of 15 only what scrolls by itself is wider than the page."""
    inside = html.replace("&", "&amp;").replace('"', "&quot;")
    probe = """<script>addEventListener("load", () => {
      const page = document.querySelector("iframe").contentDocument;
      const root = page.documentElement;
      document.body.dataset.over = root.scrollWidth - root.clientWidth; });</script>"""
    frame = f'<iframe srcdoc="{inside}" style="width:390px;height:800px;border:0"></iframe>{probe}'

    dom, _ = _open(f"<!doctype html><body>{frame}</body>", tmp_path)

    assert re.search(r'data-over="(\d+)"', dom).group(1) == "0"


def test_the_policy_keeps_foreign_scripts_out(tmp_path):
    html = render(None, examples.classes())

    dom, console = _open(
        html.replace("</body>", '<script>document.title="broken into"</script></body>'), tmp_path
    )

    assert "<title>broken into" not in dom
    assert "Content Security Policy" in console
