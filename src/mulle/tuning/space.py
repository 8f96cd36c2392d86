"""The space that a study searches: a domain for each parameter, in Python and as text.

    domain   kind "(" [item ("," item)*] ")"
    kind     "uniform" | "log" | "int" | "logint" | "choice"
    item     JSON, or text without commas, quotes and parentheses

`uniform(0,1)`, `uniform(0,1,0.25)` in steps, `log(0.01,0.3)` evenly over orders of magnitude, `int(3,12)`,
`int(0,100,10)`, `logint(1,1000)`, `choice(30d,90d)`. Both ends belong to the domain.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from mulle.errors import UsageError

Scalar: TypeAlias = bool | int | float | str | None
_CURE = 'write for example --space "learning_rate=log(0.01,0.3)" --space "depth=int(3,12)"'
_TEXT = re.compile(r"\s*([a-z]+)\s*\((.*)\)\s*", re.DOTALL)
_ITEM = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,"()]*)\s*(,|$)')
_ENDS = 2


class Uniform(msgspec.Struct, frozen=True, tag="uniform", tag_field="kind"):
    """Numbers from `low` to `high`; with `step`, only those that are so many steps above `low`."""

    low: float
    high: float
    step: float | None = None


class Log(msgspec.Struct, frozen=True, tag="log", tag_field="kind"):
    """Positive numbers from `low` to `high`, evenly over their logarithms."""

    low: float
    high: float


class Int(msgspec.Struct, frozen=True, tag="int", tag_field="kind"):
    """Whole numbers from `low` to `high`; with `step`, only those that are so many steps above `low`."""

    low: int
    high: int
    step: int = 1


class LogInt(msgspec.Struct, frozen=True, tag="logint", tag_field="kind"):
    """Positive whole numbers from `low` to `high`, evenly over their logarithms."""

    low: int
    high: int


class Choice(msgspec.Struct, frozen=True, tag="choice", tag_field="kind"):
    """One of some values, which have no order."""

    options: tuple[Scalar, ...]


Domain: TypeAlias = Uniform | Log | Int | LogInt | Choice
Space: TypeAlias = dict[str, Domain]
_KINDS: dict[str, type[Domain]] = {"uniform": Uniform, "log": Log, "int": Int, "logint": LogInt, "choice": Choice}


def space_of(given: Mapping[str, Domain | str]) -> Space:
    """The space with every domain read and checked.

    Raises:
        UsageError: there is no parameter, or a domain is not one.
    """
    if not given:
        raise UsageError("the space is empty", cause="a study searches over at least one parameter", cure=_CURE)
    return {
        name: parse(name, domain) if isinstance(domain, str) else checked(name, domain)
        for name, domain in given.items()
    }


def named(text: str) -> tuple[str, Domain]:
    """A parameter and its domain from `NAME=DOMAIN`.

    Raises:
        UsageError: the text is not that.
    """
    name, equals, domain = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise UsageError(f"'{text}' is not part of a space", cause="NAME=DOMAIN is needed", cure=_CURE)
    return name.strip(), parse(name.strip(), domain)


def parse(name: str, text: str) -> Domain:
    """The domain that a text describes; `name` is the parameter's, for errors.

    Raises:
        UsageError: the text is not a domain.
    """
    match = _TEXT.fullmatch(text)
    if match is None or match[1] not in _KINDS:
        raise _refused(name, text, f"a domain is one of {', '.join(f'{kind}(…)' for kind in _KINDS)}")
    items = _items(name, text, match[2])
    kind = _KINDS[match[1]]
    if kind is Choice:
        return checked(name, Choice(tuple(items)))
    fields = dict(zip(kind.__struct_fields__, items, strict=False))
    if len(items) < _ENDS or len(items) > len(kind.__struct_fields__):
        raise _refused(name, text, f"{match[1]} takes {', '.join(kind.__struct_fields__)}")
    try:
        return checked(name, msgspec.convert(fields | {"kind": match[1]}, kind))
    except msgspec.ValidationError as error:
        raise _refused(name, text, str(error)) from None


def checked(name: str, domain: Domain) -> Domain:
    """The domain itself.

    Raises:
        UsageError: it is empty or has ends that are not numbers.
    """
    match domain:
        case Choice(options):
            _check_options(name, domain, options)
        case Uniform() | Log() | Int() | LogInt():
            _check_ends(name, domain)
        case _:
            raise _refused(name, repr(domain), "a domain is text, or one of Uniform, Log, Int, LogInt and Choice")
    return domain


def _check_options(name: str, domain: Choice, options: Sequence[Scalar]) -> None:
    if not options:
        raise _refused(name, text_of(domain), "there is nothing to choose from")
    plain = all(option is None or isinstance(option, bool | int | float | str) for option in options)
    if not plain or any(isinstance(option, float) and not math.isfinite(option) for option in options):
        raise _refused(name, repr(options), "an option is text, a number, true, false or null")
    if len({(type(option), option) for option in options}) != len(options) or _alike(options):
        raise _refused(name, text_of(domain), "an option is there twice")


def _alike(options: Sequence[Scalar]) -> bool:
    """Whether two options are equal numbers (1, 1.0 and true), which a search could not tell apart."""
    numbers = [option for option in options if isinstance(option, bool | int | float)]
    return len(set(numbers)) != len(numbers)


def _check_ends(name: str, domain: Uniform | Log | Int | LogInt) -> None:
    if not math.isfinite(domain.low) or not math.isfinite(domain.high):
        raise _refused(name, text_of(domain), "its ends must be finite")
    if domain.low >= domain.high:
        raise _refused(name, text_of(domain), f"{domain.low} is not below {domain.high}")
    if isinstance(domain, Log | LogInt) and domain.low <= 0:
        raise _refused(name, text_of(domain), "the logarithm needs ends above zero")
    step = getattr(domain, "step", None)
    if step is not None and not 0 < step <= domain.high - domain.low:
        raise _refused(name, text_of(domain), f"the step {step} does not fit between the ends")


def text_of(domain: Domain) -> str:
    """The domain as text that `parse` reads."""
    kind = str(domain.__struct_config__.tag)
    if isinstance(domain, Choice):
        return f"{kind}({','.join(map(_written, domain.options))})"
    values = [getattr(domain, field) for field in domain.__struct_fields__]
    if isinstance(domain, Uniform | Int) and domain.step == type(domain)(domain.low, domain.high).step:  # type: ignore[arg-type]
        values = values[:_ENDS]
    return f"{kind}({','.join(map(_written, values))})"


def _written(item: Scalar) -> str:
    """Text stands for itself where it is read back as the same text; all else is JSON."""
    if isinstance(item, str) and item == item.strip() and item and _ITEM.fullmatch(item) and _read(item) == item:
        return item
    return msgspec.json.encode(item).decode()


def _items(name: str, text: str, inner: str) -> list[Scalar]:
    if not inner.strip():
        return []
    found: list[Scalar] = []
    at = 0
    while True:
        match = _ITEM.match(inner, at)
        if match is None:
            raise _refused(name, text, f"'{inner[at:]}' cannot be read")
        if not match[1]:
            raise _refused(name, text, "there is nothing between two commas")
        found.append(_read(match[1].strip()))
        at = match.end()
        if not match[2]:
            return found


def _read(text: str) -> Scalar:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if value is None or isinstance(value, bool | int | float | str) else text


def _refused(name: str, text: str, cause: str) -> UsageError:
    return UsageError(f"{name}={text} is not a domain", cause=cause, cure=_CURE)
