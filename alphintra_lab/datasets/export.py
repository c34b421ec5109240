"""Bars out of the store into one file: `time, symbol, open, ...`, one symbol after another."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from .store import open_bars


def export_bars(paths: dict[str, Path], file: IO[bytes], kind: str) -> int:
    """Write the bars of all symbols into an open file; answers how many rows.

    Row group by row group, so that memory does not grow with the data. Adding the file again
    gives the same version: every float is written so that it reads back to the same one.
    """
    first = next(iter(paths))
    names = [name for name in open_bars(paths[first], first).schema_arrow.names if name != "time"]
    kinds: dict[str, pa.DataType] = {"time": pa.timestamp("ns", "UTC"), "symbol": pa.string()}
    schema = pa.schema(kinds | dict.fromkeys(names, pa.float64()))
    csv = kind == "csv"
    whole = csv and all(_is_whole(path, symbol) for symbol, path in paths.items())
    if whole:
        schema = schema.set(0, pa.field("time", pa.timestamp("s", "UTC")))
    opened: Any = pa.csv.CSVWriter if csv else pq.ParquetWriter
    count = 0
    options = {}
    if csv:  # no symbol and no column's name has a comma or a quote in it
        plain: Any = pa.csv.WriteOptions
        options = {"write_options": plain(quoting_style="none", quoting_header="none")}
    with opened(file, schema, **options) as writer:
        for symbol, path in paths.items():
            for batch in open_bars(path, symbol).iter_batches():
                columns = [batch["time"], pa.array([symbol] * batch.num_rows)]
                columns += [batch[name] for name in names]
                table = pa.table(columns, names=schema.names).cast(schema)
                writer.write_table(_blank_missing(table) if csv else table)
                count += batch.num_rows
    return count


def _is_whole(path: Path, symbol: str) -> bool:
    """Whether all times are whole seconds, and can be written shortly."""
    file = open_bars(path, symbol)
    batches = file.iter_batches(columns=["time"])
    return not any(
        np.any(batch["time"].to_numpy(False).astype(np.int64) % 10**9) for batch in batches
    )


def _blank_missing(table: pa.Table) -> pa.Table:
    """NaN as an empty field, as most programs expect it."""
    for place, name in enumerate(table.column_names):
        if pa.types.is_floating(table[name].type):
            column = pa.array(table[name].to_numpy(), from_pandas=True)
            table = table.set_column(place, name, column)
    return table
