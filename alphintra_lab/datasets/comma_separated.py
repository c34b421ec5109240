"""CSV files: their header, their delimiter, and their rows as columns of text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from ..errors import Invalid
from .store import format_bytes

# The stubs know only some of the argument types that these take.
csv_reader: Any = pyarrow.csv

BLOCK = 4 * 1024 * 1024
HEAD = 256 * 1024
LONGEST_HEADER = 131_072
PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


def open_csv(path: Path, filename: str, start: bytes) -> tuple[list[str], Iterator[Any], bool]:
    """Column names, batches of text columns, and whether decimals are written with a comma."""
    packing = next((kind for magic, kind in PACKED.items() if start.startswith(magic)), None)
    if start.startswith(b"PK"):
        raise Invalid(
            f"{filename} is a ZIP archive or a spreadsheet. Send its CSV, plain or as .gz or .zst.",
            field="file",
        )
    try:
        stream: Any = pa.input_stream
        with stream(str(path), compression=packing) as opened:
            head = opened.read(HEAD)
    except (OSError, EOFError) as error:
        raise Invalid(f"{filename} is damaged: {first_line(error)}.", field="file") from None
    delimiter, comma = sniff(head, filename)
    first = head.decode("utf-8-sig", "replace").splitlines()[0]
    if len(first) > LONGEST_HEADER:
        raise Invalid(
            f"The header of {filename} is longer than {LONGEST_HEADER:,} characters. Write the "
            "columns' names alone into the first line, and each bar into a line of its own.",
            field="file",
        )
    try:
        names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
    except csv.Error as error:
        raise Invalid(f"The header of {filename} cannot be read: {error}.", field="file") from None
    # pyarrow refuses to skip a header that nothing follows.
    rows = len(head) == HEAD or b"\n" in head.strip()
    batches = _read_csv(path, filename, packing, names, delimiter)
    return names, batches if rows else iter(()), comma


def _read_csv(
    path: Path, filename: str, packing: str | None, names: list[str], delimiter: str
) -> Iterator[Any]:
    ragged: list[Any] = []

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "error"

    stream: Any = pa.input_stream
    try:
        yield from csv_reader.open_csv(
            stream(str(path), compression=packing),
            # One thread: only then a bad row knows its number.
            csv_reader.ReadOptions(
                block_size=BLOCK, use_threads=False, column_names=names, skip_rows=1
            ),
            csv_reader.ParseOptions(delimiter=delimiter, invalid_row_handler=refuse),
            csv_reader.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid:
        if not ragged:
            _refuse_long_row(path, filename, packing)
            raise
        row = ragged[0]
        place = f"row {row.number - 2}" if row.number is not None else "a row"
        raise Invalid(
            f"{place} has {row.actual_columns} fields where the header has {row.expected_columns}: "
            f"{row.text[:80]!r}. Mend the row or take it out.",
            field="file",
        ) from None


def _refuse_long_row(path: Path, filename: str, packing: str | None) -> None:
    """Raise Invalid naming the first row that is longer than a block, if there is one."""
    row, length = -1, 0  # the header is not counted
    stream: Any = pa.input_stream
    with stream(str(path), compression=packing) as opened:
        while piece := opened.read(BLOCK):
            for number, part in enumerate(piece.split(b"\n")):
                if number:  # a line break stood before it; empty lines are not counted
                    row, length = row + (length > 0), 0
                length += len(part)
                if length > BLOCK:
                    raise Invalid(
                        f"{filename} cannot be read: row {row} is longer than "
                        f"{format_bytes(BLOCK)}. Is there no line break after it?",
                        field="file",
                    )


def sniff(head: bytes, filename: str) -> tuple[str, bool]:
    """The delimiter, and whether decimals have a comma, from the file's beginning."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
        raise Invalid(
            f"{filename} is not a CSV in UTF-8 and not Parquet. Save it as CSV (UTF-8) or Parquet.",
            field="file",
        )
    lines = head.decode("utf-8-sig", "replace").splitlines()
    header = lines[0] if lines else ""
    if not header.strip():
        raise Invalid(f"{filename} has no header in its first line.", field="file")
    delimiter = max(",;\t|", key=header.count)
    fields = [field.strip(' "') for line in lines[1:20] for field in line.split(delimiter)]
    comma = any(re.fullmatch(r"-?\d+,\d+", field) for field in fields)
    point = any(re.fullmatch(r"-?\d+\.\d+", field) for field in fields)
    return delimiter, comma and not point and delimiter != ","


def first_line(error: Exception) -> str:
    """What a library says of an error, without the rest that it adds."""
    return str(error).partition("\n")[0].rstrip(". ")
