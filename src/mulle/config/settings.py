"""The settings: few, typed, each with a default that serves; from `mulle.toml`, then the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from mulle.config.resources import PricesSection, Resources, ResourcesSection, checked
from mulle.errors import ConfigError, UsageError, unknown
from mulle.types import duration

FILE = "mulle.toml"
Executor: TypeAlias = Literal["process", "in-process", "ray"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a project says about itself and where and how it runs."""

    root: Path
    """The folder of `mulle.toml`."""
    workspace: Path
    """`[workspace] path` (default `.mulle`) or MULLE_WORKSPACE: where everything is kept."""
    project: str
    """`[project] name` (default: the folder's name)."""
    module: str = "project"
    """`[project] module`: the Python module, below the root, that holds the definitions."""
    executor: Executor = "process"
    """`[run] executor` or MULLE_EXECUTOR: "process" (a warm pool), "in-process" or "ray"."""
    workers: int = 0
    """`[run] workers` or MULLE_WORKERS: how many processes run steps (with Ray: on each node); 0: one for each core."""
    cluster: str = ""
    """`[run] cluster` or MULLE_CLUSTER: the address of the Ray cluster, or "auto"; without it, one is started here."""
    environments: Path | None = None
    """`[run] environments` or MULLE_ENVIRONMENTS: where environments of steps are built (default: in the workspace)."""
    host: str = "127.0.0.1"
    """`[server] host` or MULLE_HOST: what the server and endpoints listen on."""
    port: int = 8420
    """`[server] port` or MULLE_PORT."""
    behind: timedelta = timedelta(0)
    """`[workspace] behind`, as "365d": how far this workspace's time is behind the machine's, for recorded data."""
    language: str = "en"
    """`[ui] language` or MULLE_LANGUAGE: "en" or "ko"."""
    remotes: dict[str, str] = msgspec.field(default_factory=dict)
    """`[remotes] NAME = "ADDRESS"` or MULLE_REMOTES__NAME: where datasets are pushed to and pulled from."""
    resources: Resources = msgspec.field(default_factory=lambda: checked(ResourcesSection()))
    """`[resources]`: pools, queues, weights and quotas; without it, the whole machine for whoever comes."""
    prices: PricesSection = PricesSection()
    """`[prices]` cpu_hour, gib_hour, gpu_hour (a number, or one for each GPU's name), currency."""


class _Project(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    module: str = "project"


class _Workspace(msgspec.Struct, forbid_unknown_fields=True):
    path: str = ".mulle"
    behind: str = "0s"


class _Run(msgspec.Struct, forbid_unknown_fields=True):
    executor: Executor = "process"
    workers: int = 0
    cluster: str = ""
    environments: str = ""


class _Server(msgspec.Struct, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 8420


class _Ui(msgspec.Struct, forbid_unknown_fields=True):
    language: Literal["en", "ko"] = "en"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    project: _Project = msgspec.field(default_factory=_Project)
    workspace: _Workspace = msgspec.field(default_factory=_Workspace)
    run: _Run = msgspec.field(default_factory=_Run)
    server: _Server = msgspec.field(default_factory=_Server)
    ui: _Ui = msgspec.field(default_factory=_Ui)
    remotes: dict[str, str] = msgspec.field(default_factory=dict)
    resources: ResourcesSection = ResourcesSection()
    prices: PricesSection = PricesSection()


_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "project": _Project, "workspace": _Workspace, "run": _Run, "server": _Server, "ui": _Ui,
    "resources": ResourcesSection, "prices": PricesSection,
}  # fmt: skip
_ENVIRONMENT = {
    "MULLE_WORKSPACE": ("workspace", "path"),
    "MULLE_EXECUTOR": ("run", "executor"),
    "MULLE_WORKERS": ("run", "workers"),
    "MULLE_CLUSTER": ("run", "cluster"),
    "MULLE_QUEUE": ("resources", "queue"),
    "MULLE_ENVIRONMENTS": ("run", "environments"),
    "MULLE_HOST": ("server", "host"),
    "MULLE_PORT": ("server", "port"),
    "MULLE_LANGUAGE": ("ui", "language"),
}
_REMOTES = "remotes"
_REMOTE_IN_ENVIRONMENT = "MULLE_REMOTES__"
_MAX_PORT = 65535


def find_root(start: Path) -> Path | None:
    """The nearest folder from `start` upward that holds a `mulle.toml`."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    return None


def load(start: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the project that `start` lies in.

    Raises:
        ConfigError: there is no `mulle.toml` from here upward, or it or the environment says what cannot be.
    """
    root = find_root(start)
    if root is None:
        raise ConfigError(
            f"there is no {FILE} in {start.resolve()} or above it",
            cause="this is no mulle project",
            cure="mulle init NAME",
        )
    text = _read(root / FILE)
    document = _parse(text, root / FILE)
    _check_names(document, text, root / FILE)
    _convert(document, text, str(root / FILE))
    return _settings(root, _with_environment(document, os.environ if environment is None else environment))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read", cause=str(error), cure=f"make {path} a readable UTF-8 file"
        ) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else len(text.splitlines())
        raise ConfigError(
            f"{path} is not TOML, line {line}", cause=str(error), cure=f"mend line {line} of {path}"
        ) from error


