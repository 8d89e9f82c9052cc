"""Everything that happened to one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assay.errors import VersionError
from assay.remote import placed
from assay.rows import as_pandas
from assay.version import Version, open_version


@dataclass(frozen=True)
class History:
    """The story of a row.

    Attributes:
        row_id: the row.
        kept: whether it is in the version.
        split: the split it is in, if it was kept.
        decisions: its lines of the ledger, in order.
        row: its fields as they are in the version or in quarantine.
    """

    row_id: str
    kept: bool
    split: str | None
    decisions: pl.DataFrame
    row: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "row_id": self.row_id,
            "kept": self.kept,
            "split": self.split,
            "decisions": self.decisions.to_dicts(),
            "row": dict(self.row),
        }

    def to_pandas(self) -> Any:
        """The decisions as a pandas frame."""
        return as_pandas(self.decisions)

    def __repr__(self) -> str:
        fate = f"kept, in {self.split}" if self.kept else "set aside"
        lines = [f"row {self.row_id}: {fate}"]
        lines += [f"  {_told(decision)}" for decision in self.decisions.to_dicts()]
        lines += [f"    {name}: {_short(value)}" for name, value in self.row.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        items = "".join(f"<li>{escape(_told(line))}</li>" for line in self.decisions.to_dicts())
        return f"<p>{escape(repr(self).partition(chr(10))[0])}</p><ol>{items}</ol>"


@placed
def why(version: Version | str | Path, row_id: str, *, out: str | Path = "versions") -> History:
    """Tell everything that happened to a row, whether it was kept or not.

    Args:
        version: a version, its folder, or its name under `out`.
        row_id: the row's id.
        out: the folder that holds all versions.

    Raises:
        VersionError: the version has no such row.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> frame = pl.DataFrame({"key": ["a", "b"], "n": [1, 200]})
    >>> fields = {"n": {"type": "integer", "max": 100}}
    >>> version = build({"name": "tiny", "source": frame, "id": "key", "fields": fields},
    ...                 out=tempfile.mkdtemp())
    >>> why(version, "b").kept
    False
    """
    opened = version if isinstance(version, Version) else open_version(version, out)
    decisions = opened.ledger().filter(pl.col("row_id") == row_id).collect()
    decisions = decisions.drop("row_id", "content", strict=False)
    if not decisions.height:
        read = opened.ledger().filter(pl.col("action") == "read")
        some = read.select("row_id").head(3).collect()["row_id"].to_list()
        raise VersionError(
            f"There is no row {row_id!r} in {opened.id}.",
            where=str(opened.path),
            allowed=[*some, "…"],
            hint="the first column of its data and quarantine files holds the ids",
        )
    split = decisions.filter(pl.col("action") == "split")["note"]
    kept = split.len() > 0
    return History(row_id, kept, split[0] if kept else None, decisions, _row(opened, row_id, kept))


def _row(version: Version, row_id: str, kept: bool) -> dict[str, Any]:
    if kept:
        found = version.scan().filter(pl.col("row_id") == row_id).collect()
    else:
        files = version.records("quarantine")
        lazy = pl.scan_parquet(files, missing_columns="insert", extra_columns="ignore")
        found = lazy.filter(pl.col("row_id") == row_id).collect()
    row = found.row(0, named=True)
    told = {"_source", "_line", "_step", "_rule", "_value", "_threshold", "_twin", "_note"}
    return {
        name: value
        for name, value in row.items()
        if name not in told and name != "row_id" and not (name == "_text" and value is None)
    }


def _told(decision: Mapping[str, Any]) -> str:
    step, action, rule = decision["step"], decision["action"], decision["rule"]
    value, threshold = decision["value"], decision["threshold"]
    if action == "read":
        return f"read from {decision['note']}, line {value:,.0f}"
    if action == "split":
        return f"{step}: put into {decision['note']}"
    if action == "corrected":
        return f"corrected at the source: {decision['note']}"
    if action == "changed":
        return f"{step}: changed {decision['note']}"
    if action == "added":
        return f"{step}: made from {decision['twin']}"
    text = f"{step}: {'value made null' if action == 'nulled' else action}, {rule}"
    if value is not None:
        text += f" ({value:,.6g}" + (f", limit {threshold:,.6g})" if threshold is not None else ")")
    if decision["twin"]:
        text += f"; the row kept instead is {decision['twin']}"
    if decision["note"]:
        text += f"; it was {_short(decision['note'])}"
    return text


def _short(value: object, limit: int = 200) -> str:
    text = str(value).replace("\n", " ⏎ ")
    return text if len(text) <= limit else text[: limit - 1] + "…"
