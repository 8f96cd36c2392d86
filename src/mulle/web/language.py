"""One catalogue of messages, English and Korean; the language is chosen by query, cookie, header, setting."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from starlette.requests import Request

LANGUAGES = {"en": "English", "ko": "한국어"}


@functools.cache
def catalogue(language: str) -> dict[str, str]:
    """The messages of a language by key; every language has the same keys."""
    text = resources.files("mulle.web").joinpath("messages", f"{language}.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, str])


class Words:
    """The messages of one language, called as `words("nav.home")`, with what is to be filled in by name."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._messages = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        message = self._messages[key]
        return message.format(**values) if values else message

    def maybe(self, prefix: str, name: str) -> str:
        """The word for a name that came from data, such as a status; the name itself where there is none."""
        return self._messages.get(f"{prefix}.{name}", name)


def choose(request: Request, default: str) -> str:
    """The language that this request asks for."""
    asked = [request.query_params.get("lang", ""), request.cookies.get("lang", "")]
    asked += _by_preference(request.headers.get("accept-language", ""))
    return next((name for name in asked if name in LANGUAGES), default if default in LANGUAGES else "en")


def _by_preference(header: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in header.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), name[:2].lower()))
        except ValueError:
            continue
    return [name for _, name in sorted(weighed, key=lambda pair: pair[0])]
