from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from mulle.errors import ServingError, StoreError, UsageError
from mulle.features.online import OnlineRow, OnlineView, SqliteOnline
from mulle.flavors import Field, Model
from mulle.predictions.frames import Batch, decode, microseconds
from mulle.registry import Inputs, ViewInput
from mulle.serving.ids import TurnIds
from mulle.serving.lookup import OnlineFeatures
from mulle.serving.plane import Asked, DataPlane, Served
from mulle.serving.rows import RowShape, merged
from mulle.testing.models import Leaning, Summing
from mulle.testing.planes import Planes


class Kept:
    """A spool in memory; on a full disk it refuses."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.writes = 0
        self.full = False

    def append_many(self, payloads: Sequence[bytes]) -> None:
        if self.full:
            raise StoreError("the spool cannot be written", cause=os.strerror(errno.ENOSPC))
        self.writes += 1
        self.batches += map(decode, payloads)


def plane_of(planes: Planes, spool: Kept, online: Any = None) -> DataPlane:
    plane = DataPlane(spool, planes.clock, TurnIds(planes.clock), planes.signer, online)
    plane.apply(planes.deployments.plan())
    return plane


def ask(plane: DataPlane, name: str, *rows: Mapping[str, Any], **more: Any) -> tuple[Served, Asked]:
    served = plane.served(name)
    return served, served.ask(served.shape.decode(msgspec.json.encode({"rows": rows, **more})), plane.ids)


def test_a_turn_is_one_prediction_and_one_write(summing: Planes) -> None:
    spool = Kept()
    plane = plane_of(summing, spool)

    plane.turn([ask(plane, "sum", {"a": n, "b": 0}) for n in range(5)])

    assert (spool.writes, len(spool.batches), spool.batches[0].scores) == (1, 1, [0.0, 1.0, 2.0, 3.0, 4.0])


def test_the_log_keeps_what_was_sent(summing: Planes) -> None:
    spool = Kept()
    plane = plane_of(summing, spool)

    plane.turn([ask(plane, "sum", {"a": 1, "b": None})])

    assert spool.batches[0].inputs == {"a": [1.0], "b": [None]}


def test_on_a_full_disk_answering_goes_on_and_is_counted(summing: Planes) -> None:
    spool = Kept()
    spool.full = True
    plane = plane_of(summing, spool)
    served, asked = ask(plane, "sum", {"a": 1, "b": 2})

    plane.turn([(served, asked)])

    assert asked.answers[0] is not None
    assert plane.unlogged == 1


def test_a_plan_replaces_the_former_between_turns(summing: Planes) -> None:
    plane = plane_of(summing, Kept())
    served, asked = ask(plane, "sum", {"a": 1, "b": 2})
    summing.deployments.deploy("sum", "sum@2")

    plane.apply(summing.deployments.plan())
    plane.turn([(served, asked)])

    assert asked.answers[0] is not None
    assert asked.answers[0].revision == 1


def test_a_key_is_read_from_the_row(planes: Planes) -> None:
    rows = pl.DataFrame({"a": [1.0]})
    planes.register("keyed", Model(Summing(), example=rows), inputs=Inputs(key=["flight", "leg"]))
    planes.deployments.deploy("keyed", "keyed@1")
    plane = plane_of(planes, Kept())

    assert ask(plane, "keyed", {"a": 1, "flight": "UA1", "leg": 2})[1].keys == ["UA1|2"]


@pytest.mark.parametrize("more", [{"ids": ["one", "two"]}, {"key": ["one", "two"]}, {"ids": ["a b"]}])
def test_lists_must_fit_the_rows(summing: Planes, more: dict[str, Any]) -> None:
    plane = plane_of(summing, Kept())

    with pytest.raises(ServingError):
        ask(plane, "sum", {"a": 1, "b": 2}, **more)


@pytest.fixture
def with_views(planes: Planes, tmp_path: Path) -> tuple[Planes, OnlineFeatures]:
    """A model that takes `a` from the caller and `wind` from a view by origin."""
    rows = pl.DataFrame({"a": [1.0], "wind": [2.0]})
    inputs = Inputs(views=[ViewInput("weather", ["origin"])], request_columns=["a", "origin"])
    planes.register("delay", Model(Leaning(), example=rows), inputs=inputs)
    planes.deployments.deploy("delay", "delay@1")
    store = SqliteOnline(tmp_path / "online.db")
    now = microseconds(planes.now)
    hour = int(timedelta(hours=1).total_seconds() * 1e6)
    store.write(
        OnlineView("weather", ["origin"], ["wind"], now), [OnlineRow(("JFK",), now, now - hour, now + hour, [7.5])]
    )
    return planes, OnlineFeatures(store, planes.clock)


def values(planes: Planes, online: OnlineFeatures, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return ask(plane_of(planes, Kept(), online), "delay", row)[1].values[0]


def test_what_a_row_leaves_out_is_looked_up(with_views: tuple[Planes, OnlineFeatures]) -> None:
    assert values(*with_views, {"a": 1, "origin": "JFK"}) == (1.0, 7.5)


def test_what_a_row_brings_is_not_looked_up(with_views: tuple[Planes, OnlineFeatures]) -> None:
    assert values(*with_views, {"a": 1, "origin": "JFK", "wind": 1.5}) == (1.0, 1.5)


def test_a_feature_without_a_value_is_null(with_views: tuple[Planes, OnlineFeatures]) -> None:
    assert values(*with_views, {"a": 1, "origin": "EWR"}) == (1.0, None)


@pytest.mark.parametrize("row", [{"origin": "JFK"}, {"a": 1}])
def test_what_nobody_knows_is_an_error(with_views: tuple[Planes, OnlineFeatures], row: dict[str, Any]) -> None:
    with pytest.raises(ServingError, match="no column"):
        values(*with_views, row)


def test_columns_of_two_models_are_widened() -> None:
    assert merged([[Field("a", "int")], [Field("a", "float"), Field("b", "str")]]) == [
        Field("a", "float"),
        Field("b", "str"),
    ]


def test_columns_that_cannot_meet_are_refused() -> None:
    with pytest.raises(UsageError, match="column 'a'"):
        merged([[Field("a", "int")], [Field("a", "str")]])


def test_rows_are_decoded_by_name() -> None:
    shape = RowShape([Field("a b", "float"), Field("c", "str")], ["key"])

    found = shape.decode(b'{"rows": [{"c": "x", "a b": 1, "key": 7, "unknown": []}]}')

    assert shape.tuples(found.rows) == [(1.0, "x")]
    assert shape.value(found.rows[0], "key") == 7


def test_ids_sort_in_the_order_they_were_made(planes: Planes) -> None:
    ids = TurnIds(planes.clock)

    made = [ids.new() for _ in range(20_000)]

    assert made == sorted(set(made))
    assert {(len(one), one[14], one[19] in "89ab") for one in made} == {(36, "7", True)}


class Hours:
    """The hour of an instant."""

    def predict(self, columns: Mapping[str, Any]) -> Any:
        return (columns["at"].astype("int64") // 3_600_000_000 % 24).astype(float)


def test_instants_are_taken_from_json(planes: Planes) -> None:
    planes.register("hours", Model(Hours(), example=pl.DataFrame({"at": [planes.now]})))
    planes.deployments.deploy("hours", "hours@1")
    spool = Kept()
    plane = plane_of(planes, spool)

    plane.turn([ask(plane, "hours", {"at": "2013-01-01T07:00:00+02:00"}, {"at": "2013-01-01T06:00:00Z"})])

    assert spool.batches[0].scores == [5.0, 6.0]
