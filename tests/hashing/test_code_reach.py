"""Ways in which code reaches other code: an edit of what is reached changes the digest, one of the rest does not."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mulle.hashing.code import code_digest
from mulle.types import Digest


@dataclass(frozen=True)
class Case:
    """Modules by name; `main` has the function `step`. The edit is of the text in `module`."""

    name: str
    files: dict[str, str]
    module: str
    old: str
    new: str
    environ: dict[str, str] = field(default_factory=dict)
    """Set for the second import, instead of the edit where `old` is empty."""
    data: tuple[str, str, str] = ("", "", "")
    """A file beside the modules, what it holds, and what it holds at the second import."""


REACHED = [
    Case(
        "an attribute of a class, set after it",
        {"main": "class A:\n    n = 1\nA.n = 2\ndef step():\n    return A.n\n"},
        "main",
        "A.n = 2",
        "A.n = 3",
    ),
    Case(
        "a method put on a class",
        {"main": "class A: ...\ndef run(self):\n    return 1\nA.run = run\ndef step():\n    return A().run()\n"},
        "main",
        "return 1",
        "return 2",
    ),
    Case(
        "a method put on a class by setattr in a loop",
        {
            "main": "class A: ...\ndef one():\n    return 1\nfor name in ['one']:\n    setattr(A, name, one)\n"
            "def step():\n    return A.one()\n"
        },
        "main",
        "return 1",
        "return 2",
    ),
    Case(
        "an attribute of a function",
        {"main": "def f():\n    return f.rate\nf.rate = 1\ndef step():\n    return f()\n"},
        "main",
        "f.rate = 1",
        "f.rate = 2",
    ),
    Case(
        "a method of a base class in another module",
        {
            "main": "import base\nclass A(base.B): ...\ndef step():\n    return A().run()\n",
            "base": "class B:\n    def run(self):\n        return 1\n",
        },
        "base",
        "return 1",
        "return 2",
    ),
    Case(
        "a function that another module puts in place of one",
        {
            "main": "import helpers\nimport patches\ndef step():\n    return helpers.scale()\n",
            "helpers": "def scale():\n    return 1\n",
            "patches": "import helpers\ndef faster():\n    return 2\nhelpers.scale = faster\n",
        },
        "patches",
        "return 2",
        "return 3",
    ),
    Case(
        "a function that another module wraps",
        {
            "main": "import helpers\nimport patches\ndef step():\n    return helpers.scale()\n",
            "helpers": "def scale():\n    return 1\n",
            "patches": "import functools\nimport helpers\ndef wrap(f):\n    @functools.wraps(f)\n    def call():\n"
            "        return f() + 1\n    return call\nhelpers.scale = wrap(helpers.scale)\n",
        },
        "patches",
        "f() + 1",
        "f() + 2",
    ),
    Case(
        "a class attribute that another module sets",
        {
            "main": "import helpers\nimport patches\ndef step():\n    return helpers.A.n\n",
            "helpers": "class A:\n    n = 1\n",
            "patches": "import helpers\nhelpers.A.n = 5\n",
        },
        "patches",
        "= 5",
        "= 6",
    ),
    Case(
        "a class whose method another module replaces",
        {
            "main": "import helpers\nimport patches\ndef step():\n    return helpers.A().run()\n",
            "helpers": "class A:\n    def run(self):\n        return 1\n",
            "patches": "import helpers\ndef run(self):\n    return 5\nhelpers.A.run = run\n",
        },
        "patches",
        "return 5",
        "return 6",
    ),
    Case(
        "a registry that decorators of another module fill",
        {
            "main": "import impl\nfrom registry import REGISTRY\ndef step():\n    return REGISTRY['a']()\n",
            "registry": "REGISTRY = {}\ndef register(name):\n    def put(f):\n        REGISTRY[name] = f\n        return f\n"
            "    return put\n",
            "impl": "from registry import register\n@register('a')\ndef a():\n    return 1\n",
        },
        "impl",
        "return 1",
        "return 2",
    ),
    Case(
        "a registry that decorators of the same module fill",
        {
            "main": "HANDLERS = []\ndef handles(f):\n    HANDLERS.append(f)\n    return f\n@handles\ndef a():\n    return 1\n"
            "def step():\n    return [h() for h in HANDLERS]\n"
        },
        "main",
        "return 1",
        "return 2",
    ),
    Case(
        "single dispatch in the same module",
        {
            "main": "import functools\n@functools.singledispatch\ndef f(x):\n    return 0\n@f.register\ndef _(x: int):\n"
            "    return 1\ndef step():\n    return f(1)\n"
        },
        "main",
        "return 1",
        "return 2",
    ),
    Case(
        "single dispatch from another module",
        {
            "main": "import other\nfrom base import f\ndef step():\n    return f(1)\n",
            "base": "import functools\n@functools.singledispatch\ndef f(x):\n    return 0\n",
            "other": "from base import f\n@f.register\ndef of_int(x: int):\n    return 1\n",
        },
        "other",
        "return 1",
        "return 2",
    ),
    Case(
        "subclasses that register themselves",
        {
            "main": "import plugins\nfrom base import Base\ndef step():\n    return Base.known['P']().run()\n",
            "base": "class Base:\n    known = {}\n    def __init_subclass__(cls):\n        Base.known[cls.__name__] = cls\n",
            "plugins": "from base import Base\nclass P(Base):\n    def run(self):\n        return 1\n",
        },
        "plugins",
        "return 1",
        "return 2",
    ),
    Case(
        "subclasses asked for",
        {
            "main": "import plugins\nfrom base import Base\ndef step():\n    return [c().run() for c in Base.__subclasses__()]\n",
            "base": "class Base: ...\n",
            "plugins": "from base import Base\nclass P(Base):\n    def run(self):\n        return 1\n",
        },
        "plugins",
        "return 1",
        "return 2",
    ),
    Case(
        "a plugin that is imported by a computed name and was not yet",
        {
            "main": "import importlib\ndef step(name):\n    return importlib.import_module('plug' + name).run()\n",
            "plugin": "def run():\n    return 1\n",
        },
        "plugin",
        "return 1",
        "return 2",
    ),
    Case(
        "a lambda in a dict",
        {"main": "OPS = {'a': lambda x: x + 1}\ndef step(x):\n    return OPS['a'](x)\n"},
        "main",
        "x + 1",
        "x + 2",
    ),
    Case(
        "a function in a list of another module",
        {
            "main": "import helpers\ndef step():\n    return [f() for f in helpers.ALL]\n",
            "helpers": "from parts import one\nALL = [one]\n",
            "parts": "def one():\n    return 1\n",
        },
        "parts",
        "return 1",
        "return 2",
    ),
    Case(
        "an instance and its state",
        {
            "main": "import helpers\ndef step():\n    return helpers.box.get()\n",
            "helpers": "class Box:\n    def __init__(self, n):\n        self.n = n\n    def get(self):\n        return self.n\n"
            "def make():\n    return Box(1)\nbox = make()\n",
        },
        "helpers",
        "Box(1)",
        "Box(2)",
    ),
    Case(
        "what an instance was given in another module",
        {
            "main": "import helpers\nimport setup_\ndef step():\n    return helpers.box.n\n",
            "helpers": "class Box:\n    n = 0\nbox = Box()\n",
            "setup_": "import helpers\nhelpers.box.n = 4\n",
        },
        "setup_",
        "= 4",
        "= 5",
    ),
    Case(
        "a global that a function rebinds at import",
        {
            "main": "STATE = None\ndef init(n):\n    global STATE\n    STATE = n\ninit(3)\ndef step():\n    return STATE\n"
        },
        "main",
        "init(3)",
        "init(4)",
    ),
    Case(
        "a module's own __getattr__",
        {
            "main": "import helpers\ndef step():\n    return helpers.anything\n",
            "helpers": "def __getattr__(name):\n    return 1\n",
        },
        "helpers",
        "return 1",
        "return 2",
    ),
    Case(
        "names made by globals()",
        {
            "main": "def make(n):\n    def f():\n        return n\n    return f\nfor n in [1, 2]:\n    globals()[f'f{n}'] = make(n + 5)\n"
            "def step():\n    return f1()\n"
        },
        "main",
        "n + 5",
        "n + 6",
    ),
    Case(
        "the module's docstring, read",
        {"main": '"""One."""\ndef step():\n    return __doc__\n'},
        "main",
        "One.",
        "Two.",
    ),
    Case(
        "a default from the environment",
        {"main": "import os\ndef f(x=os.environ.get('MULLE_X', '')):\n    return x\ndef step():\n    return f()\n"},
        "main",
        "",
        "",
        {"MULLE_X": "two"},
    ),
    Case(
        "a class attribute from the environment",
        {"main": "import os\nclass A:\n    rate = os.environ.get('MULLE_X', '')\ndef step():\n    return A.rate\n"},
        "main",
        "",
        "",
        {"MULLE_X": "two"},
    ),
    Case(
        "a field's default of a data class",
        {
            "main": "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\ndef step():\n    return A().n\n"
        },
        "main",
        "n: int = 1",
        "n: int = 2",
    ),
    Case(
        "a named tuple's default",
        {
            "main": "from typing import NamedTuple\nclass A(NamedTuple):\n    n: int = 1\ndef step():\n    return A().n\n"
        },
        "main",
        "n: int = 1",
        "n: int = 2",
    ),
    Case(
        "an enumeration",
        {"main": "import enum\nclass A(enum.Enum):\n    one = 1\ndef step():\n    return A['one'].value\n"},
        "main",
        "one = 1",
        "one = 2",
    ),
    Case(
        "a type alias used at run time",
        {"main": "import helpers\ndef step(x):\n    return helpers.Kind(x)\n", "helpers": "Kind = int\n"},
        "helpers",
        "Kind = int",
        "Kind = float",
    ),
    Case(
        "a property",
        {"main": "class A:\n    @property\n    def n(self):\n        return 1\ndef step():\n    return A().n\n"},
        "main",
        "return 1",
        "return 2",
    ),
    Case(
        "a conditional import",
        {
            "main": "try:\n    import fast as impl\nexcept ImportError:\n    import slow as impl\ndef step():\n    return impl.run()\n",
            "slow": "def run():\n    return 1\n",
        },
        "slow",
        "return 1",
        "return 2",
    ),
    Case(
        "a star import",
        {"main": "from helpers import *\ndef step():\n    return scale()\n", "helpers": "def scale():\n    return 1\n"},
        "helpers",
        "return 1",
        "return 2",
    ),
    Case(
        "a relative import in a package",
        {
            "main": "from pkg.work import run\ndef step():\n    return run()\n",
            "pkg/__init__": "",
            "pkg/work": "from .parts import one\ndef run():\n    return one()\n",
            "pkg/parts": "def one():\n    return 1\n",
        },
        "pkg/parts",
        "return 1",
        "return 2",
    ),
    Case(
        "a name that a package hands on",
        {
            "main": "import pkg\ndef step():\n    return pkg.one()\n",
            "pkg/__init__": "from .parts import one\n",
            "pkg/parts": "def one():\n    return 1\n",
        },
        "pkg/parts",
        "return 1",
        "return 2",
    ),
    Case(
        "a decorator with an argument",
        {
            "main": "def plus(n):\n    def put(f):\n        return lambda: f() + n\n    return put\nN = 1\n@plus(N)\ndef f():\n"
            "    return 1\ndef step():\n    return f()\n"
        },
        "main",
        "N = 1",
        "N = 2",
    ),
    Case(
        "a class used as a decorator",
        {
            "main": "class Plus:\n    def __init__(self, f):\n        self.f = f\n    def __call__(self):\n        return self.f() + 1\n"
            "@Plus\ndef f():\n    return 1\ndef step():\n    return f()\n"
        },
        "main",
        "self.f() + 1",
        "self.f() + 2",
    ),
    Case(
        "a metaclass",
        {
            "main": "class Meta(type):\n    @property\n    def n(cls):\n        return 1\nclass A(metaclass=Meta): ...\n"
            "def step():\n    return A.n\n"
        },
        "main",
        "return 1",
        "return 2",
    ),
    Case(
        "a partial in a dict of another module",
        {
            "main": "import helpers\ndef step():\n    return helpers.OPS['a']()\n",
            "helpers": "import functools\ndef times(n):\n    return n\nOPS = dict(a=functools.partial(times, 2))\n",
        },
        "helpers",
        "times, 2",
        "times, 3",
    ),
    Case(
        "a bound method kept in a name",
        {
            "main": "class A:\n    def __init__(self, n):\n        self.n = n\n    def get(self):\n        return self.n\n"
            "def number():\n    return 1\nget = A(number()).get\ndef step():\n    return get()\n"
        },
        "main",
        "return 1",
        "return 2",
    ),
    Case(
        "operator.attrgetter of a module",
        {
            "main": "import operator\nimport helpers\nGET = operator.attrgetter('scale')\ndef step():\n    return GET(helpers)()\n",
            "helpers": "def scale():\n    return 1\n",
        },
        "helpers",
        "return 1",
        "return 2",
    ),
    Case(
        "a generator and a nested class",
        {"main": "class A:\n    class B:\n        n = 1\ndef step():\n    return [A.B.n for _ in range(2)]\n"},
        "main",
        "n = 1",
        "n = 2",
    ),
    Case(
        "a module on the path beside the project, imported inside the function",
        {
            "main": "def step():\n    import beside_\n    return beside_.one()\n",
            "../beside/beside_": "def one():\n    return 1\n",
        },
        "../beside/beside_",
        "return 1",
        "return 2",
    ),
    Case(
        "a submodule asked of its package by a computed name",
        {
            "main": "import pkg\ndef step(n):\n    return getattr(pkg, n)()\n",
            "pkg/__init__": "from . import sub\nfrom .sub import run\n",
            "pkg/sub": "def run():\n    return 1\n",
        },
        "pkg/sub",
        "return 1",
        "return 2",
    ),
    Case(
        "a submodule that its package imports",
        {
            "main": "import pkg\ndef step():\n    return pkg.sub.run()\n",
            "pkg/__init__": "from . import sub\n",
            "pkg/sub": "def run():\n    return 1\n",
        },
        "pkg/sub",
        "return 1",
        "return 2",
    ),
    Case(
        "a global that another module has a function rebind",
        {
            "main": "import helpers\nhelpers.setup(3)\ndef step():\n    return helpers.get()\n",
            "helpers": "S = None\ndef setup(n):\n    global S\n    S = n\ndef get():\n    return S\n",
        },
        "main",
        "setup(3)",
        "setup(4)",
    ),
    Case(
        "an array read at import",
        {
            "main": "import numpy as np\nfrom pathlib import Path\nW = np.loadtxt(Path(__file__).with_name('w.txt'))\ndef step():\n    return W\n"
        },
        "main",
        "",
        "",
        {},
        ("w.txt", "1 2", "1 3"),
    ),
    Case(
        "a table read at import",
        {
            "main": "import polars as pl\nfrom pathlib import Path\nT = pl.read_csv(Path(__file__).with_name('t.csv'))\ndef step():\n    return T\n"
        },
        "main",
        "",
        "",
        {},
        ("t.csv", "a\n1\n", "a\n2\n"),
    ),
    *(
        Case(
            f"{name} from the environment",
            {"main": f"{imports}\nX = os.environ.get('MULLE_X', '1')\nC = {made}\ndef step():\n    return C\n"},
            "main",
            "",
            "",
            {"MULLE_X": "2"},
        )
        for name, imports, made in [
            ("a pattern", "import os, re", "re.compile(X)"),
            ("an instant without a zone", "import os, datetime", "datetime.datetime(int(X), 1, 1)"),
            ("a named tuple", "import os\nfrom collections import namedtuple\nP = namedtuple('P', 'a')", "P(X)"),
            ("an ordered dict", "import os\nfrom collections import OrderedDict", "OrderedDict(a=X)"),
            ("a namespace", "import os\nfrom types import SimpleNamespace", "SimpleNamespace(a=X)"),
            ("a decimal", "import os\nfrom decimal import Decimal", "Decimal(X)"),
            ("an array's number", "import os\nimport numpy as np", "np.float64(X)"),
            ("an estimator", "import os\nfrom sklearn.linear_model import Ridge", "Ridge(alpha=float(X))"),
            ("a long list", "import os", "[int(X)] * 20_001"),
            (
                "a choice of functions",
                "import os\ndef a():\n    return 1\ndef b():\n    return 2\n",
                "{'1': a, '2': b}[os.environ.get('MULLE_X', '1')]",
            ),
            (
                "a data class",
                "import os\nfrom dataclasses import dataclass\n@dataclass\nclass D:\n    a: str\n",
                "D(os.environ.get('MULLE_X', '1'))",
            ),
        ]
    ),
]
APART = [
    Case("an unrelated entry's function of a module that is not used",
         {"main": "import helpers\ndef step():\n    return helpers.scale()\n",
          "helpers": "def scale():\n    return 1\ndef other():\n    return 2\nOTHERS = {'a': other}\n"},
         "helpers", "return 2", "return 3"),
    Case("an unrelated lambda beside the one that is used",
         {"main": "one = lambda: 1\ntwo = lambda: 2\ndef step():\n    return one()\n"}, "main", "lambda: 2", "lambda: 3"),
    Case("a line moved by a comment above a lambda in a dict",
         {"main": "OPS = {'a': lambda x: x + 1}\ndef step(x):\n    return OPS['a'](x)\n"}, "main", "OPS =", "# why\nOPS ="),
    Case("a docstring of a class in a registry",
         {"main": 'KNOWN = []\nclass A:\n    """Says."""\nKNOWN.append(A)\ndef step():\n    return KNOWN[0]()\n'},
         "main", "Says.", "Says more."),
    Case("another plugin's file beside a package of plugins",
         {"main": "import importlib\ndef step(name):\n    return importlib.import_module(f'plugs.{name}').run()\n",
          "plugs/__init__": "", "plugs/a": "def run():\n    return 1\n", "unrelated": "n = 1\n"}, "unrelated", "n = 1", "n = 2"),
    Case("a method of a patched class's neighbour",
         {"main": "import helpers\nhelpers.A.n = 5\ndef step():\n    return helpers.A.n\n",
          "helpers": "class A:\n    n = 1\nclass B:\n    n = 1\n"}, "helpers", "class B:\n    n = 1", "class B:\n    n = 2"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "project").mkdir()
    (tmp_path / "beside").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "beside"))
    monkeypatch.syspath_prepend(str(tmp_path / "project"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delenv("MULLE_X", raising=False)
    yield
    for name in [n for n, m in sys.modules.items() if str(tmp_path) in str(getattr(m, "__file__", ""))]:
        del sys.modules[name]


def _digest(root: Path, files: dict[str, str]) -> Digest:
    for name, text in files.items():
        path = root / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, ns=(0, hash(text) & 0x7FFFFFFFFFFFFF))
    for name in [n for n, m in sys.modules.items() if str(root.parent) in str(getattr(m, "__file__", ""))]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return code_digest(importlib.import_module("main").step, [root]).digest


def _both(case: Case, root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Digest, Digest]:
    file, held, changed = case.data
    if file:
        (root / file).write_text(held)
    before = _digest(root, case.files)
    assert _digest(root, case.files) == before
    for name, value in case.environ.items():
        monkeypatch.setenv(name, value)
    if file:
        (root / file).write_text(changed)
    if case.old:
        assert case.old in case.files[case.module]
    text = case.files[case.module]
    edited = text.replace(case.old, case.new) if case.old else text
    return before, _digest(root, case.files | {case.module: edited})


@pytest.mark.parametrize("case", REACHED, ids=lambda case: case.name)
def test_what_is_reached_counts(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = _both(case, tmp_path / "project", monkeypatch)
    assert before != after


@pytest.mark.parametrize("case", APART, ids=lambda case: case.name)
def test_what_is_not_reached_does_not(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = _both(case, tmp_path / "project", monkeypatch)
    assert before == after


def test_a_function_typed_in_counts_where_it_is_put_in_place_of_another(tmp_path: Path) -> None:
    root = tmp_path / "project"
    files = {
        "main": "import helpers\ndef step():\n    return helpers.scale()\n",
        "helpers": "def scale():\n    return 1\n",
    }
    found = [_digest(root, files)]
    for text in ("return 2", "return 3"):
        typed: dict[str, object] = {"__name__": "notebook"}
        sys.modules["notebook"] = type(sys)("notebook")
        exec(f"def faster():\n    {text}\n", typed)
        sys.modules["helpers"].scale = typed["faster"]  # type: ignore[attr-defined]
        found.append(code_digest(sys.modules["main"].step, [root]).digest)
    del sys.modules["notebook"]
    assert len(set(found)) == 3
