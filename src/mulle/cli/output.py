"""What a command says: one line of JSON for programs, tables and fields for people.

On a terminal tables are drawn by Rich; into a pipe they are plain columns, whole and without colour, for grep and awk.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec

Columns = Sequence[str]
"""What a table shows of a row: the path of a part, and a header where that is another word ("head.number:version")."""

_SHORT_DIGEST = 15
_SMALL = 1e-3
_LARGE = 1e6


def encode(value: Any) -> str:
    """JSON on one line; instants are ISO 8601, what is not a number (NaN, infinity) is null."""
    return msgspec.json.encode(_listed(value), enc_hook=_plain).decode()


def emit(value: Any, *, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a verb's answer: as JSON, or through `show`."""
    if as_json:
        click.echo(encode(value))
    else:
        show(value)


def rows(columns: Columns, *, empty: str = "none yet", title: str = "") -> Callable[[Iterable[Any]], None]:
    """A printer of many things alike as a table."""
    return lambda values: table(values, columns, empty=empty, title=title)


def table(values: Iterable[Any], columns: Columns, *, empty: str = "none yet", title: str = "") -> None:
    """Print things alike, one a line."""
    paths, headers = zip(
        *((path, header or path) for path, _, header in (each.partition(":") for each in columns)), strict=True
    )
    raw = [[part(value, path) for path in paths] for value in values]
    if not raw:
        click.echo(empty)
        return
    lines = [[cell(value) for value in line] for line in raw]
    right = [all(isinstance(line[i], int | float) or line[i] is None for line in raw) for i in range(len(columns))]
    if sys.stdout.isatty():
        _rich_table(headers, lines, right, title)
    else:
        _plain_table(headers, lines, right)


def fields(pairs: Mapping[str, Any]) -> None:
    """Print the parts of one thing, one a line; empty parts are left out."""
    shown = {name: cell(value) for name, value in pairs.items() if value not in (None, "", [], {}, ())}
    width = max((len(name) for name in shown), default=0)
    for name, text in shown.items():
        label = click.style(name.ljust(width), dim=True)
        click.echo(f"{label}  {text.replace(chr(10), chr(10) + ' ' * (width + 2))}")


def part(value: Any, path: str) -> Any:
    """A part of a record or mapping by its path ("head.number"); None where it is absent."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value


def parts(value: Any, *paths: str) -> dict[str, Any]:
    """Several parts of one thing, for `fields`: header → value."""
    named = (each.partition(":") for each in paths)
    return {header or path: part(value, path) for path, _, header in named}


def say(text: str = "") -> None:
    """One line for people."""
    click.echo(text)


def cell(value: Any) -> str:  # noqa: PLR0911 - one return a type
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
    if isinstance(value, timedelta):
        return span(value.total_seconds())
    if isinstance(value, dict):
        return ", ".join(f"{name}={cell(part)}" for name, part in value.items())
    if isinstance(value, list | tuple | set):
        return ", ".join(cell(part) for part in value)
    if isinstance(value, msgspec.Struct):
        return cell(msgspec.structs.asdict(value))
    return str(value)


def number(value: float) -> str:
    """Four significant digits, without an exponent where it can be helped."""
    if value != value:  # noqa: PLR0124 - NaN
        return "-"
    if value and (abs(value) < _SMALL or abs(value) >= _LARGE):
        return f"{value:.3g}"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004


def span(seconds: float) -> str:
    """A length of time: 12 ms, 3.4 s, 2 min 5 s, 3 h 20 min, 4 d."""
    if seconds < 0:
        return "-" + span(-seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    if seconds < 3600:  # noqa: PLR2004
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    if seconds < 2 * 86400:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    return f"{seconds / 86400:.1f} d"


def size(count: int | None) -> str:
    """Bytes in the unit that reads best."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:  # noqa: PLR2004
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def short(digest: str) -> str:
    """The first digits of a digest: enough to recognise and to type."""
    return digest[:_SHORT_DIGEST] if digest.startswith("b3:") else digest


def status(word: str) -> str:
    """A state, coloured on a terminal."""
    colours = {"succeeded": "green", "executed": "green", "cached": "cyan", "failed": "red", "cancelled": "yellow"}
    colours |= {"running": "blue", "passed": "green", "refused": "red", "firing": "red", "ok": "green"}
    return click.style(word, fg=colours.get(word)) if sys.stdout.isatty() else word


def _plain_table(headers: Sequence[str], lines: list[list[str]], right: list[bool]) -> None:
    flat = [[text.replace("\n", " ") for text in line] for line in [list(headers), *lines]]
    widths = [max(len(line[i]) for line in flat) for i in range(len(headers))]
    for line in flat:
        parts = [text.rjust(w) if r else text.ljust(w) for text, w, r in zip(line, widths, right, strict=True)]
        click.echo("  ".join(parts).rstrip())


def _rich_table(headers: Sequence[str], lines: list[list[str]], right: list[bool], title: str) -> None:
    from rich import box  # noqa: PLC0415 - start-up time
    from rich.console import Console  # noqa: PLC0415 - start-up time
    from rich.table import Table  # noqa: PLC0415 - start-up time
    from rich.text import Text  # noqa: PLC0415 - start-up time

    drawn = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for header, numeric in zip(headers, right, strict=True):
        drawn.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for line in lines:
        drawn.add_row(*(Text.from_ansi(text) for text in line))
    Console().print(drawn)


def _listed(value: Any) -> Any:
    return list(value) if hasattr(value, "__next__") else value


def _plain(value: Any) -> Any:
    """What msgspec does not know by itself."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_dicts"):
        return value.to_dicts()
    return str(value)
