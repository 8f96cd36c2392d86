"""From whatever is committed to the version of it: a table, rows, a table's file, any other file, or a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mulle.data import collecting, drafts, files, hooks, manifest, refs, streams, versions
from mulle.data.definition import Dataset
from mulle.data.incoming import Incoming
from mulle.data.model import Version
from mulle.data.places import placed
from mulle.data.publishing import Publisher, Request
from mulle.data.refs import MAIN
from mulle.errors import DataError
from mulle.hashing import digest_file
from mulle.store.leases import leasing
from mulle.types import instant

if TYPE_CHECKING:
    from mulle.data.working.desk import Desk


@dataclass(frozen=True)
class What:
    """What is said of a commit besides its content."""

    message: str = ""
    append: bool = False
    key: Sequence[str] = ()
    event_time: str | None = None
    watermark: datetime | None = None
    branch: str = MAIN
    as_files: bool = False


@dataclass(frozen=True)
class Committer:
    """Makes versions by hand; `definitions` are those of the project, by the dataset's name."""

    publisher: Publisher
    root: Path | None
    definitions: Callable[[], Mapping[str, Dataset]]
    desk: Desk

    @leasing(lambda self, *_: self.publisher.store)
    def commit(self, name: str | Dataset, data: Any, what: What) -> Version:
        """See `DataService.commit`."""
        definition = name if isinstance(name, Dataset) else self.definitions().get(name)
        request = self._request(name if isinstance(name, str) else name.name, definition, what)
        if isinstance(data, Version):
            return self._commit_again(request, definition, data)
        path, content = None, None
        if isinstance(data, str | Path):
            path = placed(data, self.root)
            if path.is_dir() or self._is_file_of_files(request, path, what):
                return self._commit_files(request, definition, path)
            content = digest_file(path) if path.is_file() else None
            data = _read(path)
        version = self._commit_rows(request, definition, streams.taken(data), append=what.append)
        if path is not None and content is not None:
            self.desk.committed(version, path, content)
        return version

    def _commit_rows(self, request: Request, definition: Dataset | None, rows: Any, *, append: bool) -> Version:
        if isinstance(rows, Incoming):
            if definition is None or (definition.expect is None and not definition.checks):
                named = drafts.normal_stream(rows, request.name, key=request.key, event_time=request.event_time)
                return self.publisher.commit(request, named, append=append)
            rows = rows.table()  # a declared schema and checks look at all rows together
        expect = definition.expect if definition is not None else None
        table = drafts.normal(rows, request.name, key=request.key, event_time=request.event_time, expect=expect)
        if definition is not None:
            request = replace(request, facts=collecting.inspect(definition, table, None))
        hooks.require(definition, lambda: table, _change(request))
        head = self.publisher.find_head(request.name, request.branch) if append and not table.height else None
        return head or self.publisher.commit(request, table, append=append)

    def _request(self, name: str, definition: Dataset | None, what: What) -> Request:
        refs.require_dataset(name)
        key, event_time = what.key, what.event_time
        if definition is not None:
            key, event_time = key or definition.key, event_time or definition.event_time
        if not key or event_time is None:
            with self.publisher.catalog.read() as tx:
                before_key, before_time = versions.described(tx, name)
            key, event_time = key or before_key, event_time or before_time
        watermark = None if what.watermark is None else instant(what.watermark)
        return Request(name, tuple(key), event_time, message=what.message, watermark=watermark, branch=what.branch)

    def _is_file_of_files(self, request: Request, path: Path, what: What) -> bool:
        """Whether a file is committed as it is: when asked to, when it is no table's, or the dataset has files."""
        if what.as_files or not path.is_file() or not files.is_table_file(path):
            return path.is_file()
        head = self.publisher.find_head(request.name)
        return head is not None and head.kind == "files"

    def _commit_files(self, request: Request, definition: Dataset | None, path: Path) -> Version:
        store = self.publisher.store
        tree = manifest.of_tree(store, self.desk.stage(request.name, path))
        if not tree.files:
            raise DataError(f"nothing to commit from {path}", cause="the folder has no files", cure="check the path")
        hooks.require(definition, lambda: hooks.files_table(store, tree), _change(request))
        version = self.publisher.commit_files(request, tree)
        self.desk.committed(version, path, tree.tree)
        return version

    def _commit_again(self, request: Request, definition: Dataset | None, former: Version) -> Version:
        """A version that is there already, of this or another dataset: its objects are, so only a name is made."""
        store = self.publisher.store
        hooks.require(definition, lambda: hooks.rows_of(store, former.digest), _change(request))
        made = manifest.load(store, former.digest)
        request = replace(request, watermark=request.watermark or former.watermark)
        request = replace(request, facts={**request.facts, "from": former.ref})
        return self.publisher.commit_files(request, made)


def _read(path: Path) -> Any:
    if files.is_table_file(path) and path.is_file() and streams.is_large(path):
        return streams.of_file(path)
    table = files.read_table_file(path)
    if not table.height:
        raise DataError(f"{path} has no rows", cause="an empty batch adds nothing", cure="give it at least one row")
    return table


def _change(request: Request) -> hooks.Change:
    return hooks.Change(action="commit", dataset=request.name, branch=request.branch, message=request.message)
