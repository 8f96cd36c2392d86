import getpass
import re

import pytest

from mulle.access import principal


def test_a_principal_is_user_at_host() -> None:
    assert re.fullmatch(r"[^@]+@[^@]+", principal())


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError(0)

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert principal().startswith("uid")
