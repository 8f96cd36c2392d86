"""Keys of the rows of a table, as the text under which predictions and labels meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl


def key_texts(table: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """Each row's key as text; empty where a column is null. The same text as `mulle.predictions.frames.key_text`."""
    if not key:
        return pl.Series("key", [""] * table.height, dtype=pl.String)
    return table.select(key=key_text(table.schema, key)).to_series()


def key_text(schema: Mapping[str, pl.DataType], key: Sequence[str]) -> pl.Expr:
    """The key of each row of a table with such columns, as text."""
    parts = [_text(name, schema[name]) for name in key]
    if len(parts) == 1:
        return parts[0].fill_null("")
    escaped = [
        part.str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True) for part in parts
    ]
    return pl.concat_str(escaped, separator="|").fill_null("")


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return column.cast(pl.String)
