import pytest

from mulle.errors import MulleError, UnknownNameError, UsageError, unknown


def test_an_error_says_what_why_and_what_to_do() -> None:
    error = MulleError("the store is full", cause="no space left", cure="df -h")
    assert str(error) == "the store is full\nCause: no space left\nCure: df -h"


def test_what_is_not_known_is_not_said() -> None:
    assert str(MulleError("the store is full")) == "the store is full"


def test_an_unknown_name_is_a_usage_error() -> None:
    assert isinstance(unknown("model", "x", [], cure="mulle models"), UsageError)


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        (["delay", "price"], "did you mean 'delay'?"),
        (["price", "churn"], "there are: churn, price"),
        ([f"m{number}x" for number in range(9)], "there are: m0x, m1x, m2x, m3x, m4x, m5x, m6x, m7x, …"),
        ([], "there is no model yet"),
    ],
)
def test_an_unknown_name_helps_on(known: list[str], cause: str) -> None:
    error = unknown("model", "dealy", known, cure="mulle models")
    assert (type(error), error.cause, error.cure) == (UnknownNameError, cause, "mulle models")
