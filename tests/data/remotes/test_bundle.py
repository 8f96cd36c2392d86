"""What a server takes in: only whole histories of the dataset that is named, and nothing that was made up."""

from __future__ import annotations

import msgspec
import pytest
from tests.data.remotes.conftest import Meet
from tests.data.remotes.people import Person

from mulle.data.remotes.model import Bundle
from mulle.errors import DataError, MulleError, StoreError
from mulle.types import Digest


def bundle_of(person: Person, name: str) -> Bundle:
    """A dataset's records, as the server gives them."""
    digest = person.data.push(name, "here").records
    return msgspec.json.decode(person.store.get(Digest(digest)), type=Bundle)


def offered(host: Person, bundle: Bundle, name: str = "flights") -> object:
    """What the host makes of records that it is given."""
    return host.data.pull(name, host.store.put(msgspec.json.encode(bundle)))


def test_records_without_their_objects_are_refused(meet: Meet) -> None:
    meet("ann").rows("flights", 1)
    with pytest.raises(DataError, match="not whole"):
        offered(meet("host"), bundle_of(meet("ann"), "flights"))
    assert meet("host").data.list() == []


def test_records_whose_deepest_object_is_missing_are_refused(meet: Meet) -> None:
    meet("ann").files("images", deep__er__file=b"content")
    host = meet("host")
    for digest in meet("ann").store.digests():
        if (data := meet("ann").store.get(digest)) != b"content":
            host.store.put(data)
    with pytest.raises(DataError, match="was not sent"):
        offered(host, bundle_of(meet("ann"), "images"), "images")


def test_records_of_another_dataset_are_refused(meet: Meet) -> None:
    meet("ann").rows("flights", 1)
    with pytest.raises(DataError, match="not records of 'trips'"):
        offered(meet("host"), bundle_of(meet("ann"), "flights"), "trips")


def test_a_forged_commit_is_refused(meet: Meet) -> None:
    meet("ann").rows("flights", 1)
    found = bundle_of(meet("ann"), "flights")
    forged = msgspec.structs.replace(found.commits[0], actor="somebody else")
    with pytest.raises(StoreError, match="cannot be read"):
        offered(meet("host"), msgspec.structs.replace(found, commits=[forged]))


@pytest.mark.parametrize("name", ["HEAD", "3", "b3:1f0c77", "../../x", "a b", ""])
def test_a_name_that_cannot_be_one_is_refused(meet: Meet, name: str) -> None:
    meet("ann").rows("flights", 1)
    found = bundle_of(meet("ann"), "flights")
    with pytest.raises(MulleError):
        offered(meet("ann"), msgspec.structs.replace(found, branches={name: found.commits[0].id}))


def test_an_object_that_is_no_bundle_is_refused(meet: Meet) -> None:
    with pytest.raises(DataError, match="no records"):
        meet("host").data.pull("flights", meet("host").store.put(b"{}"))


def test_taking_the_same_in_twice_is_the_same_as_once(meet: Meet) -> None:
    meet("ann").rows("flights", 1)
    found = bundle_of(meet("ann"), "flights")
    offered(meet("ann"), found)
    assert len(meet("ann").data.log("flights")) == 1
