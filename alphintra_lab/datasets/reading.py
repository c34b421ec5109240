"""CSV and Parquet files, plain or packed with gzip or zstd, to columns of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from ..errors import Invalid
from .bars import RawBars
from .checks import Tally
from .columns import Roles, recognise_columns
from .comma_separated import first_line, open_csv
from .times import MISSING
from .values import to_numbers, to_times

# The stubs know only some of the argument types that these take.
pc: Any = pyarrow.compute
Column = Any

MAX_SYMBOLS = 5_000


def read_file(
    path: Path, filename: str, symbol: str | None = None, day_first: bool | None = None
) -> RawBars:
    """Read a file of bars. `filename` is its name as the user knows it, for symbol and errors."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise Invalid(f"{filename} cannot be read: {error.strerror}.", field="file") from None
    if not start:
        raise Invalid(f"{filename} is empty. Send a CSV or Parquet file with bars.", field="file")
    if start == b"PAR1":
        names, batches = open_parquet(path, filename)
        comma = False
    else:
        names, batches, comma = open_csv(path, filename, start)
    roles = recognise_columns(names)
    reader = _Reader(roles, comma)
    try:
        for batch in batches:
            reader.take(batch)
    except pa.ArrowException as error:
        raise Invalid(f"{filename} cannot be read: {first_line(error)}.", field="file") from None
    except OSError as error:
        raise Invalid(f"{filename} is damaged: {first_line(error)}.", field="file") from None
    return reader.finish(filename, symbol, day_first)