def _check_names(document: dict[str, Any], text: str, path: Path) -> None:
    for section, body in document.items():
        if section == _REMOTES:
            _check_remotes(body, text, path)
            continue
        if section not in _SECTIONS:
            line, known = _line(text, section, None), [*_SECTIONS, _REMOTES]
            raise unknown(f"section in line {line} of {path}:", section, known, cure=f"mend line {line} of {path}")
        fields = _SECTIONS[section].__struct_fields__
        for key in body if isinstance(body, dict) else ():
            if key not in fields:
                line = _line(text, section, key)
                raise unknown(f"setting in line {line} of {path}:", key, fields, cure=f"mend line {line} of {path}")


def _check_remotes(body: Any, text: str, path: Path) -> None:
    """Each name of `[remotes]` may be any; what it names is an address."""
    for name, address in body.items() if isinstance(body, dict) else ():
        if not isinstance(address, str) or not address:
            line = _line(text, _REMOTES, name)
            raise ConfigError(
                f"{path}, line {line}: [remotes] {name} cannot be this",
                cause="a remote is an address as text",
                cure=f'write {name} = "s3://bucket/prefix", or the path of a folder',
            )


def _convert(document: dict[str, Any], text: str, where: str) -> _File:
    try:
        return msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        section, _, key = place.rstrip("`").partition(".")
        if "[" in key or "." in key:
            section, key, line = _nested(text, section, key, message)
        else:
            line = _line(text, section, key or None)
        raise ConfigError(
            f"{where}, line {line}: [{section}] {key} cannot be this",
            cause=message,
            cure=f"mend line {line} of {where}",
        ) from error


def _with_environment(document: dict[str, Any], environment: Mapping[str, str]) -> _File:
    merged = {section: dict(body) for section, body in document.items()}
    for name, (section, key) in _ENVIRONMENT.items():
        if value := environment.get(name):
            merged.setdefault(section, {})[key] = value
            try:
                msgspec.convert({section: {key: value}}, _File, strict=False)
            except msgspec.ValidationError as error:
                cause = str(error).partition(" - at ")[0]
                raise ConfigError(f"{name}={value} cannot be", cause=cause, cure=f"unset {name}, or mend it") from error
    for name, value in environment.items():
        if name.startswith(_REMOTE_IN_ENVIRONMENT) and value:
            merged.setdefault(_REMOTES, {})[name.removeprefix(_REMOTE_IN_ENVIRONMENT).lower()] = value
    return msgspec.convert(merged, _File, strict=False)


def _settings(root: Path, file: _File) -> Settings:
    if not 0 <= file.server.port <= _MAX_PORT:
        raise ConfigError(
            f"port {file.server.port} cannot be", cause="ports go from 0 to 65535", cure="mend [server] port"
        )
    if file.run.workers < 0:
        raise ConfigError(
            f"{file.run.workers} workers cannot be", cause="0 means one a core", cure="mend [run] workers"
        )
    return Settings(
        root=root,
        workspace=(root / Path(file.workspace.path).expanduser()).resolve(),
        project=file.project.name or root.name,
        module=file.project.module,
        executor=file.run.executor,
        cluster=file.run.cluster,
        workers=file.run.workers,
        environments=(root / Path(file.run.environments).expanduser()) if file.run.environments else None,
        host=file.server.host,
        port=file.server.port,
        behind=_behind(file.workspace.behind),
        language=file.ui.language,
        remotes=file.remotes,
        resources=checked(file.resources),
        prices=file.prices,
    )


def _behind(text: str) -> timedelta:
    try:
        return duration(text)
    except UsageError as error:
        raise ConfigError(
            f"[workspace] behind: {error.message}", cause=error.cause, cure="mend [workspace] behind"
        ) from None


def _nested(text: str, section: str, path: str, message: str) -> tuple[str, str, int]:
    """The table below a section, the setting and the line that a message speaks of, as well as they can be told."""
    field = re.search(r"unknown field `(.+?)`", message)
    key = field[1] if field else path.rpartition(".")[2]
    setting = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*(.+?)\s*\]", line):
            here = header[1]
        elif here.startswith(f"{section}.") and setting.match(line):
            return here, key, number
    return section, key, _line(text, section, None)


def _line(text: str, section: str, key: str | None) -> int:
    """The line where a setting is written; 1 when it cannot be told."""
    setting = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=") if key else None
    dotted = re.compile(rf"\s*{re.escape(section)}\s*[.=]")
    here, found = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w.-]+)", line):
            here = header[1]
            found = number if here == section else found
        elif (setting and here == section and setting.match(line)) or (not here and dotted.match(line)):
            return number
    return found
