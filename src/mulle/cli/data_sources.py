"""`mulle data collect` and `quarantine`: rows come from sources, and what does not fit is put aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mulle.cli import output
from mulle.cli.lazy import Command
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option

if TYPE_CHECKING:
    from datetime import datetime

    from mulle.data.definition import Dataset

_COLUMNS = ["dataset", "number:version", "rows", "watermark:until", "message"]
FORMATS = ("csv", "tsv", "jsonl", "parquet", "arrow")


@click.command(
    "collect",
    cls=Command,
    examples=(
        "mulle data collect",
        "mulle data collect flights --until 2013-03-01",
        "mulle data collect orders --from sqlite:///shop.db --rows orders --cursor updated_at --key id",
        "mulle data collect visits --from access.jsonl --follow",
        "tail -n +1 events.jsonl | mulle data collect events --from -",
    ),
)
@click.argument("dataset", metavar="[NAME]", default="")
@click.option(
    "--from",
    "address",
    default="",
    metavar="ADDRESS",
    help="Collect from here: a path, a glob, -, http(s)://, s3://, postgresql:// or sqlite:///.",
)
@click.option("--rows", default="", metavar="TABLE_OR_QUERY", help="Which rows of a database.")
@click.option("--cursor", default=None, metavar="COLUMN", help="The column of a database that new rows rise in.")
@click.option("--key", multiple=True, metavar="COLUMN", help="The columns that identify a row.")
@click.option("--time", default=None, metavar="COLUMN", help="The column of the event time.")
@click.option("--format", "format_", type=click.Choice(FORMATS), help="What lines, or what a URL gives, are.")
@click.option(
    "--on-bad", type=click.Choice(["quarantine", "refuse", "keep"]), help="What becomes of rows that do not fit."
)
@click.option(
    "--changed", type=click.Choice(["error", "replace"]), help="What happens when a file, URL or object changed."
)
@click.option(
    "--removed", type=click.Choice(["error", "keep", "replace"]), help="What happens when a file or object is gone."
)
@click.option("--follow", is_flag=True, help="Go on until interrupted, or until --until.")
@click.option("--anew", is_flag=True, help="Forget where the source stood: all it has, instead of what was collected.")
@click.option("--until", default=None, metavar="INSTANT", help="Collect what happened before then; now by default.")
@json_option
@reason_option
@pass_state
def collect(
    state: State,
    *,
    dataset: str,
    address: str,
    rows: str,
    cursor: str | None,
    key: tuple[str, ...],
    time: str | None,
    format_: str | None,
    on_bad: Any,
    changed: str | None,
    removed: str | None,
    follow: bool,
    anew: bool,
    until: str | None,
    as_json: bool,
) -> None:
    """Ask the sources for what is new: each window, file, row or line is taken exactly once.

    Without --from, the sources are those that the project declares; of all its datasets where no NAME is given. Rows
    that do not fit are put aside: see `mulle data quarantine`.
    """
    told = {"--rows": rows, "--cursor": cursor, "--format": format_, "--key": key, "--time": time}
    told |= {"--changed": changed, "--removed": removed}
    if not address and any(told.values()):
        raise click.UsageError(f"{next(each for each in told if told[each])} is for --from ADDRESS")
    if not dataset and (address or follow or anew):
        raise click.UsageError("which dataset?; name it: mulle data collect NAME …")
    if not dataset:
        _print(_collected(state, until, as_json=as_json), as_json=as_json)
        return
    definition = _definition(state, dataset)
    if address:
        from mulle.data.sources.addresses import source_at  # noqa: PLC0415 - start-up time

        settings: dict[str, Any] = {
            "rows": rows,
            "cursor": cursor,
            "format": format_ or "",
            "changed": changed,
            "removed": removed,
        }
        source = source_at(_absolute(address), **settings, follow=follow)
        definition = replace(
            definition, source=source, key=key or definition.key, event_time=time or definition.event_time
        )
    if on_bad is not None:
        definition = replace(definition, on_bad=on_bad)
    if follow:
        _follow(state, definition, until, as_json=as_json)
        return
    with progress(quiet=as_json) as shown:
        shown.step(f"collecting {dataset}")
        end = state.ws.clock.now() if until is None else _instant(until)
        found = list(state.ws.data.collect(definition, end, anew=anew))
    _print(found, as_json=as_json)
    _tell_held(state, dataset, as_json=as_json)


def _instant(text: str) -> datetime:
    from mulle.types import instant  # noqa: PLC0415 - start-up time

    return instant(text)


def _collected(state: State, until: str | None, *, as_json: bool) -> list[Any]:
    with progress(quiet=as_json) as shown:
        shown.step("collecting")
        return list(state.ws.collect("", until))


def _print(found: list[Any], *, as_json: bool) -> None:
    output.emit(found, as_json=as_json, show=output.rows(_COLUMNS, empty="nothing new"))


def _follow(state: State, definition: Dataset, until: str | None, *, as_json: bool) -> None:
    for version in state.ws.data.follow(definition, None if until is None else _instant(until)):
        if as_json:
            click.echo(output.encode(version))
        else:
            output.say(f"{version.ref}: {version.rows:,} rows, {version.message}")


def _tell_held(state: State, dataset: str, *, as_json: bool) -> None:
    stands = state.ws.data.collected(dataset)
    if stands is not None and stands.held and not as_json:
        many = "row is" if stands.held == 1 else "rows are"
        output.say(f"{stands.held:,} {many} held back: mulle data quarantine {dataset}")


def _definition(state: State, name: str) -> Dataset:
    """The dataset as the project defines it; as it was committed, or new, where it does not."""
    from mulle.data.definition import Dataset  # noqa: PLC0415 - start-up time
    from mulle.workspace.project import module_file  # noqa: PLC0415 - start-up time

    ws = state.begun
    if module_file(ws.settings).exists() and name in (defined := ws.project.definitions.all("dataset")):
        found: Dataset = defined[name]
        return found
    key, event_time = ws.data.described(name)
    return Dataset(name, key=tuple(key), event_time=event_time)


def _absolute(address: str) -> str:
    """An address whose path does not depend on where the command was called."""
    if address.startswith("sqlite:///"):
        path, mark, table = address.removeprefix("sqlite:///").partition("#")
        return f"sqlite:///{Path(path).absolute()}{mark}{table}"
    return str(Path(address).absolute()) if "://" not in address and address != "-" else address


@click.command(
    "quarantine",
    cls=Command,
    verbs=("data.rows",),
    examples=("mulle data quarantine orders", "mulle data quarantine orders --release --reason 'price may be empty'"),
)
@click.argument("dataset", metavar="NAME")
@click.option("--release", is_flag=True, help="Take in the rows that fit now; the others stay.")
@limit_option(20)
@json_option
@reason_option
@pass_state
def quarantine(state: State, dataset: str, release: bool, limit: int, as_json: bool) -> None:
    """The rows that were put aside because they did not fit, each with the reason; and how they come in after all.

    The quarantine is a dataset of its own, NAME.quarantine, with every version of it.
    """
    if release:
        output.emit(state.ws.data.release(_definition(state, dataset)), as_json=as_json, show=_show_released)
        return
    stands = state.ws.data.collected(dataset)
    if stands is not None and not stands.held:
        output.emit([], as_json=as_json, show=lambda _: output.say("nothing is held back"))
        return
    page = state.ws.data.rows(f"{dataset}.quarantine", limit=limit)
    names = [name for name, _ in page.columns]
    found = [dict(zip(names, row, strict=True)) for row in page.rows]
    output.emit(found, as_json=as_json, show=output.rows(["reason", "row", "source", "arrived", "held_from:from"]))
    if not as_json:
        output.say(f"\n{len(found):,} of {page.total:,} rows of {page.ref}")


def _show_released(found: Any) -> None:
    into = f" into {found.version}" if found.version else ""
    output.say(f"{found.released:,} released{into}, {found.held:,} still held back")
