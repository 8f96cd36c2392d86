"""Which edits change the digest of a function's code, and which do not."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mulle.errors import ProjectError
from mulle.hashing import sources
from mulle.hashing.code import CodeDigest, code_digest

MAIN = """
import helpers
import helpers as h
from helpers import middle, LIMIT
from helpers import CONFIG as settings
import polars as pl


def step(x):
    return middle(x)


def aliased(x):
    return h.middle(x)


def other(x):
    return x + 1


def reads_limit(x):
    return x + LIMIT


def reads_config(x):
    return x * settings["scale"]


def local_import(x):
    from deep import bottom
    return bottom(x)


def dynamic(x, name):
    return getattr(helpers, name)(x)


def shadowed(LIMIT):
    return LIMIT


def documented():
    return middle.__doc__


def with_class(x):
    return helpers.Scaler(2).apply(x)


def with_partial(x):
    return helpers.twice(x)


def frame(rows):
    return rows.select(pl.all())


def decorated_user(x):
    return helpers.decorated(x)


def make(n):
    def inner(x):
        return x + n
    return inner


three = make(3)
four = make(4)
"""
HELPERS = '''
import functools
from deep import bottom

LIMIT = 10
CONFIG = {"scale": 2}
CONFIG["more"] = 1


def middle(x):
    """Doubles."""
    # a comment
    return bottom(x) * 2


def unused(x):
    return x - 1


def times(n, x):
    return n * x


twice = functools.partial(times, 2)


class Scaler:
    FACTOR = 3

    def __init__(self, n):
        self.n = n

    def apply(self, x):
        return x * self.n * self.FACTOR


def loud(function):
    @functools.wraps(function)
    def call(x):
        return function(x) + 100
    return call


@loud
def decorated(x):
    return x
'''
DEEP = """
FACTOR = 5


def bottom(x):
    return x + FACTOR
