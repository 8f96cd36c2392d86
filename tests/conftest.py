"""What `make soak` did is written down."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from mulle.testing import soak
from mulle.testing.postgresql import PostgreSQL, programs

settings.register_profile("mulle", deadline=None)  # a busy machine is no failure
settings.load_profile("mulle")
REPORT = Path(__file__).parents[1] / "benchmarks" / "SOAK.md"


class Soaking:
    """Gathers every case, those of other processes too."""

    def __init__(self) -> None:
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
        self.report = soak.Report(f"{commit.stdout.strip()} {datetime.now(UTC):%Y-%m-%d}".strip())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.report.add(report.nodeid, report.duration, failed=report.failed)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.report.count(getattr(node, "workeroutput", {}).get("soak", {}))

    def pytest_sessionfinish(self) -> None:
        self.report.count(soak.counted)
        self.report.write(REPORT)


def pytest_configure(config: pytest.Config) -> None:
    if soak.soaking() and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Soaking(), "soaking")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if soak.soaking() and hasattr(session.config, "workeroutput"):
        session.config.workeroutput["soak"] = dict(soak.counted)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for the whole session; `new_database` gives each test a database of its own."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: sh scripts/install_postgresql.sh")
    with PostgreSQL() as server:
        yield server
