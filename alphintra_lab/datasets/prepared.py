"""The ingest's process: what it is asked, what it leaves, and how it is run."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec

from .. import errors
from ..processes import command_of, environment_of_child
from .schema import Instrument, Report

log = logging.getLogger(__name__)


class Prepared(msgspec.Struct, frozen=True):
    """Bars that are in the store and known to no dataset yet; see `DatasetVersionRow`."""

    version_id: str
    sha256: str
    symbols: list[str]
    files: dict[str, str]
    columns: list[str]
    instruments: list[Instrument]
    rows: int
    start: dt.datetime
    end: dt.datetime
    frequency: str
    calendar: str | None
    periods_per_year: float
    bytes: int
    report: Report
    notes: list[str]


class ReadFile(msgspec.Struct, frozen=True, tag=True):
    """Read a file, check its bars and put them into the store."""

    store: str
    path: str
    filename: str
    symbol: str | None
    day_first: bool | None


class BuildPlatform(msgspec.Struct, frozen=True, tag=True):
    """Put the platform's own datasets of these names into the store."""

    store: str
    names: list[str]


class CheckAgain(msgspec.Struct, frozen=True, tag=True):
    """Check the bars of a version that is in the store, and that they are what was stored."""

    store: str
    version_id: str
    files: dict[str, str]
    instruments: list[Instrument]
    report: Report


Request = ReadFile | BuildPlatform | CheckAgain


class Failure(msgspec.Struct, frozen=True):
    """An error as it crosses the process's border."""

    status: int
    message: str
    code: str
    field: str | None


class Answer(msgspec.Struct, frozen=True):
    """What was prepared or found, or why not."""

    prepared: list[Prepared] = []
    report: Report | None = None
    failure: Failure | None = None


def rows_file(version_id: str) -> str:
    """The store's file with each bar's row number in the uploaded file, where they differ."""
    return f"{version_id}.rows.parquet"


async def prepare_file(
    store: Path,
    source: Path | IO[bytes],
    *,
    filename: str,
    symbol: str | None = None,
    day_first: bool | None = None,
) -> Prepared:
    """Read a CSV or Parquet file, by its path or open; check its bars and store them.

    An open file need not have a name any more, so that no crash can leave it behind.
    """
    path, *descriptors = _locate(source)
    request = ReadFile(str(store), path, filename, symbol, day_first)
    return (await run_ingest(request, descriptors)).prepared[0]


def _locate(source: Path | IO[bytes]) -> tuple[str] | tuple[str, int]:
    """A file's path, or that of an open one as the process sees it that inherits it."""
    if isinstance(source, Path):
        return (str(source.absolute()),)
    return f"/proc/self/fd/{source.fileno()}", source.fileno()


async def run_ingest(request: Request, descriptors: Sequence[int] = ()) -> Answer:
    """Have a process of its own do it; raises the error that it met."""
    process = await asyncio.create_subprocess_exec(
        *command_of("alphintra_lab.datasets.ingest"),
        env=environment_of_child(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=descriptors,
    )
    try:
        out, complaints = await process.communicate(msgspec.json.encode(request))
    finally:
        if process.returncode is None:  # whoever asked has gone
            process.kill()
            await process.wait()
    if process.returncode:
        text = complaints.decode(errors="replace")
        text = complaints.decode(errors="replace")
        log.error("The ingest ended with %s: %s", process.returncode, text)
        raise errors.Unavailable(
            "Reading the data failed; the server's log says why. Most often the machine has too "
            "little memory for it: split it, and try again.",
            code="ingest_failed",
        )
    answer = msgspec.json.decode(out, type=Answer)
    if answer.failure is not None:
        raise _restore(answer.failure)
    return answer


def _restore(failure: Failure) -> errors.LabError:
    kinds = errors.LabError.__subclasses__()
    kind = next(kind for kind in kinds if kind.status == failure.status)
    return kind(failure.message, field=failure.field, code=failure.code)
