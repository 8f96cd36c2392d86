"""A place for files by key, on S3, Google Cloud Storage, Azure, in a folder or in memory: obstore, with our errors.

Credentials are those that the platform's own tools read: `AWS_ACCESS_KEY_ID` and the like, `~/.aws/credentials`,
`GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_KEY`. What is not secret may follow the address as a query:
`s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=eu-west-1`.
"""

from __future__ import annotations

import configparser
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from mulle.errors import StoreError, UsageError
from mulle.store.files import Files, explained

if TYPE_CHECKING:
    from obstore import GetOptions
    from typing_extensions import Buffer

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "file", "memory")
PIECE = 8 << 20
"""Larger bodies are sent in pieces of about this size."""
_PARALLEL_PIECES = 4
_MAX_PIECES = 9_000
_SECRET = ("secret", "key", "token", "password", "sas", "credential")
_CLIENT: dict[str, Any] = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(minutes=15),
}
_RETRY: dict[str, Any] = {
    "max_retries": 5,
    "retry_timeout": timedelta(minutes=3),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}


class Bucket:
    """Files by key below an address. Any thread; every call may be repeated."""

    def __init__(self, url: str, *, environment: Mapping[str, str] | None = None, files: Files | None = None) -> None:
        """Nothing is asked of the other side yet.

        Args:
            url: `s3://bucket/prefix`, `gs://…`, `az://…`, `memory:` or the path of a folder, which is made.
            environment: where credentials are looked for; the process's own by default.
            files: the system calls that make a folder durable.

        Raises:
            UsageError: no such address can be, or it holds a secret.
        """
        self.url = url.partition("?")[0].rstrip("/")
        self._files = files or Files()
        self._folder: Path | None = None
        self._unsafe: set[str] = set()
        self._lock = threading.Lock()
        self._store = self._open(url, dict(os.environ if environment is None else environment))

    def _open(self, url: str, environment: dict[str, str]) -> Any:
        import obstore.store as places  # noqa: PLC0415 - start-up time: only remotes need it

        parts = urlsplit(url)
        if parts.scheme == "memory":
            return places.MemoryStore()
        if parts.scheme in {"", "file"}:
            self._folder = Path(parts.path if parts.scheme else url).expanduser().resolve()
            self.url = str(self._folder)
            with explained(f"preparing the remote {self._folder}", self._folder):
                self._folder.mkdir(parents=True, exist_ok=True)
            return places.LocalStore(self._folder)
        if parts.scheme not in SCHEMES:
            raise _no_address(url)
        config = _config(parts.scheme, _options(url), environment)
        client = dict(_CLIENT)
        if str(config.get("endpoint", "")).startswith("http://"):
            client["allow_http"] = True
        opened: Any = places.from_url
        try:
            return opened(self.url, config=config or None, client_options=client, retry_config=_RETRY)
        except Exception as error:  # obstore raises several kinds for what it cannot open
            raise UsageError(
                f"'{self.url}' cannot be a remote", cause=_said(error), cure="mend the address or its options"
            ) from error

    def create(self, key: str, data: Buffer) -> bool:
        """Write a file that is not there yet, whole or not at all; False where there is one already."""
        import obstore  # noqa: PLC0415 - start-up time
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - start-up time

        with self._explained(f"writing {key}"):
            try:
                obstore.put(self._store, key, bytes(data), mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            finally:
                self._remember(key)
        return True

    def write(self, key: str, pieces: Iterator[bytes], size: int) -> None:
        """Write a large file from its pieces, in parallel parts where the other side can; an error leaves nothing."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"writing {key}"):
            obstore.put(
                self._store,
                key,
                pieces,
                use_multipart=True,
                chunk_size=max(PIECE, size // _MAX_PIECES),
                max_concurrency=_PARALLEL_PIECES,
            )
            self._remember(key)

    def read(self, key: str) -> bytes | None:
        """A file's bytes; None where there is none."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"reading {key}"):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError as error:
                self._refuse_lost_bucket(error)
                return None

    def stream(self, key: str, offset: int = 0) -> Iterator[bytes] | None:
        """A file's bytes in pieces, from an offset before its end; None where there is none."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"reading {key}"):
            try:
                options: GetOptions = {"range": {"offset": offset}} if offset else {}
                found = obstore.get(self._store, key, options=options)
            except FileNotFoundError as error:
                self._refuse_lost_bucket(error)
                return None
        return self._pieces(key, found)

    def _pieces(self, key: str, found: Any) -> Iterator[bytes]:
        with self._explained(f"reading {key}"):
            for piece in found.stream(min_chunk_size=1 << 20):
                yield bytes(piece)

    def ranges(self, key: str, ranges: Sequence[tuple[int, int]], *, apart: int = 1 << 16) -> list[bytes] | None:
        """Some (offset, length) of a file, those less than `apart` bytes from each other in one request."""
        import obstore  # noqa: PLC0415 - start-up time

        asked = [(offset, length) for offset, length in ranges if length]
        found: Iterator[bytes] = iter(())
        with self._explained(f"reading {key}"):
            try:
                if asked:
                    starts, lengths = [offset for offset, _ in asked], [length for _, length in asked]
                    answer = obstore.get_ranges(self._store, key, starts=starts, lengths=lengths, coalesce=apart)
                    found = iter([bytes(each) for each in answer])
            except FileNotFoundError as error:
                self._refuse_lost_bucket(error)
                return None
        return [next(found) if length else b"" for _, length in ranges]

    def tail(self, key: str, length: int) -> bytes | None:
        """The last bytes of a file."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"reading {key}"):
            try:
                return bytes(obstore.get(self._store, key, options={"range": {"suffix": length}}).bytes())
            except FileNotFoundError as error:
                self._refuse_lost_bucket(error)
                return None

    def size(self, key: str) -> int | None:
        """A file's length; None where there is none."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"looking for {key}"):
            try:
                return int(obstore.head(self._store, key)["size"])
            except FileNotFoundError as error:
                self._refuse_lost_bucket(error)
                return None

    def keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The keys below a prefix (a whole folder's name) and their sizes, in no order."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"listing {prefix}"):
            for batch in obstore.list(self._store, prefix.rstrip("/"), chunk_size=1000):
                for each in batch:
                    yield each["path"], each["size"]

    def listed(self, prefix: str = "") -> Iterator[tuple[str, int, str]]:
        """The keys below a prefix with their sizes and a tag that differs when the content does, in no order."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"listing {prefix}"):
            for batch in obstore.list(self._store, prefix.rstrip("/") or None, chunk_size=1000):
                for each in batch:
                    yield each["path"], each["size"], str(each["e_tag"] or each["last_modified"])

    def folders(self, prefix: str) -> list[str]:
        """The names directly below a prefix under which there are files."""
        import obstore  # noqa: PLC0415 - start-up time

        with self._explained(f"listing {prefix}"):
            found = obstore.list_with_delimiter(self._store, prefix.rstrip("/"))["common_prefixes"]
        return sorted(each.rstrip("/").rpartition("/")[2] for each in found)

    def settle(self) -> None:
        """Make what was written safe from a power cut. Other machines' stores did so when they answered."""
        if self._folder is None:
            return
        with self._lock:
            written, self._unsafe = self._unsafe, set()
        with explained(f"making {self._folder} safe from a power cut", self._folder):
            paths = {self._folder / key for key in written}
            for path in sorted(paths):
                _sync(self._files, path)
            for folder in sorted({parent for path in paths for parent in _up_to(path.parent, self._folder)}):
                self._files.sync_folder(folder)

    def _remember(self, key: str) -> None:
        if self._folder is not None:
            with self._lock:
                self._unsafe.add(key)

    def _refuse_lost_bucket(self, error: FileNotFoundError) -> None:
        """A file that is not there is an answer; a bucket that is not there is an error."""
        if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
            raise self._failure("reading", error)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - start-up time

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise self._failure(doing, error) from error

    def _failure(self, doing: str, error: Exception) -> StoreError:
        text = str(error)
        for marks, cause, cure in _FAILURES:
            if any(mark in text for mark in marks):
                return StoreError(f"{doing} on {self.url} failed", cause=cause, cure=cure.format(url=self.url))
        again = "repeat the command: what arrived already is not sent again"
        return StoreError(f"{doing} on {self.url} failed", cause=_said(error), cure=again)


_FAILURES = (
    (
        ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"),
        "there is no such bucket",
        "make the bucket, or mend the address {url} in [remotes] of mulle.toml",
    ),
    (
        ("169.254.169.254", "metadata.google", "MissingAccessKeyId", "Missing credentials", "UnauthenticatedError"),
        "there are no credentials for it",
        "set them as for its own tools: for S3, export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…",
    ),
    (
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed", "401 Unauthorized"),
        "it refuses the credentials",
        "mend AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or those of its own tools)",
    ),
    (
        ("AccessDenied", "403 Forbidden", "lacked the necessary privileges"),
        "the credentials do not allow this",
        "ask for the right to read, write and list below {url}",
    ),
    (
        ("No space left", "QuotaExceeded", "507 Insufficient"),
        "there is no space left",
        "free space there, then repeat the command: what arrived already is not sent again",
    ),
    (
        ("error sending request", "HTTP error", "onnect", "imed out", "timeout", "error decoding response body"),
        "it does not answer, or the connection was cut",
        "check the network and the endpoint, then repeat the command: what arrived already is not sent again",
    ),
)


def is_address(text: str) -> bool:
    """Whether the text is an address of a bucket or the path of a folder, rather than a name."""
    scheme = urlsplit(text).scheme
    return scheme in SCHEMES or (not scheme and ("/" in text or text.startswith((".", "~"))))


def _options(url: str) -> dict[str, str]:
    options = dict(parse_qsl(urlsplit(url).query))
    for name in options:
        if any(mark in name.lower() for mark in _SECRET):
            raise UsageError(
                "the address of a remote may hold no secret",
                cause=f"it says {name}, and addresses are shared, logged and committed",
                cure="put it into the environment, as AWS_SECRET_ACCESS_KEY, and out of the address",
            )
    return options


def _config(scheme: str, options: dict[str, str], environment: Mapping[str, str]) -> dict[str, Any]:
    if scheme not in {"s3", "s3a"}:
        return dict(options)
    given = {
        "endpoint": environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"),
        "region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
        "access_key_id": environment.get("AWS_ACCESS_KEY_ID"),
        "secret_access_key": environment.get("AWS_SECRET_ACCESS_KEY"),
        "session_token": environment.get("AWS_SESSION_TOKEN"),
    }
    known = {**_profile(environment), **{name: value for name, value in given.items() if value}, **options}
    return {"region": "us-east-1", **known}


def _profile(environment: Mapping[str, str]) -> dict[str, str]:
    """What the AWS tools' own file says, where the environment has no keys."""
    if environment.get("AWS_ACCESS_KEY_ID"):
        return {}
    default = Path(environment.get("HOME", "~")).expanduser() / ".aws" / "credentials"
    path = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or default)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
        found = dict(parser[environment.get("AWS_PROFILE", "default")])
    except (configparser.Error, KeyError, OSError, UnicodeDecodeError):
        return {}
    names = {
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
        "region": "region",
        "endpoint_url": "endpoint",
    }
    return {names[name]: value for name, value in found.items() if name in names}


def _no_address(url: str) -> UsageError:
    return UsageError(
        f"'{url}' cannot be a remote",
        cause=f"its scheme is none of {', '.join(SCHEMES)}, http, https",
        cure="write for example s3://bucket/prefix, or the path of a folder",
    )


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]


def _sync(files: Files, path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        files.sync(fd)
    finally:
        os.close(fd)


def _up_to(folder: Path, root: Path) -> Iterator[Path]:
    yield folder
    while folder != root:
        folder = folder.parent
        yield folder
