"""Names, symbols and times that a caller gives, and the bars they stand for."""

from __future__ import annotations

import asyncio
import datetime as dt
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeVar

from ..errors import Invalid
from .schema import Preview, Series
from .store import read_sound_bars
from .table import DatasetVersionRow

T = TypeVar("T")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# The whole years that nanoseconds in 64 bits hold, which bars' times are kept in.
FIRST_YEAR, LAST_YEAR = 1678, 2261


def check_name(name: str) -> None:
    """Raise Invalid for what is no name of a dataset, and suggest one."""
    if NAME.fullmatch(name):
        return
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("._-")[:64]
    suggestion = f" Try {plain!r}." if plain else ""
    raise Invalid(
        f"name={name[:80]!r} is no name for a dataset: 1 to 64 lower-case letters, digits, '.', "
        f"'_' and '-', beginning with a letter or digit.{suggestion}",
        field="name",
    )


def suggest(wrong: str, known: list[str]) -> str:
    """The name that was probably meant, or those there are, as a sentence."""
    near = difflib.get_close_matches(wrong.lower(), [name.lower() for name in known], n=1)
    if near:
        return f" Did you mean {next(name for name in known if name.lower() == near[0])!r}?"
    if not known:
        return ""
    more = ", ..." if len(known) > 8 else ""
    return f" There are {', '.join(sorted(known)[:8])}{more}."


def choose_symbols(version: DatasetVersionRow, symbols: Sequence[str] | None) -> list[str]:
    """The asked symbols, sorted, all where none are named, or Invalid naming the unknown one."""
    if symbols is None:
        return sorted(version.files)
    if not symbols:
        raise Invalid("symbols is empty; name at least one, or leave it out.", field="symbols")
    for symbol in symbols:
        if symbol not in version.files:
            raise Invalid(
                f"The dataset has no symbol {symbol[:80]!r}.{suggest(symbol, list(version.files))}",
                field="symbols",
            )
    return sorted(set(symbols))


def bars_paths(
    version: DatasetVersionRow, store: Path, symbols: Sequence[str] | None = None
) -> dict[str, Path]:
    """Symbol -> its Parquet file in the store, sorted by symbol."""
    return {symbol: store / version.files[symbol] for symbol in choose_symbols(version, symbols)}


def read_time(text: str | None, field: str) -> dt.datetime | None:
    """An ISO date or time as aware UTC; without a zone it is UTC; None stays None."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{field}={text[:80]!r} is no time. Write 2017-04-03 or 2017-04-03T22:00:00Z.",
            field=field,
        ) from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise Invalid(
            f"{field}={text[:80]!r} is out of reach: years run from {FIRST_YEAR} to {LAST_YEAR}.",
            field=field,
        )
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)


async def read_preview(
    version: DatasetVersionRow,
    store: Path,
    *,
    symbol: str | None,
    offset: int,
    limit: int,
    start: dt.datetime | None,
    end: dt.datetime | None,
    points: int,
) -> Preview:
    """Rows from `offset`, statistics, and the window's series of a symbol (None: the first)."""
    name, path = next(iter(_paths(version, store, symbol).items()))

    def read() -> Preview:
        from .preview import make_preview  # here, in the thread: the import takes a while

        return make_preview(path, name, offset, limit, (start, end), points)

    return await _read({name: path}, read)


async def read_series(
    version: DatasetVersionRow,
    store: Path,
    *,
    symbol: str | None,
    start: dt.datetime | None,
    end: dt.datetime | None,
    points: int,
) -> Series:
    """A symbol's bars of a window, merged until there are no more than `points`."""
    name, path = next(iter(_paths(version, store, symbol).items()))

    def read() -> Series:
        from .preview import make_series

        return make_series(path, name, (start, end), points)

    return await _read({name: path}, read)


async def refuse_damaged_bars(paths: Mapping[str, Path]) -> None:
    """Raise DamagedStore unless each symbol's file holds what its name, a hash, says."""

    def read() -> None:
        for symbol, path in paths.items():
            read_sound_bars(path, symbol)

    await asyncio.to_thread(read)


async def has_bars(
    paths: Mapping[str, Path], start: dt.datetime | None, end: dt.datetime | None
) -> bool:
    """Whether any symbol has a bar in the window. Reads until one has."""

    def read() -> bool:
        from . import preview

        return any(preview.has_bars(path, name, (start, end)) for name, path in paths.items())

    return await asyncio.to_thread(read)


def _paths(version: DatasetVersionRow, store: Path, symbol: str | None) -> dict[str, Path]:
    return bars_paths(version, store, None if symbol is None else [symbol])


async def write_export(paths: dict[str, Path], file: IO[bytes], kind: str) -> int:
    """Write bars into an open file, as `csv` or `parquet`; answers how many rows."""

    def write() -> int:
        from .export import export_bars

        return export_bars(paths, file, kind)

    return await _read(paths, write)


async def _read(paths: Mapping[str, Path], read: Callable[[], T]) -> T:
    """Read in a thread; a failure that a file is to blame for becomes DamagedStore."""

    def blame() -> T:
        try:
            return read()
        except (OSError, ValueError):  # pyarrow's own errors are both
            for symbol, path in paths.items():
                read_sound_bars(path, symbol)
            raise

    return await asyncio.to_thread(blame)
