import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mulle.access import Signer
from mulle.errors import AccessError


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "keys")


def test_what_was_signed_verifies(signer: Signer) -> None:
    assert signer.verify(b"bundle", signer.sign(b"bundle"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(), st.binary())
def test_a_signature_is_for_its_bytes_only(signer: Signer, data: bytes, other: bytes) -> None:
    assert signer.verify(other, signer.sign(data)) == (data == other)


@pytest.mark.parametrize("signature", ["", "b3k:", "b3k:" + "0" * 64, "물레"])
def test_a_forged_signature_does_not_verify(signer: Signer, signature: str) -> None:
    assert not signer.verify(b"bundle", signature)


def test_another_signer_of_the_workspace_agrees(signer: Signer, tmp_path: Path) -> None:
    assert Signer(tmp_path / "keys").verify(b"bundle", signer.sign(b"bundle"))


def test_another_workspace_does_not(signer: Signer, tmp_path: Path) -> None:
    assert not Signer(tmp_path / "others").verify(b"bundle", signer.sign(b"bundle"))


def test_the_key_is_its_owners_alone(signer: Signer, tmp_path: Path) -> None:
    signer.sign(b"")
    assert stat.S_IMODE((tmp_path / "keys" / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_nothing_but_the_key_is_left(signer: Signer, tmp_path: Path) -> None:
    signer.sign(b"")
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["signing.key"]


def test_two_that_make_the_key_at_once_have_the_same(tmp_path: Path) -> None:
    first, second = Signer(tmp_path), Signer(tmp_path)
    assert first._make() == second._make()


def test_a_damaged_key_is_an_error_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_bytes(b"short")
    with pytest.raises(AccessError, match="damaged") as caught:
        Signer(tmp_path).sign(b"")
    assert caught.value.cure
