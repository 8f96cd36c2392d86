"""`mulle data`: datasets and their versions. The commands are in modules by topic, imported when they are called."""

from __future__ import annotations

import click

from mulle.cli.lazy import LazyGroup, Place

VERSIONS, BRANCHES, WORKING, SOURCES = "Versions", "Branches and tags", "Working copies", "Sources"
REMOTES, DOORS, UPKEEP = "On other machines", "From and to other tools", "Upkeep"

PLACES = {
    "commit": Place("mulle.cli.data_commit:commit", "Make rows, files or a folder the next version.", VERSIONS),
    "list": Place("mulle.cli.data_history:list_", "Every dataset and its newest version.", VERSIONS),
    "log": Place("mulle.cli.data_history:log", "The versions of a dataset, the newest first.", VERSIONS),
    "show": Place("mulle.cli.data_history:show", "One version: its columns, parts and digests.", VERSIONS),
    "diff": Place("mulle.cli.data_history:diff", "What changed between two versions.", VERSIONS),
    "read": Place("mulle.cli.data_history:read", "Rows of a version.", VERSIONS),
    "profile": Place("mulle.cli.data_history:profile", "One-pass statistics of every column.", VERSIONS),
    "check": Place("mulle.cli.data_history:check", "Whether a version fits its declared schema.", VERSIONS),
    "rm": Place("mulle.cli.data_commit:rm", "Remove a version, or a whole dataset.", VERSIONS),
    "branch": Place("mulle.cli.data_branches:branch", "Make, list or delete branches.", BRANCHES),
    "tag": Place("mulle.cli.data_branches:tag", "Name a version for good; list or delete tags.", BRANCHES),
    "merge": Place("mulle.cli.data_branches:merge", "Bring what a branch has into another.", BRANCHES),
    "add": Place("mulle.cli.data_working:add", "Take what is new in a folder into the store.", WORKING),
    "status": Place("mulle.cli.data_working:status", "Which files of a folder differ from their version.", WORKING),
    "checkout": Place("mulle.cli.data_working:checkout", "Make a folder, or a file, what a version is.", WORKING),
    "collect": Place("mulle.cli.data_sources:collect", "Ask the sources for what is new.", SOURCES),
    "quarantine": Place("mulle.cli.data_sources:quarantine", "Rows that were put aside, and why.", SOURCES),
    "push": Place("mulle.cli.data_remotes:push", "Send a dataset to a remote: what is missing there.", REMOTES),
    "pull": Place("mulle.cli.data_remotes:pull", "Fetch a dataset from a remote: what is missing here.", REMOTES),
    "clone": Place("mulle.cli.data_remotes:clone", "Fetch a dataset that is not here yet.", REMOTES),
    "import": Place("mulle.cli.data_doors:import_", "Take in what DVC, git-lfs or another tool keeps.", DOORS),
    "export": Place("mulle.cli.data_doors:export", "Write a version where other tools read it.", DOORS),
    "verify": Place("mulle.cli.data_upkeep:verify", "Read every object and compare it with its digest.", UPKEEP),
    "gc": Place("mulle.cli.data_upkeep:gc", "Free what nothing reaches.", UPKEEP),
}


@click.group(
    cls=LazyGroup,
    places=PLACES,
    examples=(
        "mulle data commit flights january.parquet -m January",
        "mulle data branch flights cleaning",
        "mulle data diff flights@1 flights@2",
    ),
)
def data() -> None:
    """Datasets and their versions.

    A version is named NAME@VERSION: by its number (flights@3), the first digits of a digest (flights@b3:1f0c77), a tag,
    a branch, HEAD, HEAD~1, or an instant (flights@2013-02-01: the newest that was committed by then). flights alone is
    the head of main, its newest.
    """
