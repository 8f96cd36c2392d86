"""Push, pull and list: the objects first, then the records that name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mulle.data import manifest, reading, refs, versions
from mulle.data.columns import schema_of
from mulle.data.model import RowPage
from mulle.data.refs import MAIN
from mulle.data.remotes import closure, narrow, partial
from mulle.data.remotes.history import Arrival, Local, Taken, origin_of, reached, take_in
from mulle.data.remotes.model import Bundle, PullReport, PushReport, RemoteDataset, RemoteVersion
from mulle.data.remotes.opening import Remote, opened
from mulle.data.remotes.projection import Projected
from mulle.data.remotes.pushing import Plan
from mulle.data.remotes.sending import Sender
from mulle.data.remotes.state import HERE, State, require_sound
from mulle.data.remotes.through import Through
from mulle.errors import DataError, StoreError, UsageError, unknown
from mulle.hashing import is_digest
from mulle.store import packing
from mulle.store.leases import leased
from mulle.types import Digest

if TYPE_CHECKING:
    from mulle.catalog import Catalog
    from mulle.data.commits import Commit
    from mulle.data.model import Version
    from mulle.store import ObjectStore

Tell = Callable[[str, int, int], None]
"""Hears what is being done, and how many objects and bytes have travelled so far."""
LIST = "mulle data list"
_PREFIX = 6


class Asked(NamedTuple):
    """What of a dataset is to be pulled; all of it where all are empty."""

    version: str = ""
    path: str = ""
    columns: tuple[str, ...] = ()

    @property
    def part(self) -> bool:
        """Whether only a part of a version is asked for.

        Raises:
            UsageError: of a tree and of a table at once.
        """
        if self.path and self.columns:
            raise UsageError(
                "a path and columns were asked for",
                cause="a tree of files has paths, a table has columns",
                cure="leave out --path, or --columns",
            )
        return bool(self.path or self.columns)


def _silent(doing: str, objects: int, size: int) -> None:
    pass


class Remotes:
    """The datasets of a workspace on other machines, and theirs here."""

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        *,
        named: Mapping[str, str] | None = None,
        root: Path | None = None,
        cache: Path | None = None,
        pack: int = packing.LIMIT,
    ) -> None:
        """Wire it.

        Args:
            catalog: holds versions, branches and tags.
            store: holds their objects.
            named: addresses by name: `[remotes]` of the settings.
            root: what relative paths among them are relative to; the current folder by default.
            cache: where what is known of remotes is kept; it may be deleted at any time.
            pack: so many bytes of small objects travel together.
        """
        self._pack = pack
        self._catalog = catalog
        self._store = store
        self._named = named or {}
        self._root = root or Path.cwd()
        self._cache = cache or self._root / ".mulle" / "remotes"

    def push(
        self, dataset: str, remote: str, branch: str = MAIN, *, everything: bool = False, tell: Tell = _silent
    ) -> PushReport:
        """See `DataService.push`."""
        with leased(self._store):
            with self._catalog.read() as tx:
                versions.head(tx, dataset, MAIN if everything else branch)
                local = Local.read(tx, dataset)
            if remote == HERE:
                return self._write_down(dataset, local)
            heads = dict(local.branches) if everything else {branch: local.branches[branch]}
            with self._opened(remote) as there:
                return self._push(there, dataset, local, heads, tell)

    def pull(
        self,
        dataset: str,
        remote: str,
        version: str = "",
        path: str = "",
        columns: Sequence[str] = (),
        *,
        tell: Tell = _silent,
    ) -> PullReport:
        """See `DataService.pull`."""
        refs.require_dataset(dataset)
        asked = Asked(version, path, tuple(columns))
        with leased(self._store):
            if is_digest(remote):
                return self._take_bundle(dataset, remote)
            with self._opened(remote) as there:
                return self._pull(there, dataset, asked, tell)

    def list(self, remote: str, dataset: str = "") -> list[RemoteDataset]:
        """The datasets of a remote, or the named one, without pulling anything.

        Raises:
            UnknownNameError: the remote has no such dataset.
        """
        with self._opened(remote) as there:
            if not dataset:
                states = ((name, there.refs.read(name)) for name in there.refs.datasets())
                return [_told(there, name, state) for name, state in states if state.branches]
            return [_told(there, dataset, _required(there, dataset))]

    def rows(self, ref: str, remote: str, columns: Sequence[str] = (), limit: int = 20, offset: int = 0) -> RowPage:
        """Some rows of a version on a remote, in order, without pulling it; all columns where none is named.

        Raises:
            UnknownNameError: the remote has no such dataset or version.
            DataError: there is no such column.
        """
        with self._opened(remote) as there:
            commit = self._found(there, ref)
            held = manifest.load_table(Projected(self._store, there.store, ()), commit.manifest)
            names = list(columns) or [name for name, _ in held.schema]
            reading.require_columns(held, names)
            store = Projected(self._store, there.store, names)
            table = reading.page(store, held, offset, limit, names)
            listed = msgspec.to_builtins([[*row] for row in table.iter_rows()], enc_hook=str)
        dataset = refs.split(ref)[0]
        told = f"{dataset}@{commit.id[:9]}"
        return RowPage(ref=told, total=held.rows, offset=offset, columns=schema_of(table), rows=listed)

    def _found(self, there: Remote, ref: str) -> Commit:
        """The commit on a remote that `NAME` or `NAME@VERSION` means."""
        dataset, at = refs.split(ref)
        state = _required(there, dataset)
        named = {**state.branches, **state.tags}
        ids = [named[at or MAIN]] if (at or MAIN) in named else sorted(state.commits)
        known = {commit.id: commit for commit in there.refs.commits(dataset, ids)}
        [chosen] = _chosen(dataset, state, known, at or MAIN)
        return known[chosen]

    def _opened(self, remote: str) -> Remote:
        return opened(remote, self._named, self._root, self._cache)

    def _push(self, there: Remote, dataset: str, local: Local, heads: Mapping[str, int], tell: Tell) -> PushReport:
        tell(f"asking {there.url}", 0, 0)
        plan = Plan(there, dataset, local, there.refs.read(dataset))
        moved, tags = plan.moved(heads), plan.tags(heads)
        new = plan.new([*moved.values(), *tags.values()])
        sender = Sender(self._store, there.store, _counting(tell, f"sending to {there.url}"), pack=self._pack)
        known = [commit.manifest for commit in plan.followed(new)]
        with partial.explained(self._catalog, *(local.versions[commit.number] for commit in new)):
            sender.send(closure.needed(self._store, [commit.manifest for commit in new], known))
        report = PushReport(
            dataset=dataset,
            remote=there.url,
            versions=[f"{dataset}@{commit.number}" for commit in new],
            branches=sorted(moved),
            tags=sorted(tags),
            objects=sender.objects,
            bytes=sender.bytes,
        )
        if moved or tags:
            with self._catalog.read() as tx:
                there.refs.publish(plan.offer(new, moved, tags, tx.now), plan.state)
            self._record_push(there, report, [local.versions[number] for number in moved.values()])
        return report

    def _record_push(self, there: Remote, report: PushReport, heads: Sequence[Version]) -> None:
        told = msgspec.structs.asdict(report)
        with self._catalog.write() as tx:
            tx.event(f"dataset:{report.dataset}", told, verb="data.push")
            for version in heads:
                origin = origin_of(there.url, version.dataset, version.id)
                tx.node("remote", origin, version.digest)
                tx.edge(origin, f"dataset:{version.ref}", "pushed from")

    def _write_down(self, dataset: str, local: Local) -> PushReport:
        """The dataset's records as an object of this store: what a server gives to those who pull from it."""
        every = [*local.branches.values(), *local.tags.values()]
        bundle = Bundle(
            dataset=dataset,
            commits=local.commits(every),
            branches={name: local.versions[number].id for name, number in local.branches.items()},
            tags={name: local.versions[number].id for name, number in local.tags.items()},
        )
        digest = self._store.put(msgspec.json.encode(bundle))
        self._store.flush()
        return PushReport(
            dataset=dataset, remote=HERE, versions=[], branches=[], tags=[], objects=0, bytes=0, records=digest
        )

    def _take_bundle(self, dataset: str, digest: str) -> PullReport:
        """Take in what was pushed to this workspace: its objects must all be here."""
        bundle = _bundle(self._store.get(Digest(digest)), dataset)
        commits = [require_sound(each, each.id, "what was sent") for each in bundle.commits]
        with self._catalog.read() as tx:
            here = [version.digest for version in Local.read(tx, dataset).versions.values()]
        _require_whole(self._store, [commit.manifest for commit in commits], here)
        self._store.flush()
        arrival = Arrival(dataset, commits, bundle.branches, bundle.tags, "pushed", "a push", strict=True)
        with self._catalog.write() as tx:
            taken = take_in(tx, self._store, arrival)
        return _pulled(dataset, "here", taken, 0, 0, partial=False)

    def _pull(self, there: Remote, dataset: str, asked: Asked, tell: Tell) -> PullReport:
        tell(f"asking {there.url}", 0, 0)
        state = _required(there, dataset)
        with self._catalog.read() as tx:
            local = Local.read(tx, dataset)
            incomplete = partial.marked(tx, dataset)
        arrival = self._arriving(there, dataset, local, state)
        through = Through(self._store, there.store, _counting(tell, f"fetching from {there.url}"))
        through.bring([commit.manifest for commit in arrival.commits])
        known = {each.id: local.commit(number) for number, each in local.versions.items()}
        known |= {commit.id: commit for commit in arrival.commits}
        chosen = _chosen(dataset, state, known, asked.version or (MAIN if asked.part else ""))
        if not asked.version and not asked.part:
            again = {local.versions[number].id for number in incomplete if number in local.versions}
            chosen = {commit.id for commit in arrival.commits} | (again & state.commits)
        numbers = {each.id: number for number, each in local.versions.items()}
        here = {
            digest: self._bring(through, known[digest], dataset, numbers.get(digest), asked)
            for digest in sorted(chosen)
        }
        self._store.flush()
        with self._catalog.write() as tx:
            taken = take_in(tx, self._store, arrival)
            numbers = Local.read(tx, dataset).numbers()
            for commit in arrival.commits:
                if commit.id not in chosen:
                    partial.mark(tx, dataset, numbers[commit.id], there.name_or_url)
            new = {commit.id for commit in arrival.commits}
            for digest, columns in here.items():
                if asked.part and digest not in new and numbers[digest] not in incomplete:
                    continue  # all of it was here before
                if asked.part:
                    partial.mark(tx, dataset, numbers[digest], there.name_or_url, path=asked.path, columns=columns)
                else:
                    partial.unmark(tx, dataset, numbers[digest])
            is_partial = bool(partial.marked(tx, dataset))
        size = through.bytes + through.ranged
        return _pulled(dataset, there.url, taken, through.objects, size, partial=is_partial)

    def _bring(self, through: Through, commit: Commit, dataset: str, number: int | None, asked: Asked) -> Any:
        """Fetch what is asked for of a version; what is to be noted where that is some columns."""
        if not asked.columns:
            closure.bring(through, commit.manifest, asked.path.strip("/").encode())
            return None
        with self._catalog.read() as tx:
            before, _ = (None, "") if number is None else partial.columns(tx, dataset, number)
        known = narrow.Narrow() if before is None else msgspec.convert(before, narrow.Narrow)
        return msgspec.to_builtins(narrow.bring(through, commit.manifest, asked.columns, known))

    def _arriving(self, there: Remote, dataset: str, local: Local, state: State) -> Arrival:
        """What is on the remote and not here; without what was removed here, unless a branch or tag needs it."""
        here = {each.id for each in local.versions.values()}
        heads = [*state.branches.values(), *state.tags.values()]
        gone = set(local.removed.values()) - set(heads) if local.versions else set()
        commits = there.refs.commits(dataset, sorted(state.commits - here))
        wanted = [commit for commit in reached(commits, heads) if commit.id not in gone]
        return Arrival(dataset, wanted, state.branches, state.tags, there.name, there.url)


