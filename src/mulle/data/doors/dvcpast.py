"""What a DVC repository says of its past: its revisions, and the outputs of each."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mulle.data.doors import dvcfiles
from mulle.data.doors.dvcfiles import Output
from mulle.data.doors.git import AT_ONCE, Files, Repository, Revision, Tips
from mulle.errors import DataError

Outputs = Mapping[str, Output]
"""Outputs by their path in the repository."""
_SHOWN = 8


@dataclass(frozen=True)
class Past:
    """The revisions, parents before children; where names point; and by revision its outputs."""

    revisions: Sequence[Revision]
    tips: Tips
    outputs: Mapping[str, Outputs]

    def paths(self, only: str = "") -> list[str]:
        """The paths of all outputs, or of one.

        Raises:
            DataError: there is none, or not that one.
        """
        every = sorted({path for outputs in self.outputs.values() for path in outputs})
        if not every:
            raise DataError(
                "the DVC repository has no outputs",
                cause="no .dvc file or dvc.lock names one",
                cure="git log --all -- '*.dvc' dvc.lock",
            )
        if only and only.strip("/") not in every:
            raise DataError(
                f"the DVC repository has no output '{only}'",
                cause=f"there are: {', '.join(every[:_SHOWN])}",
                cure="name one of these",
            )
        return [only.strip("/")] if only else every


def past_of(root: Path, rev: str, *, all_revs: bool, now: datetime) -> Past:
    """The past of the DVC repository in `root`.

    Args:
        root: the folder with `.dvc`.
        rev: only this revision; all that led to the one checked out by default.
        all_revs: those that led to any branch or tag, too.
        now: when a repository without git is taken to be as it is.
    """
    with ExitStack() as stack:
        try:
            repository = stack.enter_context(Repository(root))
        except DataError:
            return _as_it_is(root, now)
        if repository.is_empty():
            return _as_it_is(root, now)
        reader = _Reader(repository, root.relative_to(repository.folder).as_posix())
        revisions, tips = repository.past(rev, all_revs=all_revs)
        return Past(revisions, tips, reader.all_outputs(revisions))


class _Reader:
    """Reads the outputs of revisions, each file of DVC once for each of its contents."""

    def __init__(self, repository: Repository, under: str) -> None:
        self._repository = repository
        self._under = "" if under == "." else f"{under}/"
        self._folders: dict[str, Files] = {}
        self._known: dict[tuple[str, ...], list[Output]] = {}

    def all_outputs(self, revisions: Sequence[Revision]) -> dict[str, Outputs]:
        """The outputs of revisions by their ids."""
        found: dict[str, Outputs] = {}
        for start in range(0, len(revisions), AT_ONCE):
            some = revisions[start : start + AT_ONCE]
            self._repository.look_ahead([revision.tree for revision in some], self._folders)
            found |= {revision.id: self._outputs(revision) for revision in some}
        return found

    def _outputs(self, revision: Revision) -> Outputs:
        files = self._repository.files(revision.tree, dvcfiles.is_metafile, self._folders)
        here = {path.removeprefix(self._under): blob for path, blob in files.items() if path.startswith(self._under)}
        found: dict[str, Output] = {}
        for path, stages in _metafiles(here):
            key = (path, here[path].id, here[stages].id if stages else "")
            if key not in self._known:
                beside = self._repository.read(here[stages]) if stages else None
                self._known[key] = dvcfiles.outputs(path, self._repository.read(here[path]), beside)
            found |= {output.path: output for output in self._known[key]}
        return found


def _as_it_is(root: Path, now: datetime) -> Past:
    """A repository without git has one revision: the folder as it is."""
    named = (path for path in root.rglob("*") if dvcfiles.is_metafile(path.name) and path.is_file())
    files = {path.relative_to(root).as_posix(): path for path in named}
    found: dict[str, Output] = {}
    for path, stages in _metafiles(files):
        beside = files[stages].read_bytes() if stages else None
        found |= {output.path: output for output in dvcfiles.outputs(path, files[path].read_bytes(), beside)}
    only = Revision("folder", (), "", now, "", f"as it was in {root.name}")
    return Past([only], Tips(only.id, {}, {}), {only.id: found})


def _metafiles(files: Mapping[str, object]) -> list[tuple[str, str]]:
    """The files that name outputs, each with the `dvc.yaml` beside it where that matters."""
    found: list[tuple[str, str]] = []
    for path in sorted(files):
        name = posixpath.basename(path)
        if name == dvcfiles.STAGES or path.startswith(".dvc/"):
            continue
        stages = posixpath.join(posixpath.dirname(path), dvcfiles.STAGES)
        found.append((path, stages if name == dvcfiles.LOCK and stages in files else ""))
    return found
