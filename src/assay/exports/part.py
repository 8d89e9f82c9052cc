"""What an export is given, and what its writers share.

A version is exported part by part and in order, so that memory stays flat: an export writes the
rows of one part behind those of the parts before it, and returns how many rows it wrote, or an
`Exported` that says more. What the parts return is merged to what the whole export says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import polars as pl

from assay.errors import RecipeError, StorageError


@dataclass(frozen=True)
class Part:
    """Some rows of one split of a version.

    Attributes:
        rows: the rows, in order.
        fields: the type that the recipe gives to each field.
        split: train, validation or test.

    >>> Part(pl.DataFrame({"x": [1]}), split="train").rows.height
    1
    """

    rows: pl.DataFrame
    fields: Mapping[str, str] = field(default_factory=dict)
    split: str = "train"


# Half octaves, the same for every export, so that histograms of parts add up.
EDGES = (0, *(round(16 * 2 ** (n / 2)) for n in range(33)))


@dataclass(frozen=True)
class Tokens:
    """The tokens of some examples.

    Attributes:
        total: all that a trainer reads.
        trained: those of the answers, with the token that ends each.
        longest: of one example.
        histogram: how many examples lie from each of `EDGES` to the next.
    """

    total: int = 0
    trained: int = 0
    longest: int = 0
    histogram: tuple[int, ...] = (0,) * len(EDGES)

    def plus(self, other: Tokens) -> Tokens:
        """Both together."""
        counts = zip(self.histogram, other.histogram, strict=True)
        return Tokens(
            self.total + other.total,
            self.trained + other.trained,
            max(self.longest, other.longest),
            tuple(one + two for one, two in counts),
        )

    def plain(self) -> dict[str, Any]:
        """For a manifest; bins without examples at either end are left off."""
        held = [place for place, count in enumerate(self.histogram) if count]
        first, last = (held[0], held[-1] + 1) if held else (0, 1)
        edges = [*EDGES, EDGES[-1] * 16][first : last + 1]
        counts = list(self.histogram[first:last])
        return {
            "total": self.total,
            "trained": self.trained,
            "longest": self.longest,
            "histogram": {"edges": edges, "counts": counts},
        }


@dataclass(frozen=True, eq=False)
class Exported:
    """What an export, or a part of one, has written; as a number it is its rows.

    Attributes:
        rows: examples written.
        left_out: how many rows were left out for each reason.
        splits: examples of each split.
        tokens: for each split, where they were counted.
        price: what the provider takes for training, where that is known: `per_million`, `epochs`,
            `currency`, `model`, `as_of`, `source`.

    >>> one = Exported(2, {"empty answer": 1}, {"train": 2})
    >>> merge([one, one]).plain()
    {'rows': 4, 'left_out': {'empty answer': 2}, 'splits': {'train': 4}}
    >>> one == 2
    True
    """

    rows: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    price: Mapping[str, Any] | None = None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Exported):
            return self.plain() == other.plain()
        return self.rows == other

    def __hash__(self) -> int:
        return hash(self.rows)

    def __int__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return (
            f"{self.rows} rows, left out {dict(self.left_out)}" if self.left_out else f"{self.rows}"
        )

    def members(self) -> dict[str, Any]:
        """What `restored` takes, as plain values."""
        return {
            "rows": self.rows,
            "left_out": dict(self.left_out),
            "splits": dict(self.splits),
            "tokens": {split: asdict(one) for split, one in self.tokens.items()},
            "price": dict(self.price) if self.price else None,
        }

    def plain(self) -> dict[str, Any]:
        """For a manifest."""
        said: dict[str, Any] = {
            "rows": self.rows,
            "left_out": dict(sorted(self.left_out.items())),
            "splits": dict(self.splits),
        }
        if self.tokens:
            together = Tokens()
            for one in self.tokens.values():
                together = together.plus(one)
            said["tokens"] = together.plain()
        if self.price:
            trained_on = self.tokens.get("train", Tokens()).total
            amount = trained_on * self.price["epochs"] * self.price["per_million"] / 1e6
            said["cost"] = {"amount": round(amount, 2), "tokens": trained_on, **self.price}
        return said


def exported(made: int | Exported, split: str) -> Exported:
    """What an export function returned, as `Exported`.

    >>> exported(3, "test").plain()
    {'rows': 3, 'left_out': {}, 'splits': {'test': 3}}
    """
    return made if isinstance(made, Exported) else Exported(made, splits={split: made})


def restored(said: Mapping[str, Any]) -> Exported:
    """An `Exported` from its fields as plain values.

    >>> one = Exported(2, tokens={"train": Tokens(7, 3, 4)})
    >>> restored(one.members()) == one
    True
    """
    tokens = {
        split: Tokens(**{**one, "histogram": tuple(one["histogram"])})
        for split, one in said["tokens"].items()
    }
    return Exported(**{**said, "tokens": tokens})


def merge(parts: Iterable[Exported]) -> Exported:
    """What all parts of an export say together."""
    rows, left_out, splits = 0, Counter[str](), Counter[str]()
    tokens: dict[str, Tokens] = {}
    price = None
    for part in parts:
        rows += part.rows
        left_out.update(part.left_out)
        splits.update(part.splits)
        price = price or part.price
        for split, one in part.tokens.items():
            tokens[split] = tokens.get(split, Tokens()).plus(one)
    return Exported(rows, left_out, splits, tokens, price)


def is_json(part: Part, name: str) -> bool:
    """Whether a column holds JSON texts of lists or objects."""
    written = part.fields.get(name) in ("list", "object")
    return written and part.rows.schema[name] == pl.String


def plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Times as ISO 8601, categories and decimals as text, bytes as Base64; the rest as it is.

    Raises:
        RecipeError: a column holds Python objects, or bytes inside of lists.
    """
    return rows.with_columns(
        expression
        for name, dtype in rows.schema.items()
        if (expression := _plain(name, dtype)) is not None
    )


