"""`mulle data list`, `log`, `show`, `diff`, `read`, `profile` and `check`: looking at versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from mulle.cli import output
from mulle.cli.failure import FAILURE
from mulle.cli.lazy import Command
from mulle.cli.state import State, json_option, limit_option, pass_state


@click.command(
    "list",
    cls=Command,
    verbs=("data.list",),
    examples=("mulle data list --json", "mulle data list --remote origin", "mulle data list flights --remote origin"),
)
@click.argument("dataset", metavar="NAME", default="")
@click.option("--remote", default="", help="List what is on a remote, without pulling anything.")
@json_option
@pass_state
def list_(state: State, dataset: str, remote: str, as_json: bool) -> None:
    """Every dataset and its newest version, here or on a remote; of NAME on a remote, its branches and tags."""
    if dataset and not remote:
        raise click.UsageError(f"{dataset} of which remote?; give --remote, or ask mulle data log {dataset}")
    if remote:
        found = state.begun.data.remotes.list(remote, dataset)
        output.emit(found, as_json=as_json, show=_show_remote_names if dataset else _show_remote)
        return
    columns = [
        "name",
        "kind",
        "versions",
        "branches",
        "head.rows:rows",
        "head.bytes:bytes",
        "head.watermark:until",
        "key",
    ]
    output.emit(list(state.ws.data.list()), as_json=as_json, show=output.rows(columns, empty="no datasets yet"))


def _show_remote(found: Any) -> None:
    lines = [
        {"name": each.name, "versions": each.versions, "branches": [*each.branches], "tags": [*each.tags]}
        for each in found
    ]
    output.table(lines, ["name", "versions", "branches", "tags"], empty="no datasets there yet")


def _show_remote_names(found: Any) -> None:
    for each in found:
        names = [("branch", name, at) for name, at in each.branches.items()]
        names += [("tag", name, at) for name, at in each.tags.items()]
        lines = [
            {"": kind, "name": name, **output.parts(at, "number", "at", "actor", "message", "id")}
            for kind, name, at in names
        ]
        output.table(lines, ["", "name", "number:version there", "at", "actor", "message", "id"])


@click.command(
    "log", cls=Command, verbs=("data.log",), examples=("mulle data log flights", "mulle data log flights@dev")
)
@click.argument("dataset", metavar="NAME[@BRANCH]")
@json_option
@pass_state
def log(state: State, dataset: str, as_json: bool) -> None:
    """The versions of a dataset, the newest first.

    All of them, with how they branched and were merged; with @BRANCH (or any version) those that went into it.
    """
    output.emit(list(state.ws.data.log(dataset)), as_json=as_json, show=_show_log)


def _show_log(found: Any) -> None:
    from mulle.data.lanes import drawn  # noqa: PLC0415 - start-up time

    lines = []
    for text, version in drawn(found):
        line = {"": text}
        if version is not None:
            line |= {name: getattr(version, name) for name in ("number", "at", "rows", "bytes", "watermark", "message")}
            line["names"] = ", ".join([*version.branches, *(f"tag {each}" for each in version.tags)])
        lines.append(line)
    columns = ["number:version", "names", "at", "rows", "bytes", "watermark", "message"]
    output.table(lines, columns if all(line[""] == "*" for line in lines) else ["", *columns])


@click.command("show", cls=Command, verbs=("data.show",), examples=("mulle data show flights@HEAD",))
@click.argument("ref", metavar="NAME[@VERSION]")
@json_option
@pass_state
def show(state: State, ref: str, as_json: bool) -> None:
    """One version: its columns, parts and digests."""
    output.emit(state.ws.data.show(ref), as_json=as_json, show=_show_version)


def _show_version(detail: Any) -> None:
    version = output.part(detail, "version") or detail
    paths = [
        "ref",
        "kind",
        "rows",
        "at",
        "actor",
        "branch",
        "watermark",
        "message",
        "id",
        "digest",
        "logical",
        "parent",
    ]
    paths += ["merged"] if version.merged is not None else []
    output.fields(
        output.parts(version, *paths)
        | {"bytes": output.size(version.bytes)}
        | output.parts(detail, "key", "aliases:known as")
        | output.parts(detail, "collected.address:source", "collected.cursor:stands at", "collected.at:last taken")
        | ({"held back": held} if (held := output.part(detail, "collected.held")) else {})
    )
    output.say()
    output.table([{"column": name, "type": kind} for name, kind in version.schema], ["column", "type"], empty="files")
    output.say()
    output.table(output.part(detail, "parts") or [], ["path", "digest", "rows", "bytes", "low:from", "high:to"])


@click.command(
    "diff", cls=Command, verbs=("data.diff",), examples=("mulle data diff flights@1 flights@2 --key flight_id",)
)
@click.argument("a", metavar="NAME@A")
@click.argument("b", metavar="NAME@B")
@click.option(
    "--key", multiple=True, metavar="COLUMN", help="Compare rows by these columns; the dataset's key by default."
)
@json_option
@pass_state
def diff(state: State, a: str, b: str, key: tuple[str, ...], as_json: bool) -> None:
    """What changed between two versions: columns, rows, files. Each may also be a pointer file (PATH.mulle)."""
    from mulle.data.pointers import ref_of  # noqa: PLC0415 - start-up time

    found = state.ws.data.diff(ref_of(a), ref_of(b), key=key)
    output.emit(found, as_json=as_json, show=_show_diff)


def _show_diff(found: Any) -> None:
    for sign, each in (("+", "added"), ("-", "removed"), ("~", "changed")):
        for change in getattr(found.schema, each):
            output.say(f"column {sign} {change.name}: {change.before or 'absent'} → {change.after or 'absent'}")
    part = found.rows if found.kind == "table" else found.files
    counts = ", ".join(f"{getattr(part, each):,} {each}" for each in ("added", "removed", "changed", "unchanged"))
    output.say(f"{'rows' if found.kind == 'table' else 'files'}: {counts}")
    for sign, examples in (("+", part.examples.added), ("-", part.examples.removed)):
        for example in examples:
            output.say(f"  {sign} {output.cell(example)}")
    for example in part.examples.changed:
        output.say(f"  ~ {example if isinstance(example, str) else _changed(example)}")
    moved = [each for each in found.distribution.columns if (each.psi or 0) >= PSI_SHOWN]
    if moved:
        output.say("\nvalues moved:")
        output.table(moved, ["name:column", "psi", "mean_shift:mean, in std", "mean:mean [before, after]", "nulls"])
    if found.affected.models:
        served = ", ".join(found.affected.deployments) or "none of them is served"
        output.say(f"\nmodels that learned from them: {', '.join(found.affected.models)} (served by {served})")


PSI_SHOWN = 0.01
"""A shift that is smaller is not worth a line; `--json` has all."""


def _changed(row: Any) -> str:
    cells = ", ".join(f"{name} {output.cell(old)} → {output.cell(new)}" for name, (old, new) in row.cells.items())
    return f"{output.cell(row.key)}: {cells}"


@click.command(
    "read",
    cls=Command,
    verbs=("data.rows",),
    examples=(
        "mulle data read flights --limit 5",
        "mulle data read flights@2 --where \"carrier = 'UA' AND delay > 15\" --out late.parquet",
        "mulle data read flights --remote origin --columns carrier,delay",
    ),
)
@click.argument("ref", metavar="NAME[@VERSION]")
@click.option("--offset", default=0, type=click.IntRange(min=0), help="Skip this many rows.")
@click.option("--columns", default="", metavar="A,B", help="Only these columns.")
@click.option("--where", default="", metavar="SQL", help='Only rows for which this holds, as "delay > 15".')
@click.option(
    "--out", default=None, type=click.Path(path_type=Path), help="Write all these rows to a file instead; see checkout."
)
@click.option("--remote", default="", help="Read from a remote, without pulling the dataset.")
@limit_option(20)
@json_option
@pass_state
def read(
    state: State,
    *,
    ref: str,
    offset: int,
    columns: str,
    where: str,
    out: Path | None,
    remote: str,
    limit: int,
    as_json: bool,
) -> None:
    """Rows of a version, here or on a remote: of large tables only the columns that are asked for are read, or travel.

    With --out all rows from --offset on are written, unless --limit is given too.
    """
    names = [name.strip() for name in columns.split(",") if name.strip()]
    if remote and (where or out):
        raise click.UsageError("--where and --out are for versions that are here: mulle data pull it first")
    if out is not None:
        given = click.get_current_context().get_parameter_source("limit") is ParameterSource.COMMANDLINE
        found = state.ws.data.read(ref, names or None, where=where or None).slice(offset, limit if given else None)
        _write(found, out, state.ws.data.resolve(ref).ref, as_json=as_json)
        return
    if remote:
        page = state.begun.data.remotes.rows(ref, remote, names, limit=limit, offset=offset)
    else:
        page = state.ws.data.rows(ref, limit=limit, offset=offset, columns=tuple(names), where=where)
    output.emit(page, as_json=as_json, show=_show_rows)


def _write(found: Any, out: Path, ref: str, *, as_json: bool) -> None:
    from mulle.data.files import write_table_file  # noqa: PLC0415 - start-up time: it loads Polars

    write_table_file(found, out)
    written = {"ref": ref, "path": out, "rows": found.height}
    output.emit(written, as_json=as_json, show=lambda _: output.say(f"{found.height:,} rows → {out}"))


def _show_rows(page: Any) -> None:
    names = [name for name, _ in page.columns]
    output.table([dict(zip(names, row, strict=True)) for row in page.rows], names, empty="no rows")
    output.say(f"\n{page.offset + len(page.rows):,} of {page.total:,} rows of {page.ref}")


@click.command("check", cls=Command, verbs=("validation.check",), examples=("mulle data check flights@HEAD",))
@click.argument("ref", metavar="NAME[@VERSION]")
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


@click.command("profile", cls=Command, verbs=("data.profile",), examples=("mulle data profile flights",))
@click.argument("ref", metavar="NAME[@VERSION]")
@json_option
@pass_state
def profile(state: State, ref: str, as_json: bool) -> None:
    """One-pass statistics of every column of a version."""
    columns = ["name:column", "kind:type", "count", "nulls", "distinct", "mean", "std", "minimum", "maximum"]
    found = state.ws.data.profile(ref)
    output.emit(found, as_json=as_json, show=lambda _: output.table(output.part(found, "columns") or [], columns))
