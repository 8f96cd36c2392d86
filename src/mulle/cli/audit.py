"""`mulle audit`: the ledger."""

from __future__ import annotations

import click

from mulle.cli import output
from mulle.cli.lazy import Group
from mulle.cli.state import State, json_option, limit_option, pass_state


@click.group(cls=Group, examples=("mulle audit log --limit 20", "mulle audit verify"))
def audit() -> None:
    """The ledger: who did what, when, why and because of what."""


@audit.command(
    "log", verbs=("audit.log",), examples=("mulle audit log --subject deployment:delay", "mulle audit log --json")
)
@click.option("--subject", default="", help="Only events of this subject, such as deployment:delay.")
@click.option("--since", default="", metavar="INSTANT", help="Only events since then.")
@limit_option(30)
@json_option
@pass_state
def log(state: State, subject: str, since: str, limit: int, as_json: bool) -> None:
    """The newest events first."""
    found = list(state.ws.audit.log(subject=subject, since=since, limit=limit))
    columns = ["seq", "at", "actor", "verb", "subject", "reason", "cause"]
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="nothing has happened yet"))


@audit.command("verify", verbs=("audit.verify",), examples=("mulle audit verify --json",))
@json_option
@pass_state
def verify(state: State, as_json: bool) -> None:
    """Recompute the whole hash chain; fails and names the event when one was changed."""
    output.emit(
        state.ws.audit.verify(),
        as_json=as_json,
        show=lambda found: output.say(f"{found.count} events verify; head {found.head}"),
    )
