"""A look at near duplicates before any of them goes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.building.sketching import sketched
from assay.recipe import Recipe
from assay.remote import placed
from assay.reporting.duplication import render_duplicates
from assay.rows import as_pandas, hex_ids, uniform
from assay.storage import storage_errors, write_atomically

Parts = list[tuple[str, str]]
"""A text in parts: `=` stands in both, `-` in the first only, `+` in the second only; `…` tells of
what was not compared."""
LIMITS = {
    "dedup.near": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    "dedup.semantic": (0.8, 0.85, 0.9, 0.95, 0.98, 1.0),
}
_TOKENS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+|\s+|[^\w\s]")
_MOST_TOKENS = 1_500
_AROUND = 8


@dataclass(frozen=True)
class Duplicates:
    """What a step that looks for near duplicates would do, and what else it could do.

    Attributes:
        step: the step's name.
        columns: the columns that it compares.
        threshold: its threshold.
        rows: how many rows it is given.
        moves: for each threshold `threshold`, `removed` (rows that go), `share` (of all rows) and
            `clusters`.
        sizes: for the step's threshold, `size` (rows of a cluster) and `clusters` (of that size).
        equal: how many rows have the text of another row, word for word, beside that one.
        pairs: a sample of pairs that are alike and not equal, most alike first: `likeness`,
            `removed` (whether the threshold is reached), `rows` (both ids) and `texts` (for each
            column its parts: `=` in both, `-` in the first only, `+` in the second only).
    """

    step: str
    columns: list[str]
    threshold: float
    rows: int
    moves: list[dict[str, Any]]
    sizes: list[dict[str, int]]
    equal: int
    pairs: list[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "step": self.step,
            "columns": list(self.columns),
            "threshold": self.threshold,
            "rows": self.rows,
            "equal": self.equal,
            "moves": [dict(move) for move in self.moves],
            "sizes": [dict(size) for size in self.sizes],
            "pairs": [
                pair | {"texts": {name: [list(part) for part in parts]
                                  for name, parts in pair["texts"].items()}}
                for pair in self.pairs
            ],
        }  # fmt: skip

    def to_pandas(self) -> Any:
        """How the number of rows that go moves with the threshold, as a pandas frame."""
        return as_pandas(pl.DataFrame(self.moves))

    def __repr__(self) -> str:
        lines = [self._headline(), "", "threshold      rows that go      share   clusters"]
        for move in self.moves:
            own = " <" if move["threshold"] == self.threshold else ""
            lines.append(
                f"{move['threshold']:>9g} {move['removed']:>17,} {move['share']:>10.2%}"
                f" {move['clusters']:>10,}{own}"
            )
        if self.sizes:
            listed = ", ".join(f"{one['clusters']:,} of {one['size']:,}" for one in self.sizes[:8])
            more = ", …" if len(self.sizes) > 8 else ""
            lines += ["", f"clusters at {self.threshold:g}: {listed}{more} rows"]
        for pair in self.pairs:
            fate = "one of them goes" if pair["removed"] else "both stay"
            lines += ["", f"{pair['likeness']:.3f}, {fate}: {' and '.join(pair['rows'])}"]
            lines += [f"  {name}: {marked(parts)}" for name, parts in pair["texts"].items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{move['threshold']:g}</td><td>{move['removed']:,}</td>"
            f"<td>{move['share']:.2%}</td><td>{move['clusters']:,}</td></tr>"
            for move in self.moves
        )
        shown = {"=": "{}", "…": "{}", "-": "<del>{}</del>", "+": "<ins>{}</ins>"}
        items = "".join(
            f"<li>{pair['likeness']:.3f}"
            + "".join(
                f"<br>{escape(name)}: "
                + "".join(shown[mark].format(escape(text)) for mark, text in shortened(parts))
                for name, parts in pair["texts"].items()
            )
            + "</li>"
            for pair in self.pairs
        )
        return (
            f"<p>{escape(self._headline())}</p><table><tr><th>threshold</th><th>rows that go</th>"
            f"<th>share</th><th>clusters</th></tr>{rows}</table><ol>{items}</ol>"
        )

    def _headline(self) -> str:
        own = next(move for move in self.moves if move["threshold"] == self.threshold)
        return (
            f"{self.step} on {', '.join(self.columns)}: {own['removed']:,} of {self.rows:,} rows"
            f" would go at {self.threshold:g}; {self.equal:,} have the very text of another row"
        )


@placed
def duplicates(  # noqa: PLR0913 - as the commands that build have
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    out: str | Path = "versions",
    step: str | None = None,
    thresholds: Sequence[float] | None = None,
    pairs: int = 20,
    seed: int = 0,
    workers: int | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    progress: Callable[[str, int, int], None] | None = None,
    report: str | Path | None = None,
) -> Duplicates:
    """Show which rows a recipe's search for near duplicates finds, before any of them goes.

    The rows are read and sketched as by a build, whose cache is used: a build that follows reads
    no text again, and neither does another look with other thresholds.

    Args:
        recipe: a recipe file, or the recipe itself.
        out: the folder that holds all versions, and the cache.
        step: the step's name or label; the recipe's first `dedup.near` or `dedup.semantic` when
            not given.
        thresholds: for which to say how many rows would go; the step's own is added.
        pairs: how many pairs to show, spread evenly over their likeness.
        seed: another seed shows other pairs.
        workers: how many shards to work on at once.
        functions: your own functions, or files of them, that the recipe may name.
        progress: called with a stage's name, the shards done and their number.
        report: an HTML file to write as well.

    Raises:
        RecipeError: the recipe has no such step, or a threshold is out of range.

    >>> import tempfile
    >>> texts = ["a red kettle made of steel", "a red kettle, made of steel.", "tax law"]
    >>> recipe = {"name": "tiny", "source": pl.DataFrame({"text": texts}),
    ...           "steps": [{"dedup.near": {"columns": "text"}}]}
    >>> looked = duplicates(recipe, out=tempfile.mkdtemp())
    >>> looked.moves[2]["threshold"], looked.moves[2]["removed"], looked.equal
    (0.7, 1, 1)
    """
    from assay.steps._dedup import ranked
    from assay.steps._search import Found, near_found, semantic_found

    found_step, sketches, texts = sketched(
        recipe, among=LIMITS, step=step, out=out, workers=workers, progress=progress,
        functions=functions,
    )  # fmt: skip
    name, settings = found_step.component.name, found_step.parameters
    own = float(settings["threshold"])
    limits = sorted({own, *(LIMITS[name] if thresholds is None else thresholds)})
    rank = ranked(sketches.rows, settings["keep"], settings["prefer"], name)

    def look(limit: float) -> Found:
        if name == "dedup.near":
            return near_found(sketches, limit, rank=rank, within=settings["within"])
        return semantic_found(sketches, limit, rank=rank)

    found = look(limits[0])
    count = len(found.leads)
    moves = []
    sizes, often = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for limit in limits:
        # Of a crowd not every pair is taken up, and at another threshold others are.
        here = look(limit) if found.crowded and limit > limits[0] else found.above(limit)
        removed, clusters = here.removed(limit), here.sizes()
        share = removed / count if count else 0.0
        moves.append(
            {"threshold": limit, "removed": removed, "share": share, "clusters": len(clusters)}
        )
        if limit == own:
            sizes, often = np.unique(clusters, return_counts=True)
    chosen = _sample(found.a, found.b, found.likeness, found.rows, pairs, seed)
    shown = _shown(found.a[chosen], found.b[chosen], found.likeness[chosen], own, texts)
    equal = int(((found.leads >= 0) & (found.leads != np.arange(count))).sum())
    looked = Duplicates(
        step=found_step.title,
        columns=list(settings["columns"]),
        threshold=own,
        rows=count,
        moves=moves,
        sizes=[
            {"size": size, "clusters": number}
            for size, number in zip(sizes.tolist(), often.tolist(), strict=True)
        ],
        equal=equal,
        pairs=shown,
    )
    if report is not None:
        path = Path(report)
        with storage_errors(path.parent):
            write_atomically(path, render_duplicates(looked.to_dict()).encode())
    return looked


def difference(first: str, second: str) -> Parts:
    """What two texts share and what each has alone, word by word.

    >>> difference("a red kettle", "a blue kettle")
    [('=', 'a '), ('-', 'red'), ('+', 'blue'), ('=', ' kettle')]
    """
    ours, theirs = _TOKENS.findall(first), _TOKENS.findall(second)
    # Comparing is quadratic; what stands behind is told by its length.
    behind = [len(tokens) - _MOST_TOKENS for tokens in (ours, theirs)]
    ours, theirs = ours[:_MOST_TOKENS], theirs[:_MOST_TOKENS]
    parts: Parts = []
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            parts.append(("=", "".join(ours[a:b])))
            continue
        parts += [("-", "".join(ours[a:b]))] if b > a else []
        parts += [("+", "".join(theirs[c:d]))] if d > c else []
    if max(behind) > 0:
        parts.append(("…", f" … ({max(behind):,} more words and marks not compared)"))
    return parts


def shortened(parts: Parts) -> Parts:
    """The parts with long stretches that both texts share cut down to the words around changes."""
    made: Parts = []
    for place, (mark, whole) in enumerate(parts):
        text, tokens = whole, _TOKENS.findall(whole)
        if mark == "=" and len(tokens) > 2 * _AROUND:
            head = "".join(tokens[:_AROUND]) if place else ""
            tail = "".join(tokens[-_AROUND:]) if place < len(parts) - 1 else ""
            text = f"{head} … {tail}" if head or tail else "".join(tokens[: 4 * _AROUND]) + " …"
        made.append((mark, text if len(text) <= 400 else text[:399] + "…"))
    return made


def marked(parts: Parts) -> str:
    """The parts as one text for a terminal.

    >>> marked([("=", "a "), ("-", "red"), ("+", "blue"), ("=", " kettle")])
    'a [-red-]{+blue+} kettle'
    """
    shown = {"=": "{}", "…": "{}", "-": "[-{}-]", "+": "{{+{}+}}"}
    text = "".join(shown[mark].format(text) for mark, text in shortened(parts))
    return text.replace("\n", " ⏎ ")


def _sample(
    a: Any, b: Any, likeness: Any, rows: Any, wanted: int, seed: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Places of pairs, spread evenly over the likeness, most alike first."""
    if not len(a) or wanted < 1:
        return np.zeros(0, dtype=np.int64)
    # A pair's number is drawn from both rows, whichever comes first.
    number = uniform(rows[a] + rows[b], seed, "duplicates")
    line = np.lexsort((number, likeness))[::-1]
    groups = np.array_split(line, min(wanted, len(line)))
    return np.array([group[np.argmin(number[group])] for group in groups], dtype=np.int64)


def _shown(
    a: Any, b: Any, likeness: Any, threshold: float, texts: Callable[[Sequence[int]], pl.DataFrame]
) -> list[dict[str, Any]]:
    if not len(a):
        return []
    told = [texts(places.tolist()) for places in (a, b)]
    ids = [hex_ids(side["_row"]).to_list() for side in told]
    first, second = (side.drop("_row").to_dicts() for side in told)
    return [
        {
            "likeness": float(value),
            "removed": bool(value >= threshold),
            "rows": [left, right],
            "texts": {name: difference(_text(ours[name]), _text(theirs[name])) for name in ours},
        }
        for value, left, right, ours, theirs in zip(likeness, *ids, first, second, strict=True)
    ]


def _text(value: object) -> str:
    return "" if value is None else str(value)
