"""What a batch's columns and rows break of the version's schema and contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.building.again import settled
from assay.component import find
from assay.errors import nearest
from assay.evaluation.intervals import wilson
from assay.monitoring.batch import Batch
from assay.monitoring.effects import of_shares
from assay.monitoring.trends import Finding, finding
from assay.recipe import load

FLOOR = 0.01
"""The share of rows, above the reference's, from which on broken rules alarm."""


def schema_findings(
    batch: Batch, manifest: Mapping[str, Any], *, level: float, floor: float = FLOOR
) -> list[Finding]:
    """Fields that have gone, come or changed their type, and rules that more rows break.

    Args:
        batch: the new rows.
        manifest: of the version.
        level: a rule alarms if the share of rows that break it has grown beyond chance at this
            level, shared among all rules.
        floor: and by at least so much.
    """
    return [*_columns(batch, manifest), *_rules(batch, manifest, level, floor)]


def _columns(batch: Batch, manifest: Mapping[str, Any]) -> list[Finding]:
    recipe = load({**manifest["recipe"], "source": "-"})
    known = settled(recipe, manifest)
    found = []
    for name in known:
        if name in batch.columns:
            continue
        label = name == recipe.target
        meant = nearest(name, [one for one in batch.columns if one not in known])
        found.append(
            finding(
                "schema.gone",
                "note" if label else "stop",
                "The target is not there" if label else "A field has gone",
                f"The batch has no column {name!r}"
                + (", so nothing is said of it." if label else f". {_sentence(meant)}".rstrip()),
                field=name,
                alarm=not label,
            )
        )
    if recipe.other_fields != "drop":
        new = [name for name in batch.columns if name not in known]
        found += [
            finding("schema.new", "warn", "A field is new",
                    f"The version has no field {name!r}, so it is not compared.", field=name)
            for name in new
        ]  # fmt: skip
    for name, spec in known.items():
        kinds = batch.columns.get(name, frozenset()) - {"null"}
        if spec.type in ("integer", "number") and kinds and not kinds & {"integer", "number"}:
            # Numbers may be written as texts, such as `$5`: the contract says whether these are.
            alarm = kinds != {"string"}
            found.append(
                finding("schema.type", "stop" if alarm else "warn", "A field has changed its type",
                        f"{name!r} is a number in the version and {_listed(kinds)} in the batch.",
                        field=name, alarm=alarm)
            )  # fmt: skip
    return found


def _rules(batch: Batch, manifest: Mapping[str, Any], level: float, floor: float) -> list[Finding]:
    before = _reference(manifest)
    read = int(manifest["rows"]["read"])
    rules = sorted(batch.broken)
    found = []
    for step, rule, action in rules:
        rows = batch.broken[step, rule, action]
        was = before.get((step, rule), 0)
        effect = of_shares("broken", (was, read), (rows, batch.rows), one_sided=True)
        share, share_was = rows / batch.rows, was / max(1, read)
        alarm = effect.p <= level / len(rules) and effect.value >= floor
        told = "set aside" if action == "set aside" else "made null"
        bounds = wilson(rows, batch.rows)
        field = rule.partition(": ")[0] if step == "contract" and ": " in rule else None
        found.append(
            finding(
                "contract.broken" if step in ("contract", "read") else "contract.step",
                "stop" if alarm else "note",
                f"{step}: {rule}",
                f"{rows:,} of {batch.rows:,} rows ({share:.2%}, 95 % {bounds.low:.2%} to "
                f"{bounds.high:.2%}) were {told}, "
                f"where {share_was:.2%} were when the version was built.",
                field=field if field in batch.columns else None,
                alarm=bool(alarm),
            )
        )  # fmt: skip
    return found


def _reference(manifest: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """Rows that reading, the contract and the row-wise steps set aside in the build, by rule."""
    uses = [None, None, *load({**manifest["recipe"], "source": "-"}).steps]
    found: dict[tuple[str, str], int] = {}
    for use, said in zip(uses, manifest["steps"], strict=True):
        if use is not None and find("steps", use.name).data != "rows":
            continue
        title = use.title if use is not None else said["step"]
        for rule, count in said["rules"].items():
            found[title, rule] = found.get((title, rule), 0) + int(count)
    return found


def _sentence(hint: str | None) -> str:
    return f"{hint[0].upper()}{hint[1:]}" if hint else ""


def _listed(kinds: frozenset[str]) -> str:
    return " and ".join(f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in sorted(kinds))
