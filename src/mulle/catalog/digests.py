"""Which objects the catalog names: every digest in any column, whatever the column is for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    String,
    cast,
    column,
    func,
    inspect,
    literal,
    literal_column,
    select,
    table,
)

if TYPE_CHECKING:
    from mulle.catalog.tx import Tx

DIGEST = re.compile(rb"b3:([0-9a-f]{64})")
_MARK = b"b3:"


def digests_named(tx: Tx, without: Collection[str] = ()) -> Iterator[tuple[bytes, str]]:
    """Every digest (raw) that a row names, with where: `table(key of the row).column`; tables `without` are left out.

    The tables are those that the database has, not those that this process has declared.
    """
    inspector = inspect(tx.connection)
    for name in sorted(inspector.get_table_names()):
        if name in without:
            continue
        key = list(inspector.get_pk_constraint(name)["constrained_columns"])
        for each in inspector.get_columns(name):
            if isinstance(each["type"], String | LargeBinary):
                yield from _named_in(tx, name, key, each["name"])


def _named_in(tx: Tx, name: str, key: list[str], named: str) -> Iterator[tuple[bytes, str]]:
    content = column(named, String)
    held = func.instr(cast(content, LargeBinary), literal(_MARK, LargeBinary)) > 0
    keys: list[ColumnElement[str]] = [literal_column(f'"{part}"', String).label(f"key_{part}") for part in key]
    statement = select(content, *keys).select_from(table(name))
    for row in tx.execute(statement.where(held)):
        text = row[0] if isinstance(row[0], bytes) else str(row[0]).encode()
        where = f"{name}({', '.join(str(each) for each in list(row)[1:])}).{named}"
        for found in DIGEST.finditer(text):
            yield bytes.fromhex(found[1].decode()), where
