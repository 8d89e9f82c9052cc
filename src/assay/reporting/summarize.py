"""What the report shows, as one plain dict: every number formatted, every sentence written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting import dataset, models
from assay.reporting.certificate import certificate
from assay.reporting.curation import curation
from assay.reporting.details import MOST_MODELS, details
from assay.reporting.slicing import slices
from assay.reporting.training import exports
from assay.reporting.words import finite, integer, many, share, short, size

Plain = dict[str, Any]
VERDICTS = ("fail", "inconclusive", "pass")


def summarize(
    manifest: Mapping[str, Any] | None,
    evaluation: Mapping[str, Any] | None,
    gates: Sequence[Mapping[str, Any]] = (),
    *,
    most_details: int = MOST_MODELS,
) -> Plain:
    """Decide what the report shows; parts that were not given are None or empty.

    Args:
        manifest: a version's manifest.json, or None.
        evaluation: evaluation.json, or None.
        gates: `gate`, `verdict` (pass, fail, inconclusive) and `detail` of each gate, optionally
            `severity` (stop, warn) and `needed` (rows).
        most_details: of how many models the points, confusions and worst rows are shown.

    >>> page = summarize({"name": "prices", "rows": {"read": 10, "kept": 8}}, None)
    >>> page["verdict"]["word"], page["waterfall"]["bars"][-1]["share"]
    ('Built', '80.0\\u202f%')
    """
    built, scored = manifest or {}, evaluation or {}
    split = str(scored.get("split") or "test")
    board = models.leaderboard(scored, split) if scored else None
    found = models.figures(scored, split) if scored else []
    others = sorted({str(s.get("split")) for s in scored.get("scores") or () if s.get("split")})
    target = scored.get("target") or (built.get("recipe") or {}).get("target")
    best = models.headline(scored) if scored else None
    shown = details(scored, models.order(scored, found), most_details) if scored else []
    return {
        "title": short(built.get("name") or scored.get("name") or "evaluation", 120),
        "version": short(built.get("version") or scored.get("version"), 60),
        "about": _about(built, scored, target),
        "verdict": verdict(gates, models.lead(board) if board else "", bool(scored)),
        "figures": _key_numbers(built, scored, best),
        "certificate": certificate(built),
        "waterfall": dataset.waterfall(built),
        "sources": dataset.sources(built),
        "fields": dataset.fields(built),
        "more_fields": max(0, len(built.get("fields") or {}) - dataset.MOST_FIELDS),
        "splits": _splits(built),
        "target": dataset.target(built, target),
        "curation": curation(built),
        "exports": exports(built),
        "board": board,
        "missing": models.missing_sentence(board, scored.get("n")) if board else "",
        "other_boards": [models.leaderboard(scored, name) for name in others if name != split],
        "slices": slices(scored),
        "details": shown,
        "more_details": max(0, len(scored.get("details") or {}) - len(shown)),
        "gates": [_gate(gate) for gate in gates],
        "gates_need": any(finite(gate.get("needed")) is not None for gate in gates),
        "steps": dataset.steps(built),
        "facts": _facts(built, scored),
        "files": [
            {"path": short(file.get("path"), 120), "split": short(file.get("split"), 40),
             "rows": integer(file.get("rows")), "size": size(file.get("bytes"))}
            for file in (built.get("files") or ())[:50]
        ],
        "notes": [short(note, 1000) for note in _notes(built, scored)[:100]],
        "recipe": dataset.recipe_text(built),
        "seed": integer(built["seed"]).replace(",", "") if finite(built.get("seed")) is not None
        else "",
    }  # fmt: skip


def verdict(gates: Sequence[Mapping[str, Any]], lead: str = "", scored: bool = False) -> Plain:
    """One word and one sentence for all gates together; those that only warn decide nothing.

    >>> verdict([{"gate": "rows", "verdict": "fail"}])["sentence"]
    'One of 1 gate failed: rows.'
    """
    by_word: dict[str, list[str]] = {word: [] for word in VERDICTS}
    warned: list[str] = []
    for gate in gates:
        name = short(gate.get("gate"), 60)
        if not _warns(gate):
            by_word[_word(gate)].append(name)
        elif _word(gate) != "pass":
            warned.append(name)
    failed, open_ones = by_word["fail"], by_word["inconclusive"]
    count = sum(len(names) for names in by_word.values())
    total = many(count, "gate")
    more = f" {many(len(warned), 'warning')}: {_listed(warned)}." if warned else ""
    if failed:
        few = "One" if len(failed) == 1 else integer(len(failed))
        sentence = f"{few} of {total} failed: {_listed(failed)}.{more}"
        return {"kind": "fail", "word": "Fail", "sentence": sentence}
    if open_ones:
        open_count = f"{len(open_ones)} of {total}"
        sentence = f"The data cannot decide {open_count}: {_listed(open_ones)}. None failed.{more}"
        return {"kind": "inconclusive", "word": "Inconclusive", "sentence": sentence}
    if gates:
        sentence = "The only gate passed." if count == 1 else f"All {total} passed."
        sentence = sentence if count else "No gate could have failed this."
        return {"kind": "pass", "word": "Pass", "sentence": f"{sentence}{more}"}
    word = "Evaluated" if scored else "Built"
    sentence = f"{lead} No gates were asked for.".strip()
    return {"kind": "none", "word": word, "sentence": sentence}


def _warns(gate: Mapping[str, Any]) -> bool:
    return gate.get("severity") == "warn"


def _word(gate: Mapping[str, Any]) -> str:
    """A verdict nobody knows is no pass."""
    given = str(gate.get("verdict")).lower()
    return given if given in VERDICTS else "inconclusive"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:3])
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _gate(gate: Mapping[str, Any]) -> Plain:
    word = _word(gate)
    warned = _warns(gate) and word != "pass"
    return {
        "gate": short(gate.get("gate"), 200),
        # A warning is no failure, and must not look like one.
        "kind": "inconclusive" if warned else word,
        "word": word.capitalize(),
        "severity": "warns only" if _warns(gate) else "",
        "needed": integer(gate["needed"]) if finite(gate.get("needed")) is not None else "",
        "detail": short(gate.get("detail"), 1000),
    }


def _about(built: Mapping[str, Any], scored: Mapping[str, Any], target: Any) -> list[Plain]:
    """The line under the title: what this is about, in label and value."""
    task = {"number": "a number", "class": "a class"}.get(str(scored.get("task")), "")
    found = [
        ("version", built.get("version") or scored.get("version")),
        ("predicts", f"{short(target, 60)}{f', {task}' if task else ''}" if target else ""),
        ("unit", scored.get("unit")),
        ("positive class", scored.get("positive")),
    ]
    return [{"label": label, "value": short(item, 100)} for label, item in found if item]


def _key_numbers(
    built: Mapping[str, Any], scored: Mapping[str, Any], best: Plain | None
) -> list[Plain]:
    found: list[Plain] = []
    rows = built.get("rows") or {}
    if finite(rows.get("kept")) is not None:
        note = f"{share(rows.get('kept'), rows.get('read'))} of {integer(rows.get('read'))} read"
        if finite(rows.get("synthetic")):
            note += f", and {integer(rows['synthetic'])} synthetic"
        found.append({"label": "Rows kept", "value": integer(rows["kept"]), "note": note})
    if scored:
        count = many(len(scored.get("models") or ()), "model")
        note = f"on {integer(scored.get('n'))} {short(scored.get('split') or 'test', 30)} rows"
        if best:
            found.append({"label": f"Best of {count}", "value": best["model"], "note": note,
                          "name": True})  # fmt: skip
            found += best["scores"]
        else:
            found.append({"label": "Evaluated", "value": count, "note": note, "name": True})
    elif built.get("fields"):
        found.append({"label": "Fields", "value": integer(len(built["fields"])), "note": ""})
    return found


def _notes(built: Mapping[str, Any], scored: Mapping[str, Any]) -> list[Any]:
    return [*(built.get("notes") or ()), *(scored.get("notes") or ())]


def _splits(built: Mapping[str, Any]) -> list[Plain]:
    sizes = dataset.splits(built)
    total = sum(sizes.values())
    made = int(finite((built.get("rows") or {}).get("synthetic")) or 0)
    synthetic = {"train": made} if 0 < made <= sizes.get("train", 0) else {}
    return [
        {
            "split": short(name, 60),
            "rows": integer(rows),
            "share": share(rows, total),
            "width": round(100 * rows / total, 2) if total else 0,
            "made": round(100 * synthetic.get(name, 0) / rows, 2) if rows else 0,
            "apart": f"{integer(rows - synthetic[name])} rows and {integer(made)} synthetic"
            if name in synthetic
            else "",
        }
        for name, rows in sizes.items()
    ]


def _facts(built: Mapping[str, Any], scored: Mapping[str, Any]) -> list[Plain]:
    """What is needed to know exactly which data and which code this was."""
    found = [
        ("Dataset version", built.get("version") or scored.get("version")),
        ("Content hash", built.get("hash")),
        ("Parent version", built.get("parent")),
        ("Seed", built.get("seed")),
        ("Built with assay", built.get("assay")),
        ("Evaluated with assay", scored.get("assay")),
    ]
    return [{"label": label, "value": short(item, 100)} for label, item in found
            if item is not None and item != ""]  # fmt: skip
