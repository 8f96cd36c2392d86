"""What a push is to do: which branches move, which tags and commits are new there. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mulle.data import ancestry
from mulle.data.remotes.state import Offer, State, overtaken
from mulle.errors import DataError

if TYPE_CHECKING:
    from mulle.data.commits import Commit
    from mulle.data.remotes.history import Local
    from mulle.data.remotes.opening import Remote


@dataclass(frozen=True)
class Plan:
    """A push of a dataset, as it stands here (`local`), to a remote, as it stands there (`state`)."""

    there: Remote
    dataset: str
    local: Local
    state: State

    def moved(self, heads: Mapping[str, int]) -> dict[str, int]:
        """Those of the branches, with their heads' numbers here, that are to move there.

        Raises:
            DataError: one has versions there that are not in the line here.
        """
        return {branch: number for branch, number in heads.items() if self._moves(branch, number)}

    def tags(self, heads: Mapping[str, int]) -> dict[str, int]:
        """The tags on what the heads are made of that the remote does not have.

        Raises:
            DataError: the remote has one of them at another version.
        """
        below: set[int] = set()
        for number in heads.values():
            below |= ancestry.ancestors(self.local.graph, number)
        found: dict[str, int] = {}
        for tag, number in self.local.tags.items():
            if number not in below or self.state.tags.get(tag) == self.local.versions[number].id:
                continue
            if tag in self.state.tags:
                raise overtaken(self.dataset, f"tag '{tag}'", self.there.url)
            found[tag] = number
        return found

    def new(self, heads: Iterable[int]) -> list[Commit]:
        """The commits that went into the heads and that the remote does not have, parents first."""
        return [commit for commit in self.local.commits(heads) if commit.id not in self.state.commits]

    def followed(self, new: Sequence[Commit]) -> list[Commit]:
        """The commits that the remote has and that the new ones follow: what they need is there."""
        numbers = self.local.numbers()
        parents = {parent for commit in new for parent in commit.parents if parent in self.state.commits}
        here = (numbers[parent] for parent in sorted(parents) if parent in numbers)
        return [self.local.commit(number) for number in here if number in self.local.versions]

    def offer(self, new: Sequence[Commit], moved: Mapping[str, int], tags: Mapping[str, int], at: datetime) -> Offer:
        """What the remote is told once it has the objects."""
        return Offer(
            dataset=self.dataset,
            commits=new,
            branches={name: self.local.versions[number].id for name, number in moved.items()},
            tags={name: self.local.versions[number].id for name, number in tags.items()},
            at=at,
        )

    def _moves(self, branch: str, number: int) -> bool:
        """Whether the branch there is to move to that version; False where it is there already, or further."""
        head, numbers = self.state.branches.get(branch), self.local.numbers()
        if head is None:
            return True
        there = numbers.get(head)
        if there is not None and there in ancestry.ancestors(self.local.graph, number):
            return there != number
        if there is not None and number in ancestry.ancestors(self.local.graph, there):
            return False
        remote = self.there.name_or_url
        raise DataError(
            f"branch '{branch}' of '{self.dataset}' on {self.there.url} has versions that are not in yours",
            cause="somebody else pushed to it; nothing was sent",
            cure=f"mulle data pull {self.dataset} {remote}, then mulle data merge {self.dataset} "
            f"{self.there.name}/{branch}, then push again",
        )
