"""A real PostgreSQL server for tests: its own cluster in its own folder, on a loopback port, gone when the test is.

`scripts/install_postgresql.sh` installs it (Debian: postgresql). Ready in some 2 s, 40 MB. It survives a kill of the
server, but not a power cut: it does not wait for the disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

USER, PASSWORD = "mulle", "spins & spins"
_READY_SECONDS = 60.0
_NOBODY = 65534
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
    "timezone": "Asia/Seoul",
}
"""The server's zone is not UTC: what reads instants has to say which zone it means."""


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs; None where there is none."""
    found = [each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    found += [Path(each).parent for each in [shutil.which("postgres")] if each]
    return max(found, key=lambda each: [int(part) for part in each.parts if part.isdigit()] or [0], default=None)


class PostgreSQL:
    """A server with one superuser, who has a password. Use it as a context manager, or `start` and `stop` it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mulle-postgresql-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = 0

    def start(self) -> Self:
        """Make the cluster where there is none yet, and wait until the server answers.

        Raises:
            RuntimeError: it is not installed, or does not start.
        """
        home = programs()
        if home is None:
            raise RuntimeError("PostgreSQL is not installed: sh scripts/install_postgresql.sh")
        if not (self._folder / "data").exists():
            self._create(home)
        self.port = self.port or _free_port()
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - its own words
                [
                    *_as_nobody(),
                    str(home / "postgres"),
                    "-D",
                    str(self._folder / "data"),
                    "-p",
                    str(self.port),
                    *settings,
                ],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        self._wait(home)
        return self

    def stop(self, *, at_once: bool = False) -> None:
        """End the server: open sessions are cut off. With `at_once` as a crash does; `start` recovers it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def close(self) -> None:
        """Stop, and remove the folder."""
        self.stop(at_once=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD) -> str:
        """The URL of a database, with the password."""
        return f"postgresql://{quote(user)}:{quote(password)}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of an empty database of its own."""
        import psycopg  # noqa: PLC0415 - an extra

        self._databases += 1
        name = f"test_{self._databases}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _create(self, home: Path) -> None:
        if os.getuid() == 0:
            os.chown(self._folder, _NOBODY, _NOBODY)
        secret = self._folder / "password"
        secret.write_text(PASSWORD, "utf-8")
        secret.chmod(0o644)
        command = [str(home / "initdb"), "-D", str(self._folder / "data"), "-U", USER, f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        made = subprocess.run([*_as_nobody(), *command], capture_output=True, cwd=self._folder, check=False)  # noqa: S603
        if made.returncode:
            raise RuntimeError(f"no cluster: {made.stderr.decode(errors='replace')}")

    def _wait(self, home: Path) -> None:
        assert self._process is not None
        ask = [str(home / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + _READY_SECONDS
        while subprocess.run(ask, check=False).returncode:  # noqa: S603
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self._folder / "log").read_text("utf-8", errors="replace")[-2000:]
                raise RuntimeError(f"PostgreSQL does not start: {log}")
            time.sleep(0.05)


def _as_nobody() -> list[str]:
    """The server refuses to be root; and it ends when this process does."""
    if os.getuid() == 0:
        return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--pdeathsig=QUIT"]
    return ["setpriv", "--pdeathsig=QUIT"] if shutil.which("setpriv") else []


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
