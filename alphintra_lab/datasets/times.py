"""Times as files write them, to nanoseconds since 1970 UTC. What is ambiguous is refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute

from ..errors import Invalid

# The stubs know only some of the argument types that these take.
pc: Any = pyarrow.compute
Column = Any

MISSING = np.iinfo(np.int64).min
"""Stands for an empty time, as in numpy's NaT."""

EMPTY = pa.array(["", "nan", "nat", "null", "none", "na", "n/a", "#n/a", "-"])
SLICE = 500_000
NO_ZONE = "times had no zone and were read as UTC"

_CLOCK = (
    r"(?:[ T,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9})"
    r"\d*)?)?\s*(?P<half>[AaPp][Mm])?)?\s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$"
)
_NAMED = r"(?P<named>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_COMPACT_DATE = r"^(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
STYLES = {
    "compact": _COMPACT_DATE
    + r"(?:[ T]?(?P<hour>[01]\d|2[0-3]):?(?P<minute>[0-5]\d)(?::?(?P<second>[0-5]\d))?)?$",
    "epoch": r"^(?P<epoch>-?\d{9,19})(?:\.(?P<part>\d+))?$",
    "iso": r"^(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})" + _CLOCK,
    "numbers": r"^(?P<first>\d{1,2})(?P<separator>[./-])(?P<second_number>\d{1,2})[./-]"
    r"(?P<year>\d{4})" + _CLOCK,
    "day_month": r"^(?P<day>\d{1,2})[ -]" + _NAMED + r"[ -](?P<year>\d{4})" + _CLOCK,
    "month_day": "^" + _NAMED + r" (?P<day>\d{1,2}),? (?P<year>\d{4})" + _CLOCK,
}
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


class Times(NamedTuple):
    """Nanoseconds since 1970 UTC (MISSING where empty), and what was assumed."""

    time: np.ndarray
    notes: list[str]
    unzoned: np.ndarray = np.empty(0, dtype=np.int64)
    """Rows whose time has no zone where others' have one."""


def parse_times(texts: Column, day_first: bool | None = None) -> Times:
    """Each text as a time.

    One style for the whole file. Raises Invalid with value and row for what does not read.
    """
    texts = pc.utf8_trim_whitespace(texts)
    filled = pc.invert(pc.is_in(pc.utf8_lower(texts), value_set=EMPTY))
    filled = pc.and_(filled, texts.is_valid())
    first = pc.index(filled, True).as_py()
    if first < 0:
        return Times(np.full(len(texts), MISSING), [])
    style = find_style(texts[first].as_py(), first)
    off = pc.and_(filled, pc.invert(pc.match_substring_regex(texts, STYLES[style])))
    if (row := pc.index(off, True).as_py()) >= 0:
        raise unreadable(texts[row].as_py(), row, f"the first one is {texts[first].as_py()!r}")
    swap = False
    notes: list[str] = []
    if style == "numbers":
        swap, notes = _choose_order(texts, filled, day_first)
    parts, zones = [], []
    for start in range(0, len(texts), SLICE):
        piece = texts.slice(start, SLICE).combine_chunks()
        known = filled.slice(start, SLICE).to_numpy()
        read, has_zone = _read_slice(piece, known, style, swap, start)
        parts.append(read)
        zones.append(has_zone | ~known)
    unzoned = np.flatnonzero(~np.concatenate(zones))
    count = int(filled.to_numpy().sum())
    if style == "epoch":
        notes.append("times were read as numbers since 1970 UTC")
    elif unzoned.size == count:
        notes.append(NO_ZONE)
        unzoned = unzoned[:0]
    elif unzoned.size:
        notes.append(f"{unzoned.size:,} of {count:,} {NO_ZONE}")
    return Times(np.concatenate(parts), notes, unzoned)


def find_style(text: str, row: int) -> str:
    """The way a time is written, or Invalid."""
    for style, pattern in STYLES.items():
        if pc.match_substring_regex(pa.array([text]), pattern)[0].as_py():
            return style
    raise unreadable(text, row, "that is no time we know")


def unreadable(text: str, row: int, why: str) -> Invalid:
    """The error for a time that does not read."""
    return Invalid(
        f"time at row {row} is {text[:60]!r}: {why}. Times like 2017-01-02 22:00, "
        "2017-01-02T22:00:00Z or seconds since 1970 are read.",
        field="file",
    )


def _choose_order(texts: Column, filled: Column, day_first: bool | None) -> tuple[bool, list[str]]:
    """Whether 03/04/2017 is day first, by a number above 12 somewhere in the file."""
    fields = pc.extract_regex(texts, STYLES["numbers"])
    left = pc.struct_field(fields, "first").cast("int64").fill_null(0).to_numpy()
    right = pc.struct_field(fields, "second_number").cast("int64").fill_null(0).to_numpy()
    day_left, day_right = np.flatnonzero(left > 12), np.flatnonzero(right > 12)
    if day_left.size and day_right.size:
        row = int(max(day_left[0], day_right[0]))
        other = int(min(day_left[0], day_right[0]))
        raise unreadable(
            texts[row].as_py(), row, f"day and month stand the other way round in row {other}"
        )
    if day_first is not None or day_left.size or day_right.size:
        chosen = bool(day_left.size) or (not day_right.size and bool(day_first))
        return chosen, [f"dates were read {'day' if chosen else 'month'} first"]
    differ = np.flatnonzero(left != right)
    if not differ.size:
        return True, []
    row = int(differ[0])
    text = texts[row].as_py()
    if "." in text[:3]:
        return True, ["dates were read day first, as dates with dots are"]
    raise Invalid(
        f"time at row {row} is {text!r}, and nothing in the file tells whether day or month comes "
        "first. Write dates as 2017-04-03, or say day_first.",
        field="day_first",
    )


def _read_slice(
    piece: Column, known: np.ndarray, style: str, swap: bool, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """The times, and which of them name a zone."""
    fields = pc.extract_regex(piece, STYLES[style])
    names = [field.name for field in fields.type]
    raw = {name: pc.struct_field(fields, name) for name in names}
    if style == "epoch":
        return _read_epoch(raw, known), np.ones(len(piece), dtype=np.bool_)
    numbers = {name: _to_numbers(column) for name, column in raw.items() if name in _NUMERIC}
    if style == "numbers":
        day, month = ("first", "second_number") if swap else ("second_number", "first")
        numbers["day"], numbers["month"] = numbers[day], numbers[month]
    elif "named" in raw:
        short = pc.utf8_slice_codeunits(pc.utf8_lower(raw["named"]), 0, 3)
        numbers["month"] = _to_numbers(pc.index_in(short, value_set=pa.array(MONTHS))) + 1
    time, sound = _assemble(numbers, raw)
    if (bad := np.flatnonzero(known & ~sound)).size:
        row = int(bad[0])
        raise unreadable(piece[row].as_py(), start + row, "there is no such date or time")
    has_zone = np.zeros(len(piece), dtype=np.bool_)
    if "zone" in raw:
        has_zone = pc.not_equal(raw["zone"], "").fill_null(False).to_numpy(False)
    return np.where(known, time, MISSING), has_zone


_NUMERIC = {"year", "month", "day", "hour", "minute", "second", "first", "second_number"}


def _to_numbers(column: Column) -> np.ndarray:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.if_else(pc.equal(column, ""), "0", column).cast(pa.int64())
    numbers: np.ndarray = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _assemble(
    numbers: dict[str, np.ndarray], raw: dict[str, Column]
) -> tuple[np.ndarray, np.ndarray]:
    """Nanoseconds, and whether each date and time exists."""
    year, month, day = (numbers[name] for name in ("year", "month", "day"))
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    zero = np.zeros_like(year)
    hour, minute, second = (numbers.get(name, zero) for name in ("hour", "minute", "second"))
    sound = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months)
    sound &= (hour < 24) & (minute < 60) & (second < 60) & (year >= 1680) & (year <= 2260)
    if "half" in raw:
        half = pc.utf8_lower(raw["half"]).fill_null("").to_numpy(zero_copy_only=False)
        sound &= (half == "") | ((hour >= 1) & (hour <= 12))
        hour = np.where(half == "", hour, hour % 12 + 12 * (half == "pm"))
    fraction = zero
    if "fraction" in raw:
        padded = pc.utf8_rpad(raw["fraction"].fill_null(""), 9, "0")
        fraction = _to_numbers(padded)
    seconds = days.astype(np.int64) * 86_400 + hour * 3600 + minute * 60 + second
    if "zone" in raw:
        seconds = seconds - _read_offsets(raw["zone"])
    return seconds * 1_000_000_000 + fraction, sound


def _read_offsets(zones: Column) -> np.ndarray:
    """Seconds east of UTC; few different ones, so each is read once."""
    encoded = zones.fill_null("").dictionary_encode()
    offsets = []
    for zone in encoded.dictionary.to_pylist():
        if zone[:1] not in ("+", "-") or not zone:
            offsets.append(0)
            continue
        digits = zone[1:].replace(":", "").ljust(4, "0")
        sign = -1 if zone[0] == "-" else 1
        offsets.append(sign * (int(digits[:2]) * 3600 + int(digits[2:]) * 60))
    chosen: np.ndarray = np.array(offsets, dtype=np.int64)[encoded.indices.to_numpy()]
    return chosen


def _read_epoch(raw: dict[str, Column], known: np.ndarray) -> np.ndarray:
    part = pc.cast(pc.binary_join_element_wise("0.", raw["part"].fill_null(""), "0", ""), "float64")
    return epoch_to_nanoseconds(_to_numbers(raw["epoch"]), known, part.fill_null(0.0).to_numpy())


def epoch_to_nanoseconds(
    numbers: np.ndarray, known: np.ndarray, part: np.ndarray | float = 0.0
) -> np.ndarray:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by their size.

    Below 1e11 they are seconds (until the year 5138), then each unit has three digits more.
    """
    size = np.abs(numbers)
    unit = np.select([size < 10**11, size < 10**14, size < 10**17], [10**9, 10**6, 10**3], 1)
    time = numbers * unit + np.rint(part * unit).astype(np.int64)
    late = np.flatnonzero(known & (size > np.iinfo(np.int64).max // unit))
    if late.size:
        row = int(late[0])
        raise unreadable(str(numbers[row]), row, "the year is past 2262")
    return np.where(known, time, MISSING)
