"""Datasets of the Hugging Face hub, folders that are laid out like one, and saved `datasets`.

Files come through `huggingface_hub`, whose own cache keeps them by their content; nothing of a
dataset is fetched but the files of the configuration and split that are asked for, and a loading
script is never run. The token is taken from `HF_TOKEN` or from `hf auth login`.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from assay.errors import MissingExtra, SourceError, nearest
from assay.objects import together
from assay.places import Hub
from assay.sources.outside import Found
from assay.urls import hidden

_CARD = "README.md"
_WORDS = {
    "train": "train|training",
    "validation": "validation|valid|val|dev",
    "test": "test|testing|eval|evaluation",
}
_READ = re.compile(r"(?i)\.(parquet|arrow|csv|tsv|jsonl?|ndjson|txt)(\.(gz|bz2|zst|xz))?$")


def address(url: str) -> Hub:
    """What an `hf://` URL names: a dataset, perhaps at a revision, perhaps some of its files.

    Raises:
        SourceError: it names no dataset.

    >>> address("hf://datasets/ann/prices@v2/data/*.parquet").files
    'data/*.parquet'
    """
    parts = url.removeprefix("hf://").removeprefix("datasets/").strip("/").split("/")
    if len(parts) < 2 or not all(parts):
        raise SourceError("This names no dataset.", where=hidden(url), allowed="hf://owner/name")
    name, _, revision = parts[1].partition("@")
    files = "/".join(parts[2:])
    return Hub(hub=f"{parts[0]}/{name}", revision=revision or None, files=files or None)


def fetched(asked: Hub) -> list[Found]:
    """The files of a dataset, on this machine.

    Raises:
        SourceError: there is no such dataset, configuration, split or file, or the hub refuses.
        MissingExtra: the hub's client is not installed.
    """
    name = asked.hub.removeprefix("hf://").removeprefix("datasets/")
    if asked.hub.startswith((".", "/", "~")) or Path(asked.hub).is_dir():
        return _local(Path(asked.hub).expanduser(), asked)
    with _Repository.opened(name, asked.revision) as repository:
        wanted = _wanted(repository, asked)
        paths = together(repository.get, wanted)
    at = f"revision {repository.commit}"
    return [Found(Path(path), file, at) for path, file in zip(paths, wanted, strict=True)]


def saved(folder: Path, split: str | None = None) -> list[tuple[Path, str]]:
    """The data files of a folder that `datasets` saved; empty for any other folder.

    Raises:
        SourceError: it has no such split, or its index is damaged.
    """
    splits = _json(folder / "dataset_dict.json").get("splits")
    if splits:
        if split is not None and split not in splits:
            raise _unknown("split", split, splits, str(folder))
        found = [
            (path, f"{one}/{name}")
            for one in splits
            if split in (None, one)
            for path, name in saved(folder / one)
        ]
        return sorted(found, key=lambda item: item[1])
    state = _json(folder / "state.json")
    if split is not None and split != state.get("_split") and "_data_files" in state:
        raise _unknown("split", split, [str(state.get("_split"))], str(folder))
    return [(folder / one["filename"], one["filename"]) for one in state.get("_data_files", ())]


def _local(folder: Path, asked: Hub) -> list[Found]:
    if not folder.is_dir():
        raise SourceError("There is no such folder.", where=str(folder))
    if files := saved(folder, asked.split):
        return [Found(path, name) for path, name in files]
    repository = _Folder(folder)
    return [Found(folder / file, file) for file in _wanted(repository, asked)]


@dataclass(frozen=True)
class _Folder:
    """A folder laid out like a dataset of the hub."""

    folder: Path

    @property
    def name(self) -> str:
        return str(self.folder)

    @property
    def files(self) -> list[str]:
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*"))
        return sorted(name for name in found if (self.folder / name).is_file())

    def get(self, file: str) -> str:
        return str(self.folder / file)


@dataclass(frozen=True)
class _Repository:
    """A dataset of the hub at one commit."""

    name: str
    commit: str
    files: Sequence[str]

    @classmethod
    def opened(cls, name: str, revision: str | None) -> _Refusals:
        return _Refusals(name, revision)

    def get(self, file: str) -> str:
        from huggingface_hub import hf_hub_download

        path: str = hf_hub_download(
            self.name,
            file,
            repo_type="dataset",
            revision=self.commit,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
        return path


class _Refusals:
    """Open a dataset, and turn what the hub answers against it into one error."""

    def __init__(self, name: str, revision: str | None) -> None:
        self.name, self.revision = name, revision

    def __enter__(self) -> _Repository:
        try:
            from huggingface_hub import HfApi
        except ImportError:
            raise MissingExtra("hub", "A dataset of the hub") from None
        try:
            api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
            info = api.dataset_info(self.name, revision=self.revision)
        except Exception as error:
            self.__exit__(type(error), error, None)
            raise
        files = [one.rfilename for one in info.siblings or ()]
        return _Repository(self.name, str(info.sha), files)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None or issubclass(kind, SourceError) or not issubclass(kind, Exception):
            return
        said = kind.__name__
        if not kind.__module__.startswith(("huggingface_hub", "httpx", "requests")) and not (
            issubclass(kind, OSError | ValueError)
        ):
            return
        where = f"hf://{self.name}" + (f"@{self.revision}" if self.revision else "")
        if said in ("RepositoryNotFoundError", "GatedRepoError", "RevisionNotFoundError"):
            what = "revision" if said.startswith("Revision") else "dataset"
            raise SourceError(
                f"There is no such {what} on the hub, or it is not open to you.",
                where=where,
                hint="look at its page; for a closed one set HF_TOKEN",
            ) from None
        first = str(error).strip().splitlines()[0] if str(error).strip() else said
        raise SourceError(
            f"The hub does not give this dataset: {first[:300]}",
            where=where,
            hint="run again: files that have arrived are kept; HF_HUB_OFFLINE=1 uses only those",
        ) from None


def _wanted(repository: _Repository | _Folder, asked: Hub) -> list[str]:
    """The files of the configuration and split that are asked for."""
    data = [file for file in repository.files if _READ.search(file) and not _is_hidden(file)]
    if asked.files:
        patterns = [asked.files] if isinstance(asked.files, str) else asked.files
        found = [file for file in repository.files if any(_fits(file, one) for one in patterns)]
        return _some(found, "file like this", ", ".join(patterns), repository)
    configs = _configs(repository)
    if configs:
        return _by_card(configs, data, asked, repository)
    if asked.config is not None:
        raise SourceError(
            f"The card of this dataset names no configuration {asked.config!r}.",
            where=repository.name,
            hint="name the files: {hub: …, files: 'raw/meta_*.jsonl'}",
        )
    if asked.split is not None:
        word = _WORDS.get(asked.split, re.escape(asked.split))
        named = re.compile(rf"(?i)(^|[^a-z]|\d)({word})([^a-z]|\d|$)")
        data = [file for file in data if named.search(file)]
    return _some(data, "split" if asked.split else "file that can be read", asked.split, repository)


def _by_card(
    configs: Mapping[str, Mapping[str, Any]],
    data: Sequence[str],
    asked: Hub,
    repository: _Repository | _Folder,
) -> list[str]:
    chosen = asked.config
    if chosen is None:
        marked = [name for name, one in configs.items() if one.get("default")]
        chosen = next(iter(marked or ["default"] if "default" in configs or marked else configs))
        if len(configs) > 1 and not marked and chosen != "default":
            raise SourceError(
                "This dataset has several configurations, and none is the default.",
                where=repository.name,
                allowed=configs,
                hint=f"config: {chosen}",
            )
    if chosen not in configs:
        raise _unknown("configuration", chosen, list(configs), repository.name)
    body = configs[chosen]
    splits = dict(_splits(body.get("data_files")))
    if asked.split is not None and asked.split not in splits:
        raise _unknown("split", asked.split, list(splits), repository.name)
    root = str(body.get("data_dir") or "").strip("/")
    patterns = [
        f"{root}/{one}" if root else one
        for split, several in splits.items()
        if asked.split in (None, split)
        for one in several
    ]
    found = [file for file in data if any(_fits(file, one) for one in patterns)]
    return _some(found, "file of this configuration", chosen, repository)


def _splits(files: Any) -> Iterator[tuple[str, list[str]]]:
    """A card's `data_files`, in whichever of its forms, as splits and their patterns."""
    if files is None:
        yield "train", ["**"]
    elif isinstance(files, str):
        yield "train", [files]
    elif isinstance(files, Mapping):
        for split, several in files.items():
            yield str(split), [several] if isinstance(several, str) else list(several)
    elif all(isinstance(one, str) for one in files):
        yield "train", list(files)
    else:
        for one in files:
            path = one["path"]
            yield str(one["split"]), [path] if isinstance(path, str) else list(path)