def json_text(column: pl.Expr) -> pl.Expr:
    """The JSON of each value, `null` included."""
    return json_members([column.alias("v")]).str.slice(4)


def json_members(columns: Sequence[pl.Expr]) -> pl.Expr:
    """The members of a JSON object, without its braces."""
    # Slices are views; stripping by pattern copies every text.
    return pl.struct(columns).struct.json_encode().str.slice(1).str.head(-1)


@contextmanager
def appending(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write behind its end; the folder is made if it is not there.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def next_file(folder: Path, split: str, suffix: str) -> Iterator[IO[bytes]]:
    """Open the next free one of `train-00000.suffix`, `train-00001.suffix`, …

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob(f"{split}-*{suffix}")))
        with (folder / f"{split}-{number:05d}{suffix}").open("xb") as file:
            yield file
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_lines(lines: pl.Series, file: IO[bytes]) -> None:
    """Write each text as one line."""
    if len(lines):
        # The CSV writer without quotes writes texts as they are, without a Python object each.
        lines.to_frame().write_csv(file, include_header=False, quote_style="never")


def _plain(name: str, dtype: pl.DataType) -> pl.Expr | None:
    column = pl.col(name)
    if dtype == pl.Object or (dtype.is_nested() and "Binary" in str(dtype)):
        raise RecipeError(
            f"The column {name!r} cannot be exported as text.",
            received=str(dtype),
            hint="leave it out, or export as parquet",
        )
    if dtype in (pl.Datetime, pl.Date, pl.Time):
        return column.dt.to_string("iso:strict" if dtype == pl.Datetime else "iso")
    if dtype == pl.Duration:
        return column.dt.to_string("iso")
    if dtype in (pl.Categorical, pl.Enum, pl.Decimal):
        return column.cast(pl.String)
    return column.bin.encode("base64") if dtype == pl.Binary else None


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The export cannot be written: {error.strerror or error}.",
        where=str(path),
        hint="is there space, and may this folder be written to?",
    )
