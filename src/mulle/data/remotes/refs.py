"""Commits, branches and tags on a remote: in a bucket as records that are created once; on a server by its verbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import quote

import msgspec

from mulle.data.commits import Commit
from mulle.data.model import DatasetSummary
from mulle.data.remotes import layout
from mulle.data.remotes.model import Bundle, Pointer, PullReport, PushReport
from mulle.data.remotes.state import HERE, Offer, State, damaged, overtaken, require_sound
from mulle.store.bucket import Bucket
from mulle.store.http import ServerStore
from mulle.types import Digest
from mulle.verbs import current

_PARALLEL = 12
T = TypeVar("T")


class BucketRefs:
    """Records in a bucket or folder: see `layout`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def datasets(self) -> list[str]:
        return sorted(map(layout.unescaped, self._bucket.folders(layout.ROOT)))

    def read(self, dataset: str) -> State:
        found = layout.read(dataset, (key for key, _ in self._bucket.keys(layout.folder(dataset))))
        heads = self._ids({name: layout.branch_key(dataset, name, place) for name, place in found.branches.items()})
        tags = self._ids({name: layout.tag_key(dataset, name) for name in found.tags})
        return State(found.commits, heads, tags, dict(found.branches))

    def commits(self, dataset: str, ids: Iterable[Digest]) -> list[Commit]:
        wanted = list(ids)
        found = self._all([layout.commit_key(dataset, each) for each in wanted], Commit)
        return [require_sound(each, wanted[place], self._bucket.url) for place, each in enumerate(found)]

    def publish(self, offer: Offer, state: State) -> None:
        new = [each for each in offer.commits if each.id not in state.commits]
        records = [(layout.commit_key(offer.dataset, each.id), msgspec.json.encode(each)) for each in new]
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(lambda record: self._bucket.create(*record), records))
        self._bucket.settle()
        for branch, head in offer.branches.items():
            place = state.places.get(branch, 0) + 1
            self._point(layout.branch_key(offer.dataset, branch, place), head, offer, f"branch '{branch}'")
        for tag, head in offer.tags.items():
            self._point(layout.tag_key(offer.dataset, tag), head, offer, f"tag '{tag}'")
        self._bucket.settle()

    def _point(self, key: str, head: Digest, offer: Offer, what: str) -> None:
        pointer = Pointer(id=head, at=offer.at, actor=current().actor)
        if self._bucket.create(key, msgspec.json.encode(pointer)):
            return
        if self._one(key, Pointer).id != head:  # else it is ours: the answer to a former try was lost
            raise overtaken(offer.dataset, what, self._bucket.url)

    def _ids(self, keys: Mapping[str, str]) -> dict[str, Digest]:
        """What the pointers of these keys name, by the same names."""
        found = self._all(list(keys.values()), Pointer)
        return {name: each.id for name, each in zip(keys, found, strict=True)}

    def _all(self, keys: Sequence[str], kind: type[T]) -> list[T]:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return list(pool.map(lambda key: self._one(key, kind), keys))

    def _one(self, key: str, kind: type[T]) -> T:
        data = self._bucket.read(key)
        if data is None:
            raise damaged(f"{self._bucket.url}/{key}", "it is gone")
        return _decoded(data, kind, f"{self._bucket.url}/{key}")


class ServerRefs:
    """The records of a server: it writes them down as an object when it is asked, and takes in those that it is given.

    All of them are one transaction there.
    """

    def __init__(self, store: ServerStore) -> None:
        self._store = store
        self._bundles: dict[str, Bundle] = {}

    def datasets(self) -> list[str]:
        return sorted(each.name for each in self._call("list", {}, list[DatasetSummary]))

    def read(self, dataset: str) -> State:
        if dataset not in self.datasets():
            return State()
        report = self._call("push", {"dataset": dataset, "remote": HERE}, PushReport)
        found = _decoded(self._store.get(Digest(report.records)), Bundle, self._store.url)
        self._bundles[dataset] = found
        return State({each.id for each in found.commits}, dict(found.branches), dict(found.tags))

    def commits(self, dataset: str, ids: Iterable[Digest]) -> list[Commit]:
        wanted = set(ids)
        if dataset not in self._bundles:
            self.read(dataset)
        found = [each for each in self._bundles[dataset].commits if each.id in wanted]
        return [require_sound(each, each.id, self._store.url) for each in found]

    def publish(self, offer: Offer, state: State) -> None:
        new = [each for each in offer.commits if each.id not in state.commits]
        bundle = Bundle(dataset=offer.dataset, commits=new, branches=dict(offer.branches), tags=dict(offer.tags))
        digest = self._store.put(msgspec.json.encode(bundle))
        self._store.flush()
        self._call("pull", {"dataset": offer.dataset, "remote": digest}, PullReport)
        self._bundles.pop(offer.dataset, None)

    def _call(self, verb: str, arguments: dict[str, object], kind: type[T]) -> T:
        headers = {"content-type": "application/json", "mulle-reason": quote(current().reason)}
        body = msgspec.json.encode(arguments)
        answer = self._store.server.ask("POST", f"/api/v1/data.{verb}", body, headers)
        return _decoded(answer, kind, f"the answer of {self._store.url}")


def _decoded(data: bytes, kind: type[T], where: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise damaged(where, str(error)) from error
