"""The kernels of debug sessions: Jupyter's managers start them, so that the page can attach.

Each is followed on its output channel to its end. What comes from there is user code's word: it
moves only this session's own state, and is capped.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.session import Session
from sqlalchemy.exc import DBAPIError
from tornado.web import HTTPError

from ..debugging import service
from ..debugging.schema import MIME, DebugOutcome, State
from ..debugging.table import DebugSessionRow
from ..errors import LabError, Unavailable
from .lab import Lab

log = logging.getLogger(__name__)

POLL, RENEW, GRACE = 0.5, 5.0, 1.0
"""Seconds: between two looks at the kernel, between two signs of life, from the run's last output
to the kernel's end, so that whoever listens hears all of it."""
LARGEST_OUTCOME = 100_000
"""Bytes."""
DIED = (
    "Its kernel ended before the run did: it crashed, was killed, or asked for more memory than a "
    "kernel may use. Debug again, over fewer bars if memory was short."
)
INTERRUPTED = "The run was interrupted, or its kernel shut down, before its end. Debug again."
SHUT_DOWN = "Its kernel was shut down. Debug again."


async def start_kernel(lab: Lab, sessions: Any, kernels: Any, row: DebugSessionRow) -> None:
    """Start the session's kernel in the strategy's folder, and follow it; else Unavailable."""
    try:
        model = await sessions.create_session(
            path=_name_session(lab.workspace, row),
            name=f"Debug {Path(row.folder).name}",
            type="debug",
            kernel_name=kernels.default_kernel_name,
        )
    except BaseException as error:
        said = str(error) or type(error).__name__
        message = f"The kernel did not start. {said[:2000]}"
        async with lab.database.session() as session:
            await service.end_session(session, row.id, message, failed=True)
        if isinstance(error, NoSuchKernel | RuntimeError | OSError | HTTPError | LabError):
            raise Unavailable(message) from error
        raise
    kernel, jupyter_session = model["kernel"]["id"], model["id"]
    async with lab.database.session() as session:
        wanted = await service.note_kernel(
            session, row.id, kernel_id=kernel, jupyter_session=jupyter_session
        )
    if not wanted:  # ended while it started
        await remove_kernel(sessions, kernels, jupyter_session, kernel)
        return
    watcher = Watcher(lab, sessions, kernels, row, kernel, jupyter_session)
    task = asyncio.create_task(watcher.run())
    lab.watchers[row.id] = task
    task.add_done_callback(lambda done: _forget(lab, row.id, done))


def _name_session(workspace: Path, row: DebugSessionRow) -> str:
    """A path in the strategy's folder, which gives the kernel its working folder.

    No file has it: JupyterLab debugs a file's own session as a script that is typed in a console.
    """
    return (Path(row.folder).relative_to(workspace.resolve()) / f"{row.id}.debug").as_posix()


async def remove_kernel(sessions: Any, kernels: Any, jupyter_session: str, kernel: str) -> None:
    """Shut the kernel down, if this server has it still."""
    if kernel in kernels:
        try:
            await sessions.delete_session(jupyter_session)
        except (HTTPError, KeyError, RuntimeError) as error:  # somebody else was quicker
            log.info("The debug session's kernel %s went by itself: %s", kernel, error)


async def stop_watching(lab: Lab) -> None:
    """End all sessions of this server, which is about to stop."""
    watched = dict(lab.watchers)
    for task in watched.values():
        task.cancel()
    await asyncio.gather(*watched.values(), return_exceptions=True)
    for session_id in watched:
        async with lab.database.session() as session:
            await service.end_session(session, session_id, service.SERVER_GONE)


def _forget(lab: Lab, session_id: str, done: asyncio.Task[None]) -> None:
    lab.watchers.pop(session_id, None)
    if not done.cancelled() and (error := done.exception()):
        log.error("A debug session is no longer followed", exc_info=error)


