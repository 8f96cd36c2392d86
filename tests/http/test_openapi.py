from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient


@pytest.fixture
def document(face: TestClient) -> dict[str, Any]:
    described: dict[str, Any] = face.get("/openapi.json").json()
    return described


def test_every_verb_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    assert sorted(document["paths"]) == [f"/api/v1/notes.{verb}" for verb in ("fail", "list", "show", "write")]


def test_a_verb_is_described_by_its_docstring(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/v1/notes.write"]["post"]
    assert (operation["summary"], operation["description"]) == ("Write a note.", "It is kept as long as `keep` says.")


def test_arguments_come_from_the_signature_with_defaults_even_of_types_imported_for_checkers_only(
    document: dict[str, Any],
) -> None:
    arguments = document["components"]["schemas"]["notes.write"]
    assert (arguments["required"], sorted(arguments["properties"])) == (["text"], ["keep", "tags", "text"])


def test_a_stream_is_described_by_its_items(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/v1/notes.list"]["post"]["responses"]["200"]["content"]
    assert content == {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Note"}}}
