from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from tests.http.notebook import Note, NotebookService, Workspace

import mulle.http as http  # noqa: PLR0402 - `mulle.http` is also the name of a source
from mulle.client.client import Remote
from mulle.client.transport import Transport
from mulle.errors import AccessError, DataError, MulleError, UnknownNameError, UsageError
from mulle.hashing import digest_bytes
from mulle.verbs import acting


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def url(workspace: Workspace) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(http.app(workspace), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def notes(url: str) -> Remote:
    return Remote("notes", NotebookService, Transport(url))


def test_a_verb_is_called_as_if_it_were_here(notes: Remote) -> None:
    assert notes.write("hello", tags=["a"]).tags == ["a"]


def test_a_result_has_its_type(notes: Remote, workspace: Workspace) -> None:
    notes.write("hello")
    assert notes.show(0) == workspace.notes.show(0)


def test_an_iterator_comes_back_as_an_iterator(notes: Remote) -> None:
    notes.write("one")
    notes.write("two")
    assert [(type(note), note.text) for note in notes.list()] == [(Note, "one"), (Note, "two")]


def test_the_reason_travels(notes: Remote) -> None:
    with acting(reason="차 한 잔"):
        assert notes.write("hello").reason == "차 한 잔"


def test_an_error_arrives_as_what_it_was(notes: Remote) -> None:
    with pytest.raises(UnknownNameError) as caught:
        notes.show(3)
    assert (caught.value.message, caught.value.cure) == ("unknown note '3'", "notes.list")


def test_an_error_in_a_stream_arrives_after_the_items_before_it(notes: Remote) -> None:
    notes.write("one")
    notes.write("broken")
    stream = notes.list()
    assert next(stream).text == "one"
    with pytest.raises(MulleError, match="this note cannot be read"):
        next(stream)


def test_a_wrong_call_fails_before_it_is_sent(notes: Remote) -> None:
    with pytest.raises(UsageError, match="missing a required argument: 'number'"):
        notes.show()


def test_what_is_no_verb_does_not_travel(notes: Remote) -> None:
    with pytest.raises(UnknownNameError, match="local_only"):
        notes.local_only()


def test_an_object_travels_both_ways_and_by_range(url: str) -> None:
    transport, data = Transport(url), b"0123456789"
    digest = digest_bytes(data)
    transport.put(digest, data)
    assert (transport.has(digest), transport.get(digest), transport.get(digest, 2, 5)) == (True, data, b"234")


def test_a_server_that_is_not_there_is_said_so() -> None:
    with pytest.raises(AccessError, match="does not answer"):
        Remote("notes", NotebookService, Transport("http://127.0.0.1:9")).show(0)


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a server"):
        Transport("file:///etc/passwd")


def test_an_error_class_that_only_the_other_side_knows_is_still_an_error(notes: Remote) -> None:
    with pytest.raises(DataError):
        notes.fail("data")
