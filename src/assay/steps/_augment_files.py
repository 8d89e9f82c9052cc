"""Lists of synonyms that a user keeps in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.errors import RecipeError


def synonyms_of(given: str | Mapping[str, Sequence[str]] | None, step: str) -> dict[str, list[str]]:
    """Other words for each word, from a mapping or a file; words are looked up in small letters.

    Raises:
        RecipeError: the file cannot be read, or does not say so.

    >>> synonyms_of({"Big": ["large", "big"]}, "augment.text")
    {'big': ['large']}
    """
    if given is None:
        return {}
    found = _read(Path(given), step) if isinstance(given, str) else given
    if not isinstance(found, Mapping):
        raise _not_synonyms(step, given, found)
    words: dict[str, list[str]] = {}
    for word, others in found.items():
        listed = [others] if isinstance(others, str) else others
        if not isinstance(listed, Sequence) or not all(isinstance(one, str) for one in listed):
            raise _not_synonyms(step, given, {word: others})
        small = str(word).strip().lower()
        kept = [one for one in dict.fromkeys(listed) if one.strip() and one.lower() != small]
        if kept:
            words[small] = kept
    return words


def _read(path: Path, step: str) -> Any:
    import orjson
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".json":
            return orjson.loads(text)
        if path.suffix.lower() in (".yaml", ".yml"):
            return yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, orjson.JSONDecodeError, yaml.YAMLError) as error:
        raise RecipeError(
            f"{step}: the synonyms cannot be read: {error}.", received=str(path)
        ) from None
    # Lines of words that stand for one another; a line's words are few.
    words: dict[str, list[str]] = {}
    for line in text.splitlines():
        group = [word.strip() for word in line.partition("#")[0].split(",") if word.strip()]
        for word in group:
            words.setdefault(word.lower(), []).extend(one for one in group if one != word)
    return words


def _not_synonyms(step: str, given: object, found: object) -> RecipeError:
    return RecipeError(
        f"{step}: the synonyms are not words with lists of other words.",
        where=given if isinstance(given, str) else None,
        received=found,
        allowed="for instance {big: [large, huge]}",
    )
