"""`mulle deploy`, `mulle rollback` and `mulle deployments`."""

from __future__ import annotations

from typing import Any

import click

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command, Group
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, pass_state, reason_option
from mulle.errors import ProjectError, UsageError


@click.command(
    cls=Command,
    verbs=("deployments.deploy",),
    examples=("mulle deploy", "mulle deploy delay", 'mulle deploy delay --version 3 --reason "the July model"'),
)
@click.argument("deployment", default="")
@click.option("--version", type=int, default=None, help="A model version; the newest by default.")
@click.option("--force", is_flag=True, help="Deploy although the gate refuses; the ledger says so.")
@json_option
@reason_option
@pass_state
def deploy(state: State, *, deployment: str, version: int | None, force: bool, as_json: bool) -> int:
    """Put a model version behind an endpoint, through its gate.

    The version is compared with the present champion as the deployment's gate says; when it passes, all traffic moves
    to it. A version that served before is not judged again. When the gate refuses, the exit code is 1. A project with
    one deployment needs no name.
    """
    name = deployment or one_deployment(state)
    with progress(quiet=as_json) as shown:
        shown.step(f"deploying {name}")
        found = state.ws.deploy(name, version=version, reason=state.reason, force=force)
    output.emit(found, as_json=as_json, show=_show_deployed)
    return 0 if found.passed else FAILURE


def one_deployment(state: State) -> str:
    """The project's only deployment.

    Raises:
        ProjectError: it defines none, or several.
    """
    names = list(state.ws.project.definitions.all("deployment"))
    if len(names) != 1:
        cause = f"the project defines {', '.join(names)}" if names else "the project defines none"
        raise ProjectError("which deployment?", cause=cause, cure="name one: mulle deploy DEPLOYMENT")
    return str(names[0])


def _show_deployed(found: Any) -> None:
    for check in found.checks:
        word = "not evaluated" if check.passed is None else output.status("passed" if check.passed else "refused")
        output.say(f"{word}: {check.check}: {check.reason}")
    if found.revision is None:
        output.say(f"{found.model} does not serve; {found.champion or 'nothing'} does. See mulle rollouts verdicts.")
    else:
        output.say(f"{found.deployment} answers with {found.model} (revision {found.revision})")


@click.command(cls=Command, verbs=("deployments.rollback",), examples=('mulle rollback delay --reason "late answers"',))
@click.argument("deployment", default="")
@json_option
@reason_option
@pass_state
def rollback(state: State, deployment: str, as_json: bool) -> None:
    """Return a deployment to its former revision.

    Running servers follow without dropping a request.
    """
    found = state.ws.deployments.rollback(deployment or one_deployment(state), reason=state.reason)
    output.emit(found, as_json=as_json, show=_show_traffic)


def _show_traffic(found: Any) -> None:
    output.fields({"traffic": _shares(found.weights), "shadow": found.shadow, "at": found.at})


def _shares(weights: dict[int, float]) -> str:
    return ", ".join(f"revision {number}: {output.number(float(share))} %" for number, share in weights.items())


@click.group(cls=Group, examples=("mulle deployments list", "mulle deployments traffic delay 3=90 4=10"))
def deployments() -> None:
    """Endpoints, their revisions and traffic."""


@deployments.command("list", verbs=("deployments.list",), examples=("mulle deployments list",))
@json_option
@pass_state
def list_(state: State, as_json: bool) -> None:
    """Every deployment with its traffic."""
    found = list(state.ws.deployments.list())
    columns = [
        "name",
        "live.model_ref:model",
        "traffic.weights:traffic",
        "traffic.shadow:shadow",
        "active",
        "endpoint.url:url",
    ]
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="nothing is deployed yet: mulle deploy"))


@deployments.command("show", verbs=("deployments.show",), examples=("mulle deployments show delay",))
@click.argument("deployment")
@json_option
@pass_state
def show(state: State, deployment: str, as_json: bool) -> None:
    """One deployment: traffic and revisions."""
    output.emit(state.ws.deployments.show(deployment), as_json=as_json, show=_show_deployment)


def _show_deployment(found: Any) -> None:
    traffic = {"traffic": _shares(found.traffic.weights), "shadow": found.traffic.shadow}
    output.fields(output.parts(found, "name", "active", "created", "endpoint.url:url") | traffic)
    output.say()
    output.table(found.revisions, ["number:revision", "model_ref:model", "at"])


@deployments.command("history", verbs=("deployments.history",), examples=("mulle deployments history delay",))
@click.argument("deployment")
@json_option
@pass_state
def history(state: State, deployment: str, as_json: bool) -> None:
    """How the traffic was shared, the newest first."""
    found = list(state.ws.deployments.history(deployment))
    output.emit(found, as_json=as_json, show=output.rows(["entry", "at", "weights", "shadow", "restores"]))


@deployments.command("traffic", verbs=("deployments.traffic",), examples=("mulle deployments traffic delay 3=90 4=10",))
@click.argument("deployment")
@click.argument("weights", nargs=-1, required=True, metavar="REVISION=PERCENT…")
@click.option("--shadow", multiple=True, type=int, metavar="REVISION", help="Asked too, but not answered with.")
@json_option
@reason_option
@pass_state
def traffic(state: State, deployment: str, weights: tuple[str, ...], shadow: tuple[int, ...], as_json: bool) -> None:
    """Split the traffic between revisions."""
    split = dict(_weight(text) for text in weights)
    found = state.ws.deployments.traffic(deployment, split, shadow=list(shadow), reason=state.reason)
    output.emit(found, as_json=as_json, show=_show_traffic)


def _weight(text: str) -> tuple[int, float]:
    revision, _, percent = text.partition("=")
    try:
        return int(revision), float(percent)
    except ValueError:
        raise UsageError(
            f"'{text}' is not a share of traffic",
            cause="REVISION=PERCENT is needed",
            cure="write for example 3=90 4=10",
        ) from None


@deployments.command("undeploy", verbs=("deployments.undeploy",), examples=("mulle deployments undeploy delay",))
@click.argument("deployment")
@json_option
@reason_option
@pass_state
def undeploy(state: State, deployment: str, as_json: bool) -> None:
    """Stop answering for a deployment; its revisions stay."""
    found = state.ws.deployments.undeploy(deployment, reason=state.reason)
    output.emit(found, as_json=as_json, show=lambda _: output.say(f"{deployment} answers no more"))
