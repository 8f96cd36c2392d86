from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests import s3
from tests.data.remotes.people import Person, serving

from mulle.clock import VirtualClock

Meet = Callable[[str], Person]
KINDS = ["folder", pytest.param("s3", marks=s3.GROUP), "server"]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock) -> Iterator[str]:
    """A remote of each kind, empty."""
    with ExitStack() as stack:
        if request.param == "server":
            host = stack.enter_context(Person(tmp_path / "server", clock))
            yield stack.enter_context(serving(host))
        elif request.param == "s3":
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            for name, value in s3.gateway().environment().items():
                patch.setenv(name, value)
            yield f"{s3.gateway().bucket()}/team"
        else:
            yield str(tmp_path / "remote")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A remote in a folder: the quickest, where the kind does not matter."""
    return str(tmp_path / "remote")


@pytest.fixture
def meet(tmp_path: Path, clock: VirtualClock) -> Iterator[Meet]:
    """Makes somebody with a workspace of their own; `meet("ann")` again is the same."""
    known: dict[str, Person] = {}
    with ExitStack() as stack:

        def one(name: str) -> Person:
            if name not in known:
                known[name] = stack.enter_context(Person(tmp_path / name, clock))
            return known[name]

        yield one
