"""What a remote has of a dataset, and what it is offered: the records, without the ways to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from mulle.errors import DataError, StoreError

if TYPE_CHECKING:
    from mulle.data.commits import Commit
    from mulle.types import Digest

HERE = "here"
"""What a server is told to push to: nowhere; it only writes the records down as an object of its own store."""


@dataclass(frozen=True)
class State:
    """A dataset as a remote has it: the ids of its commits, and where branches and tags point.

    `places` are the numbers of the branches' last places.
    """

    commits: set[Digest] = field(default_factory=set)
    branches: dict[str, Digest] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """What is to be told to a remote once it has the objects: commits, and where branches and tags point from now on.

    Commits come parents first.
    """

    dataset: str
    commits: Sequence[Commit]
    branches: Mapping[str, Digest]
    tags: Mapping[str, Digest]
    at: datetime


class RemoteRefs(Protocol):
    """The records of a remote. Nothing is ever overwritten there."""

    def datasets(self) -> list[str]:
        """The names of the datasets, sorted."""

    def read(self, dataset: str) -> State:
        """Where a dataset stands; empty where the remote does not have it."""

    def commits(self, dataset: str, ids: Iterable[Digest]) -> list[Commit]:
        """The records of commits that are there, in any order.

        Raises:
            StoreError: one is missing, or is not what its id says.
        """

    def publish(self, offer: Offer, state: State) -> None:
        """Add commits, then move branches from where `state` says that they stand, then add tags.

        May be repeated after a cut.

        Raises:
            DataError: a branch has moved meanwhile; it stays where it is.
        """


def require_sound(commit: Commit, wanted: Digest, where: str) -> Commit:
    """The commit, if it is the one that was asked for and is what its id says.

    Raises:
        StoreError: it is not.
    """
    if commit.id != wanted or not commit.verified():
        raise damaged(f"the record of commit {wanted} on {where}", "it does not say what its id names")
    return commit


def overtaken(dataset: str, what: str, url: str) -> DataError:
    """The error for a push that came second."""
    return DataError(
        f"{what} of '{dataset}' on {url} has moved",
        cause="somebody pushed first; what you sent is there, but no branch points at it",
        cure=f"mulle data pull {dataset} {url}, merge what is new, then push again",
    )


def damaged(where: str, cause: str) -> StoreError:
    """The error for a record that is not what it must be."""
    return StoreError(
        f"{where} cannot be read",
        cause=cause,
        cure="restore it from a backup of the remote, or push to another one from a workspace that has the dataset",
    )
