"""The door from DVC: a repository's outputs become datasets, with a version for each revision that changed them.

DVC itself is not needed: git tells the history, `.dvc` files and `dvc.lock` tell the md5s, the cache and the remotes
have the bytes. Each md5 is kept as an alias of the content, so that a content is read once only.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mulle.data import manifest
from mulle.data.doors import dvccache, dvcfiles, dvcpast, history
from mulle.data.doors.keeping import LARGE, Keeper, Wanted
from mulle.errors import DataError
from mulle.hashing import TreeEntry
from mulle.hashing.tree import EXECUTABLE, PLAIN

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.doors.aliases import Alias
    from mulle.data.doors.dvccache import Contents
    from mulle.data.doors.dvcfiles import Content, Output
    from mulle.data.model import ImportedDataset
    from mulle.store import ObjectStore
    from mulle.types import Digest

_SHOWN = 6
_AT_ONCE = 16
"""So many contents are fetched from a remote at a time."""


def import_dvc(
    catalog: Catalog, store: ObjectStore, path: Path, wanted: Wanted, now: datetime
) -> list[ImportedDataset]:
    """Take in a DVC repository: see the module.

    Args:
        catalog: where the datasets come to be.
        store: where their files are kept.
        path: the repository's folder, or one in it.
        wanted: which revisions and outputs.
        now: when a repository without git is taken to be as it is.

    Raises:
        DataError: it is no DVC repository, or a content is neither in its cache nor in a remote.
    """
    root = _root(path)
    past = dvcpast.past_of(root, wanted.rev, all_revs=wanted.all_revs, now=now)
    names = _names(past.paths(wanted.output), wanted.name)
    loader = _Loader(Keeper(catalog, store), dvccache.contents(root))
    plans: dict[str, tuple[history.Lines, dict[str, Output]]] = {}
    for out in names:
        found = history.lines(past.revisions, lambda revision, out=out: past.outputs[revision.id].get(out))  # type: ignore[misc]
        plans[out] = found, {each.revision.id: past.outputs[each.revision.id][out] for each in found.changes}
    missing = loader.missing({output.content for _, outputs in plans.values() for output in outputs.values()})
    if missing and not wanted.skip_missing:
        raise _not_there(missing, plans)
    made: list[ImportedDataset] = []
    for out, (found, outputs) in plans.items():
        stored = {rev: loader.store(output) for rev, output in outputs.items() if output.content not in missing}
        loader.keeper.flush()
        done = history.publish(
            catalog,
            names[out],
            found=found,
            stored=stored,
            tips=past.tips,
            origin={"door": "dvc", "source": out},
        )
        gaps = [revision for revision in outputs if revision not in stored]
        made.append(msgspec.structs.replace(done, source=out, left_out=gaps))
    return made


def _root(path: Path) -> Path:
    for folder in (path.resolve(), *path.resolve().parents):
        if (folder / ".dvc").is_dir():
            return folder
    raise DataError(
        f"{path} is no DVC repository",
        cause="neither it nor a folder above it has a .dvc folder",
        cure="git clone it, and name that folder",
    )


def _names(outputs: Sequence[str], name: str) -> dict[str, str]:
    """The dataset that each output becomes: its path with dashes; the given name, or with it before where several."""
    if name and len(outputs) == 1:
        return {outputs[0]: name}
    found = {out: "-".join(filter(None, [name, _named(out)])) for out in outputs}
    taken: dict[str, str] = {}
    for out, each in found.items():
        if each in taken:
            raise DataError(
                f"the outputs '{taken[each]}' and '{out}' would both become the dataset '{each}'",
                cause="a dataset's name has no / and no space",
                cure=f"import them one by one: mulle data import dvc PATH --output '{out}' --name NAME",
            )
        taken[each] = out
    return found


def _named(path: str) -> str:
    """A path as a dataset's name."""
    plain = "".join("-" if mark in "/\\@:\0" or mark.isspace() else mark for mark in path)
    return plain.strip(".-") or "data"


