"""Keys of the rows of a table, as the text under which predictions and labels meet."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def key_texts(table: pl.DataFrame, key: Sequence[str]) -> pl.Series:
    """Each row's key as text; empty where a column is null. The same text as `mulle.predictions.frames.key_text`."""
    if not key:
        return pl.Series("key", [""] * table.height, dtype=pl.String)
    parts = [_text(name, table.schema[name]) for name in key]
    if len(parts) > 1:
        escaped = [
            part.str.replace_all("\\", "\\\\", literal=True).str.replace_all("|", "\\|", literal=True) for part in parts
        ]
        joined = pl.concat_str(escaped, separator="|")
    else:
        joined = parts[0]
    return table.select(key=joined.fill_null("")).to_series()


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return column.cast(pl.String)