def _required(there: Remote, dataset: str) -> State:
    state = there.refs.read(dataset)
    if not state.branches:
        others = [name for name in there.refs.datasets() if name != dataset]
        raise unknown(f"dataset on {there.url}", dataset, others, cure=f"{LIST} --remote {there.name_or_url}")
    return state


def _told(there: Remote, name: str, state: State) -> RemoteDataset:
    wanted = {*state.branches.values(), *state.tags.values()}
    found = {commit.id: _as_told(commit) for commit in there.refs.commits(name, sorted(wanted))}
    return RemoteDataset(
        name=name,
        versions=len(state.commits),
        branches={branch: found[head] for branch, head in sorted(state.branches.items())},
        tags={tag: found[head] for tag, head in sorted(state.tags.items())},
    )


def _as_told(commit: Commit) -> RemoteVersion:
    return RemoteVersion(id=commit.id, number=commit.number, at=commit.at, actor=commit.actor, message=commit.message)


def _chosen(dataset: str, state: State, known: Mapping[Digest, Commit], text: str) -> set[Digest]:
    """The commit that a branch, a tag, a number of its origin or the beginning of an id names."""
    if not text:
        return set()
    text = text.rpartition("@")[2]
    named = {**state.branches, **state.tags, "HEAD": state.branches.get(MAIN, "")}
    prefix = f"b3:{text.removeprefix('b3:')}"
    found = {named[text]} if text in named else set()
    found = found or {each.id for each in known.values() if text.isdigit() and each.number == int(text)}
    found = found or {each for each in known if len(text) >= _PREFIX and each.startswith(prefix)}
    if len(found) != 1:
        raise unknown("version", text, [*named], cure=f"{LIST} {dataset} --remote REMOTE")
    return {Digest(each) for each in found}


