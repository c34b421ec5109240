"""From what a file holds to bars in the store, with their quality report.

Runs in a process of its own (`python -m alphintra_lab.datasets.ingest`): the server stays light
and responsive, and a file that asks for too much memory ends that process and nothing else.
"""

from __future__ import annotations

import datetime as dt
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uuid_utils

from ..errors import Invalid, LabError, TooLarge
from ..processes import die_with_parent
from . import sessions
from .bars import RawBars
from .checks import FILE_CHECKS, Tally, check_bars, make_report
from .prepared import (
    Answer,
    BuildPlatform,
    CheckAgain,
    Failure,
    Prepared,
    ReadFile,
    Request,
    rows_file,
)
from .reading import read_file
from .schema import Instrument, Report
from .sources import read_platform
from .store import (
    BAR_COLUMNS,
    format_bytes,
    hash_version,
    make_table,
    read_sound_bars,
    write_bars,
    write_table,
)


def prepare_bars(
    store: Path, raw: RawBars, instruments: dict[str, Instrument] | None = None
) -> Prepared:
    """Check bars, sort them, drop repeats, and put them into the store, one file per symbol."""
    if raw.time.size == 0:
        raise Invalid("The file has no rows with a time. Send one that holds bars.", field="file")
    columns = [*BAR_COLUMNS, *(name for name in raw.values if name not in BAR_COLUMNS)]
    parts = []
    for symbol, found in _split_symbols(raw):
        given = (instruments or {}).get(symbol)
        parts.append(_prepare_symbol(store, raw, columns, found, symbol, given))
    files = {part.symbol: part.file for part in parts}
    largest = max(parts, key=lambda part: part.time.size)
    calendars = {part.instrument.calendar for part in parts}
    calendar = calendars.pop() if len(calendars) == 1 else None
    spacing = sessions.find_spacing(largest.time)
    numbers = np.concatenate([part.rows for part in parts])
    version_id = str(uuid_utils.uuid7())  # as db.new_id, without a database to import
    if not np.array_equal(numbers, np.arange(numbers.size)):
        write_table(store, rows_file(version_id), pa.table({"row": pa.array(numbers)}))
    return Prepared(
        version_id=version_id,
        sha256=hash_version(files, columns),
        symbols=list(files),
        files=files,
        columns=columns,
        instruments=[part.instrument for part in parts],
        rows=int(numbers.size),
        start=_to_datetime(min(int(part.time[0]) for part in parts)),
        end=_to_datetime(max(int(part.time[-1]) for part in parts)),
        frequency=sessions.describe_spacing(spacing),
        calendar=calendar,
        periods_per_year=sessions.periods_per_year(largest.time, spacing, calendar),
        bytes=sum(part.bytes for part in parts),
        report=make_report(raw.tally, raw.total_rows),
        notes=raw.notes,
    )


@dataclass
class _Part:
    symbol: str
    file: str
    bytes: int
    instrument: Instrument
    time: np.ndarray
    rows: np.ndarray


def _prepare_symbol(
    store: Path,
    raw: RawBars,
    columns: list[str],
    found: np.ndarray,
    symbol: str,
    instrument: Instrument | None,
) -> _Part:
    kept = _sort_and_drop_repeats(raw, found, symbol)
    time, rows = raw.time[kept], raw.rows[kept]
    values = {name: raw.values[name][kept] for name in columns}
    spacing = sessions.find_spacing(time)
    if instrument is None:
        calendar = sessions.recognise_calendar(time, spacing)
        instrument = Instrument(symbol=symbol, calendar=calendar, adjusted=raw.adjusted)
    check_bars(raw.tally, symbol, time, values, rows, spacing, instrument.calendar)
    file, size = write_bars(store, make_table(time, values))
    return _Part(symbol, file, size, instrument, time, rows)


def _split_symbols(raw: RawBars) -> list[tuple[str, np.ndarray]]:
    """Each symbol that has bars, sorted, with their positions in the file's order."""
    counts = np.bincount(raw.code, minlength=len(raw.symbols))
    order = np.argsort(raw.code, kind="stable")
    places = np.split(order, np.cumsum(counts)[:-1])
    split = zip(raw.symbols, places, strict=True)
    return sorted(((symbol, found) for symbol, found in split if found.size), key=lambda s: s[0])


