"""What the supervisor tells its workers to serve, as it goes over the pipe; for workers: msgspec only."""

from __future__ import annotations

from typing import Any

import msgspec


class ViewPlan(msgspec.Struct, frozen=True):
    """A feature view that fills columns which a request leaves out."""

    name: str
    entity: list[str]


class RevisionPlan(msgspec.Struct, frozen=True):
    """A model to load: directories on this machine."""

    number: int
    model: str
    bundle: str
    engine: str = ""


class DeploymentPlan(msgspec.Struct, frozen=True):
    """One deployment: its models, how requests are shared, and what identifies a row."""

    name: str
    entry: int
    revisions: list[RevisionPlan]
    weights: dict[int, float]
    shadow: list[int]
    key: list[str] = []
    views: list[ViewPlan] = []
    request_columns: list[str] = []


class Plan(msgspec.Struct, frozen=True):
    """Everything that a worker serves. A later plan replaces an earlier one whole."""

    generation: int
    deployments: list[DeploymentPlan]


class WorkerSettings(msgspec.Struct, frozen=True):
    """What a worker is started with."""

    name: str
    spool: str
    keys: str
    online: str = ""
    paths: list[str] = []
    max_body_bytes: int = 8 << 20
    max_rows: int = 10_000
    max_pending_rows: int = 20_000
    drain_seconds: float = 10.0
    behind: float = 0.0
    """Seconds that the workspace's time is behind the machine's."""


class Message(msgspec.Struct, frozen=True):
    """One message over the control pipe.

    To a worker: `apply` with a plan, `others` with the counters of the other workers, `stop`.
    From a worker: `applied` or `refused` with the generation, `counters`.
    """

    kind: str
    generation: int = 0
    plan: Plan | None = None
    error: str = ""
    counters: dict[str, Any] = {}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)
LENGTH = 4


def pack(message: Message) -> bytes:
    """A message as it goes over the pipe: its length, then msgpack."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH, "little") + body


class Unpacker:
    """Messages out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes."""
        self._buffer += data
        found = []
        while len(self._buffer) >= LENGTH:
            end = LENGTH + int.from_bytes(self._buffer[:LENGTH], "little")
            if len(self._buffer) < end:
                break
            found.append(_decoder.decode(bytes(self._buffer[LENGTH:end])))
            del self._buffer[:end]
        return found
