"""`mulle.command`: a step that is a command, in any language.

    fit = mulle.command(
        ["Rscript", "fit.R", "{rows}", "{degree}", "{model}"],
        inputs={"rows": "rows.csv"},
        outputs={"model": "model.rds"},
    )

It runs in an empty folder of its own, in which are its inputs under the names that they are given, the files of the
project that the command names, those of `files`, and nothing else; there it leaves its outputs.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import msgspec

from mulle.errors import UsageError
from mulle.pipelines import definition
from mulle.pipelines.conversion import plain_type
from mulle.pipelines.definition import Step
from mulle.pipelines.running import Ran, Running

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MISSING = object()


class Command:
    """The function of a command step. Its parameters are the inputs and what else the command has in braces."""

    __module__ = "mulle.pipelines.commands"

    def __init__(
        self,
        parts: Sequence[str],
        *,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        params: Mapping[str, Any],
        name: str,
        root: Path,
        files: Sequence[str],
        image: str,
        module: str,
    ) -> None:
        self.__name__ = self.__qualname__ = name
        self._words = list(parts)
        self._files_in = dict(inputs)
        self._files_out = dict(outputs)
        self._defaults = dict(params)
        self._project = root
        self._container = image
        self._check()
        self.covers = tuple(dict.fromkeys([*(part for part in self._words if _is_file(root, part)), *files]))
        self.defined_in = module
        self.__signature__ = self._signature()
        self._record: Any = NamedTuple(name, [(each, Path) for each in outputs]) if len(outputs) > 1 else None
        returned: Any = self._record or (Path if outputs else type(None))
        self.__annotations__ = {"return": returned}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        words = {name: _text(name, given[name]) for name in given if name not in self._files_in}
        words |= self._files_in | self._files_out
        running = Running(
            name=self.__name__,
            command=[_filled(part, words) for part in self._words],
            inputs={self._files_in[name]: given[name] for name in self._files_in},
            outputs=list(self._files_out.values()),
            root=self._project,
            files=self.covers,
            image=self._container,
        )
        found: Ran = running.run()
        if self._record is not None:
            return self._record(*found.outputs)
        return found.outputs[0] if found.outputs else None

    def spec(self) -> str:
        """All that says what it runs, but for the contents of files."""
        told = [self._words, self._files_in, self._files_out, self._defaults, self._container]
        return msgspec.json.encode(told, enc_hook=repr).decode()

    def _signature(self) -> inspect.Signature:
        wanted = dict.fromkeys([*self._files_in, *self._placeholders()])
        names = [name for name in wanted if name not in self._files_out]
        parameters = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=self._defaults.get(name, _MISSING))
            for name in sorted(names, key=lambda name: name in self._defaults)
        ]
        return inspect.Signature(
            [each.replace(default=each.empty) if each.default is _MISSING else each for each in parameters]
        )

    def _placeholders(self) -> Iterator[str]:
        for part in self._words:
            yield from (match[1] for match in _PLACEHOLDER.finditer(part) if match[1])

    def _check(self) -> None:
        if not self._words or not all(isinstance(part, str) for part in self._words):
            raise UsageError("a command is a list of texts", cause=f"it is {self._words!r:.80}", cure='["sh", "do.sh"]')
        places = [*self._files_in.values(), *self._files_out.values()]
        for place in places:
            if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts or not place:
                raise UsageError(
                    f"the command '{self.__name__}' cannot have a file '{place}'",
                    cause="inputs and outputs lie in the folder that the command runs in",
                    cure='name it from there, as "rows.csv" or "out/model.rds"',
                )
        if len(set(places)) < len(places):
            raise UsageError(
                f"the command '{self.__name__}' names a file twice", cause=", ".join(places), cure="rename"
            )
        unfit = [
            name for name in [*self._files_in, *self._files_out] if not name.isidentifier() or name.startswith("_")
        ]
        if unfit:
            raise UsageError(
                f"the command '{self.__name__}' cannot have an input or output '{unfit[0]}'",
                cause="they are names as in Python",
                cure='name it as "rows", and its file as you like: {"rows": "my rows.csv"}',
            )
        strange = [name for name in self._defaults if name not in set(self._placeholders())]
        if strange:
            raise UsageError(
                f"the command '{self.__name__}' has no parameter '{strange[0]}'",
                cause="the command does not have it in braces",
                cure=f"put {{{strange[0]}}} where its value goes",
            )


def command(
    parts: Sequence[str],
    *,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    name: str = "",
    files: Sequence[str] = (),
    environ: Sequence[str] = (),
    cpus: int = 1,
    memory: str | int | None = None,
    timeout: str | None = None,
    retries: int = 0,
    backoff: str = "200ms",
    cache: bool = True,
    image: str = "",
) -> Step[..., Any]:
    """Make a command a step, in any language. Assign it to a name at the top level of the project's module.

    It runs in a folder of its own with its inputs, the project's files that it names, and `files`; what it prints is
    the step's log. An exit status other than 0 is a failure. What it writes to its outputs is what the step gives: the
    path of a file or folder; several are taken apart by their names or in order.

    Args:
        parts: the program and its arguments. `{name}` stands for the path of an input or output of that name, or for
            the value of a parameter; `{{` and `}}` are braces.
        inputs: name → the file that it is given as. Tables are written as the extension says: `.parquet`, `.csv`,
            `.arrow`, `.ndjson`; plain values as `.json`, text as it is; a path is linked there.
        outputs: name → the file or folder that the command writes.
        params: defaults of parameters.
        name: the step's name; the program's, or its script's, by default.
        files: further files of the project that it reads, and patterns such as "R/*.R".
        environ: names of the environment variables that it reads; with another value of one it runs again.
        cpus: cores that it may keep busy.
        memory: what it may use, as "2GiB".
        timeout: how long it may take, as "10m".
        retries: how often it is tried again after a failure.
        backoff: the longest pause before the first retry.
        cache: whether its outputs may be taken from the memo when nothing changed.
        image: an OCI image to run it in.
    """
    defining = sys._getframe(1)  # noqa: SLF001 - whose files the command names is decided by who defines it
    made = Command(
        parts,
        inputs=inputs or {},
        outputs=outputs or {},
        params=params or {},
        name=name or _name_of(parts),
        root=_project_root(Path(defining.f_code.co_filename)),
        files=files,
        image=image,
        module=defining.f_globals["__name__"],
    )
    options = definition.options(
        cpus=cpus,
        memory=memory,
        timeout=timeout,
        retries=retries,
        backoff=backoff,
        cache=cache,
        environ=environ,
        files=made.covers,
    )
    return Step(made, msgspec.structs.replace(options, command=made.spec(), container=image))


def _name_of(parts: Sequence[str]) -> str:
    """The name of the script that a command runs, else of its program."""
    scripts = [part for part in parts[1:] if PurePosixPath(part).suffix and "{" not in part and "/" not in part[:1]]
    stem = PurePosixPath(scripts[0] if scripts else parts[0] if parts else "command").stem
    return re.sub(r"\W+", "_", stem) or "command"


def _project_root(module: Path) -> Path:
    """The folder of a module's project: the nearest with a `mulle.toml`; its own where there is none."""
    folder = module.resolve().parent
    return next((each for each in (folder, *folder.parents) if (each / "mulle.toml").is_file()), folder)


def _is_file(root: Path, part: str) -> bool:
    if not part or "{" in part or part.startswith(("-", "/")):
        return False
    try:
        return (root / part).is_file() and (root / part).resolve().is_relative_to(root)
    except (OSError, ValueError):
        return False


def _filled(part: str, words: Mapping[str, str]) -> str:
    def word(match: re.Match[str]) -> str:
        return words[match[1]] if match[1] else match[0][0]

    return _PLACEHOLDER.sub(word, part)


def _text(name: str, value: Any) -> str:
    """A parameter as the command is given it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if plain_type(type(value)) or value is None:
        return repr(value) if isinstance(value, int | float) else msgspec.json.encode(value).decode()
    raise UsageError(
        f"the parameter '{name}' of a command cannot be {type(value).__name__}",
        cause="parameters become text in the command",
        cure=f'give it as a file: inputs={{"{name}": "{name}.parquet"}}',
    )
