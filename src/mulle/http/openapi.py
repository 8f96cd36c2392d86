"""The OpenAPI 3.1 document, derived from the verb table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mulle.client import wire
from mulle.client.verbtable import Verb

_REFERENCE = "#/components/schemas/{name}"


def document(verbs: Iterable[Verb], version: str) -> dict[str, Any]:
    """The description of every verb: path, arguments, result, errors."""
    table = list(verbs)
    types = [wire.Problem, *(kind for verb in table for kind in (verb.arguments, verb.result))]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    problem, *pairs = schemas
    described = zip(table, pairs[::2], pairs[1::2], strict=True)
    return {
        "openapi": "3.1.0",
        "info": {"title": "mulle", "version": version, "description": "Every verb of this workspace."},
        "paths": {verb.path: {"post": _operation(verb, taken, given, problem)} for verb, taken, given in described},
        "components": {"schemas": components},
    }


def _operation(verb: Verb, taken: dict[str, Any], given: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
    summary, _, description = verb.doc.partition("\n")
    media = wire.NDJSON if verb.streams else wire.JSON
    return {
        "operationId": verb.full,
        "tags": [verb.plane],
        "summary": summary,
        "description": description.strip(),
        "x-scope": verb.scope,
        "requestBody": {"content": {wire.JSON: {"schema": taken}}},
        "responses": {
            "200": {
                "description": "one item a line" if verb.streams else "the result",
                "content": {media: {"schema": given}},
            },
            "default": {"description": "what went wrong", "content": {wire.JSON: {"schema": problem}}},
        },
    }
