"""The command line, called in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.said import Mulle, Said

from mulle.cli.main import call


@pytest.fixture
def mulle(capsys: pytest.CaptureFixture[str]) -> Mulle:
    """`mulle("run", "delay", "--json")` gives what it said."""

    def run(*arguments: str | Path) -> Said:
        capsys.readouterr()
        code = call([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run
