"""The records of backfills."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

WindowStatus = Literal["present", "pending", "running", "succeeded", "failed", "elsewhere", "stopped"]
"""`present`: it has a run already. `elsewhere`: another backfill runs it now. `stopped`: its process is gone."""
BackfillStatus = Literal["running", "succeeded", "failed", "cancelled", "stopped"]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a backfill: its part of time [start, end), or its partition, or both, and what the run is given."""

    key: str
    """As people read it: `2013-01-01`, `carrier=AA`, or both."""
    start: datetime | None = None
    end: datetime | None = None
    partition: str = ""
    params: dict[str, Any] = {}

    @property
    def as_of(self) -> datetime | None:
        """The instant as of which its run reads: the end of the window."""
        return self.end


class WindowState(Window, frozen=True, kw_only=True):
    """A window and how far it is."""

    number: int
    status: WindowStatus
    run: str = ""
    seconds: float = 0.0
    error: str = ""


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """A backfill, and how many of its windows are in which state."""

    id: str
    pipeline: str
    at: datetime
    start: datetime | None
    end: datetime | None
    every: str
    partition: str
    params: dict[str, Any]
    jobs: int
    again: bool
    newest_first: bool
    status: BackfillStatus
    counts: dict[str, int]
    actor: str
    reason: str


class BackfillReport(Backfill, frozen=True, kw_only=True):
    """A backfill with its windows."""

    windows: list[WindowState]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be filled, as it was asked for."""

    pipeline: str
    start: datetime | None = None
    end: datetime | None = None
    every: str = ""
    partition: str = ""
    params: dict[str, Any] = {}
    jobs: int = 1
    again: bool = False
    newest_first: bool = False
