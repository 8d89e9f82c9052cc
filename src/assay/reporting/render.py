"""The report as one HTML page that needs nothing else: no network, no file beside it."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.reporting.beside import beside
from assay.reporting.palette import COLOURS, DEEPEST
from assay.reporting.summarize import summarize

if TYPE_CHECKING:
    import jinja2
    import markupsafe

MOST_CHARACTERS = 2_800_000  # so that the page stays under 3 MB


def render(
    manifest: Mapping[str, Any] | None,
    evaluation: Mapping[str, Any] | None,
    gates: Sequence[Mapping[str, Any]] = (),
    other: Mapping[str, Any] | None = None,
    studies: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the report of a version, of an evaluation or of both as one HTML page.

    A pure function: the same arguments give the same bytes. Text from data is always escaped, and
    the page's own policy lets the browser run no script but the report's and load nothing.

    Args:
        manifest: a version's manifest.json, or None where there is only an evaluation.
        evaluation: evaluation.json, or None where nothing was evaluated.
        gates: `gate`, `verdict` (pass, fail, inconclusive) and `detail` of each gate.
        other: an earlier evaluation's scores side by side with these: `before`, `after`, `lines`
            (`model`, `metric`, `a`, `b`, `common`) and `notes`.
        studies: as `studying.studied` gives them.

    Returns:
        The page, under 3 MB; where it would be larger it shows the details of fewer models.

    >>> page = render({"name": "<b>", "rows": {"read": 2, "kept": 2}}, None)
    >>> "<b>" in page, "&lt;b&gt;" in page
    (False, True)
    """
    page = ""
    for most in (12, 6, 3, 1):  # nearly always the first; details are what makes a page large
        shown = summarize(manifest, evaluation, gates, most_details=most)
        page = written(
            "report.html.j2", {**shown, "beside": beside(other, evaluation), "studies": studies}
        )
        if len(page) < MOST_CHARACTERS:
            break
    return page


def written(template: str, page: Mapping[str, Any], *scripts: str) -> str:
    """A whole page from a template that extends the base, with the scripts it needs of its own."""
    found = environment()
    script = "\n".join(_source(found, name) for name in ("script.js", *scripts))
    sheets = ("style.css", "curation.css", "findings.css", "monitoring.css")
    style = "\n".join(_source(found, name) for name in sheets)
    return writable(
        found.get_template(template).render(
            page=page,
            colours=COLOURS,
            deepest=DEEPEST,
            style=style,
            script=script,
            script_hash=_policy_hash(script),
        )
    )


@functools.cache
def environment() -> jinja2.Environment:
    """Where templates are found, and what they may use."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("assay.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = lambda item: Markup(embedded(item))
    environment.filters["ticked"] = ticked
    return environment


def embedded(item: Any) -> str:
    """JSON that can stand inside a script element or an attribute and cannot end either.

    >>> embedded("</script>'\\u2028")
    '"\\\\u003c/script\\\\u003e\\\\u0027\\\\u2028"'
    """
    text = json.dumps(item, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for sign in "<>&'":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def ticked(text: str) -> markupsafe.Markup:
    """A sentence in which what stands between `backticks` is set as code.

    >>> str(ticked("`a<b` is constant"))
    '<code>a&lt;b</code> is constant'
    """
    from markupsafe import Markup, escape

    parts = text.split("`")
    whole = len(parts) % 2 == 1  # an odd tick belongs to the text
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 and whole else escape(part)
        for place, part in enumerate(parts if whole else [text])
    )


def writable(text: str) -> str:
    """Without the characters no file or page can hold: halves of surrogate pairs, controls."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text.translate({code: "\ufffd" for code in range(32) if chr(code) not in "\t\n\r"})


def _source(environment: jinja2.Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].strip()


def _policy_hash(script: str) -> str:
    """The script's hash as a Content-Security-Policy names it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
