"""Debug sessions: prepare, follow, list and end. The kernel itself is the API's to start."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..backtests.schema import BacktestCreate
from ..backtests.settings import complete_settings
from ..datasets import service as datasets
from ..datasets.table import DatasetRow, DatasetVersionRow
from ..db import Page, new_id, now, read_page, take_turns
from ..errors import Conflict, Invalid, NotFound
from ..strategies import service as strategies
from ..strategies.snapshot import read_folder
from ..strategies.table import StrategyRow
from ..strategies.versions import has_entry, outline_of
from ..strategies.workspace import locate
from .schema import (
    ACTIVE,
    DebugCreate,
    DebugOutcome,
    DebugSession,
    DebugSettings,
    State,
)
from .stops import check_breakpoints, find_first_line
from .table import DebugSessionRow

TURNS = 4202181
"""The key under which sessions are begun in turn, so that a strategy has one at a time."""
LEASE = dt.timedelta(seconds=20)
SERVER_GONE = "The server that ran its kernel has ended. Debug again."
ENDED_BY_USER = "It was ended."


async def create_session(
    session: AsyncSession, workspace: Path, strategy_id: str, create: DebugCreate
) -> DebugSessionRow:
    """A session that waits for its kernel: everything is checked, nothing runs yet."""
    strategy = await strategies.get_row(session, strategy_id)
    folder = _find_folder(workspace, strategy)
    if not await asyncio.to_thread(has_entry, folder, strategy.entry):
        raise Conflict(f"{strategy.folder}/{strategy.entry} is gone from the workspace.")
    files = await asyncio.to_thread(read_folder, folder, strategy.entry)
    outline = await asyncio.to_thread(outline_of, files, strategy.entry)
    _, version = await datasets.get_version_row(session, create.dataset)
    asked = BacktestCreate(
        strategy_id=strategy.id,
        dataset=create.dataset,
        symbols=create.symbols,
        start=create.start,
        end=create.end,
        parameters=create.parameters,
    )
    complete = complete_settings(asked, outline, version)
    stop_at_bar = _read_bar(create, version)
    check_breakpoints(files, create.breakpoints)
    breakpoints = list(create.breakpoints)
    if create.stop_on_entry or stop_at_bar is not None:
        first = find_first_line(files, strategy.entry, outline)
        same = [b for b in breakpoints if (b.file, b.line) == (first.file, first.line)]
        breakpoints = [b for b in breakpoints if b not in same] + [first]
    settings = DebugSettings(
        symbols=complete.symbols,
        start=complete.start,
        end=complete.end,
        parameters=complete.parameters,
        breakpoints=breakpoints,
        stop_at_bar=None if stop_at_bar is None else stop_at_bar.isoformat(),
    )
    await take_turns(session, TURNS)
    await _refuse_second(session, strategy)
    row = DebugSessionRow(
        id=new_id(),
        strategy_id=strategy.id,
        dataset_version_id=version.id,
        settings=settings,
        folder=str(folder),
        code=_write_code(strategy.entry, outline.class_name, create.dataset, settings),
        state="starting",
        lease_until=now() + 3 * LEASE,  # a kernel may take its time to start
    )
    session.add(row)
    await session.flush()
    _tell(session, row)
    return row


def _find_folder(workspace: Path, strategy: StrategyRow) -> Path:
    """The folder that the kernel works in."""
    if strategy.scratch:
        raise Conflict(
            f"{strategy.name} was typed in a notebook. Debug it there: the bug in the notebook's "
            "toolbar turns the debugger on."
        )
    folder = locate(workspace, strategy.folder).resolve()
    if not folder.is_relative_to(workspace.resolve()):
        raise Conflict(
            f"{strategy.folder} lies outside of the workspace, where no kernel reaches. "
            "Copy the folder into strategies/ and debug it there."
        )
    return folder


def _read_bar(create: DebugCreate, version: DatasetVersionRow) -> dt.datetime | None:
    bar = datasets.read_time(create.stop_at_bar, "stop_at_bar")
    if bar is None:
        return None
    end = datasets.read_time(create.end, "end")
    if bar < version.start or bar > version.end or (end is not None and bar >= end):
        last = version.end.isoformat() if end is None else f"{end.isoformat()}, excluded"
        raise Invalid(
            f"stop_at_bar={create.stop_at_bar} is no bar of this run: its bars go from "
            f"{version.start.isoformat()} to {last}.",
            field="stop_at_bar",
        )
    return bar


async def _refuse_second(session: AsyncSession, strategy: StrategyRow) -> None:
    statement = select(DebugSessionRow.id).where(
        DebugSessionRow.strategy_id == strategy.id,
        DebugSessionRow.state.in_(ACTIVE),
        DebugSessionRow.lease_until > now(),
    )
    other = await session.scalar(statement)
    if other is not None:
        raise Conflict(
            f"{strategy.name} is being debugged already, in session {other}. End it first.",
            code="debugged_already",
        )


def _write_code(entry: str, class_name: str | None, dataset: str, settings: DebugSettings) -> str:
    """The cell that runs it; every value as Python writes it, so that none can be code."""
    given = {
        "entry": entry,
        "class_name": class_name,
        "dataset": dataset,
        "symbols": settings.symbols,
        "start": settings.start,
        "end": settings.end,
        "parameters": settings.parameters,
        "stop_at_bar": settings.stop_at_bar,
    }
    arguments = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
    return f"from alphintra_lab.sdk import debugging\ndebugging.run({arguments})"


async def get_row(session: AsyncSession, session_id: str) -> DebugSessionRow:
    """The session's row, or NotFound."""
    row = None if "\0" in session_id else await session.get(DebugSessionRow, session_id)
    if row is None:
        raise NotFound(f"There is no debug session {session_id!r}.", field="id")
    return row


