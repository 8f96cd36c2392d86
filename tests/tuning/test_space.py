from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulle.errors import UsageError
from mulle.tuning.search import grid_of
from mulle.tuning.space import Choice, Domain, Int, Log, LogInt, Uniform, checked, named, parse, space_of, text_of
from mulle.tuning.storage import distribution_of, domain_of

finite = st.floats(allow_nan=False, allow_infinity=False, width=64).map(lambda value: value + 0.0)
scalar = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), finite, st.text())


def _ends(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[list[float]]:
    return st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    kind = draw(st.sampled_from(["uniform", "log", "int", "logint", "choice"]))
    if kind == "uniform":
        low, high = draw(_ends(finite))
        return Uniform(low, high)
    if kind == "log":
        low, high = draw(_ends(st.floats(1e-300, 1e300)))
        return Log(low, high)
    if kind in {"int", "logint"}:
        least = 1 if kind == "logint" else -(2**40)
        first, last = draw(_ends(st.integers(least, 2**40)))
        if kind == "logint":
            return LogInt(int(first), int(last))
        return Int(int(first), int(last), draw(st.integers(1, int(last - first))))
    options = draw(
        st.lists(scalar, min_size=1, max_size=6, unique_by=lambda o: repr(o) if isinstance(o, str) else o or 0.0)
    )
    return Choice(tuple(options))


@given(domains())
def test_what_a_domain_is_written_as_is_read_as_that_domain(domain: Domain) -> None:
    assert parse("x", text_of(checked("x", domain))) == domain


@given(domains())
def test_optuna_gets_the_same_domain(domain: Domain) -> None:
    if isinstance(domain, Uniform) and not math.isfinite(domain.high - domain.low):
        return
    if isinstance(domain, Int):  # the end that the steps reach
        domain = Int(domain.low, domain.high - (domain.high - domain.low) % domain.step, domain.step)
    assert domain_of(distribution_of(domain)) == domain


@given(st.text(max_size=40))
def test_any_text_is_a_domain_or_a_clear_error(text: str) -> None:
    with suppress(UsageError):
        parse("x", text)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("uniform(0,1)", Uniform(0, 1)),
        ("uniform(0, 1, 0.25)", Uniform(0, 1, 0.25)),
        ("uniform(0,4,1)", Uniform(0, 4, 1)),
        ("log(0.01,0.3)", Log(0.01, 0.3)),
        ("int(3,12)", Int(3, 12)),
        ("int(0,100,10)", Int(0, 100, 10)),
        ("logint(1,1000)", LogInt(1, 1000)),
        ("choice(30d,90d)", Choice(("30d", "90d"))),
        ('choice(a,"b,c",2.5,true,null,"true")', Choice(("a", "b,c", 2.5, True, None, "true"))),
    ],
)
def test_the_kinds_of_domains(text: str, domain: Domain) -> None:
    assert parse("x", text) == domain


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("log(0,1)", "above zero"),
        ("uniform(2,1)", "not below"),
        ("uniform(1,1)", "not below"),
        ("int(1)", "low, high"),
        ("int(1,2,3,4)", "low, high"),
        ("int(1.5,3)", "int"),
        ("int(1,10,20)", "step"),
        ("uniform(a,b)", "float"),
        ("choice()", "nothing to choose"),
        ("choice(a,a)", "twice"),
        ("choice(1,1.0)", "twice"),
        ("choice(a,,b)", "between two commas"),
        ("normal(0,1)", "one of"),
        ("0.1", "one of"),
        ("uniform(-1e999,1)", "float"),
    ],
)
def test_what_is_no_domain_says_why(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse("x", text)
    assert why in (caught.value.cause or "")


@pytest.mark.parametrize("text", ["", "x", "=int(1,2)", "1x=int(1,2)", "x y=int(1,2)"])
def test_a_domain_needs_a_name(text: str) -> None:
    with pytest.raises(UsageError, match="not part of a space"):
        named(text)


def test_a_space_is_not_empty() -> None:
    with pytest.raises(UsageError, match="space is empty"):
        space_of({})


def test_a_grid_has_both_ends() -> None:
    assert grid_of("x", Uniform(0, 0.3, 0.1)) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert grid_of("x", Int(3, 5)) == [3, 4, 5]


def test_a_grid_needs_steps() -> None:
    with pytest.raises(UsageError, match="no steps for x"):
        grid_of("x", Log(0.1, 1))
