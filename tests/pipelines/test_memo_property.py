"""After any sequence of edits a memoised run gives what running everything would give, and does what its plan said."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pipelines.drive import opened

from mulle.pipelines import journal
from mulle.testing.soak import repeat

PROJECT = '''
import functools
import mulle
import helpers as aid
from helpers import chosen{alias} as chosen, Box, shifted
from helpers import CONFIG
import filled
import tools
from tools import REGISTRY
{gap}
OPS = {{"twice": lambda x: x * {twice}, "other": lambda x: x}}
SCALE = {scale}
half = functools.partial(aid.times, {partial})


def noted(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args) + {decorated}
    return call


@noted
def local(x, step={default}):
    """{doc}"""
    return x + step  # {comment}


@mulle.step
def a(n: int) -> int:
    return local(n) * SCALE


@mulle.step
def b(x: int) -> int:
    return chosen(x) + CONFIG["offset"]


@mulle.step
def c(x: int) -> int:
    return Box({box}).open(x) + half(x)


@mulle.step
def d(x: int) -> int:
    from deep import bottom
    return bottom(x) + shifted(x) + getattr(aid, "named")(x)


@mulle.step
def e(x: int, y: int) -> int:
    return min(x, {least}) + y


@mulle.step
def f(x: int) -> list:
    return [REGISTRY["registered"](i) + tools.patched(i) for i in range(x % {count} + 1)]


@mulle.step
def g(x: int) -> int:
    return tools.dispatched(x) + tools.Holder.rate + OPS["twice"](x) + tools.Field().n + tools.Colour.red.value


@mulle.step
def enough(x: int) -> bool:
    return x > {enough}


@mulle.pipeline
def inner(n: int):
    return e.reduce(g.map(f(n)))


@mulle.pipeline
def main(n: int = 3):
    x = a(n)
    chosen_ = mulle.when(enough(x), lambda: inner(x), lambda: d(x))
    looped = mulle.loop(lambda s: e(s, x), x, until=enough, most={most})
    return e(d(c(b(x))), e(e(chosen_, looped), b(n)))
'''
TOOLS = '''
import functools
import enum
from dataclasses import dataclass
{gap}
REGISTRY = {{}}


def register(function):
    REGISTRY[function.__name__] = function
    return function


def patched(x):
    return x


@functools.singledispatch
def dispatched(x):
    return 0


class Holder:
    rate = 1


@dataclass
class Field:
    """{doc}"""

    n: int = {field}


class Colour(enum.Enum):
    red = {colour}
'''
FILLED = '''
import tools
from tools import register, dispatched
{gap}

@register
def registered(x):
    return x * {registered}


@register
def unused(x):
    return x  # {comment}


@dispatched.register
def _(x: int):
    """{doc}"""
    return x + {dispatched}


def better(x):
    return x + {patched}


tools.patched = better
tools.Holder.rate = {rate}
'''
HELPERS = '''
import deep
from deep import bottom as lowest
{gap}
CONFIG = {{"offset": {offset}}}
CONFIG["unused"] = {unused}
SHIFTS = [{shift}, 2]
SHIFTS.append({appended})


def times(n, x):
    return n * x


def chosen0(x):
    return lowest(x) + 1


def chosen1(x):
    return deep.bottom(x) - 1  # {comment}


def make(n):
    def inner(x):
        return x + n
    return inner


shifted = make({closure})


def named(x):
    return sum(SHIFTS) + x


class Lid:
    EXTRA = {extra}

    def open(self, x):
        return x + self.EXTRA


class Box(Lid):
    """{doc}"""

    def __init__(self, n):
        self.n = n

    def open(self, x):
        return super().open(x) * self.n
'''
DEEP = """
LIMIT = {limit}
{gap}

def bottom(x):
    return x % LIMIT if x else other(x)


def other(x):
    return x - {other}


def never(x):
    return {never}
"""
AS_TOLD = {"run": "executed", "known": "cached", "skipped": "skipped"}
"""What a forecast is sure of."""
SILENT = {"gap": ["", "# a remark\n", "\n\n"], "doc": ["Says.", "Says more."], "comment": ["why", "because"]}
SPOKEN = ["scale", "partial", "decorated", "default", "box", "least", "offset", "shift", "appended", "closure", "extra",
          "limit", "other", "unused", "never", "registered", "patched", "dispatched", "rate", "twice", "field",
          "colour", "count", "enough", "most"]  # fmt: skip
FILES = {"project": PROJECT, "helpers": HELPERS, "deep": DEEP, "tools": TOOLS, "filled": FILLED}
START: dict[str, Any] = dict.fromkeys(SPOKEN, 2) | {name: words[0] for name, words in SILENT.items()} | {"alias": 0}
silent = st.sampled_from([(name, word) for name, words in SILENT.items() for word in words])
spoken = st.tuples(st.sampled_from(SPOKEN), st.integers(1, 9)) | st.tuples(st.just("alias"), st.integers(0, 1))


def _write(root: Path, state: dict[str, Any]) -> None:
    for name, text in FILES.items():
        (root / f"{name}.py").write_text(text.format(**state))


def _run(root: Path) -> tuple[int, int, int]:
    """What the memoised run gives, what plain calls give, and how many steps were executed."""
    for name in FILES:
        sys.modules.pop(name, None)
    with opened(root) as site:
        told = {step.name: step.would for step in site.controller.foresee(site.project.one_pipeline("main")).steps}
        result = site.run("main")
        with site.catalog.read() as tx:
            rows = journal.steps(tx, result.id)
        own = {row.id for row in rows}  # what another step of the run computed is as if it was executed here
        became = {row.name: "executed" if row.status == "cached" and row.origin in own else row.status for row in rows}
        sure = {name: would for name, would in told.items() if would in AS_TOLD}
        assert {name: became[name] for name in sure} == {name: AS_TOLD[would] for name, would in sure.items()}
        plain = site.project.one_pipeline("main")()
        return site.controller.value(result.outputs["result"]), plain, result.steps_executed


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.soak
@settings(max_examples=repeat(15, 400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(silent | spoken, min_size=1, max_size=6))
def test_a_memoised_run_and_a_full_one_agree(tmp_path_factory: pytest.TempPathFactory, edits: list[Any]) -> None:
    root = tmp_path_factory.mktemp("edited")
    state = dict(START)
    _write(root, state)
    _run(root)
    for name, value in edits:
        before, state[name] = state[name], value
        _write(root, state)
        memoised, full, executed = _run(root)
        assert memoised == full
        if name in SILENT or before == value or name == "never":
            assert executed == 0
