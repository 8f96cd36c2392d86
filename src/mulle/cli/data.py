"""`mulle data`: datasets and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Group
from mulle.cli.progress import progress
from mulle.cli.state import State, json_option, limit_option, pass_state, reason_option

_VERSION = ["number:version", "at", "rows", "bytes", "watermark", "message"]


@click.group(
    cls=Group,
    examples=(
        "mulle data list",
        "mulle data commit flights january.parquet -m January",
        "mulle data diff flights@1 flights@2",
    ),
)
def data() -> None:
    """Datasets and their versions.

    A version is named flights@3, flights@HEAD~1 or flights@b3:1f…; flights alone is its newest.
    """


@data.command("list", verbs=("data.list",), examples=("mulle data list --json",))
@json_option
@pass_state
def list_(state: State, as_json: bool) -> None:
    """Every dataset and its newest version."""
    columns = ["name", "kind", "versions", "head.rows:rows", "head.bytes:bytes", "head.watermark:until", "key"]
    output.emit(list(state.ws.data.list()), as_json=as_json, show=output.rows(columns, empty="no datasets yet"))


@data.command("log", verbs=("data.log",), examples=("mulle data log flights",))
@click.argument("dataset")
@json_option
@pass_state
def log(state: State, dataset: str, as_json: bool) -> None:
    """The versions of a dataset, the newest first."""
    output.emit(list(state.ws.data.log(dataset)), as_json=as_json, show=output.rows(_VERSION))


@data.command("show", verbs=("data.show",), examples=("mulle data show flights@HEAD",))
@click.argument("ref")
@json_option
@pass_state
def show(state: State, ref: str, as_json: bool) -> None:
    """One version: its columns, parts and digests."""
    output.emit(state.ws.data.show(ref), as_json=as_json, show=_show_version)


def _show_version(detail: Any) -> None:
    paths = ["ref", "kind", "rows", "at", "watermark", "message", "digest", "logical", "parent"]
    version = output.part(detail, "version") or detail
    output.fields(
        output.parts(version, *paths) | {"bytes": output.size(version.bytes), "key": output.part(detail, "key")}
    )
    output.say()
    output.table([{"column": name, "type": kind} for name, kind in version.schema], ["column", "type"], empty="files")
    output.say()
    output.table(output.part(detail, "parts") or [], ["path", "digest", "rows", "bytes", "low:from", "high:to"])


@data.command("diff", verbs=("data.diff",), examples=("mulle data diff flights@1 flights@2 --key flight_id",))
@click.argument("a")
@click.argument("b")
@click.option(
    "--key", multiple=True, metavar="COLUMN", help="Compare rows by these columns; the dataset's key by default."
)
@json_option
@pass_state
def diff(state: State, a: str, b: str, key: tuple[str, ...], as_json: bool) -> None:
    """What changed between two versions: columns, rows, files."""
    output.emit(state.ws.data.diff(a, b, key=key), as_json=as_json, show=_show_diff)


def _show_diff(found: Any) -> None:
    for change in output.part(found, "columns") or []:
        output.say(f"column {change.name}: {change.before or 'absent'} → {change.after or 'absent'}")
    for name in ("rows", "files"):
        part = output.part(found, name)
        if part is None:
            continue
        counts = {each: output.part(part, each) for each in ("added", "removed", "changed", "unchanged")}
        shown = {each: len(count) if isinstance(count, list) else count for each, count in counts.items()}
        output.say(f"{name}: " + ", ".join(f"{count:,} {each}" for each, count in shown.items() if count is not None))
        for sign, each in (("+", "examples_added"), ("-", "examples_removed"), ("~", "examples_changed")):
            for example in output.part(part, each) or []:
                output.say(f"  {sign} {output.cell(example)}")


@data.command("read", verbs=("data.rows",), examples=("mulle data read flights --limit 5",))
@click.argument("ref")
@click.option("--offset", default=0, type=click.IntRange(min=0), help="Skip this many rows.")
@limit_option(20)
@json_option
@pass_state
def read(state: State, ref: str, offset: int, limit: int, as_json: bool) -> None:
    """Rows of a version."""
    output.emit(state.ws.data.rows(ref, limit=limit, offset=offset), as_json=as_json, show=_show_rows)


def _show_rows(page: Any) -> None:
    names = [name for name, _ in page.columns]
    output.table([dict(zip(names, row, strict=True)) for row in page.rows], names, empty="no rows")
    output.say(f"\n{page.offset + len(page.rows):,} of {page.total:,} rows of {page.ref}")


@data.command(
    "commit", examples=("mulle data commit flights january.csv -m January", "mulle data commit images photos/")
)
@click.argument("dataset")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--message", "-m", default="", help="What this version is.")
@click.option("--append", is_flag=True, help="Add the rows to the head instead of replacing it.")
@click.option("--key", multiple=True, metavar="COLUMN", help="The columns that identify a row.")
@click.option("--time", default=None, metavar="COLUMN", help="The column of the event time.")
@json_option
@reason_option
@pass_state
def commit(
    state: State,
    *,
    dataset: str,
    path: Path,
    message: str,
    append: bool,
    key: tuple[str, ...],
    time: str | None,
    as_json: bool,
) -> None:
    """Make a file of rows, or a directory of files, the next version of a dataset."""
    with progress(quiet=as_json) as shown:
        shown.step(f"committing {path}")
        # A dataset that the project defines brings its key, its event time and its schema.
        named = state.ws.project.definitions.all("dataset").get(dataset, dataset)
        version = state.ws.data.commit(named, path, message, append=append, key=key, event_time=time)
    output.emit(version, as_json=as_json, show=_one_version)


def _one_version(version: Any) -> None:
    output.say(f"{version.ref}: {version.rows:,} rows, {output.size(version.bytes)}, {output.short(version.digest)}")


@data.command(
    "checkout", examples=("mulle data checkout images@2 ./images", "mulle data checkout flights@3 flights.parquet")
)
@click.argument("ref")
@click.argument("path", type=click.Path(path_type=Path))
@json_option
@pass_state
def checkout(state: State, ref: str, path: Path, as_json: bool) -> None:
    """Write a version's files or table to a path."""
    written = {"ref": state.ws.data.resolve(ref).ref, "path": state.ws.data.checkout(ref, path)}
    output.emit(written, as_json=as_json, show=lambda _: output.say(f"{written['ref']} → {written['path']}"))


