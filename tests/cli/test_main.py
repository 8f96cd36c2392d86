"""The root command: help, versions, unknown words, and what it may import."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from tests.cli.said import Mulle

import mulle as package
from mulle.cli.main import PLACES

HEAVY = {"polars", "pyarrow", "sqlalchemy", "alembic", "numpy", "sklearn", "lightgbm", "onnxruntime", "rich", "msgspec"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], []])
def test_starting_imports_nothing_heavy(arguments: list[str]) -> None:
    program = f"import sys; from mulle.cli.main import call; call({arguments!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stderr.split())


def test_the_version(mulle: Mulle) -> None:
    assert mulle("--version").out == f"mulle {package.__version__}\n"


@pytest.mark.parametrize("name", PLACES)
def test_each_command_says_in_its_help_what_the_list_says_of_it(name: str) -> None:
    command = PLACES[name].load()
    assert command.name == name
    assert (command.help or "").partition("\n")[0] == PLACES[name].help


def test_each_command_shows_examples(mulle: Mulle) -> None:
    lacking = [path for path, command in leaves() if not getattr(command, "examples", ())]
    assert lacking == []


def test_each_command_answers_programs() -> None:
    assert [path for path, command in leaves() if "as_json" not in {param.name for param in command.params}] == []


def test_each_option_says_what_it_is_for() -> None:
    silent = [
        f"{path} {option.opts[0]}"
        for path, command in leaves()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []


def leaves() -> list[tuple[str, click.Command]]:
    """Every command by its path."""
    found = []
    for name, place in PLACES.items():
        command = place.load()
        if isinstance(command, click.Group):
            found += [(f"{name} {each}", command.commands[each]) for each in command.commands]
        else:
            found.append((name, command))
    return found


def test_help_lists_every_command_in_a_section(mulle: Mulle) -> None:
    said = mulle("--help").out
    assert all(name in said for name in PLACES)


def test_no_words_show_the_help_and_fail(mulle: Mulle) -> None:
    said = mulle()
    assert said.code == 2
    assert "Turn the wheel" in said.err


def test_an_unknown_command_suggests_the_nearest(mulle: Mulle) -> None:
    said = mulle("rum", "--json")
    assert (said.code, said.json["cause"]) == (2, "did you mean 'run'?")


def test_an_unknown_subcommand_suggests_the_nearest(mulle: Mulle) -> None:
    said = mulle("data", "comit")
    assert said.code == 2
    assert "did you mean 'commit'?" in said.err


def test_an_unknown_option_names_the_help(mulle: Mulle) -> None:
    said = mulle("run", "--jsn")
    assert said.code == 2
    assert "Cure:  mulle run --help" in said.err


@pytest.mark.parametrize("words", [["delay"], ["--policy", "never"], ["run", "delay"]])
def test_a_group_with_a_default_needs_no_command(words: list[str]) -> None:
    group = PLACES["backtest"].load()
    context = group.make_context("backtest", words)
    assert context._protected_args == ["run"]


def test_a_group_with_a_default_still_has_its_commands() -> None:
    assert PLACES["backtest"].load().make_context("backtest", ["list"])._protected_args == ["list"]
