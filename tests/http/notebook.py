"""A small real service: notes in memory. It has each shape of verb and each way to fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mulle.errors import AccessError, DataError, SchemaSkewError, unknown
from mulle.store import LocalStore
from mulle.verbs import current, verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta


class Note(msgspec.Struct, frozen=True):
    """One note, and who wrote it why."""

    text: str
    at: datetime
    tags: list[str] = []
    actor: str = ""
    reason: str = ""


class NotebookService:
    """Notes."""

    plane = "notes"

    def __init__(self) -> None:
        self._notes: list[Note] = []

    @verb("write")
    def write(self, text: str, tags: Sequence[str] = (), keep: timedelta | None = None) -> Note:
        """Write a note.

        It is kept as long as `keep` says.
        """
        acting = current()
        note = Note(text, datetime(2013, 1, 1, tzinfo=UTC), list(tags), acting.actor, acting.reason)
        self._notes.append(note)
        return note

    @verb("read")
    def list(self, limit: int = 10) -> Iterator[Note]:
        """The notes, oldest first; a note that says "broken" cannot be read."""
        for note in self._notes[:limit]:
            if note.text == "broken":
                raise DataError("this note cannot be read", cause="it is broken", cure="write it again")
            yield note

    @verb("read")
    def show(self, number: int) -> Note:
        """One note by its place."""
        try:
            return self._notes[number]
        except IndexError:
            raise unknown("note", str(number), [], cure="notes.list") from None

    @verb("read")
    def fail(self, how: str) -> None:
        """Fail in one of three ways."""
        raise {"access": AccessError, "skew": SchemaSkewError, "data": DataError}[how](
            how, cause="asked", cure="do not"
        )

    def local_only(self) -> str:
        """Not a verb: does not travel."""
        return "here"


class Workspace:
    """A workspace of one plane and a real store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = LocalStore(root / "objects", durable=False)
        self.notes = NotebookService()

    def services(self) -> Mapping[str, Any]:
        return {"notes": self.notes}
