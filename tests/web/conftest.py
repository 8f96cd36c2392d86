from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.shop import live, project

from mulle import server
from mulle.workspace import Workspace

BASE = "http://127.0.0.1:8300"


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Seven weeks of the shop, with a backtest and a study. Tests change little of it: an acknowledgement, a label."""
    with live(tmp_path_factory.mktemp("shop"), days=49) as workspace:
        workspace.backtest("returns", ["never", "drift"], start="2013-01-31")
        workspace.tune("returns", {"strength": "log(0.01,10)"}, metric="roc_auc", trials=9, pruner="none")
        yield workspace


@pytest.fixture(scope="session")
def pages(lived: Workspace) -> Iterator[TestClient]:
    with TestClient(server.app(lived), base_url=BASE) as client:
        yield client


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[TestClient]:
    """The pages of a workspace in which nothing has happened yet."""
    project(tmp_path, days=1)
    with Workspace.create(tmp_path) as workspace, TestClient(server.app(workspace), base_url=BASE) as client:
        yield client
