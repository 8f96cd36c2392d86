"""The files of a DVC repository, parsed: `.dvc` files, `dvc.lock`, lists of folders, and the configuration. Pure.

Scalars are read as text whatever they look like, because a name or an md5 that looks like a number is none.
"""

from __future__ import annotations

import configparser
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import yaml

from mulle.errors import DataError

Algorithm = Literal["md5", "md5-dos2unix"]
"""What a name was computed from: the bytes, or (DVC 2 and older) text with normalised line ends."""
LOCK, STAGES, SUFFIX = "dvc.lock", "dvc.yaml", ".dvc"
DIRECTORY = ".dir"


@dataclass(frozen=True)
class Content:
    """What DVC knows bytes by. The md5 of a folder, which is that of its list, ends in `.dir`."""

    algorithm: Algorithm
    md5: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder's list."""
        return self.md5.endswith(DIRECTORY)


@dataclass(frozen=True)
class Output:
    """A file or folder that DVC keeps: its path in the repository and its content."""

    path: str
    content: Content
    executable: bool = False
    remote: str = ""


@dataclass(frozen=True)
class Remote:
    """Where a repository keeps copies: its URL or path as it was written, and its settings."""

    name: str
    url: str
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Config:
    """A repository's settings: where its cache lies, and its remotes, the default one first."""

    cache: str
    remotes: tuple[Remote, ...]


class _Listed(msgspec.Struct):
    relpath: str
    md5: str


def is_metafile(name: str) -> bool:
    """Whether a file of that name is one of DVC's that a repository keeps."""
    return name in {LOCK, STAGES} or (name.endswith(SUFFIX) and name != SUFFIX)


def outputs(path: str, text: bytes, stages: bytes | None = None) -> list[Output]:
    """The outputs that a `.dvc` file or a `dvc.lock` names.

    Args:
        path: the file's path in the repository; outputs' paths are relative to its folder.
        text: the file.
        stages: the `dvc.yaml` beside a `dvc.lock`, which says in which folder a stage works and what is not kept.

    Raises:
        DataError: it is not YAML, not of DVC's form, or names a path outside the repository.
    """
    held = _mapping(path, text)
    folder = posixpath.dirname(path)
    if posixpath.basename(path) != LOCK:
        return list(_found(path, posixpath.join(folder, held.get("wdir") or "."), held.get("outs")))
    declared = _section(_mapping(STAGES, stages or b""), "stages")
    locked = _section(held, "stages") if "schema" in held else held
    found: list[Output] = []
    for name in locked:
        told = _section(declared, name.partition("@")[0])
        told = _section(told, "do") or told
        inside = posixpath.join(folder, told.get("wdir") or ".")
        loose = _uncached(inside, told)
        kept = _found(path, inside, _section(locked, name).get("outs"))
        found += [output for output in kept if output.path not in loose]
    return found


def _section(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A mapping in a mapping; empty where it is missing, or something else."""
    found = held.get(name)
    return found if isinstance(found, dict) else {}


def _mapping(path: str, text: bytes) -> dict[str, Any]:
    try:
        held = yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - the base loader makes text, lists and dicts only
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read", cause=str(error).replace("\n", " "), cure=f"git log -- {path}"
        ) from error
    if not isinstance(held, dict) and held:
        raise DataError(f"{path} is not a file of DVC", cause="it is not a mapping", cure=f"git log -- {path}")
    return held or {}


def _found(path: str, folder: str, outs: Any) -> Iterator[Output]:
    for out in outs if isinstance(outs, list) else []:
        md5 = out.get("md5") if isinstance(out, dict) else None
        if not md5 or out.get("cache") == "false":
            continue  # not downloaded yet, or kept by git itself
        algorithm: Algorithm = "md5" if out.get("hash") == "md5" else "md5-dos2unix"
        where = _inside(path, posixpath.normpath(posixpath.join(folder, out["path"])))
        yield Output(where, Content(algorithm, md5.lower()), out.get("isexec") == "true", out.get("remote") or "")


def _inside(path: str, where: str) -> str:
    if where.startswith(("/", "../")) or where in {".", ".."}:
        raise DataError(
            f"{path} names '{where}', which is outside of the repository",
            cause="such an output cannot be put back where it was on another machine",
            cure="dvc move it into the repository, and commit",
        )
    return where


def _uncached(folder: str, stage: Mapping[str, Any]) -> set[str]:
    """The paths of a stage's outputs that are declared `cache: false`: git keeps those."""
    found: set[str] = set()
    for section in ("outs", "metrics", "plots"):
        for each in stage.get(section) or []:
            for path, told in each.items() if isinstance(each, dict) else ():
                if isinstance(told, dict) and told.get("cache") == "false":
                    found.add(posixpath.normpath(posixpath.join(folder, path)))
    return found


def listing(content: Content, data: bytes) -> list[tuple[str, Content]]:
    """The files of a folder by relative path, from the list that its md5 names.

    Raises:
        DataError: it is no such list, or names a path outside the folder.
    """
    try:
        entries = msgspec.json.decode(data, type=list[_Listed])
    except msgspec.MsgspecError as error:
        raise DataError(f"the list {content.md5} is damaged", cause=str(error), cure="dvc fetch it again") from error
    return [(_inside(content.md5, posixpath.normpath(e.relpath)), Content(content.algorithm, e.md5)) for e in entries]


def config(*texts: str) -> Config:
    """The settings that files of `.dvc/` say, the later ones over the earlier ones."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    for text in texts:
        try:
            parser.read_string(text)
        except configparser.Error as error:
            raise DataError(
                ".dvc/config cannot be read", cause=str(error), cure="mend it: dvc config --list"
            ) from error
    held = {section.strip("'"): dict(parser.items(section)) for section in parser.sections()}
    remotes: list[Remote] = []
    for section, settings in held.items():
        kind, _, name = section.partition(" ")
        if kind == "remote" and settings.get("url"):
            remotes.append(Remote(name.strip('"'), settings["url"], settings))
    default = held.get("core", {}).get("remote", "")
    remotes.sort(key=lambda remote: remote.name != default)
    return Config(held.get("cache", {}).get("dir", ""), tuple(remotes))
