"""Remotes that fail: unreachable, refused, cut in the middle; and people who are killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import s3
from tests.data.remotes.conftest import Meet
from tests.data.remotes.people import Person, serving

from mulle.clock import VirtualClock
from mulle.data.remotes.history import Local
from mulle.data.remotes.opening import opened
from mulle.data.remotes.pushing import Plan
from mulle.errors import DataError, StoreError, UsageError
from mulle.testing import soak
from mulle.testing.wire import Relay
from mulle.verbs import acting

KILLS = soak.repeat(6, 200)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    server = s3.gateway()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server.bucket()


def shared(person: Person) -> None:
    person.files("images", **{f"f{n}": os.urandom(4000) for n in range(50)}, large=os.urandom(3_000_000))


@s3.GROUP
def test_wrong_credentials_are_said_to_be_wrong(meet: Meet, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared(meet("ann"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError) as caught:
        meet("ann").data.push("images", bucket)
    assert (caught.value.cause, "AWS_SECRET_ACCESS_KEY" in str(caught.value.cure)) == (
        "it refuses the credentials",
        True,
    )


@s3.GROUP
def test_a_missing_bucket_is_said_to_be_missing(meet: Meet, bucket: str) -> None:
    shared(meet("ann"))
    with pytest.raises(StoreError) as caught:
        meet("ann").data.push("images", f"{bucket}-not/prefix")
    assert caught.value.cause == "there is no such bucket"


@s3.GROUP
def test_an_unreachable_endpoint_is_said_to_be_so(meet: Meet, bucket: str) -> None:
    shared(meet("ann"))
    with pytest.raises(StoreError) as caught:
        meet("ann").data.push("images", f"{bucket}?endpoint=http://127.0.0.1:9")
    assert "does not answer" in str(caught.value.cause)


def test_an_unreachable_server_is_said_to_be_so(meet: Meet) -> None:
    shared(meet("ann"))
    with pytest.raises(StoreError, match="does not answer") as caught:
        meet("ann").data.push("images", "http://127.0.0.1:9")
    assert "mulle server" in str(caught.value.cure)


@pytest.mark.parametrize(
    "address", ["s3://bucket?secret_access_key=x", "s3://bucket?aws_session_token=x", "http://me:secret@127.0.0.1:9"]
)
def test_a_secret_in_an_address_is_refused(meet: Meet, address: str) -> None:
    shared(meet("ann"))
    with pytest.raises(UsageError, match="no secret"):
        meet("ann").data.push("images", address)


def test_over_http_only_a_named_remote_is_pushed_to(meet: Meet, folder: str) -> None:
    shared(meet("ann"))
    with acting(far=True), pytest.raises(UsageError, match="no remote of this project"):
        meet("ann").data.push("images", folder)


@s3.GROUP
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_push_that_is_cut_goes_on_where_it_was(meet: Meet, bucket: str, share: float) -> None:
    """The relay closes every connection in the midst and then again: nothing is seen there until all of it is."""
    meet("ann").files("images", **{f"f{n}": os.urandom(900_000) for n in range(60)})
    with Relay(s3.gateway().endpoint) as relay:
        relay.cut_after(int(54_000_000 * share), for_good=True)
        with pytest.raises(StoreError) as caught:
            meet("ann").data.push("images", f"{bucket}?endpoint={relay.url}")
        assert "not sent again" in str(caught.value.cure)
        assert meet("ben").remotes.list(bucket) == []
        before = relay.sent
        relay.cut_after(-1)
        meet("ann").data.push("images", f"{bucket}?endpoint={relay.url}")
        assert relay.sent - before < 54_000_000 * (1.0 - share) + 8_000_000
    meet("ben").data.pull("images", bucket)
    assert meet("ben").data.verify().damaged == []


@s3.GROUP
def test_a_short_cut_is_not_even_noticed(meet: Meet, bucket: str) -> None:
    shared(meet("ann"))
    with Relay(s3.gateway().endpoint) as relay:
        relay.cut_after(1_000_000)
        meet("ann").data.push("images", f"{bucket}?endpoint={relay.url}")
        assert relay.cuts == 1
        relay.cut_after(1_000_000)
        meet("ben").data.pull("images", f"{bucket}?endpoint={relay.url}")
    assert meet("ben").contents("images") == meet("ann").contents("images")


def test_a_server_that_is_cut_off_in_between_is_asked_again(meet: Meet) -> None:
    meet("ann").files("images", large=os.urandom(30_000_000), small=b"small")
    with serving(meet("host")) as url, Relay(url) as relay:
        relay.cut_after(20_000_000)
        meet("ann").data.push("images", relay.url)
        assert relay.sent < 30_000_000 + 12_000_000
        relay.cut_after(20_000_000)
        meet("ben").data.pull("images", relay.url)
        assert relay.received < 30_000_000 + 12_000_000
    assert relay.cuts == 2
    assert meet("ben").contents("images") == meet("ann").contents("images")


def killed_while(folder: Path, verb: str, remote: str, *, after: float) -> None:
    """Somebody begins to push or pull and is killed so many seconds later."""
    words = [sys.executable, "-m", "tests.data.remotes.pusher", str(folder), verb, remote]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(after)
        process.kill()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(KILLS // 2))
def test_a_pull_that_is_killed_leaves_nothing_half_visible_and_is_repeated(
    tmp_path: Path, clock: VirtualClock, seed: int
) -> None:
    chance = random.Random(seed)
    remote = str(tmp_path / "remote")
    with Person(tmp_path / "ann", clock) as ann:
        ann.files("images", **{f"f{n}": chance.randbytes(chance.choice([10, 90_000])) for n in range(300)})
        ann.files("images", large=chance.randbytes(20_000_000))
        ann.data.push("images", remote)
    killed_while(tmp_path / "ben", "pull", remote, after=chance.uniform(0, 0.5))
    with Person(tmp_path / "ben", clock) as ben, Person(tmp_path / "ann", clock) as ann:
        assert [each.versions for each in ben.data.list()] in ([], [2])
        ben.data.pull("images", remote)
        assert ben.contents("images") == ann.contents("images")
        assert ben.data.verify().damaged == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_push_that_is_killed_leaves_nothing_half_visible_and_is_repeated(
    tmp_path: Path, clock: VirtualClock, seed: int
) -> None:
    chance = random.Random(seed)
    remote = str(tmp_path / "remote")
    with Person(tmp_path / "ann", clock) as ann:
        for step in range(3):
            ann.files("images", **{f"f{n}_{step}": chance.randbytes(chance.choice([10, 90_000])) for n in range(200)})

    killed_while(tmp_path / "ann", "push", remote, after=chance.uniform(0, 0.4))
    with Person(tmp_path / "ben", clock) as ben, Person(tmp_path / "ann", clock) as ann:
        for each in ben.remotes.list(remote):
            report = ben.data.pull(each.name, remote)
            assert len(report.versions) == 3
            assert ben.data.verify().damaged == []
        ann.data.push("images", remote)
        ben.data.pull("images", remote)
        assert ben.contents("images") == ann.contents("images")


def test_of_two_who_push_at_the_same_instant_one_wins(meet: Meet, folder: str) -> None:
    """Both have seen the branch stand where it stands; the place after it is made once."""
    meet("ann").rows("flights", 1)
    meet("ann").data.push("flights", folder)
    meet("ben").data.pull("flights", folder)
    with opened(folder, {}, Path("/"), meet("ben").folder / "cache") as there:
        before = there.refs.read("flights")
        meet("ann").rows("flights", 2)
        meet("ann").data.push("flights", folder)
        late = meet("ben").rows("flights", 3)
        with meet("ben").catalog.read() as tx:
            plan = Plan(there, "flights", Local.read(tx, "flights"), before)
        offer = plan.offer(plan.new([late.number]), {"main": late.number}, {}, late.at)
        with pytest.raises(DataError, match="has moved") as caught:
            there.refs.publish(offer, before)
    assert "pull" in str(caught.value.cure)
    assert meet("ben").remotes.list(folder)[0].branches["main"].id != late.id
