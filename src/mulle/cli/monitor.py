"""`mulle monitor`: standing questions on data and quality."""

from __future__ import annotations

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option


@click.group(cls=Group, examples=("mulle monitor status delay", "mulle monitor alerts --limit 5"))
def monitor() -> None:
    """Drift, quality, outliers, staleness and their alerts."""


@monitor.command("list", verbs=("monitors.list",), examples=("mulle monitor list",))
@json_option
@pass_state
def list_(state: State, as_json: bool) -> None:
    """Every monitor of every deployment."""
    columns = ["deployment", "watch", "champion", "looked", "open_alerts:open"]
    found = list(state.ws.monitors.list())
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="the project defines no monitor"))


@monitor.command("status", verbs=("monitors.status",), examples=("mulle monitor status delay",))
@click.argument("deployment")
@json_option
@pass_state
def status(state: State, deployment: str, as_json: bool) -> None:
    """What the monitors of a deployment see now."""
    found = list(state.ws.monitors.status(deployment))
    columns = ["watch", "champion", "looked", "open_alerts:open", "reading"]
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="no monitor watches it"))


@monitor.command("alerts", verbs=("monitors.alerts",), examples=("mulle monitor alerts --deployment delay --json",))
@click.option("--deployment", default="", help="Only of this deployment.")
@click.option("--open", "open_only", is_flag=True, help="Only those that nobody acknowledged.")
@limit_option(20)
@json_option
@pass_state
def alerts(state: State, deployment: str, open_only: bool, limit: int, as_json: bool) -> None:
    """The newest alerts."""
    found = list(state.ws.monitors.alerts(deployment, limit=limit, open_only=open_only))
    columns = ["id", "at", "deployment", "watch", "text", "acknowledged"]
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="no alerts"))


@monitor.command(
    "acknowledge", verbs=("monitors.acknowledge",), examples=('mulle monitor acknowledge 0193… --reason "known"',)
)
@click.argument("alert")
@click.option("--earlier", is_flag=True, help="Also the open ones that the same watch raised before it.")
@json_option
@reason_option
@pass_state
def acknowledge(state: State, alert: str, earlier: bool, as_json: bool) -> None:
    """Say that an alert was seen."""
    found = state.ws.monitors.acknowledge(alert, reason=state.reason, earlier=earlier)
    output.emit(found, as_json=as_json, show=lambda _: output.say(f"alert {alert} is acknowledged"))
