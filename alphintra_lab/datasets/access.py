"""Names, symbols and times that a caller gives, and the files they stand for."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import Invalid
from .table import DatasetVersionRow

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


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
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)