def open_parquet(path: Path, filename: str) -> tuple[list[str], Iterator[Any]]:
    """Column names and batches; a pandas index that holds the times takes part."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise Invalid(f"{filename} is damaged: {first_line(error)}.", field="file") from None
    schema = file.schema_arrow
    names = [
        "time" if re.fullmatch(r"__index_level_\d+__", name) else name for name in schema.names
    ]
    batches = (
        pa.RecordBatch.from_arrays(batch.columns, names=names)
        for batch in file.iter_batches(batch_size=131_072)
    )
    return names, batches


class _Reader:
    """Collects batches into columns, and remembers what was not a number."""

    def __init__(self, roles: Roles, comma: bool) -> None:
        self.roles = roles
        self.comma = comma
        self.times: list[Column] = []
        self.symbols: list[Column] = []
        self.values: dict[str, list[np.ndarray]] = {name: [] for name in roles.numbers}
        self.further = dict(roles.further)
        self.mistyped: dict[str, list[np.ndarray]] = {name: [] for name in roles.numbers}
        self.first_bad: dict[str, tuple[int, str]] = {}
        self.dropped: list[str] = []
        self.count = 0

    def take(self, batch: Column) -> None:
        """Add one batch."""
        self.times.append(self._read_time(batch))
        if self.roles.symbol is not None:
            self.symbols.append(batch.column(self.roles.symbol).cast("string"))
        for name, column in self.roles.numbers.items():
            numbers, bad = to_numbers(batch.column(column), self.comma)
            self.values[name].append(numbers)
            if bad.size:
                self.mistyped[name].append(bad + self.count)
                text = str(batch.column(column)[int(bad[0])].as_py())
                self.first_bad.setdefault(name, (int(bad[0]) + self.count, text))
        for name, column in list(self.further.items()):
            numbers, bad = to_numbers(batch.column(column), self.comma)
            if bad.size:  # words, not numbers: not for a strategy's bars
                del self.further[name]
                self.values.pop(name, None)
                self.dropped.append(column)
            else:
                self.values.setdefault(name, []).append(numbers)
        self.count += batch.num_rows

    def _read_time(self, batch: Column) -> Column:
        time = batch.column(self.roles.time)
        if self.roles.clock is None:
            return time
        clock = batch.column(self.roles.clock)
        return pc.binary_join_element_wise(time.cast("string"), clock.cast("string"), " ")

    def finish(self, filename: str, symbol: str | None, day_first: bool | None) -> RawBars:
        """The file's bars."""
        if self.count == 0:
            raise Invalid(f"{filename} has a header but no rows.", field="file")
        self._refuse_wrong_columns()
        time, notes, unzoned = to_times(pa.chunked_array(self.times), day_first)
        code, symbols = self._read_symbols(filename, symbol)
        values = {name: np.concatenate(self.values.pop(name)) for name in list(self.values)}
        rows = np.arange(self.count)
        tally, dated = Tally(), time != MISSING
        for name in self.roles.numbers:
            for bad in self.mistyped[name]:
                for number in np.unique(code[bad]):
                    tally.add("mistyped_value", symbols[number], bad[code[bad] == number])
        for number in np.unique(code[~dated]):
            tally.add("missing_time", symbols[number], rows[~dated & (code == number)])
        for number in np.unique(code[unzoned]):
            tally.add("mixed_zone", symbols[number], unzoned[code[unzoned] == number])
        notes += self._complete(values)
        if not dated.all():
            time, code, rows = time[dated], code[dated], rows[dated]
            values = {name: column[dated] for name, column in values.items()}
        return RawBars(
            time=time,
            code=code,
            symbols=symbols,
            values=values,
            rows=rows,
            total_rows=self.count,
            tally=tally,
            notes=notes,
            adjusted=self.roles.adjusted,
        )

    def _refuse_wrong_columns(self) -> None:
        for name, (row, text) in self.first_bad.items():
            if sum(bad.size for bad in self.mistyped[name]) > self.count / 2:
                raise Invalid(
                    f"{name} at row {row} is {text[:60]!r}, not a number, and so are most of its "
                    "values. Write numbers like 1234.5, without a currency or thousands.",
                    field="file",
                )

    def _complete(self, values: dict[str, np.ndarray]) -> list[str]:
        """Fill the columns that every bar has, and say so."""
        notes = []
        if "open" not in values:
            for name in ("open", "high", "low"):
                values[name] = values["close"]
            notes.append(
                "there was only a close; open, high and low were set to it, so an order for the "
                "next open fills at the next close"
            )
        if "volume" not in values:
            values["volume"] = np.full(self.count, np.nan)
            notes.append("there was no volume; it is empty")
        if self.roles.adjusted:
            notes.append("the close is the file's adjusted close")
        if self.dropped:
            notes.append(f"left out, since they are no numbers: {', '.join(self.dropped)}")
        return notes

    def _read_symbols(self, filename: str, symbol: str | None) -> tuple[np.ndarray, list[str]]:
        if not self.symbols:
            name = symbol or re.sub(
                r"\.(csv|txt|tsv|parquet|pq|gz|zst|zstd)\b", "", filename.lower()
            )
            return np.zeros(self.count, dtype=np.int32), [
                check_symbol(name if symbol else name.upper())
            ]
        encoded = pc.dictionary_encode(pc.utf8_trim_whitespace(pa.chunked_array(self.symbols)))
        encoded = encoded.combine_chunks() if encoded.num_chunks != 1 else encoded.chunk(0)
        names = encoded.dictionary.to_pylist()
        if symbol is not None and [symbol] != names:
            raise Invalid(
                f"The file names its symbols itself ({', '.join(names[:5])}); leave "
                f"symbol={symbol!r} out.",
                field="symbol",
            )
        if len(names) > MAX_SYMBOLS:
            raise Invalid(
                f"The column {self.roles.symbol!r} holds {len(names)} different symbols; "
                f"{MAX_SYMBOLS} are the limit.",
                field="file",
            )
        if encoded.null_count or "" in names:
            code = encoded.indices.fill_null(-1).to_numpy()
            empty = names.index("") if "" in names else -1
            row = int(np.flatnonzero((code == -1) | (code == empty))[0])
            raise Invalid(
                f"symbol at row {row} is empty. Name it, or take the row out.", field="file"
            )
        return encoded.indices.to_numpy(), [check_symbol(name) for name in names]


def check_symbol(name: str) -> str:
    """The symbol, or Invalid when it is empty, long, or has blanks or control characters."""
    if not re.fullmatch(r"[^\s\x00-\x1f\x7f|,;\"']{1,40}", name):
        raise Invalid(
            f"The symbol {name[:60]!r} has blanks, quotes or commas in it, or over 40 characters. "
            "Use one like AAPL or EUR/USD.",
            field="symbol",
        )
    return name
