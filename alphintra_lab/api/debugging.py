"""/api/debug-sessions: strategies stopped at their lines, in kernels that the page attaches to."""

from __future__ import annotations

from ..db import Page
from ..debugging import service
from ..debugging.schema import DebugCreate, DebugSession
from ..strategies import service as strategies
from .debug_kernels import remove_kernel, start_kernel
from .handler import LabHandler, ListQuery, Route, endpoint


class DebugQuery(ListQuery, frozen=True):
    """Which sessions."""

    strategy_id: str | None = None
    active: bool | None = None
    """Only those that are not over; false: only those that are."""


class DebugHandler(LabHandler):
    """A strategy to be debugged."""

    @endpoint(status=201, session=False)
    async def post(self, id: str, body: DebugCreate) -> DebugSession:
        """Start a debug session: a kernel in the sandbox, ready for the debugger."""
        lab = self.lab
        async with lab.database.session() as session:
            row = await service.create_session(session, lab.workspace, id, body)
        await start_kernel(lab, self.session_manager, self.kernel_manager, row)
        async with lab.database.session(write=False) as session:
            return await service.get_session(session, row.id)

    @endpoint
    async def get(self, id: str, query: ListQuery) -> Page[DebugSession]:
        """List the debug sessions of a strategy, the newest first."""
        await strategies.get_row(self.session, id)
        return await service.list_sessions(self.session, query.limit, query.cursor, strategy_id=id)


class DebugSessionsHandler(LabHandler):
    """All debug sessions."""

    @endpoint
    async def get(self, query: DebugQuery) -> Page[DebugSession]:
        """List debug sessions, the newest first."""
        return await service.list_sessions(
            self.session,
            query.limit,
            query.cursor,
            strategy_id=query.strategy_id,
            active=query.active,
        )


class DebugSessionHandler(LabHandler):
    """One debug session."""

    @endpoint
    async def get(self, id: str) -> DebugSession:
        """Get a debug session: its state, its kernel, and how its run went."""
        return await service.get_session(self.session, id)

    @endpoint(session=False)
    async def delete(self, id: str) -> DebugSession:
        """End a debug session and its kernel; one that is over stays as it is."""
        async with self.lab.database.session() as session:
            row = await service.end_session(session, id, service.ENDED_BY_USER)
        if row.kernel_id is not None and row.session_id is not None:
            await remove_kernel(
                self.session_manager, self.kernel_manager, row.session_id, row.kernel_id
            )
        async with self.lab.database.session(write=False) as session:
            return await service.get_session(session, id)


ROUTES = [
    Route("/api/strategies/code/{id}/debug", DebugHandler),
    Route("/api/debug-sessions", DebugSessionsHandler),
    Route("/api/debug-sessions/{id}", DebugSessionHandler),
]
