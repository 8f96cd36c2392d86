"""`mulle data verify` and `gc`: whether everything that is kept is what it was, and freeing what nothing needs."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state, reason_option


@click.command("verify", cls=Command, verbs=("data.verify",), examples=("mulle data verify --json",))
@json_option
@pass_state
def verify(state: State, as_json: bool) -> int:
    """Read every object of every version and compare it with its digest; fails when one is damaged."""
    with progress(quiet=as_json) as shown:
        shown.step("reading every object")
        found = state.ws.data.verify()
    output.emit(found, as_json=as_json, show=_show_damage)
    return FAILURE if found.damaged else 0


def _show_damage(found: Any) -> None:
    output.table(found.damaged, ["ref", "path", "digest", "problem"], empty="nothing is damaged")
    output.say(f"{found.versions} versions, {found.objects} objects read")


@click.command(
    "gc",
    cls=Command,
    verbs=("data.gc",),
    examples=("mulle data gc --dry-run", "mulle data gc", "mulle data gc --why b3:1f2e"),
)
@click.option("--dry-run", is_flag=True, help="Change nothing, and tell what would be done.")
@click.option("--grace", default="24h", show_default=True, help="Leave alone what is younger. 0s deletes at once.")
@click.option("--why", default="", metavar="DIGEST", help="Tell what keeps this object instead; changes nothing.")
@json_option
@reason_option
@pass_state
def gc(state: State, *, dry_run: bool, grace: str, why: str, as_json: bool) -> int:
    """Free what nothing in the workspace reaches: condemn it now, delete it in a later run."""
    with progress(quiet=as_json) as shown:
        shown.step("marking what is reachable")
        found = state.ws.data.gc(dry_run=dry_run, grace=grace, why=why)
    output.emit(found, as_json=as_json, show=_show_why if why else _show_swept)
    return FAILURE if why and not found.why else 0


def _show_why(found: Any) -> None:
    if not found.why:
        output.say("nothing keeps it")
    for depth, each in enumerate(found.why):
        output.say(each if not depth else f"{'  ' * (depth - 1)}← {each}")


_WORDS = {
    "kept": ("reachable", "reachable"),
    "young": ("too young to judge", "too young to judge"),
    "condemned": ("condemned now; a later run deletes it", "would be condemned"),
    "waiting": ("condemned before, still waiting", "condemned before, still waiting"),
    "pardoned": ("condemned before, needed again", "condemned before, needed again"),
    "freed": ("deleted", "would be deleted"),
}


def _show_swept(found: Any) -> None:
    amounts = {name: output.part(found, name) for name in _WORDS}
    rows = [
        {"what": words[bool(found.dry_run)], "objects": amounts[name].objects, "size": output.size(amounts[name].bytes)}
        for name, words in _WORDS.items()
        if amounts[name].objects or name in {"kept", "freed"}
    ]
    output.table(rows, ["what", "objects", "size"])
    if found.kinds:
        output.say("\nunreachable, by kind:")
        kinds = [
            {"kind": kind, "objects": amount.objects, "size": output.size(amount.bytes)}
            for kind, amount in sorted(found.kinds.items())
        ]
        output.table(kinds, ["kind", "objects", "size"])
    for holder in found.holders:
        output.say(f"process {holder.pid} ({holder.command}) uses the store: what it may need stays")
