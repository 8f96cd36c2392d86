"""`mulle serve` and `mulle server`."""

from __future__ import annotations

import sys

import click

from mulle.cli import output
from mulle.cli.deploy import one_deployment
from mulle.cli.lazy import Command
from mulle.cli.state import State, json_option, pass_state

_port = click.option("--port", default=None, type=click.IntRange(0, 65535), help="0 takes any free one.")
_host = click.option("--host", default=None, help="The address to listen on; loopback by default.")


@click.command(
    cls=Command, examples=("mulle serve", "mulle serve delay --port 8421 --workers 2", "mulle serve delay --port 0")
)
@click.argument("deployment", default="")
@_host
@_port
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Processes that answer.")
@json_option
@pass_state
def serve(state: State, *, deployment: str, host: str | None, port: int | None, workers: int, as_json: bool) -> None:
    """Answer prediction requests over HTTP.

    It goes on until Ctrl-C; the port is one above that of `mulle server`. POST /predict/DEPLOYMENT takes
    {"rows": [{…}]}; the Open Inference Protocol v2 is at /v2, metrics are at /metrics. A new revision is taken over
    without dropping a request.
    """
    name = deployment or one_deployment(state)
    settings = state.ws.settings
    server = state.ws.serve(
        name, host=host or settings.host, port=settings.port + 1 if port is None else port, workers=workers
    )
    with server:
        _announce({"deployment": name, "url": f"{server.url}/predict/{name}"}, f"{name} answers", as_json=as_json)
        server.wait()


@click.command(cls=Command, examples=("mulle server", "mulle -C .demo server --port 8081", "mulle server --no-turn"))
@_host
@_port
@click.option("--turn/--no-turn", default=True, help="Whether triggers fire and rollouts move.")
@json_option
@pass_state
def server(state: State, *, host: str | None, port: int | None, turn: bool, as_json: bool) -> None:
    """Keep the wheel turning, with the web UI and the HTTP API.

    It goes on until Ctrl-C: triggers fire, rollouts move, monitors look, and the pages show it.
    """
    from mulle.server import serve as serve_faces  # noqa: PLC0415 - start-up time: `mulle serve` needs no web server

    settings = state.ws.settings
    serve_faces(
        state.ws,
        host=host or settings.host,
        port=settings.port if port is None else port,
        turn=turn,
        on_start=lambda url: _announce({"url": url}, "mulle is", as_json=as_json),
    )


def _announce(where: dict[str, str], who: str, *, as_json: bool) -> None:
    """Say where it is before it blocks, so that a script that started it can go on."""
    output.emit(where, as_json=as_json, show=lambda _: output.say(f"{who} at {where['url']} (Ctrl-C stops it)"))
    sys.stdout.flush()
