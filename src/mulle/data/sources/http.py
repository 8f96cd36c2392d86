"""What a URL gives: asked whether it changed, fetched where it did, a download that was cut short resumed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from blake3 import blake3

from mulle.data import files as table_files
from mulle.data.sources.databases import expanded, shown
from mulle.data.sources.pieces import Changed, Piece, Pieces, format_of
from mulle.data.sources.port import Batch, Mark, Place, Position
from mulle.errors import DataError, ProjectError
from mulle.types import duration

if TYPE_CHECKING:
    from mulle.clock import Clock

_BLOCK = 1 << 18
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_NOT_MODIFIED, _PARTIAL, _OK, _UNSATISFIABLE = 304, 206, 200, 416
_LONGEST_WAIT = 60.0
_TYPES = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "application/x-parquet": ".parquet",
    "application/vnd.apache.arrow.file": ".arrow",
}
_LOST = (OSError, HTTPException)


@dataclass(frozen=True)
class HttpSource:
    """See `http`."""

    url: str
    format: str
    headers: Mapping[str, str] = field(hash=False)
    changed: Changed
    timeout: timedelta
    retries: int
    every: timedelta

    kind = "http"

    @property
    def address(self) -> str:
        return shown(self.url)

    @property
    def identity(self) -> str:
        return f"http {shown(self.url)}"

    def cursor(self, position: Position) -> str:
        mark = next(iter(position.marks.values()), {})
        return str(mark.get("etag") or mark.get("modified") or "")

    def batches(self, position: Position, place: Place) -> Iterator[Batch]:
        name = self.identity.removeprefix("http ")
        fetch = _Fetch(self, place.scratch, place.clock)
        with fetch.held():
            given = fetch.get(position.marks.get(name))
            if given is None:
                return
            ending = self._ending(given)
            path = fetch.part.with_name(f"content{ending}")
            fetch.part.replace(path)

            @contextmanager
            def fetched() -> Iterator[Path]:
                yield path

            known = {"etag": given.etag, "modified": given.modified}
            stamp = given.etag or given.modified
            piece = Piece(name, stamp, fetched, settled=bool(stamp), format=format_of(path.name), extra=known)
            yield from Pieces(self.address, self.changed, "keep").batches([piece], position, place)
            path.unlink(missing_ok=True)

    def _ending(self, given: _Given) -> str:
        if self.format:
            return f".{self.format.lstrip('.')}"
        for url in (given.url, self.url):
            name = PurePosixPath(urlsplit(url).path).name
            if table_files.is_table_file(Path(name)):
                return (
                    "".join(PurePosixPath(name).suffixes[-2:]) if name.endswith(".gz") else PurePosixPath(name).suffix
                )
        found = _TYPES.get(given.type)
        if found is None:
            raise DataError(
                f"what {self.address} gives is not a table that can be read",
                cause=f"neither its name nor its type '{given.type}' says which format it has",
                cure='say it, as mulle.http(…, format="csv")',
            )
        return found


@dataclass(frozen=True)
class _Given:
    """What came with the content."""

    url: str
    etag: str
    modified: str
    type: str


class _Fetch:
    """One download at a time, across processes; what a killed one has left is gone on with."""

    def __init__(self, source: HttpSource, scratch: Path, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._scratch = scratch / blake3(source.identity.encode()).hexdigest(8)
        self.part = self._scratch / "part"
        self._note = self._scratch / "part.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this process downloads, others wait."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        with (self._scratch / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def get(self, mark: Mark | None) -> _Given | None:
        """Bring the content to `part`; None where it is what was taken already.

        Raises:
            DataError: it cannot be had, however often it is tried.
        """
        tried = 0
        while True:
            before = self._size()
            try:
                return self._try(mark)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code not in _AGAIN or tried >= self._source.retries:
                        raise self._refused(error) from None
                    wait = _asked_to_wait(error.headers.get("retry-after"), self._clock)
            except _LOST as error:
                if tried >= self._source.retries:
                    raise self._unreachable(error) from error
                wait = None
            tried = 1 if self._size() > before else tried + 1  # a download that gets on is no failure
            self._clock.sleep(min(_LONGEST_WAIT, wait if wait is not None else 0.5 * 2.0 ** (tried - 1)))

    def _try(self, mark: Mark | None) -> _Given | None:
        begun = self._begun()
        headers = {"accept-encoding": "identity", "user-agent": "mulle", **self._headers()}
        if begun is not None:
            headers |= {"range": f"bytes={self._size()}-", "if-range": begun["etag"] or begun["modified"]}
        elif mark is not None:
            headers |= {"if-none-match": mark["etag"]} if mark.get("etag") else {}
            headers |= {"if-modified-since": mark["modified"]} if mark.get("modified") else {}
        request = urllib.request.Request(expanded(self._source.url), headers=headers)  # noqa: S310 - the scheme was checked
        try:
            response = _opener.open(request, timeout=self._source.timeout.total_seconds())
        except urllib.error.HTTPError as error:
            if error.code == _NOT_MODIFIED:
                error.close()
                return None
            if error.code == _UNSATISFIABLE and begun is not None:
                self._forget()
                raise ConnectionError("the server no longer has the rest") from None
            raise
        with response:
            return self._store(response, resumed=response.status == _PARTIAL)

    def _store(self, response: Any, *, resumed: bool) -> _Given:
        known = response.headers
        given = _Given(
            response.url, known.get("etag", ""), known.get("last-modified", ""), known.get_content_type() or ""
        )
        start = self._size() if resumed else 0
        if resumed and known.get("content-range", "").partition("-")[0] != f"bytes {start}":
            self._forget()
            raise ConnectionError("the server sent another range than it was asked for")
        if not resumed:
            self._forget()
            strong = given.etag and not given.etag.startswith("W/")
            if strong or given.modified:
                note = {"etag": given.etag if strong else "", "modified": given.modified}
                self._note.write_text(json.dumps(note), "utf-8")
        expected = int(known["content-length"]) if known.get("content-length", "").isdigit() else None
        got = 0
        with self.part.open("r+b" if resumed else "wb") as part:
            part.seek(start)
            while block := response.read(_BLOCK):
                part.write(block)
                got += len(block)
        if expected is not None and got < expected:
            raise ConnectionError(f"the connection ended after {got} of {expected} bytes")
        self._note.unlink(missing_ok=True)
        return given

    def _begun(self) -> dict[str, str] | None:
        """What is known of a download that was cut short."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, str] = json.loads(self._note.read_text("utf-8"))
            return found if self._size() and (found["etag"] or found["modified"]) else None
        return None

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _forget(self) -> None:
        self._note.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)

    def _headers(self) -> dict[str, str]:
        return {name: expanded(value) for name, value in self._source.headers.items()}

    def _refused(self, error: urllib.error.HTTPError) -> DataError:
        cures = {401: "give credentials, as headers={'authorization': 'Bearer ${TOKEN}'}", 404: "mend the URL"}
        cures[403] = cures[401]
        return DataError(
            f"{self._source.address} answers {error.code} {error.reason}",
            cause=f"it was asked {self._source.retries + 1} times" if error.code in _AGAIN else None,
            cure=cures.get(error.code, "collect again later: nothing is lost or taken twice"),
        )

    def _unreachable(self, error: Exception) -> DataError:
        reason = getattr(error, "reason", error)
        late = isinstance(reason, TimeoutError | socket.timeout)
        text = f"no answer within {self._source.timeout.total_seconds():g} s" if late else str(reason)
        return DataError(
            f"{self._source.address} cannot be reached",
            cause=text,
            cure="collect again when it answers: nothing is lost or taken twice, and a cut download goes on",
        )