class Watcher:
    """Follows one kernel: the run begins, stops at lines, goes on and ends; or the kernel does."""

    def __init__(
        self,
        lab: Lab,
        sessions: Any,
        kernels: Any,
        row: DebugSessionRow,
        kernel: str,
        jupyter_session: str,
    ) -> None:
        self.lab, self.sessions, self.kernels = lab, sessions, kernels
        self.id, self.code = row.id, row.code
        self.kernel, self.jupyter_session = kernel, jupyter_session
        self.manager = kernels.get_kernel(kernel)
        self.decoder = Session(config=self.manager.session.config, key=self.manager.session.key)
        # Not a queue of changes, but the newest: user code could fill any queue.
        self.changed = asyncio.Event()
        self.state: State = "starting"
        self.run_id: str | None = None
        self.over = False
        self.outcome: DebugOutcome | None = None
        self.renew_at = 0.0

    async def run(self) -> None:
        """Until the session is over; then the kernel goes."""
        self.manager.stop_restarter()  # a new kernel in its place would know nothing of the run
        stream = self.manager.connect_iopub()
        stream.on_recv(self.hear)
        try:
            while not await self._step():
                pass
        finally:
            stream.close()
        await remove_kernel(self.sessions, self.kernels, self.jupyter_session, self.kernel)

    async def _step(self) -> bool:
        """Write down what changed, or that the kernel lives; True when it is over."""
        try:
            await asyncio.wait_for(self.changed.wait(), POLL)
        except TimeoutError:
            return await self._look()
        self.changed.clear()
        try:
            async with self.lab.database.session() as session:
                if not self.over:
                    await service.note_state(session, self.id, self.state)
                    return False
                message = INTERRUPTED if self.outcome is None else None
                await service.end_session(session, self.id, message, outcome=self.outcome)
        except (DBAPIError, Unavailable) as error:
            log.warning("A debug session's state waits for the database: %s", error)
            await asyncio.sleep(1)
            self.changed.set()
            return False
        await asyncio.sleep(GRACE)
        return True

    async def _look(self) -> bool:
        """Whether the kernel, or the session, has ended without the run's end."""
        known = self.kernel in self.kernels
        try:
            if known and await self.manager.is_alive():
                return not await self._renew()
            async with self.lab.database.session() as session:
                await service.end_session(
                    session, self.id, DIED if known else SHUT_DOWN, failed=known
                )
        except (DBAPIError, Unavailable) as error:
            log.warning("A debug session waits for the database: %s", error)
            return False
        return True

    async def _renew(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self.renew_at:
            return True
        self.renew_at = now + RENEW
        async with self.lab.database.session() as session:
            return await service.renew_lease(session, self.id)

    def hear(self, parts: list[Any]) -> None:
        """One message of the kernel's output channel."""
        _, parts = self.decoder.feed_identities(parts)
        message = self.decoder.deserialize(parts, content=False)
        kind = message["header"]["msg_type"]
        asked = (message.get("parent_header") or {}).get("msg_id")
        if kind not in ("execute_input", "execute_result", "status", "debug_event"):
            return
        if kind != "execute_input" and kind != "debug_event" and asked != self.run_id:
            return
        if len(message["content"]) > LARGEST_OUTCOME:
            return
        self._take(kind, asked, self.decoder.unpack(message["content"]))

    def _take(self, kind: str, asked: str | None, content: dict[str, Any]) -> None:
        if kind == "execute_input" and self.run_id is None and content.get("code") == self.code:
            self.run_id, self.state = asked, "running"
        elif self.run_id is None:
            return  # a cell that somebody else runs here, or the debugger before the run
        elif kind == "execute_result":
            self.outcome = read_outcome(content)
            return
        elif kind == "status" and content.get("execution_state") == "idle":
            self.over = True
        elif kind == "debug_event" and content.get("event") == "stopped":
            self.state = "stopped"
        elif kind == "debug_event" and content.get("event") == "continued":
            self.state = "running"
        else:
            return
        self.changed.set()


def read_outcome(content: dict[str, Any]) -> DebugOutcome | None:
    """What the run said of itself; None where it is not in the form that ours has."""
    data = content.get("data")
    try:
        return msgspec.convert(data[MIME], DebugOutcome) if isinstance(data, dict) else None
    except (KeyError, msgspec.ValidationError):
        return None