"""


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = {"main": MAIN, "helpers": HELPERS, "deep": DEEP}

    def edit(self, module: str, old: str, new: str) -> None:
        assert old in self.files[module]
        self.files[module] = self.files[module].replace(old, new)

    def load(self) -> ModuleType:
        for name, text in self.files.items():
            path = self.root / f"{name}.py"
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
                os.utime(path, ns=(0, hash(text) & 0x7FFFFFFFFFFFFF))
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("main")

    def digest(self, function: str) -> CodeDigest:
        return code_digest(getattr(self.load(), function), [self.root])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Project(tmp_path)
    for name in ("main", "helpers", "deep"):
        sys.modules.pop(name, None)


KEEPS = [
    ("step", "helpers", "# a comment", "# another, longer comment\n    # of two lines"),
    ("step", "helpers", '"""Doubles."""', '"""Doubles it."""'),
    ("step", "helpers", "return bottom(x) * 2", "return (\n        bottom(x)\n        * 2\n    )"),
    ("step", "helpers", "return x - 1", "return x - 2"),
    ("step", "helpers", "LIMIT = 10", "LIMIT = 11"),
    ("other", "deep", "FACTOR = 5", "FACTOR = 6"),
    ("shadowed", "helpers", "LIMIT = 10", "LIMIT = 11"),
    ("reads_limit", "helpers", "LIMIT = 10", "LIMIT = 5 + 5"),
    ("step", "main", "return x + 1", "return x + 2"),
    ("three", "main", "make(4)", "make(5)"),
]
CHANGES = [
    ("step", "deep", "FACTOR = 5", "FACTOR = 6"),
    ("step", "helpers", "return bottom(x) * 2", "return bottom(x) * 3"),
    ("aliased", "deep", "FACTOR = 5", "FACTOR = 6"),
    ("reads_limit", "helpers", "LIMIT = 10", "LIMIT = 11"),
    ("reads_config", "helpers", '{"scale": 2}', '{"scale": 3}'),
    ("reads_config", "helpers", 'CONFIG["more"] = 1', 'CONFIG["more"] = 2'),
    ("reads_config", "helpers", '{"scale": 2}\nCONFIG["more"] = 1', '{"more": 1, "scale": 2}'),
    ("reads_limit", "helpers", "LIMIT = 10", "LIMIT = [10]"),
    ("reads_limit", "helpers", "LIMIT = 10", "LIMIT = 10.0"),
    ("local_import", "deep", "FACTOR = 5", "FACTOR = 6"),
    ("dynamic", "helpers", "return x - 1", "return x - 2"),
    ("documented", "helpers", '"""Doubles."""', '"""Doubles it."""'),
    ("with_class", "helpers", "FACTOR = 3", "FACTOR = 4"),
    ("with_class", "helpers", "x * self.n * self.FACTOR", "x + self.n * self.FACTOR"),
    ("with_partial", "helpers", "partial(times, 2)", "partial(times, 3)"),
    ("with_partial", "helpers", "return n * x", "return n + x"),
    ("decorated_user", "helpers", "function(x) + 100", "function(x) + 101"),
    ("three", "main", "make(3)", "make(5)"),
    ("three", "main", "x + n", "x - n"),
    ("step", "main", "from helpers import middle", "from helpers import unused as middle"),
]


@pytest.mark.parametrize(("function", "module", "old", "new"), KEEPS)
def test_what_the_code_does_not_reach_or_say_does_not_count(
    project: Project, function: str, module: str, old: str, new: str
) -> None:
    before = project.digest(function)
    project.edit(module, old, new)
    assert project.digest(function).digest == before.digest


@pytest.mark.parametrize(("function", "module", "old", "new"), CHANGES)
def test_what_the_code_reaches_counts(project: Project, function: str, module: str, old: str, new: str) -> None:
    before = project.digest(function)
    project.edit(module, old, new)
    assert project.digest(function).digest != before.digest


def test_a_list_is_not_a_tuple(project: Project) -> None:
    project.edit("helpers", "LIMIT = 10", "LIMIT = [10]")
    before = project.digest("reads_limit")
    project.edit("helpers", "LIMIT = [10]", "LIMIT = (10,)")
    assert project.digest("reads_limit").digest != before.digest


def test_an_edit_after_the_import_is_noticed(project: Project) -> None:
    main = project.load()
    sources.remember([project.root])
    (project.root / "deep.py").write_text(DEEP + "\n# edited\n")
    with pytest.raises(ProjectError, match="the module deep changed while it was in use"):
        code_digest(main.step, [project.root])


def test_parts_name_what_was_reached(project: Project) -> None:
    assert set(project.digest("step").parts) == {"main:step", "helpers:middle", "deep:bottom", "deep:FACTOR"}


def test_installed_code_counts_by_its_distributions(project: Project) -> None:
    assert (
        set(project.digest("frame").distributions) == {"polars", "polars-runtime-32"}
        or "polars" in project.digest("frame").distributions
    )


def test_code_that_imports_nothing_has_no_distributions(project: Project) -> None:
    assert project.digest("step").distributions == {}


def test_swapped_aliases_are_another_code(project: Project) -> None:
    project.edit("main", "def step(x):\n    return middle(x)", "def step(x):\n    return middle(x) + un(x)")
    project.edit("main", "import middle, LIMIT", "import middle, LIMIT, unused as un")
    before = project.digest("step")
    project.edit("main", "import middle, LIMIT, unused as un", "import unused as middle, LIMIT, middle as un")
    assert project.digest("step").digest != before.digest


def test_a_module_not_imported_yet_gives_the_same_digest_as_when_it_is(project: Project) -> None:
    main = project.load()
    sys.modules.pop("deep")
    before = code_digest(main.local_import, [project.root])
    main.local_import(1)
    assert code_digest(main.local_import, [project.root]) == before


def test_mutual_recursion_ends(project: Project) -> None:
    project.edit(
        "deep", "return x + FACTOR", "return x + FACTOR if x else top(x)\n\n\ndef top(x):\n    return bottom(x - 1)"
    )
    assert "deep:top" in project.digest("step").parts


def test_the_memo_of_a_step_does_not_depend_on_the_machine_it_asks_for(project: Project) -> None:
    project.edit("main", "def step(x)", "@mulle.step(cpus=1)\ndef step(x)")
    project.edit(
        "main",
        "import helpers\n",
        "import helpers\nimport mulle.verbs as mulle\nmulle.step = lambda **_: (lambda f: f)\n",
    )
    before = project.digest("step")
    project.edit("main", "cpus=1", "cpus=2")
    assert project.digest("step").digest == before.digest