@data.command("collect", examples=("mulle data collect", "mulle data collect flights --until 2013-03-01"))
@click.argument("dataset", default="")
@click.option("--until", default=None, metavar="INSTANT", help="Collect what happened before then; now by default.")
@json_option
@reason_option
@pass_state
def collect(state: State, dataset: str, until: str | None, as_json: bool) -> None:
    """Ask the sources for what is new; each window is committed exactly once."""
    with progress(quiet=as_json) as shown:
        shown.step("collecting")
        found = state.ws.collect(dataset, until)
    columns = ["dataset", "number:version", "rows", "watermark:until"]
    output.emit(found, as_json=as_json, show=output.rows(columns, empty="nothing new"))


@data.command("check", verbs=("validation.check",), examples=("mulle data check flights@HEAD",))
@click.argument("ref")
@json_option
@pass_state
def check(state: State, ref: str, as_json: bool) -> int:
    """Whether a version fits its declared schema; fails when it does not."""
    found = state.ws.validation.check(ref)
    output.emit(found, as_json=as_json, show=_show_check)
    return 0 if found.passed else FAILURE


def _show_check(found: Any) -> None:
    empty = f"{found.ref}: {found.rows:,} rows fit the schema" if found.declared else f"{found.ref} declares no schema"
    output.table(found.violations, ["column", "rule", "severity", "declared", "found", "rows"], empty=empty)


@data.command("profile", verbs=("data.profile",), examples=("mulle data profile flights",))
@click.argument("ref")
@json_option
@pass_state
def profile(state: State, ref: str, as_json: bool) -> None:
    """One-pass statistics of every column of a version."""
    columns = ["name:column", "kind:type", "count", "nulls", "distinct", "mean", "std", "minimum", "maximum"]
    found = state.ws.data.profile(ref)
    output.emit(found, as_json=as_json, show=lambda _: output.table(output.part(found, "columns") or [], columns))


@data.command("verify", verbs=("data.verify",), examples=("mulle data verify --json",))
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
    output.table(found.damaged, ["ref", "digest", "problem"], empty="nothing is damaged")
    output.say(f"{found.versions} versions, {found.objects} objects read")
