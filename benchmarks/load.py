"""A closed loop of requests: `python -m benchmarks.load PORT PATH BODY CONNECTIONS REQUESTS`.

One request is open on each connection. Prints JSON: requests, failures, seconds, latencies in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.data = b""
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        if self.run.left <= 0:
            self.transport.close()
            return
        self.run.left -= 1
        self.since = time.perf_counter()
        self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, mark, body = self.data.partition(b"\r\n\r\n")
        if not mark or len(body) < length_of(head):
            return
        self.run.latencies.append(time.perf_counter() - self.since)
        self.run.failures += not head.startswith(b"HTTP/1.1 200")
        self.data = b""
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.lost(error)


def length_of(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


class Run:
    """What all connections of one measurement share."""

    def __init__(self, port: int, path: str, body: bytes, requests: int) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        self.request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self.left = requests
        self.failures = 0
        self.latencies: list[float] = []
        self.open = 0
        self.done = asyncio.Event()

    def lost(self, error: Exception | None) -> None:
        self.open -= 1
        self.failures += error is not None
        if self.open == 0:
            self.done.set()


async def drive(port: int, path: str, body: bytes, connections: int, requests: int) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    run = Run(port, path, body, requests)
    run.open = connections
    start = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Client(run), "127.0.0.1", port)
    await run.done.wait()
    seconds = time.perf_counter() - start
    taken = sorted(run.latencies)
    return {
        "requests": len(taken),
        "failures": run.failures,
        "seconds": seconds,
        "p50_ms": 1000 * taken[len(taken) // 2],
        "p99_ms": 1000 * taken[int(len(taken) * 0.99)],
    }


def main(arguments: list[str]) -> None:
    import uvloop  # noqa: PLC0415 - start-up time

    port, path, body, connections, requests = arguments
    print(json.dumps(uvloop.run(drive(int(port), path, body.encode(), int(connections), int(requests)))))


if __name__ == "__main__":
    main(sys.argv[1:])