def _not_there(
    missing: Mapping[Content, int], plans: Mapping[str, tuple[history.Lines, Mapping[str, Output]]]
) -> DataError:
    lacking = [
        f"{out} at {revision[:10]} ({missing[output.content]} file{'s' * (missing[output.content] > 1)})"
        for out, (_, outputs) in plans.items()
        for revision, output in outputs.items()
        if output.content in missing
    ]
    more = f", and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return DataError(
        f"the DVC repository lacks contents of {len(lacking)} version{'s' * (len(lacking) > 1)}",
        cause=f"neither its cache nor a remote that can be read here has: {', '.join(lacking[:_SHOWN])}{more}",
        cure="bring them: dvc fetch --all-commits; or leave those versions out: --skip-missing",
    )


class _Loader:
    """Brings outputs from a repository's cache and remotes into the store."""

    def __init__(self, keeper: Keeper, contents: Contents) -> None:
        self.keeper = keeper
        self._contents = contents
        self._lists: dict[Content, list[tuple[str, Content]]] = {}

    def missing(self, wanted: set[Content]) -> dict[Content, int]:
        """The contents that are nowhere, and how many of their files are not: of a folder, its list counts as one."""
        self.keeper.ask(map(_alias, wanted))
        found: dict[Content, int] = {}
        for content in wanted:
            if self.keeper.find(_alias(content)) is not None:
                continue
            if not self._contents.has(content):
                found[content] = 1
            elif content.is_folder and (lacking := self._lacking(content)):
                found[content] = lacking
        return found

    def _lacking(self, folder: Content) -> int:
        files = {content for _, content in self._files(folder)}
        self.keeper.ask(map(_alias, files))
        return sum(self.keeper.find(_alias(each)) is None and not self._contents.has(each) for each in files)

    def _files(self, folder: Content) -> list[tuple[str, Content]]:
        if folder not in self._lists:
            self._lists[folder] = dvcfiles.listing(folder, self._contents.get(folder))
        return self._lists[folder]

    def store(self, output: Output) -> history.Stored:
        """The output as a tree: a file alone under its own name, a folder's files by their paths in it."""
        if not output.content.is_folder:
            mode = EXECUTABLE if output.executable else PLAIN
            return history.stored(
                self.keeper.store, [self._entry(posixpath.basename(output.path), output.content, mode)]
            )
        known = self.keeper.find(_alias(output.content))
        if known is not None:
            return history.of_tree(self.keeper.store, manifest.of_tree(self.keeper.store, known[0]))
        self._fetch([content for _, content in self._files(output.content)])
        files = (self._entry(path, content, PLAIN) for path, content in self._files(output.content))
        made = history.stored(self.keeper.store, files)
        self.keeper.learn(_alias(output.content), made.manifest.tree, made.manifest.bytes)
        return made

    def _fetch(self, wanted: Sequence[Content]) -> None:
        """Bring what is not on this machine, several at a time."""
        away = [
            content
            for content in dict.fromkeys(wanted)
            if self.keeper.find(_alias(content)) is None and self._contents.path(content) is None
        ]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for start in range(0, len(away), _AT_ONCE):
                some = away[start : start + _AT_ONCE]
                for content, data in zip(some, pool.map(self._contents.get, some), strict=True):
                    self.keeper.keep(_alias(content), data)

    def _entry(self, path: str, content: Content, mode: int) -> TreeEntry:
        digest, size = self.keeper.find(_alias(content)) or self._bring(content)
        return TreeEntry(path, digest, size, mode)

    def _bring(self, content: Content) -> tuple[Digest, int]:
        local = self._contents.path(content)
        if local is None or local.stat().st_size <= LARGE:
            return self.keeper.keep(_alias(content), self._contents.get(content))
        if not dvccache.fits(content, dvccache.md5_of(local)):
            raise dvccache.damaged(content, str(local))
        return self.keeper.keep(_alias(content), local)


def _alias(content: Content) -> Alias:
    return content.algorithm, content.md5
