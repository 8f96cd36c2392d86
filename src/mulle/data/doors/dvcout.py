"""The door to DVC: a version as a `.dvc` file and the contents in a cache, as `dvc add` would have left them.

`dvc checkout` then makes the files, `dvc push` sends them to the repository's remotes. DVC keeps no executable bit of
files in a folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mulle.data.doors import dvccache
from mulle.data.doors.gitignore import ignore
from mulle.data.doors.plain import replaced

if TYPE_CHECKING:
    from mulle.hashing import TreeEntry
    from mulle.store import ObjectStore

_IGNORED = "/config.local\n/tmp\n/cache\n"


class Cache:
    """The cache of the DVC repository that a folder is in.

    Where it is in none, its git repository becomes one, or else the folder itself.
    """

    def __init__(self, folder: Path) -> None:
        above = (folder, *folder.parents)
        git = next((each for each in above if (each / ".git").exists()), None)
        self.root = next((each for each in above if (each / ".dvc").is_dir()), git or folder)
        inside = self.root / ".dvc"
        if not inside.is_dir():
            inside.mkdir(parents=True)
            (inside / "config").write_text("" if git else "[core]\n    no_scm = True\n", "utf-8")
            (inside / ".gitignore").write_text(_IGNORED, "utf-8")
            (self.root / ".dvcignore").touch()
        self._folder = dvccache.cache_of(self.root)

    def keep_file(self, path: Path, md5: str = "") -> str:
        """Copy a file's content in, where it is not there yet; its md5."""
        md5 = md5 or dvccache.md5_of(path)
        self._keep(md5, lambda target: shutil.copyfile(path, target))
        return md5

    def keep_list(self, files: Mapping[str, str]) -> str:
        """Keep a folder's list: paths and md5s; the md5 of the list, with `.dir`."""
        listed = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
        data = json.dumps(listed, sort_keys=True).encode()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() + ".dir"
        self._keep(md5, lambda target: target.write_bytes(data))
        return md5

    def _keep(self, md5: str, write: Any) -> None:
        target = self._folder / "files" / "md5" / md5[:2] / md5[2:]
        if not target.is_file():
            replaced(target, write)
            target.chmod(0o444)


def export_files(
    store: ObjectStore, entries: Iterable[TreeEntry], known: Mapping[str, str], path: Path
) -> tuple[Path, dict[str, str]]:
    """Write a tree as an output of DVC at `path`: a folder of that name, or, where it is one file, that file in it.

    Args:
        store: where the contents are.
        entries: the files.
        known: md5s that are known by digest.
        path: where DVC is to check it out; the `.dvc` file goes beside it.

    Returns:
        The `.dvc` file, and the md5s by digest.
    """
    files = list(entries)
    alone = files[0] if len(files) == 1 and "/" not in files[0].path else None
    cache = Cache((path if alone else path.parent).resolve())
    md5s: dict[str, str] = {}
    for entry in files:
        if entry.digest not in md5s:
            md5s[entry.digest] = cache.keep_file(store.path(entry.digest), known.get(entry.digest, ""))
    if alone:
        out: dict[str, Any] = {"md5": md5s[alone.digest], "size": alone.size, "hash": "md5"}
        out |= {"isexec": True} if alone.mode & 0o100 else {}
        return _metafile(path / alone.path, out), md5s
    listed = cache.keep_list({entry.path: md5s[entry.digest] for entry in files})
    size = sum(entry.size for entry in files)
    return _metafile(path, {"md5": listed, "size": size, "nfiles": len(files), "hash": "md5"}), md5s


def export_file(file: Path, path: Path) -> Path:
    """Write one file as an output of DVC at `path`; its `.dvc` file."""
    cache = Cache(path.parent.resolve())
    return _metafile(path, {"md5": cache.keep_file(file), "size": file.stat().st_size, "hash": "md5"})


def _metafile(path: Path, out: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"outs": [out | {"path": path.name}]}, sort_keys=False, allow_unicode=True)
    made = path.with_name(f"{path.name}.dvc")
    replaced(made, lambda file: _write(file, text))
    ignore(path)
    return made


def _write(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
