"""`mulle predict`: ask a deployment, in this process or at a URL."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
import msgspec

from mulle.cli import output
from mulle.cli.deploy import one_deployment
from mulle.cli.lazy import Command
from mulle.cli.run import parameter
from mulle.cli.state import State, json_option, pass_state
from mulle.errors import ServingError, UsageError

_TABLES = {".csv", ".parquet"}


@click.command(
    cls=Command,
    examples=(
        "mulle predict --rows example.json",
        "mulle predict delay --row carrier=UA --row origin=JFK --row distance=2475",
        "mulle predict delay --rows march.csv --json",
        "cat rows.json | mulle predict delay --rows - --url http://127.0.0.1:8421",
    ),
)
@click.argument("deployment", default="")
@click.option("--row", "values", multiple=True, metavar="COLUMN=VALUE", help="One row, a column at a time.")
@click.option(
    "--rows", "source", default=None, metavar="FILE", help="Rows of a JSON, JSON-lines, CSV or Parquet file, or -."
)
@click.option("--url", default=None, help="Ask a running server instead of this workspace.")
@json_option
@pass_state
def predict(
    state: State, *, deployment: str, values: tuple[str, ...], source: str | None, url: str | None, as_json: bool
) -> None:
    """Ask a deployment for a row, rows or a file.

    The answers are logged like those of a server: each has an id that `mulle why` resolves.
    """
    rows = rows_of(values, source)
    name = deployment or one_deployment(state)
    answers = ask(url, name, rows) if url else state.ws.predict(name, rows)
    output.emit(answers, as_json=as_json, show=output.rows(["id", "revision", "output"]))


def rows_of(values: tuple[str, ...], source: str | None) -> list[dict[str, Any]]:
    """The rows that the options name.

    Raises:
        UsageError: there are none, or they are not rows.
    """
    if bool(values) == bool(source):
        raise UsageError(
            "which rows?",
            cause="either --row or --rows is needed",
            cure="mulle predict --row COLUMN=VALUE … (one row), or mulle predict --rows FILE",
        )
    if source is None:
        return [dict(parameter(text) for text in values)]
    if source != "-" and Path(source).suffix in _TABLES:
        found = _table_rows(Path(source))
    else:
        found = _parsed(sys.stdin.read() if source == "-" else _text(Path(source)), source)
    if not found:
        raise UsageError(f"{source} has no rows", cause="an empty batch has no answer", cure="give at least one row")
    return found


def _table_rows(path: Path) -> list[dict[str, Any]]:
    from mulle.data.files import read_table_file  # noqa: PLC0415 - start-up time: it loads Polars

    if not path.is_file():
        raise UsageError(f"{path} does not exist", cause="--rows names a file", cure="check the path (`ls`)")
    found: list[dict[str, Any]] = msgspec.to_builtins(read_table_file(path).to_dicts())
    return found


def _text(path: Path) -> str:
    if not path.is_file():
        raise UsageError(f"{path} does not exist", cause="--rows names a file", cure="check the path (`ls`)")
    return path.read_text(encoding="utf-8")


def _parsed(text: str, source: str) -> list[dict[str, Any]]:
    """Rows from a JSON list, one JSON object, {"rows": [...]}, or an object a line."""
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise UsageError(
                f"{source} is not JSON", cause=str(error), cure='write [{"column": value, …}, …]'
            ) from None
    if isinstance(found, dict):
        found = found.get("rows", [found])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UsageError(
            f"{source} does not hold rows", cause="a row is an object", cure='write [{"column": value, …}, …]'
        )
    return found


def ask(url: str, deployment: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers of a server.

    Raises:
        ServingError: it cannot be reached, or refuses.
    """
    where = f"{url.rstrip('/')}/predict/{deployment}"
    if not where.startswith(("http://", "https://")):
        raise UsageError(f"'{url}' is not a URL", cause="http:// is needed", cure="--url http://127.0.0.1:8421")
    body = json.dumps({"rows": rows}).encode()
    request = urllib.request.Request(where, body, {"content-type": "application/json"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - checked above
            found: list[dict[str, Any]] = json.load(answer)["predictions"]
            return found
    except urllib.error.HTTPError as error:
        raise _refusal(error) from None
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        reason = str(getattr(error, "reason", error))
        raise ServingError(
            f"no answer from {where}", cause=reason, cure=f"start it: mulle serve {deployment}"
        ) from None


def _refusal(error: urllib.error.HTTPError) -> ServingError:
    text = error.read().decode(errors="replace")
    try:
        said = json.loads(text)
    except ValueError:
        said = {}
    message = said.get("error") or f"the server answered {error.code}"
    return ServingError(message, cause=said.get("cause") or text[:200], cure=said.get("cure"))