class _Careful(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and takes no credentials to another host."""

    def redirect_request(  # noqa: PLR0917 - the signature of urllib
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise urllib.error.HTTPError(newurl, code, f"{msg}: it leads to no http URL", headers, fp)
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            for name in ("Authorization", "Cookie", "X-api-key"):
                following.remove_header(name)
        return following


_opener = urllib.request.build_opener(_Careful)


def _asked_to_wait(text: str | None, clock: Clock) -> float | None:
    """The seconds that a server asks to wait."""
    if not text:
        return None
    if text.isdigit():
        return float(text)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(text).astimezone(UTC) - clock.now()).total_seconds())
    return None


def http(
    url: str,
    *,
    format: str = "",  # noqa: A002 - the word that people use
    headers: Mapping[str, str] | None = None,
    changed: Changed = "replace",
    timeout: str | timedelta = "30s",
    retries: int = 4,
    every: str | timedelta = "5m",
) -> HttpSource:
    """The rows of a table that a URL gives, fetched when it changed.

    The server is asked with what it said of the content last time (ETag, Last-Modified); a download that was cut short
    goes on where it stood; errors that may pass are tried again, each time after a longer wait. A CSV or JSON lines
    file that only grew gives its new lines.

    Args:
        url: of a CSV, TSV, JSON lines, Parquet or Arrow file; `${NAME}` in it and in the headers is read from the
            environment when it is used.
        format: "csv", "jsonl", "parquet" …, where neither the URL's ending nor the type in the answer says it.
        headers: sent with each request; credentials are not sent on to another host.
        changed: what happens when the content is no longer what was taken: all is taken as it is now, or an error.
        timeout: how long the server may be silent.
        retries: how often it is tried again.
        every: how long the wheel waits before it asks again.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ProjectError(
            f"'{url}' is no URL that can be fetched",
            cause="it begins with neither http:// nor https://",
            cure="for files and buckets there are mulle.files and mulle.objects",
        )
    return HttpSource(url, format, dict(headers or {}), changed, duration(timeout), retries, duration(every))