def _sort_and_drop_repeats(raw: RawBars, found: np.ndarray, symbol: str) -> np.ndarray:
    """Positions of one symbol's bars by time; of several at one time the last in the file."""
    time = raw.time[found]
    raw.tally.add("unsorted_time", symbol, raw.rows[found[1:][time[1:] < time[:-1]]])
    order = found[np.argsort(time, kind="stable")]
    repeat = raw.time[order[1:]] == raw.time[order[:-1]]
    if repeat.any():
        again, first = order[1:][repeat], order[:-1][repeat]
        raw.tally.add("duplicated_time", symbol, np.sort(raw.rows[again]))
        differs = np.zeros(again.size, dtype=bool)
        for column in raw.values.values():
            left, right = column[first], column[again]
            differs |= ~((left == right) | (np.isnan(left) & np.isnan(right)))
        unequal = raw.unequal_repeats = raw.unequal_repeats + int(differs.sum())
        raw.tally.remarks["duplicated_time"] = (
            f"{unequal} of the repeats differ in their values." if unequal else "All are equal."
        )
    return order[np.r_[~repeat, True]]


def _to_datetime(nanoseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=nanoseconds // 1000)


def check_again(request: CheckAgain) -> Report:
    """The report on bars in the store; what only the uploaded file could show is kept from then."""
    store = Path(request.store)
    findings = [one for one in request.report.findings if one.check in FILE_CHECKS]
    tables = {}
    for symbol, name in sorted(request.files.items()):
        tables[symbol] = read_sound_bars(store / name, symbol)
    total = sum(table.num_rows for table in tables.values())
    numbers = _read_row_numbers(store, request.version_id, total)
    calendars = {one.symbol: one.calendar for one in request.instruments}
    tally = Tally()
    for symbol, table in tables.items():
        rows, numbers = numbers[: table.num_rows], numbers[table.num_rows :]
        time = table["time"].cast(pa.int64()).to_numpy()
        values = {name: table[name].to_numpy() for name in table.column_names[1:]}
        spacing = sessions.find_spacing(time)
        check_bars(tally, symbol, time, values, rows, spacing, calendars.get(symbol))
    # Rows that were left out are those without a time and the repeats: each was counted.
    left_out = sum(
        one.count for one in findings if one.check in ("missing_time", "duplicated_time")
    )
    for check in FILE_CHECKS:
        tally.rows.pop(check, None)
    return make_report(tally, total + left_out, findings)


def _read_row_numbers(store: Path, version_id: str, total: int) -> np.ndarray:
    path = store / rows_file(version_id)
    return pq.read_table(path)["row"].to_numpy() if path.exists() else np.arange(total)


def answer(request: Request) -> Answer:
    """What was asked for; or the error that the user is to see."""
    try:
        match request:
            case CheckAgain():
                return Answer(report=check_again(request))
            case BuildPlatform():
                built = read_platform(request.names)
                return Answer(
                    [prepare_bars(Path(request.store), raw, known) for raw, known in built]
                )
            case ReadFile():
                path = Path(request.path)
                raw = read_file(path, request.filename, request.symbol, request.day_first)
                return Answer([prepare_bars(Path(request.store), raw)])
    except LabError as error:
        return Answer(failure=_describe(error))
    except MemoryError:  # pyarrow's is one too
        limit = format_bytes(resource.getrlimit(resource.RLIMIT_DATA)[0])
        message = f"The data needs more than {limit} of memory. Split it by symbol or by year."
        return Answer(failure=_describe(TooLarge(message, field="file")))


def _describe(error: LabError) -> Failure:
    return Failure(error.status, error.message, error.code, error.field)


def main() -> None:
    """Answer one request: JSON in on stdin, JSON out on stdout."""
    die_with_parent()
    # Three quarters of the machine: then this process fails, and no other is killed for it.
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    sys.stdout.buffer.write(msgspec.json.encode(answer(request)))


if __name__ == "__main__":
    main()
