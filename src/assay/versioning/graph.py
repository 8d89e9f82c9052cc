"""Everything under a folder of versions, and what each was made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from assay.errors import PredictionsError, StorageError, VersionError
from assay.evaluation.evaluation import Evaluation
from assay.recipe import digest
from assay.records import store
from assay.tags import read_tags
from assay.version import listing
from assay.versioning.pruning import PRUNED

_JUDGING = ("models", "metrics", "gates")
"""What of a recipe says nothing about the rows."""


@dataclass(frozen=True)
class Node:
    """One thing that was made or read.

    Attributes:
        id: its kind and name.
        kind: `source`, `recipe`, `code`, `version`, `tag`, `evaluation`, `model` or `run`.
        title: what it is called.
        facts: what else is known of it, as plain values.
    """

    id: str
    kind: str
    title: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"id": self.id, "kind": self.kind, "title": self.title, **self.facts}

    def __str__(self) -> str:
        told = [
            f"{name} {str(value)[:12] if name in ('hash', 'code') else value}"
            for name, value in self.facts.items()
            if name != "path" and value not in (None, "", False)
        ]
        return f"{self.kind} {self.title}" + (f"  ({', '.join(told)})" if told else "")


@dataclass(frozen=True)
class Graph:
    """Nodes and edges.

    Attributes:
        nodes: by their ids.
        sources: for each id the ids of what it was made of.
        users: for each id the ids of what was made of it.
        ways_of_reading: the different `read` parts of the recipes.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)
    ways_of_reading: list[Mapping[str, Any]] = field(default_factory=lambda: [{}])

    def of(self, kind: str) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in self.nodes.values() if node.kind == kind]

    def add(self, node: Node, *, made_of: list[str] | None = None) -> str:
        """Put in a node and what it was made of."""
        self.nodes.setdefault(node.id, node)
        for other in made_of or ():
            self.sources.setdefault(node.id, []).append(other)
            self.users.setdefault(other, []).append(node.id)
        return node.id


def graph_of(out: Path) -> Graph:
    """Everything that lies under a folder of versions, damaged versions left out."""
    graph = Graph()
    for home in sorted(path for path in out.glob("*") if path.is_dir()):
        for manifest, path in _manifests(home):
            _version(graph, home, manifest, path)
        for name, tag in read_tags(home).items():
            id = f"version:{home.name}/{tag.version}"
            if id in graph.nodes:
                node = Node(f"tag:{home.name}/{name}", "tag", f"{home.name}/{name}", {"at": tag.at})
                graph.add(node, made_of=[id])
        for file in sorted((home / "runs").glob("*/evaluation.json")):
            _evaluation(graph, home, file)
    _runs(graph, out)
    # What is named but is not there, such as a parent that was removed by hand, leads nowhere.
    for way in (graph.sources, graph.users):
        for id, others in way.items():
            way[id] = [other for other in others if other in graph.nodes]
    return graph


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """A hash of what a recipe says about the rows; models, metrics and gates are left out."""
    return digest({key: value for key, value in recipe.items() if key not in _JUDGING})


def _manifests(home: Path) -> Iterator[tuple[Mapping[str, Any], Path | None]]:
    for file in sorted((home / PRUNED).glob("*.json")):
        # One that is damaged is no worse than one that is not there.
        with suppress(orjson.JSONDecodeError):
            yield orjson.loads(file.read_bytes()), None
    for version in listing(home.parent, home.name):
        try:
            yield version.manifest, version.path
        except VersionError:
            continue


def _version(graph: Graph, home: Path, manifest: Mapping[str, Any], path: Path | None) -> None:
    title = f"{home.name}/{manifest['version']}"
    recipe = recipe_digest(manifest["recipe"])
    made_of = [
        graph.add(
            Node(f"recipe:{recipe}", "recipe", f"{home.name} {recipe[:8]}", {"hash": recipe})
        ),
        graph.add(_code(manifest["assay"], manifest.get("code"))),
    ]
    for one in manifest["sources"]:
        facts = {name: one[name] for name in ("hash", "rows", "bytes")}
        made_of.append(
            graph.add(Node(f"source:{one['name']}:{one['hash']}", "source", one["name"], facts))
        )
    if parent := manifest.get("parent"):
        made_of.append(f"version:{home.name}/{parent}")
    if restored := manifest.get("restored_from"):
        made_of.append(f"version:{home.name}/{restored}")
    if (read := manifest["recipe"].get("read", {})) not in graph.ways_of_reading:
        graph.ways_of_reading.append(read)
    facts = {"hash": manifest["hash"], "rows": sum(manifest["splits"].values()),
             "seed": manifest["seed"], "pruned": path is None,
             "path": str(path) if path else None}  # fmt: skip
    graph.add(
        Node(f"version:{title}", "version", title, facts), made_of=list(dict.fromkeys(made_of))
    )


def _code(release: str, code: str | None) -> Node:
    return Node(f"code:{release}:{code}", "code", f"assay {release}", {"code": code})


def _evaluation(graph: Graph, home: Path, file: Path) -> None:
    try:
        evaluation = Evaluation.from_file(file)
    except PredictionsError:
        return
    best = [s for s in evaluation.scores if s.model == evaluation.best and s.value is not None]
    facts = {"best": evaluation.best, **{s.metric: float(f"{s.value:.4g}") for s in best[:3]},
             "path": str(file.parent)}  # fmt: skip
    title = f"{home.name}/{file.parent.name}"
    made_of = [
        f"version:{home.name}/{evaluation.version}",
        graph.add(_code(evaluation.assay, None)),
    ]
    id = graph.add(Node(f"evaluation:{title}", "evaluation", title, facts), made_of=made_of)
    for info in evaluation.models:
        if (info.saved or "").startswith("models/"):
            path = {"path": str(file.parent / str(info.saved))}
            model = Node(f"model:{title}/{info.model}", "model", info.model, path)
            graph.add(model, made_of=[id])


def _runs(graph: Graph, out: Path) -> None:
    try:
        runs = store.read(out)
    except StorageError:
        return  # `assay runs` says what is wrong with the record; lineage does not need it
    by_folder = {Path(n.facts["path"]).name: n.id for n in graph.of("evaluation")}
    for run in runs:
        evaluation = by_folder.get(Path(run.folder).name) if run.folder else None
        if evaluation:
            facts = {"verdict": run.verdict, "started": run.started}
            graph.add(Node(f"run:{run.id}", "run", run.id, facts), made_of=[evaluation])
