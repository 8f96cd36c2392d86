"""The page of resources, and what a model version cost that was taught, served and asked."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from mulle.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("language", "says"), [("en", "Nothing runs now."), ("ko", "지금 실행 중인 것이 없습니다.")])
def test_the_page_shows_pools_and_the_past(pages: TestClient, language: str, says: str) -> None:
    text = pages.get("/resources", headers={"accept-language": language}).text
    assert says in text
    assert "<meter" in text
    assert "train" in text


def test_an_empty_workspace_has_a_page_too(empty: TestClient) -> None:
    assert "mulle run" in empty.get("/resources").text


def test_a_version_cost_what_taught_it_and_its_answers(lived: Workspace) -> None:
    live = lived.deployments.list()[0].live
    found = lived.resources.cost(f"{live.model}@{live.version}")
    assert {step.step for step in found.steps} >= {"train"}
    assert found.cpu_hours > 0
    assert found.predictions > 0
    assert found.per_thousand == 0.0, "there is no price table"
    assert "[prices]" in found.note