def _bundle(data: bytes, dataset: str) -> Bundle:
    """The records of that dataset from an object's bytes."""
    try:
        bundle = msgspec.json.decode(data, type=Bundle)
    except msgspec.MsgspecError as error:
        raise DataError("this object holds no records of a dataset", cause=str(error), cure="push again") from error
    if bundle.dataset != dataset:
        raise DataError(
            f"these are not records of '{dataset}'", cause=f"they are of '{bundle.dataset}'", cure="push again"
        )
    return bundle


def _require_whole(store: ObjectStore, manifests: Sequence[Digest], there: Sequence[Digest]) -> None:
    """Refuse versions that lack an object."""
    try:
        absent = next((each for each in closure.needed(store, manifests, there) if not store.has(each)), None)
    except StoreError as error:
        raise DataError("the versions are not whole", cause=error.message, cure="push them again") from error
    if absent is not None:
        raise DataError("the versions are not whole", cause=f"{absent} was not sent", cure="push them again")


def _counting(tell: Tell, doing: str) -> Callable[[int, int], None]:
    total = [0, 0]

    def count(objects: int, size: int) -> None:
        total[0] += objects
        total[1] += size
        tell(doing, total[0], total[1])

    return count


def _pulled(dataset: str, remote: str, taken: Taken, objects: int, size: int, *, partial: bool) -> PullReport:
    return PullReport(
        dataset=dataset,
        remote=remote,
        versions=[version.ref for version in taken.added],
        branches=taken.branches,
        tags=taken.tags,
        objects=objects,
        bytes=size,
        partial=partial,
    )
