from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.http.notebook import Workspace

import mulle.http as http  # noqa: PLR0402 - `mulle.http` is also the name of a source


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def face(workspace: Workspace) -> Iterator[TestClient]:
    with TestClient(http.app(workspace), base_url="http://127.0.0.1:8300") as client:
        yield client
