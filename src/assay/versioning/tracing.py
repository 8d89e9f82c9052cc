"""Where a score comes from and what was made of a file: lineage, walked both ways."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import AssayError, SourceError, VersionError
from assay.recipe import Read, digest, load
from assay.records import store
from assay.remote import placed
from assay.sources.shards import fingerprint, locate
from assay.version import Version, open_version
from assay.versioning.graph import Graph, Node, graph_of, recipe_digest

MOST = 12  # of a kind, in text


@dataclass(frozen=True)
class Lineage:
    """What something was made of, and what was made of it.

    Attributes:
        found: what was asked about, which may be several things of one name.
        graph: everything known under the folder of versions.
        notes: what else is to be known of it.
    """

    found: tuple[Node, ...]
    graph: Graph
    notes: tuple[str, ...] = ()

    @property
    def made_of(self) -> list[Node]:
        """Everything that it comes from, the nearest first."""
        return self._walked(self.graph.sources)

    @property
    def used_by(self) -> list[Node]:
        """Everything that comes from it, the nearest first."""
        return self._walked(self.graph.users)

    def _walked(self, way: Mapping[str, list[str]]) -> list[Node]:
        start = [node.id for node in self.found]
        seen = dict.fromkeys(start)
        queue = list(start)
        while queue:
            following = [id for id in way.get(queue.pop(0), ()) if id not in seen]
            seen |= dict.fromkeys(following)
            queue += following
        return [self.graph.nodes[id] for id in seen if id not in start]

    def to_dict(self) -> dict[str, Any]:
        """As the command line's JSON gives it; an edge leads from a thing to what it is made of."""
        parts = {node.id: node for node in (*self.found, *self.made_of, *self.used_by)}
        return {
            "what": [node.to_dict() for node in self.found],
            "made_of": [node.to_dict() for node in self.made_of],
            "used_by": [node.to_dict() for node in self.used_by],
            "edges": [
                [id, other]
                for id in parts
                for other in self.graph.sources.get(id, ())
                if other in parts
            ],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        lines = [str(node) for node in self.found]
        for title, way in (("made of", self.graph.sources), ("used by", self.graph.users)):
            below = [line for node in self.found for line in self._tree(node.id, way, 1, set())]
            lines += ["", title, *(below or ["  nothing that is known here"])]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _tree(
        self, id: str, way: Mapping[str, list[str]], depth: int, seen: set[str]
    ) -> Iterator[str]:
        """The nodes below one, each told once; of many of a kind the first few."""
        counts: dict[str, int] = {}
        for other in way.get(id, ()):
            node = self.graph.nodes[other]
            counts[node.kind] = counts.get(node.kind, 0) + 1
            if counts[node.kind] > MOST:
                continue
            if other in seen:
                yield f"{'  ' * depth}{node.kind} {node.title} (above)"
                continue
            seen.add(other)
            yield f"{'  ' * depth}{node}"
            yield from self._tree(other, way, depth + 1, seen)
        for kind, count in counts.items():
            if count > MOST:
                yield f"{'  ' * depth}… and {count - MOST:,} more of kind {kind}"


@placed
def lineage(what: Version | str | Path, *, out: str | Path = "versions") -> Lineage:
    """Tell where something comes from and what was made of it, both ways.

    Args:
        what: a version or its tag, an `evaluation.json` or its folder, a run's id, a source file
            or its name, a recipe file, or the beginning (6 digits at least) of a hash: of a
            source, a version or a recipe.
        out: the folder that holds all versions.

    Returns:
        What it was made of (evaluation, version, parent, recipe, source hashes, code) and what was
        made of it; versions that were pruned are walked through.

    Raises:
        AssayError: nothing of that name is known.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> out = tempfile.mkdtemp()
    >>> made = build({"name": "tiny", "source": pl.DataFrame({"n": [1]})}, out=out)
    >>> [node.kind for node in lineage(made, out=out).made_of]
    ['recipe', 'code', 'source']
    """
    graph = graph_of(Path(out))
    notes: list[str] = []
    found = _found(what, Path(out), graph, notes)
    if not found:
        known = [node.title for node in graph.nodes.values() if node.kind == "version"]
        raise AssayError(
            f"Nothing is known of {str(what)!r} under {out}.",
            allowed="a version, a tag, an evaluation.json, a run's id, a source file, a recipe "
            f"file, or a hash; versions here: {', '.join(known) or 'none'}",
        )
    return Lineage(tuple(graph.nodes[id] for id in dict.fromkeys(found)), graph, tuple(notes))


def _found(what: Any, out: Path, graph: Graph, notes: list[str]) -> list[str]:
    if isinstance(what, Version):
        return [id for id in (f"version:{what.title}",) if id in graph.nodes]
    text, path = str(what), Path(what)
    folder = path.parent if path.name == "evaluation.json" else path
    if (folder / "evaluation.json").is_file():
        here = folder.resolve()
        return [n.id for n in graph.of("evaluation") if Path(n.facts["path"]).resolve() == here]
    if path.suffix in (".yaml", ".yml") and path.is_file():
        id = f"recipe:{recipe_digest(load(path).plain())}"
        return [id] if id in graph.nodes else []
    if path.is_file():
        return _of_file(path, graph, notes)
    try:
        return [f"version:{open_version(text, out).title}"]
    except VersionError:
        return _of_name(text, out, graph)


def _of_name(text: str, out: Path, graph: Graph) -> list[str]:
    runs = {run.id: run for run in store.read(out) if run.folder}
    folders = [Path(str(run.folder)).resolve() for id, run in runs.items() if id.startswith(text)]
    found = [n.id for n in graph.of("evaluation") if Path(n.facts["path"]).resolve() in folders]
    found += [n.id for n in graph.of("version") if text in (n.title, n.title.rpartition("/")[2])]
    found += [n.id for n in graph.of("source") if n.title == text]
    if not found and re.fullmatch(r"[0-9a-f]{6,64}", text):
        found = [n.id for n in graph.nodes.values() if str(n.facts.get("hash")).startswith(text)]
    return found


def _of_file(path: Path, graph: Graph, notes: list[str]) -> list[str]:
    """The sources with the content of a file; else those of its name, which it was once."""
    hashes = {_hash_of(path, read) for read in graph.ways_of_reading}
    found = [node.id for node in graph.of("source") if node.facts["hash"] in hashes]
    if not found:
        found = [node.id for node in graph.of("source") if Path(node.title).name == path.name]
        if found:
            notes.append(
                f"{path} has another content now than any version has read; what is told is of "
                "the file of this name as it was."
            )
    return found


def _hash_of(path: Path, read: Mapping[str, Any]) -> str | None:
    """The hash that a manifest would give a file that is read in this way."""
    with tempfile.TemporaryDirectory(prefix="assay-lineage-") as spool:
        try:
            shards = locate(str(path), Read(**read), Path(spool))
            return digest([fingerprint(shard) for shard in shards])
        except SourceError:
            return None
