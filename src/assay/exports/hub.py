"""Export as a dataset of the Hugging Face Hub: Parquet files and a card, ready to upload."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from assay.errors import StorageError
from assay.exports.part import Exported, Part, next_file

__all__ = ["hub"]

_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M"}


def hub(
    part: Part,
    folder: Path,
    *,
    license: str | None = None,
    language: list[str] | None = None,
    tags: list[str] | None = None,
    task_categories: list[str] | None = None,
) -> Exported:
    """Write rows as a dataset of the Hub: `data/<split>-*.parquet` and a README.md with the card.

    Nothing is uploaded. The card is the version's, with what is given here in its header.

    Args:
        part: the rows.
        folder: the folder to write to.
        license: the Hub's name of the licence, `cc-by-4.0`.
        language: codes of the languages, `en`.
        tags: words to find it by.
        task_categories: the Hub's names of tasks, `text-generation`.

    Returns: how many rows were written.

    Raises:
        StorageError: a file cannot be written.

    >>> import tempfile, polars as pl
    >>> folder = Path(tempfile.mkdtemp())
    >>> hub(Part(pl.DataFrame({"x": [1, 2]})), folder, license="cc0-1.0")
    2
    """
    with next_file(folder, part.split, ".parquet") as file:
        part.rows.write_parquet(file, compression="zstd")
    return Exported(part.rows.height, splits={part.split: part.rows.height})


def arrange(folder: Path, card: str, parameters: Mapping[str, Any], made: Exported) -> None:
    """Put the joined files into the Hub's layout and write the card.

    Raises:
        StorageError: a file cannot be moved or written.
    """
    data = folder / "data"
    try:
        data.mkdir(exist_ok=True)
        for file in sorted(folder.glob("*.parquet")):
            file.rename(data / file.name)
        text = _card(card, parameters, made.rows)
        (folder / "README.md").write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The export cannot be written: {error.strerror or error}.", where=str(folder)
        ) from error


def _card(card: str, parameters: Mapping[str, Any], rows: int) -> str:
    """The version's card with a fuller header, and without what is not uploaded."""
    _, header, body = card.split("---\n", 2)
    size = next((name for limit, name in _SIZES.items() if rows < limit), "n>1M")
    told = {name: value for name, value in parameters.items() if value}
    told |= {"size_categories": [size]} | yaml.safe_load(header)
    # Rows that were set aside stay at home: they are what somebody chose not to publish.
    body = body.replace(" and lie in `quarantine/`, each with its reason", "")
    # Nor is where the source lay on somebody's machine.
    body = re.sub(r"(?m)^(source: |- (?=/))\S*/", r"\1", body)
    shown = yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
    return f"---\n{shown}---\n{body}"
