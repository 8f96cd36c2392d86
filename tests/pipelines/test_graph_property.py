"""Any pipeline of branches, loops, maps and reductions gives what the same calls give as plain Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pipelines.drive import opened

from mulle.testing.soak import repeat

HEAD = """
import mulle

@mulle.step
def inc(x: int, by: int = 1) -> int:
    return x + by

@mulle.step
def add(x: int, y: int) -> int:
    return x + y

@mulle.step
def odd(x: int) -> bool:
    return x % 2 == 1

@mulle.step
def pair(x: int) -> tuple[int, int]:
    return x % 7, x % 5

@mulle.step
def spread(x: int) -> list:
    return list(range(x, x + 1 + x % 3))

@mulle.pipeline
def inner(x: int):
    one, two = pair(x)
    return add(one, two)

@mulle.pipeline
def main(x: int = 1):
    return """


def _calls(x: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions over expressions, each an int."""
    return st.one_of(
        st.builds("inc({})".format, x),
        st.builds("add({}, {})".format, x, x),
        st.builds("inner({})".format, x),
        st.builds("pair({})[{}]".format, x, st.integers(0, 1)),
        st.builds("mulle.when(odd({}), lambda: {}, lambda: {})".format, x, x, x),
        st.builds("add(*mulle.when(odd({}), lambda: pair({}), lambda: ({}, 3)))".format, x, x, x),
        st.builds("mulle.loop(lambda s: inc(s, {}), {}, until=odd, most={})".format, x, x, st.integers(1, 4)),
        st.builds("add.reduce(spread({}))".format, x),
        st.builds("add.reduce(inc.map(spread({}), by={}))".format, x, x),
        st.builds("add.reduce(inc.map([{}, {}, 4]))".format, x, x),
    )


PROGRAMS = st.recursive(st.sampled_from(["x", "2", "inc(x)"]), _calls, max_leaves=8).filter(lambda text: "(" in text)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])


def _value(site: Any, result: Any) -> Any:
    return site.controller.value(result.check().outputs["result"])


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@settings(max_examples=repeat(25, 1000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(program=PROGRAMS, x=st.integers(0, 9))
def test_a_run_gives_what_plain_calls_give(tmp_path_factory: pytest.TempPathFactory, program: str, x: int) -> None:
    root: Path = tmp_path_factory.mktemp("program")
    (root / "project.py").write_text(HEAD + program + "\n")
    sys.modules.pop("project", None)
    with opened(root) as site:
        main = site.project.one_pipeline("main")
        first = site.run("main", x=x)
        assert _value(site, first) == main(x)
        again = site.run("main", x=x)
        assert (again.steps_executed, _value(site, again)) == (0, main(x))
        assert site.controller.foresee(main, {"x": x}).would_run == 0
