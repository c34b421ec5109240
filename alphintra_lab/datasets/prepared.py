"""The ingest's process: what it is asked, what it leaves, and how it is run."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
from pathlib import Path

import msgspec

from .. import errors
from .schema import Instrument, Report

log = logging.getLogger(__name__)


class Prepared(msgspec.Struct, frozen=True):
    """Bars that are in the store and known to no dataset yet; see `DatasetVersionRow`."""

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


class Request(msgspec.Struct, frozen=True):
    """A file to be put into the store, or the platform's own datasets by name."""

    store: str
    path: str | None = None
    filename: str = ""
    symbol: str | None = None
    day_first: bool | None = None
    names: list[str] = []


class Failure(msgspec.Struct, frozen=True):
    """An error as it crosses the process's border."""

    status: int
    message: str
    code: str
    field: str | None


class Answer(msgspec.Struct, frozen=True):
    """What was prepared, or why not."""

    prepared: list[Prepared]
    failure: Failure | None = None


async def prepare_file(
    store: Path,
    path: Path,
    *,
    filename: str | None = None,
    symbol: str | None = None,
    day_first: bool | None = None,
) -> Prepared:
    """Read a CSV or Parquet file, check its bars and put them into the store."""
    request = Request(str(store), str(path), filename or path.name, symbol, day_first)
    return (await _run(request))[0]


async def prepare_platform(store: Path, names: list[str]) -> list[Prepared]:
    """Put the platform's own datasets of these names into the store."""
    return await _run(Request(str(store), names=names))


async def _run(request: Request) -> list[Prepared]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alphintra_lab.datasets.ingest"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, complaints = await process.communicate(msgspec.json.encode(request))
    finally:
        if process.returncode is None:  # whoever asked has gone
            process.kill()
            await process.wait()
    if process.returncode:
        log.error(
            "The ingest failed (%s): %s", process.returncode, complaints.decode(errors="replace")
        )
        raise errors.Unavailable(
            f"Reading {request.filename or 'the data'} failed; the server's log says why. Most "
            "often the machine has too little memory for it: split it, and try again.",
            code="ingest_failed",
        )
    answer = msgspec.json.decode(out, type=Answer)
    if answer.failure is not None:
        raise _restore(answer.failure)
    return answer.prepared


def _restore(failure: Failure) -> errors.LabError:
    kinds = errors.LabError.__subclasses__()
    kind = next(kind for kind in kinds if kind.status == failure.status)
    return kind(failure.message, field=failure.field, code=failure.code)
