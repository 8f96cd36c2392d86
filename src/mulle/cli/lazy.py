"""Click groups and commands that cost nothing until they are used, with examples in their help.

`mulle --version` and `mulle --help` may import neither the planes nor their libraries: a lazy group knows the name, the
place and the one-line help of each command and imports the command's module only when it is called.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command lives ("module:attribute"), what it is for in one line, and its section in the help."""

    target: str
    help: str
    section: str

    def load(self) -> click.Command:
        module, _, attribute = self.target.partition(":")
        loaded: click.Command = getattr(importlib.import_module(module), attribute)
        return loaded


class Command(click.Command):
    """A command that shows examples, and says which verbs of the workspace it calls."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), verbs: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.verbs = tuple(verbs)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class Group(click.Group):
    """A group whose commands are `Command`s, which suggests the nearest name for one it does not know."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(self.list_commands(ctx))}"
            raise click.UsageError(f"unknown command '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(self.examples, formatter)
        super().format_epilog(ctx, formatter)


class _Loading(Mapping[str, click.Command]):
    """The commands by name, each imported when it is asked for."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> click.Command:
        return self._places[name].load()

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class LazyGroup(Group):
    """A group of commands by name and place, shown in sections in the order in which they are given."""

    def __init__(self, *args: Any, places: Mapping[str, Place], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.places = places
        self.commands = _Loading(places)  # type: ignore[assignment]  # nothing is added to it

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.places)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, place in self.places.items():
            sections.setdefault(place.section, []).append((name, place.help))
        width = max(len(name) for name in self.places)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """The examples, line by line as they are typed."""
    if examples:
        with formatter.section("Examples"):
            for line in examples:
                formatter.write(f"  {line}\n")


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several click decorators as one, applied in reading order."""

    def apply(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


class DefaultGroup(Group):
    """A group that runs one of its commands where none is named: `mulle backtest delay` means `backtest run delay`."""

    def __init__(self, *args: Any, default: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [self.default, *args]
        return super().parse_args(ctx, args)
