from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from string import Formatter

import pytest
from starlette.requests import Request

from mulle import web
from mulle.web.language import LANGUAGES, catalogue, choose

SOURCES = Path(str(resources.files(web)))
KEY = re.compile(r"""\b(?:t|words)\(\s*["']([a-z0-9_.]+)["'](?!\s*~)""")


def test_every_language_has_the_same_messages_in_the_same_order() -> None:
    assert {tuple(catalogue(language)) for language in LANGUAGES} == {tuple(catalogue("en"))}


@pytest.mark.parametrize("key", catalogue("en"))
def test_a_message_takes_the_same_values_in_every_language(key: str) -> None:
    taken = {language: names_in(catalogue(language)[key]) for language in LANGUAGES}
    assert len(set(map(frozenset, taken.values()))) == 1


def names_in(message: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(message) if name}


def used() -> Iterator[str]:
    for path in (*SOURCES.rglob("*.html"), *SOURCES.rglob("*.py")):
        yield from KEY.findall(path.read_text())


def test_every_message_that_a_page_names_exists() -> None:
    assert sorted(set(used()) - set(catalogue("en"))) == []


def test_no_message_is_left_that_nothing_names() -> None:
    prefixes = (
        "status.",
        "alias.",
        "task.",
        "watch.",
        "kind.",
        "role.",
        "lane.",
        "theme.",
        "nav.",
        "diff.",
        "timeline.",
        "source.",
        "outcome.",
        "resources.why.",
        "plan.",
    )
    text = "".join(path.read_text() for path in (*SOURCES.rglob("*.html"), *SOURCES.rglob("*.py")))
    left = [
        key
        for key in catalogue("en")
        if f'"{key}"' not in text and f"'{key}'" not in text and not key.startswith(prefixes)
    ]
    assert left == []


def test_the_korean_is_korean() -> None:
    same = {key for key, text in catalogue("ko").items() if text == catalogue("en")[key]}
    assert same == set()


def request(query: str = "", cookie: str = "", accept: str = "") -> Request:
    headers = [(b"cookie", cookie.encode()), (b"accept-language", accept.encode())]
    return Request({"type": "http", "query_string": query.encode(), "headers": headers})


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (request(), "en"),
        (request(accept="ko-KR,ko;q=0.9,en;q=0.8"), "ko"),
        (request(accept="fr,en;q=0.5,ko;q=0.7"), "ko"),
        (request(accept="fr;q=x"), "en"),
        (request(cookie="lang=ko", accept="en"), "ko"),
        (request(query="lang=en", cookie="lang=ko"), "en"),
        (request(query="lang=xx", cookie="lang=ko"), "ko"),
    ],
)
def test_the_language_is_that_of_the_query_the_cookie_the_header_or_the_setting(asked: Request, language: str) -> None:
    assert choose(asked, "en") == language


def test_the_setting_decides_when_nothing_else_does() -> None:
    assert choose(request(), "ko") == "ko"
