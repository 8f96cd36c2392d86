"""Reading a git repository's history through the `git` command: commits, folders and files by content.

Folders are read once each by their git id, so walking the history of a large repository reads what changed only.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mulle.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FIELDS = "%H%x00%P%x00%T%x00%ct%x00%an <%ae>%x00%B"
_PARTS = 6
_PLAIN = ("-c", "log.showSignature=false", "-c", "core.fsmonitor=false")
"""Settings of a repository that would have git start other programs."""
_FOLDER = b"40000"
_EXECUTABLE = b"100755"
AT_ONCE = 256
"""So many objects are asked for before the answers are read: their ids fit into a pipe."""
_FILE = (b"100644", b"100664", _EXECUTABLE)


@dataclass(frozen=True)
class Revision:
    """A commit: its id, its parents' ids, its folder's id, when, who, and its message."""

    id: str
    parents: tuple[str, ...]
    tree: str
    at: datetime
    author: str
    message: str


@dataclass(frozen=True)
class Blob:
    """A file of a commit: the git id of its content, and whether it is executable."""

    id: str
    executable: bool = False


@dataclass(frozen=True)
class Tips:
    """Where names point: the revision of the main branch, and those of other branches and of tags."""

    main: str
    branches: Mapping[str, str]
    tags: Mapping[str, str]


Files = dict[str, Blob]
"""Files by their path in a folder."""


class Repository:
    """A git repository on this machine, only read. Not to be used by several threads at once."""

    def __init__(self, folder: Path) -> None:
        """Open the repository that `folder` is in.

        Raises:
            DataError: it is in none, or git is not installed.
        """
        self.folder = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
        self._objects = subprocess.Popen(  # noqa: S603 - a fixed command
            ["git", "-C", str(self.folder), "cat-file", "--batch"],  # noqa: S607 - git is found by PATH, as users' is
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )
        self._ahead: dict[str, bytes] = {}

    def close(self) -> None:
        """End the reading process."""
        assert self._objects.stdin is not None
        assert self._objects.stdout is not None
        self._objects.stdin.close()
        self._objects.stdout.close()
        self._objects.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def revisions(self, starts: Sequence[str]) -> list[Revision]:
        """The commits that can be reached from some, parents before children.

        Raises:
            DataError: one of them is unknown.
        """
        said = _git(
            self.folder,
            "log",
            "-z",
            "--topo-order",
            "--reverse",
            f"--format={_FIELDS}",
            "--end-of-options",
            *starts,
            "--",
        )
        parts = said.split("\0")
        return [_revision(parts[at : at + _PARTS]) for at in range(0, len(parts) - 1, _PARTS)]

    def revision(self, name: str) -> Revision:
        """One commit by a name that git knows: an id, a branch, a tag, HEAD~2.

        Raises:
            DataError: there is none.
        """
        said = _git(self.folder, "log", "-1", f"--format={_FIELDS}", "--end-of-options", name, "--")
        return _revision(said.removesuffix("\n").split("\0"))

    def is_empty(self) -> bool:
        """Whether nothing was ever committed."""
        return not _git(self.folder, "rev-list", "-n", "1", "--all").strip()

    def refs(self, kind: str) -> dict[str, str]:
        """The commit ids that the branches ("heads") or tags ("tags") point at, by name."""
        form = "%(refname:strip=2)%09%(objectname)%09%(*objectname)"
        lines = _git(self.folder, "for-each-ref", f"--format={form}", f"refs/{kind}").splitlines()
        found = {name: peeled or named for name, named, peeled in (line.split("\t") for line in lines)}
        return {name: id_ for name, id_ in found.items() if self._object(id_)[0] == "commit"}

    def branch(self) -> str | None:
        """The branch that is checked out; None where it is a commit."""
        try:
            return _git(self.folder, "symbolic-ref", "-q", "--short", "HEAD").strip()
        except DataError:
            return None

    def files(self, tree: str, wanted: Callable[[str], bool], known: dict[str, Files]) -> Files:
        """The files of a commit's folder whose name is wanted, by path; links and sub-repositories are left out.

        Args:
            tree: the folder's git id.
            wanted: whether a file of that name (not path) is.
            known: what was found in folders before, for the same `wanted`; what is found is added.
        """
        if tree not in known:
            found: dict[str, Blob] = {}
            data = self._ahead.pop(tree, None)
            for mode, name, id_ in _parsed(self._object(tree)[1] if data is None else data, len(tree) // 2):
                if mode == _FOLDER:
                    found |= {f"{name}/{path}": blob for path, blob in self.files(id_, wanted, known).items()}
                elif mode in _FILE and wanted(name):
                    found[name] = Blob(id_, mode == _EXECUTABLE)
            known[tree] = found
        return known[tree]

    def look_ahead(self, trees: Sequence[str], known: Mapping[str, Files]) -> None:
        """Read folders that `files` will ask for, many at a time: asking for one at a time is slow."""
        level = [tree for tree in dict.fromkeys(trees) if tree not in known]
        while level:
            self._ahead |= dict(zip(level, self.read_all(level), strict=True))
            below = (entry for tree in level for entry in _parsed(self._ahead[tree], len(tree) // 2))
            folders = dict.fromkeys(id_ for mode, _, id_ in below if mode == _FOLDER)
            level = [each for each in folders if each not in known and each not in self._ahead]

    def past(self, rev: str, *, all_revs: bool) -> tuple[list[Revision], Tips]:
        """The revisions that are asked for, parents before children, and where names point.

        Args:
            rev: only this one, as if nothing had led to it; all that led to the one checked out by default.
            all_revs: those that led to any branch or tag, too.
        """
        head = self.revision(rev or "HEAD")
        if rev:
            return [replace(head, parents=())], Tips(head.id, {}, {})
        tags = self.refs("tags")
        branches = self.refs("heads") if all_revs else {}
        revisions = self.revisions([head.id, *([*branches.values(), *tags.values()] if all_revs else [])])
        branches.pop(self.branch() or "", None)
        return revisions, Tips(head.id, branches, tags)

    def lfs_folder(self) -> Path:
        """Where git-lfs keeps contents."""
        folder = Path(_git(self.folder, "rev-parse", "--git-common-dir").strip())
        try:
            storage = _git(self.folder, "config", "lfs.storage").strip()
        except DataError:
            storage = ""
        return self.folder / folder / (storage or "lfs") / "objects"

    def read(self, blob: Blob) -> bytes:
        """The content of a file."""
        return self._object(blob.id)[1]

    def read_all(self, ids: Sequence[str]) -> Iterator[bytes]:
        """The contents of objects, in order."""
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            self._ask(some)
            yield from [self._answer(id_)[1] for id_ in some]

    def _object(self, id_: str) -> tuple[str, bytes]:
        self._ask([id_])
        return self._answer(id_)

    def _ask(self, ids: Sequence[str]) -> None:
        assert self._objects.stdin is not None
        self._objects.stdin.write("".join(f"{id_}\n" for id_ in ids).encode())
        self._objects.stdin.flush()

    def _answer(self, id_: str) -> tuple[str, bytes]:
        assert self._objects.stdout is not None
        head = self._objects.stdout.readline().split()
        if len(head) != 3:  # noqa: PLR2004 - id, kind, size; or what is wrong
            raise DataError(
                f"git has no object {id_[:12]} in {self.folder}",
                cause="the clone is partial or damaged",
                cure="git fsck; for a shallow clone: git fetch --unshallow",
            )
        data = self._objects.stdout.read(int(head[2]))
        self._objects.stdout.read(1)
        return head[1].decode(), data

    def sizes(self, blobs: Sequence[Blob]) -> Mapping[str, int]:
        """The lengths of files by git id."""
        asked = "".join(f"{blob.id}\n" for blob in blobs)
        said = _git(self.folder, "cat-file", "--batch-check=%(objectname) %(objectsize)", text=asked)
        return {name: int(size) for name, size in (line.split() for line in said.splitlines() if "missing" not in line)}


def _parsed(data: bytes, width: int) -> Iterator[tuple[bytes, str, str]]:
    """A folder's entries from git's own form: mode, name, id."""
    at = 0
    while at < len(data):
        space, end = data.index(b" ", at), data.index(b"\0", at)
        name = data[space + 1 : end].decode("utf-8", "surrogateescape")
        yield data[at:space], name, data[end + 1 : end + 1 + width].hex()
        at = end + 1 + width


def _revision(said: Sequence[str]) -> Revision:
    id_, parents, tree, at, author, message = said
    return Revision(id_, tuple(parents.split()), tree, datetime.fromtimestamp(int(at), UTC), author, message.strip())


def _git(folder: Path, *arguments: str, text: str = "") -> str:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, arguments never read by a shell
            ["git", "-C", str(folder), *_PLAIN, *arguments],  # noqa: S607 - git is found by PATH, as users' is
            capture_output=True,
            check=False,
            input=text.encode(),
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise DataError(
            "git is not installed", cause=str(error), cure="install git, for example: apt install git"
        ) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise DataError(
            f"git cannot read {folder}", cause=said, cure="name a folder inside a git repository, and a revision it has"
        )
    return done.stdout.decode("utf-8", "replace")


def _environment() -> dict[str, str]:
    """The environment without what would make git look at another repository, in plain English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0"}