def _configs(repository: _Repository | _Folder) -> dict[str, dict[str, Any]]:
    """The configurations that the card's header lists."""
    if _CARD not in repository.files:
        return {}
    text = Path(repository.get(_CARD)).read_text(encoding="utf-8", errors="replace")
    header = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    try:
        body = yaml.safe_load(header[1]) if header else None
    except yaml.YAMLError:
        body = None
    configs = body.get("configs") if isinstance(body, dict) else None
    return {str(one["config_name"]): one for one in configs or () if "config_name" in one}


def _fits(file: str, pattern: str) -> bool:
    """Whether a path matches a pattern, in which `*` may cross folders as on the hub."""
    pattern = pattern.removeprefix("./")
    return fnmatch.fnmatchcase(file, pattern) or file.startswith(f"{pattern.rstrip('/')}/")


def _is_hidden(file: str) -> bool:
    return any(part.startswith((".", "_")) for part in file.split("/"))


def _some(
    found: list[str], what: str, asked: str | None, repository: _Repository | _Folder
) -> list[str]:
    if found:
        return sorted(found)
    raise SourceError(
        f"This dataset has no {what}{f' {asked!r}' if asked else ''}.",
        where=repository.name,
        allowed=[file for file in repository.files if _READ.search(file)] or repository.files,
    )


def _unknown(what: str, asked: str, known: Sequence[str], where: str) -> SourceError:
    return SourceError(
        f"This dataset has no {what} {asked!r}.",
        where=where,
        allowed=known,
        hint=nearest(asked, known),
    )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(
            f"This index of a dataset cannot be read: {error}.", where=str(path)
        ) from None
    return found if isinstance(found, dict) else {}