async def get_session(session: AsyncSession, session_id: str) -> DebugSession:
    """The session as it is now, or NotFound."""
    return (await _describe(session, [await get_row(session, session_id)]))[0]


async def list_sessions(
    session: AsyncSession,
    limit: int,
    cursor: str | None,
    *,
    strategy_id: str | None = None,
    active: bool | None = None,
) -> Page[DebugSession]:
    """Sessions, the newest first; `active`: only those that are not over, or only the others."""
    statement = select(DebugSessionRow)
    if strategy_id is not None:
        statement = statement.where(DebugSessionRow.strategy_id == strategy_id)
    if active is not None:
        lives = DebugSessionRow.state.in_(ACTIVE) & (DebugSessionRow.lease_until > now())
        statement = statement.where(lives if active else ~lives)
    rows, after = await read_page(session, statement, DebugSessionRow, limit, cursor)
    return Page(await _describe(session, rows), after)


async def note_kernel(
    session: AsyncSession, session_id: str, *, kernel_id: str, jupyter_session: str
) -> bool:
    """Its kernel is there; False when the session was ended while it started."""
    row = await _lock_row(session, session_id)
    if row.state not in ACTIVE:
        return False
    row.kernel_id, row.session_id = kernel_id, jupyter_session
    row.lease_until = now() + LEASE
    await session.flush()
    _tell(session, row)
    return True


async def note_state(session: AsyncSession, session_id: str, state: State) -> None:
    """The run goes on, or stands at a line; what is over stays over."""
    row = await _lock_row(session, session_id)
    if row.state in ACTIVE and row.state != state:
        row.state = state
        await session.flush()
        _tell(session, row)


async def renew_lease(session: AsyncSession, session_id: str) -> bool:
    """Its kernel lives; False when the session is over."""
    row = await _lock_row(session, session_id)
    if row.state not in ACTIVE:
        return False
    row.lease_until = now() + LEASE
    await session.flush()
    return True


async def end_session(
    session: AsyncSession,
    session_id: str,
    message: str | None = None,
    *,
    outcome: DebugOutcome | None = None,
    failed: bool = False,
) -> DebugSessionRow:
    """It is over, with the run's outcome or with the reason; what is over already stays so."""
    row = await _lock_row(session, session_id)
    if row.state in ACTIVE:
        wrong = failed or (outcome is not None and outcome.kind == "error")
        row.state = "failed" if wrong else "ended"
        row.outcome, row.message, row.ended_at = outcome, message, now()
        await session.flush()
        _tell(session, row)
    return row


async def _lock_row(session: AsyncSession, session_id: str) -> DebugSessionRow:
    row = await get_row(session, session_id)
    await session.refresh(row, with_for_update=True)
    return row


def _tell(session: AsyncSession, row: DebugSessionRow) -> None:
    events.publish(session, "debug", row.id, row.state)


async def _describe(session: AsyncSession, rows: Sequence[DebugSessionRow]) -> list[DebugSession]:
    named = select(StrategyRow.id, StrategyRow.name).where(
        StrategyRow.id.in_({row.strategy_id for row in rows})
    )
    names = {row.id: row.name for row in await session.execute(named)}
    used = (
        select(DatasetVersionRow.id, DatasetRow.id, DatasetRow.name)
        .join(DatasetRow, DatasetRow.id == DatasetVersionRow.dataset_id)
        .where(DatasetVersionRow.id.in_({row.dataset_version_id for row in rows}))
    )
    data = {key: (owner, name) for key, owner, name in await session.execute(used)}
    return [_to_session(row, names[row.strategy_id], *data[row.dataset_version_id]) for row in rows]


def _to_session(
    row: DebugSessionRow, strategy_name: str, dataset_id: str, dataset_name: str
) -> DebugSession:
    lost = row.state in ACTIVE and row.lease_until <= now()
    return DebugSession(
        id=row.id,
        strategy_id=row.strategy_id,
        strategy_name=strategy_name,
        dataset_id=dataset_id,
        dataset_name=dataset_name,
        state="ended" if lost else _state(row.state),
        settings=row.settings,
        folder=row.folder,
        code=row.code,
        kernel_id=row.kernel_id,
        session_id=row.session_id,
        outcome=row.outcome,
        message=SERVER_GONE if lost else row.message,
        created_at=row.created_at,
        updated_at=row.updated_at,
        ended_at=row.lease_until if lost else row.ended_at,
    )


def _state(text: str) -> State:
    return text  # type: ignore[return-value]  # only this module writes the column
