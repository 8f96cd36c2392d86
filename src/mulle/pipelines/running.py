"""One run of a command step: its folder is made, the command runs in it, and its outputs are what it leaves there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from mulle.errors import PipelineError
from mulle.pipelines import family, interrupting
from mulle.pipelines.step_folder import new_folder

_LAST_LINES = 5


class CommandError(PipelineError):
    """The command ended with an exit status other than 0. It may be tried again."""

    final = False


class Ran(NamedTuple):
    """What a command left behind."""

    outputs: list[Path]


@dataclass(frozen=True)
class Running:
    """A command with everything filled in; paths of inputs and outputs are relative to its folder."""

    name: str
    command: Sequence[str]
    inputs: Mapping[str, Any]
    outputs: Sequence[str]
    root: Path
    files: Sequence[str]
    image: str = ""

    def run(self) -> Ran:
        """Run it; its folder stays until the step is over.

        Raises:
            CommandError: it failed.
            PipelineError: the program is not installed, an input cannot be written, or an output is missing.
        """
        folder = new_folder(self.name)
        self._prepare(folder)
        status, last = self._execute(folder)
        if status:
            how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
            raise CommandError(
                f"the command '{self.name}' {how}",
                cause="\n".join(last) or f"it said nothing; it was: {' '.join(self.command)}",
                cure="mend it and run again",
            )
        return Ran([self._output(folder / place) for place in self.outputs])

    def _prepare(self, folder: Path) -> None:
        for pattern in self.files:
            for path in sorted(self.root.glob(pattern)):
                target = folder / path.relative_to(self.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    target.symlink_to(path)
        for place, value in self.inputs.items():
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            write(value, target)
        for place in self.outputs:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)

    def _execute(self, folder: Path) -> tuple[int, list[str]]:
        """The exit status, and the last lines that were printed; all goes to the log as it comes."""
        last: deque[str] = deque(maxlen=_LAST_LINES)
        interrupting.listen()
        with family.guarded() as mark, self._started(folder, mark) as process:
            assert process.stdout is not None
            try:
                _pass_on(process.stdout, last)
                return process.wait(), list(last)
            except BaseException:  # a timeout or cancellation in this process
                process.kill()
                raise

    def _started(self, folder: Path, mark: Mapping[str, str]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(  # noqa: S603 - it is the user's command
                self._argv(folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **mark},
            )
        except FileNotFoundError as error:
            raise PipelineError(
                f"there is no program '{self.command[0]}'",
                cause="it is not on the PATH",
                cure=f"install it, or give its path, then run again: {self.command[0]}",
            ) from error
        except OSError as error:
            raise PipelineError(f"'{self.command[0]}' cannot be run", cause=str(error), cure="chmod +x it") from error

    def _argv(self, folder: Path) -> list[str]:
        if not self.image:
            return list(self.command)
        from mulle.pipelines import images  # noqa: PLC0415 - start-up time: few commands run in an image

        return images.command(self.image, self.command, folder, self.root)

    def _output(self, path: Path) -> Path:
        if not path.exists():
            there = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
            raise PipelineError(
                f"the command '{self.name}' did not write '{path.name}'",
                cause=f"in its folder are: {', '.join(there) or 'no files'}",
                cure="have it write its outputs to the paths that it is given",
            )
        return path


def _pass_on(stream: IO[str], last: deque[str]) -> None:
    for line in stream:
        sys.stdout.write(line)
        if line.strip():
            last.append(line.rstrip())
    sys.stdout.flush()


def write(value: Any, target: Path) -> None:
    """Write a value as the file's extension says; a path is linked.

    Raises:
        PipelineError: a value of that type cannot be written so.
    """
    if isinstance(value, Path):
        target.symlink_to(value.resolve())
        return
    kind = target.suffix.lower()
    table = sys.modules.get("polars")
    if table is not None and isinstance(value, table.DataFrame) and kind in _TABLES:
        _TABLES[kind](value, target)
    elif kind == ".json":
        target.write_bytes(msgspec.json.encode(value))
    elif isinstance(value, str | bytes):
        target.write_bytes(value.encode() if isinstance(value, str) else value)
    else:
        raise PipelineError(
            f"a value of type {type(value).__name__} cannot be given to a command as '{target.name}'",
            cause=f"tables are written as {', '.join(_TABLES)}, plain values as .json, text and paths as they are",
            cure="choose another extension, or return a path from the step before",
        )


def _write_ipc(table: Any, target: Path) -> None:
    """Arrow as every reader knows it: older ones know no string views."""
    table.write_ipc(target, compat_level=sys.modules["polars"].CompatLevel.oldest())


_TABLES: dict[str, Any] = {
    ".parquet": lambda table, target: table.write_parquet(target),
    ".csv": lambda table, target: table.write_csv(target),
    ".tsv": lambda table, target: table.write_csv(target, separator="\t"),
    ".arrow": _write_ipc,
    ".feather": _write_ipc,
    ".ndjson": lambda table, target: table.write_ndjson(target),
}
