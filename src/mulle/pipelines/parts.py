"""What a memo key is made of, kept beside the memo so that it can be said one day what is different now."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

_SHORT = 20
_LONGEST = 80

Part: TypeAlias = Literal[
    "new",
    "lost",
    "uncached",
    "upstream",
    "code",
    "package",
    "input",
    "parameter",
    "seed",
    "environ",
    "file",
    "env",
    "image",
    "command",
    "python",
    "platform",
    "format",
]
"""Why a step would run: it never did, its outputs are gone, it is never cached, another step would run; or what of its
memo key is different."""


class Code(msgspec.Struct, frozen=True):
    """The code of a step: each function, class and value that it reaches, and the distributions that it imports."""

    digest: str = ""
    reached: dict[str, str] = {}
    """`module:name` → the beginning of its digest."""
    packages: dict[str, str] = {}


class Parts(msgspec.Struct, frozen=True):
    """All that a step's memo key depends on."""

    function: str = ""
    """`module:name` of the step's function; two calls of one step have the same."""
    code: Code = Code()
    inputs: dict[str, str] = {}
    """Parameter → what it is given: a plain value where it is short, else what it is and how its digest begins."""
    settings: dict[str, str] = {}
    """`environ NAME` and `file PATH`, each with the beginning of a digest; `python`, `platform` and `format`."""


class Reason(msgspec.Struct, frozen=True):
    """One thing that is different from what was computed before; empty where it was not, or is not there."""

    part: Part
    name: str
    before: str = ""
    now: str = ""


PLACE = {
    "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "platform": f"{sys.platform}-{platform.machine()}",
}


def brief(digest: str) -> str:
    """The beginning of a digest, without its prefix: no reference to an object, which gc would have to keep."""
    return digest.removeprefix("b3:")[:_SHORT]


def shown(text: str, digest: str) -> str:
    """The text where it is short, else how its digest begins."""
    return text if len(text) <= _LONGEST else brief(digest)


def differences(before: Parts, now: Parts, ignoring: str = "none") -> list[Reason]:
    """What is different: code first, then packages, inputs, what the step declares to read, and the machine.

    Args:
        before: what was computed.
        now: what would be.
        ignoring: inputs that are told so now are left out, as not known yet.
    """
    found: list[Reason] = []
    if before.code.digest != now.code.digest:
        found += [Reason("code", *each) for each in _changed(before.code.reached, now.code.reached)]
        found += [Reason("package", *each) for each in _changed(before.code.packages, now.code.packages)]
        found = found or [Reason("code", now.function)]
    for name, old, new in _changed(before.inputs, now.inputs):
        if new.startswith(ignoring):
            continue
        found.append(Reason(_kind(name, old, new), name, old, new))
    for name, old, new in _changed(before.settings, now.settings):
        kind, _, rest = name.partition(" ")
        found.append(Reason(kind, rest or name, old, new))  # type: ignore[arg-type]  # written by `keys.settings`
    return found


def _kind(name: str, old: str, new: str) -> Part:
    if name == "seed":
        return "seed"
    return "parameter" if _is_plain(old) and _is_plain(new) else "input"


def _is_plain(told: str) -> bool:
    return not told.startswith(("value ", "table ", "partition "))


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name, ""), now.get(name, "")
        if old != new:
            yield name, old, new
