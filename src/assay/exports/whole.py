"""What can be done only when an export is whole: rules of the file, and what stands in it once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.errors import RecipeError
from assay.exports._targets import RULES
from assay.exports.part import Exported


def check_whole(name: str, parameters: Mapping[str, Any], made: Exported) -> None:
    """Hold what all parts have written against the rules that a target has for a file.

    Raises:
        RecipeError: too few or too many examples to train on.

    >>> check_whole("chat", {"target": "openai"}, Exported(9, {}, {"train": 9}))
    Traceback (most recent call last):
        ...
    assay.errors.RecipeError: chat: openai trains on at least 10 examples, and there are 9.
    """
    target = parameters.get("target")
    rules = RULES.get(str(target))
    if rules is None:
        return
    examples = made.splits.get("train", 0)
    most = sorted(made.left_out.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    left_out = ", ".join(f"{count} for {reason!r}" for reason, count in most)
    if examples < rules.at_least:
        raise RecipeError(
            f"{name}: {target} trains on at least {rules.at_least} examples, and there are "
            f"{examples}.",
            hint=f"rows were left out: {left_out}" if left_out else None,
        )
    if rules.at_most is not None and examples > rules.at_most:
        raise RecipeError(
            f"{name}: {target} takes at most {rules.at_most:,} examples, and there are "
            f"{examples:,}.",
            hint="add `sample.random` to the steps",
        )


def finish(
    name: str, parameters: Mapping[str, Any], folder: Path, made: Exported, card: str
) -> None:
    """Check a whole export, and write what stands in it once.

    Args:
        name: the export.
        parameters: what it was given.
        folder: where its parts have been joined.
        made: what they say together.
        card: the version's README.md.

    Raises:
        RecipeError: as `check_whole`.
    """
    check_whole(name, parameters, made)
    if name == "hub":
        from assay.exports.hub import arrange

        arrange(folder, card, parameters, made)
