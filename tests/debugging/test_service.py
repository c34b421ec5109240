"""Debug sessions on each database: what is refused, what is kept, when they are over."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from alphintra_lab.datasets import service as datasets
from alphintra_lab.db import Database, now
from alphintra_lab.debugging import service
from alphintra_lab.debugging.schema import Breakpoint, DebugCreate, DebugOutcome, DebugSession
from alphintra_lab.debugging.table import DebugSessionRow
from alphintra_lab.errors import Conflict, Invalid, LabError, NotFound
from alphintra_lab.events import EventRow
from alphintra_lab.strategies import service as strategies
from alphintra_lab.strategies.schema import StrategyCreate
from alphintra_lab.strategies.table import StrategyRow

CODE = """from alphintra_lab.sdk import Signals, Strategy, param


class Mine(Strategy):
    fast = param(10, low=2, high=60)

    def signals(self, bars):
        rising = bars["close"].diff() > 0
        return Signals(entries=rising, exits=~rising)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def strategy(
    database: Database,
    workspace: Path,
    tmp_path: Path,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> str:
    """A strategy, beside 28 daily bars of January 2020; its id."""
    rows = [f"2020-01-{day:02},1,2,0.5,1.5,10" for day in range(1, 29)]
    file = tmp_path / "small.csv"
    file.write_text("\n".join(["time,open,high,low,close,volume", *rows]))

    async def make() -> str:
        await datasets.add_file(database, tmp_path / "store", file, name="small", symbol="S")
        async with database.session() as session:
            create = StrategyCreate(name="Mine", code=CODE)
            return (await strategies.create_strategy(session, workspace, create)).id

    return jp_asyncio_loop.run_until_complete(make())


async def begin(database: Database, workspace: Path, strategy: str, **more: Any) -> DebugSession:
    async with database.session() as session:
        create = DebugCreate(dataset="small", **more)
        row = await service.create_session(session, workspace, strategy, create)
    async with database.session(write=False) as session:
        return await service.get_session(session, row.id)


async def test_a_session_waits_for_its_kernel_with_every_default_filled_in(
    database: Database, workspace: Path, strategy: str
) -> None:
    begun = await begin(
        database, workspace, strategy, breakpoints=[Breakpoint(9)], start="2020-01-05"
    )
    assert (begun.state, begun.kernel_id, begun.outcome) == ("starting", None, None)
    assert (begun.strategy_name, begun.dataset_name) == ("Mine", "small")
    assert begun.settings.parameters == {"fast": 10}
    assert begun.settings.symbols == ["S"]
    assert begun.folder == str(workspace / "strategies/mine")
    assert begun.code == (
        "from alphintra_lab.sdk import debugging\n"
        "debugging.run(entry='strategy.py', class_name='Mine', dataset='small', symbols=['S'], "
        "start='2020-01-05T00:00:00+00:00', parameters={'fast': 10})"
    )


async def test_stopping_at_a_bar_stops_at_the_first_line_whatever_else_is_there(
    database: Database, workspace: Path, strategy: str
) -> None:
    begun = await begin(
        database,
        workspace,
        strategy,
        stop_at_bar="2020-01-10",
        breakpoints=[Breakpoint(8, condition="False"), Breakpoint(9)],
    )
    assert begun.settings.breakpoints == [Breakpoint(9), Breakpoint(8)]
    assert begun.settings.stop_at_bar == "2020-01-10T00:00:00+00:00"
    assert "stop_at_bar='2020-01-10T00:00:00+00:00'" in begun.code


@pytest.mark.parametrize(
    ("create", "error", "field", "message"),
    [
        ({"dataset": "smal"}, NotFound, "dataset", "Did you mean 'small'"),
        ({"symbols": ["X"]}, Invalid, "symbols", "X"),
        ({"start": "2021-01-01"}, Invalid, "start", "leaves no bars"),
        ({"end": "soon"}, Invalid, "end", "is no time"),
        ({"parameters": {"fast": 100}}, Invalid, "parameters.fast", "above high=60"),
        ({"parameters": {"quick": 1}}, Invalid, "parameters.quick", "has no parameter 'quick'"),
        ({"breakpoints": [Breakpoint(99)]}, Invalid, "breakpoints.0.line", "has no line 99"),
        ({"stop_at_bar": "2020-02-01"}, Invalid, "stop_at_bar", "its bars go from 2020-01-01"),
        ({"stop_at_bar": "2019-12-31"}, Invalid, "stop_at_bar", "its bars go from 2020-01-01"),
        (
            {"stop_at_bar": "2020-01-10", "end": "2020-01-10"},
            Invalid,
            "stop_at_bar",
            "to 2020-01-10T00:00:00\\+00:00, excluded",
        ),
        ({"stop_at_bar": "noon"}, Invalid, "stop_at_bar", "is no time"),
    ],
)
async def test_what_cannot_be_debugged_is_refused_before_a_kernel_starts(
    database: Database,
    workspace: Path,
    strategy: str,
    create: dict[str, Any],
    error: type[LabError],
    field: str,
    message: str,
) -> None:
    asked = DebugCreate(**({"dataset": "small"} | create))
    with pytest.raises(error, match=message) as refused:
        async with database.session() as session:
            await service.create_session(session, workspace, strategy, asked)
    assert refused.value.field == field
    async with database.session(write=False) as session:
        assert (await service.list_sessions(session, 10, None)).items == []


async def test_a_strategy_that_is_gone_or_out_of_a_kernels_reach_is_refused(
    database: Database, workspace: Path, strategy: str
) -> None:
    async def refuse(reason: str, **change: Any) -> None:
        async with database.session() as session:
            await session.execute(
                update(StrategyRow).where(StrategyRow.id == strategy).values(**change)
            )
        with pytest.raises(Conflict, match=reason):
            await begin(database, workspace, strategy)

    outside = workspace.parent / "outside"
    outside.mkdir()
    (outside / "strategy.py").write_text(CODE)
    await refuse("outside of the workspace", folder=str(outside))
    await refuse("is gone from the workspace", folder="strategies/nothing")
    await refuse("typed in a notebook", scratch=True)
    with pytest.raises(NotFound):
        await begin(database, workspace, "nothing")


async def test_a_strategy_is_debugged_once_at_a_time(
    database: Database, workspace: Path, strategy: str
) -> None:
    first = await begin(database, workspace, strategy)
    with pytest.raises(Conflict, match=f"already, in session {first.id}. End it first"):
        await begin(database, workspace, strategy)
    async with database.session() as session:
        await service.end_session(session, first.id, "It was ended.")
    second = await begin(database, workspace, strategy)
    async with database.session(write=False) as session:
        page = await service.list_sessions(session, 10, None, strategy_id=strategy)
        active = await service.list_sessions(session, 10, None, active=True)
        over = await service.list_sessions(session, 10, None, active=False)
    assert [one.id for one in page.items] == [second.id, first.id]
    assert [one.id for one in active.items] == [second.id]
    assert [one.id for one in over.items] == [first.id]


async def test_what_is_over_stays_over(database: Database, workspace: Path, strategy: str) -> None:
    begun = await begin(database, workspace, strategy)
    outcome = DebugOutcome("error", "KeyError: 'clos'", file="strategy.py", line=8)
    async with database.session() as session:
        assert await service.note_kernel(session, begun.id, kernel_id="k", jupyter_session="s")
        await service.note_state(session, begun.id, "running")
        await service.note_state(session, begun.id, "stopped")
        assert await service.renew_lease(session, begun.id)
        await service.end_session(session, begun.id, outcome=outcome)
        await service.note_state(session, begun.id, "running")
        await service.end_session(session, begun.id, "It was ended.")
        assert not await service.renew_lease(session, begun.id)
        assert not await service.note_kernel(session, begun.id, kernel_id="x", jupyter_session="y")
    async with database.session(write=False) as session:
        ended = await service.get_session(session, begun.id)
        told = list(await session.scalars(select(EventRow.status).where(EventRow.kind == "debug")))
    assert (ended.state, ended.outcome, ended.message) == ("failed", outcome, None)
    assert (ended.kernel_id, ended.session_id) == ("k", "s")
    assert ended.ended_at is not None
    assert told == ["starting", "starting", "running", "stopped", "failed"]


async def test_a_session_whose_server_is_silent_is_over(
    database: Database, workspace: Path, strategy: str
) -> None:
    begun = await begin(database, workspace, strategy)
    async with database.session() as session:
        past = now() - dt.timedelta(seconds=1)
        await session.execute(update(DebugSessionRow).values(lease_until=past))
    async with database.session(write=False) as session:
        seen = await service.get_session(session, begun.id)
        assert (await service.list_sessions(session, 10, None, active=True)).items == []
        assert len((await service.list_sessions(session, 10, None, active=False)).items) == 1
    assert (seen.state, seen.message) == ("ended", service.SERVER_GONE)
    await begin(database, workspace, strategy)  # nothing is in the way of the next


async def test_a_deleted_strategys_sessions_are_still_readable(
    database: Database, workspace: Path, strategy: str
) -> None:
    begun = await begin(database, workspace, strategy)
    async with database.session() as session:
        await strategies.delete_strategy(session, workspace, strategy)
    async with database.session(write=False) as session:
        assert (await service.get_session(session, begun.id)).strategy_name == "Mine"
        with pytest.raises(NotFound, match="no debug session 'x'"):
            await service.get_session(session, "x")
