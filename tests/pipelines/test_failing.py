"""Failures as the user reads them: their own line first."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.drive import Site

from mulle.errors import StepFailedError
from mulle.pipelines import RunService
from mulle.pipelines.crashes import where_it_crashed
from mulle.pipelines.failing import explain

Make = Callable[..., Site]

HOW = {
    "cause": """
    try:
        {}["key"]
    except KeyError as error:
        raise ValueError("no such row") from error
""",
    "context": """
    try:
        {}["key"]
    except KeyError:
        raise ValueError("no such row")
""",
    "group": """
    errors = []
    for number in range(8):
        try:
            [][number]
        except IndexError as error:
            errors.append(error)
    raise ExceptionGroup("several rows are wrong", [errors[0], ExceptionGroup("inner", errors[1:])])
""",
    "installed": """
    import json
    json.loads("{")
""",
    "exit": """
    import sys
    sys.exit(3)
""",
    "recursion": """
    def again(n):
        return again(n + 1)
    again(0)
""",
    "memory": """
    raise MemoryError
""",
    "strange": """
    class Strange(Exception):
        def __init__(self):
            self.lock = __import__("threading").Lock()
        def __str__(self):
            raise RuntimeError("no words")
        def __reduce__(self):
            raise TypeError("no pickle")
    raise Strange()
""",
    "syntax": """
    from pathlib import Path
    path = Path(__file__).with_name("broken.txt")
    compile(path.read_text(), str(path), "exec")
""",
    "attribute": """
    print(work.nothing)
""",
}


def _failure(site: Make, tmp_path: Path, how: str, kind: str) -> Any:
    (tmp_path / "broken.txt").write_text("x = 1\ny = = 2\n")
    source = f"import mulle\n\n@mulle.step\ndef work():{HOW[how]}\n@mulle.pipeline\ndef main():\n    return work()\n"
    made = site(kind, project=source)
    result = made.run()
    with pytest.raises(StepFailedError) as caught:
        result.check()
    (step,) = RunService(catalog=made.catalog, workspace=made.workspace).steps(result.id)
    log = "\n".join(line.text for line in RunService(catalog=made.catalog, workspace=made.workspace).logs(step.id))
    return caught.value, step, log


@pytest.mark.parametrize("kind", ["in-process", pytest.param("process", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("how", "message", "lines"),
    [
        ("cause", "ValueError: no such row", ["in work: raise ValueError", "because of KeyError: 'key'", '{}["key"]']),
        ("context", "ValueError: no such row", ["in work: raise", "while handling KeyError: 'key'", '{}["key"]']),
        (
            "group",
            "ExceptionGroup: several rows are wrong",
            ["in work: raise ExceptionGroup", "among them IndexError: list index out of range", "and 3 more"],
        ),
        ("installed", "JSONDecodeError: Expecting property name", ['in work: json.loads("{")']),
        ("exit", "SystemExit: 3", ["in work: sys.exit(3)"]),
        ("recursion", "RecursionError: maximum recursion depth", ["in again: return again(n + 1)"]),
        ("memory", "MemoryError", ["in work: raise MemoryError"]),
        ("strange", "Strange: (its message cannot be told", ["in work: raise Strange()"]),
        ("syntax", "SyntaxError: invalid syntax", ["broken.txt:2: y = = 2"]),
        ("attribute", "AttributeError", ["in work: print(work.nothing)"]),
    ],
)
def test_the_users_line_comes_first(
    site: Make, tmp_path: Path, *, how: str, message: str, lines: list[str], kind: str
) -> None:
    error, step, log = _failure(site, tmp_path, how, kind)
    assert message in error.message
    assert all(line in str(error.cause) for line in lines)
    assert lines[0] in str(error.cause).splitlines()[0]
    assert step.error.splitlines()[0] == str(error.cause).splitlines()[0]
    assert str(tmp_path) in str(error.cause)
    assert "Traceback" in log or how == "exit"


def test_what_leads_nowhere_is_told_without_a_line() -> None:
    assert explain(ValueError("alone")).where == ""


def test_a_trace_that_is_very_long_is_cut_in_the_middle() -> None:
    error = explain(ValueError("x" * 1_000_000))
    assert len(error.trace) < 250_000
    assert "[…]" in error.trace


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert explain(first).where == "because of ValueError: second"


def test_a_log_without_a_crash_tells_no_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('  File "/home/me/project.py", line 3 in work\n')
    assert where_it_crashed(tmp_path / "log") == ""
    assert where_it_crashed(tmp_path / "none") == ""


def test_of_a_crash_the_users_innermost_line_is_told(tmp_path: Path) -> None:
    source = tmp_path / "project.py"
    source.write_text("def work():\n    crash()\n")
    (tmp_path / "log").write_text(
        "printed\nFatal Python error: Segmentation fault\n\nThread 0x1 (most recent call first):\n"
        f'  File "{source}", line 1 in other\n\nCurrent thread 0x2 (most recent call first):\n'
        f'  File "{sys.prefix}/lib/site-packages/x.py", line 9 in deep\n  File "{source}", line 2 in work\n'
    )
    assert where_it_crashed(tmp_path / "log") == f"{source}:2 in work: crash()\nSegmentation fault"
