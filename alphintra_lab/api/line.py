"""A kernel's line to the server: HTTP on a unix socket of its own, for `load_bars` and `backtest`.

The socket is the kernel's identity: nobody else can reach it, and it offers nothing but this. What
comes through it is untrusted: user code can send anything at all.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import math
import os
import secrets
import shutil
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import SO_PEERCRED, SOL_SOCKET
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.log import app_log
from tornado.netutil import bind_unix_socket
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from ..backtests import results
from ..backtests import service as backtests
from ..backtests.schema import Result
from ..datasets import service as datasets
from ..errors import Conflict, Invalid, LabError, TooLarge, TooMany, Unavailable
from ..jobs import service as jobs
from ..jobs.schema import Job
from ..strategies import service as strategies
from .claims import Bars, LineBacktest, check_claim, decode_claim, grant
from .handler import ErrorAnswer
from .lab import Lab

POLL = 0.05
RATE, BURST = 100.0, 200.0
"""Requests a second that a caller may make in the long run, and at once."""
CREDENTIALS = struct.Struct("iII")  # of a socket's other side: process, user, group
LARGEST_BODY = 256 * 1024 * 1024
"""Bytes. The SDK knows it, too, and says so before it sends anything."""


class Allowance:
    """How many requests a caller may make now: it grows with time, up to a burst."""

    def __init__(self) -> None:
        self._left, self._since = BURST, time.monotonic()

    def take(self) -> None:
        """Use one up; raises TooMany where there is none."""
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._since) * RATE)
        self._since = now
        if self._left < 1:
            wait = (1 - self._left) / RATE
            raise TooMany(
                f"This kernel asks the lab more than {RATE:g} times a second. "
                "Ask for what a loop needs once, before it.",
                retry_after=wait,
            )
        self._left -= 1


@dataclass(frozen=True)
class Line:
    """One caller's line: what the lab knows of it."""

    lab: Lab
    cwd: Path
    grants: Path | None
    """The folder that the kernel sees as /grants. None: a plain script of ours, trusted."""
    run: Callable[[str], Awaitable[Job]] | None
    """Runs the job with this id here, to its end. None: a worker elsewhere does."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    allowance: Allowance = field(default_factory=Allowance)


class LineHandler(RequestHandler):
    """A request from a kernel."""

    def initialize(self, line: Line) -> None:
        """Whose line this is."""
        self.line, self.lab = line, line.lab

    def prepare(self) -> Awaitable[None] | None:
        """Refuse who asks too often, before anything is read."""
        self.line.allowance.take()
        return None

    def answer(self, value: Any, status: int = 200) -> None:
        """Finish with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Whatever fails has the one error shape, and never a traceback."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, TooMany):
            self.set_header("Retry-After", f"{math.ceil(error.retry_after)}")
        if isinstance(error, LabError):
            answer = ErrorAnswer(error.message, error.code, error.field)
            return self.answer(answer, error.status)
        message = "The lab failed at this request. The server's log has the details."
        if status_code < 500:
            message = f"{self.request.method} {self.request.path} cannot be asked for here."
        return self.answer(
            ErrorAnswer(message, "internal" if status_code >= 500 else "usage"), status_code
        )

    def log_exception(self, *exc_info: Any) -> None:
        """An error that the caller can mend is no news for the server's log."""
        if not isinstance(exc_info[1], LabError):
            super().log_exception(*exc_info)


class UnknownHandler(LineHandler):
    """Everything that is not offered."""

    def prepare(self) -> None:
        """Refuse it."""
        super().prepare()
        raise HTTPError(404)


def line_endpoint(
    method: Callable[[Any], Awaitable[Any]],
) -> Callable[[LineHandler], Awaitable[None]]:
    """Answer with what the method returns; what the caller or the machine did becomes an error."""

    @functools.wraps(method)
    async def run(self: LineHandler) -> None:
        try:
            self.answer(await method(self))
        except DBAPIError as error:
            app_log.exception("The database fails")
            raise Unavailable("The database fails. Nothing was changed.") from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Unavailable(
                "The disk is full. Nothing was changed. Free some space and try again.",
                code="disk_full",
            ) from error

    return run


class DatasetsHandler(LineHandler):
    """The datasets that are here."""

    @line_endpoint
    async def get(self) -> list[Any]:
        """List them all."""
        found: list[Any] = []
        cursor = None
        async with self.lab.database.session(write=False) as session:
            while True:
                page = await datasets.list_datasets(session, 500, cursor)
                found += page.items
                cursor = page.next
                if cursor is None:
                    return found


class BarsHandler(LineHandler):
    """A dataset's files."""

    @line_endpoint
    async def get(self) -> Bars:
        """Grant them to this kernel and tell where they are."""
        name = self.get_query_argument("dataset", "")
        chosen = self.get_query_argument("symbols", None)
        async with self.lab.database.session(write=False) as session:
            dataset, version = await datasets.get_version_row(session, name)
        symbols = datasets.choose_symbols(version, chosen.split(",") if chosen else None)
        paths = datasets.bars_paths(version, self.lab.store, symbols)
        granted = await asyncio.to_thread(grant, self.line.grants, paths)
        return Bars(dataset.name, granted, version.columns)


@stream_request_body
class BacktestsHandler(LineHandler):
    """A backtest from a notebook. Each line has one at a time: bodies are large, and a kernel
    must not fill the server's memory, nor its queue."""

    async def prepare(self) -> None:
        """Wait for this line's turn before the body is read."""
        self.body, self.waits, self.gone = bytearray(), True, False
        super().prepare()
        if self.request.method != "POST":
            raise HTTPError(405)
        announced = self.request.headers.get("Content-Length", "0")
        if announced.isdecimal() and int(announced) > LARGEST_BODY:
            raise TooLarge(
                f"The decisions have {int(announced):,} bytes; {LARGEST_BODY:,} are allowed."
            )
        await self.line.turn.acquire()
        self.waits = False

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body; Tornado stops at the largest size."""
        self.body += chunk

    def on_finish(self) -> None:
        """Give the turn to the next."""
        self._give_turn()

    def on_connection_close(self) -> None:
        """The caller is gone: interrupted, or ended."""
        super().on_connection_close()
        self.gone = True
        self._give_turn()

    def _give_turn(self) -> None:
        if not self.waits:
            self.waits = True
            self.line.turn.release()

    @line_endpoint
    async def post(self) -> Result:
        """Record the code and the decisions, run the engine, answer with the result."""
        asked = await asyncio.to_thread(decode_claim, self.body)
        self.body = bytearray()
        folder = await asyncio.to_thread(
            check_claim, asked.source, self.lab, self.line.cwd, trusted=self.line.grants is None
        )
        backtest_id, job_id = await self._queue(asked, folder)
        await self._wait(job_id)
        async with self.lab.database.session(write=False) as session:
            return await results.read_result(session, self.lab.jobs, backtest_id)

    async def _queue(self, asked: LineBacktest, folder: Path | None) -> tuple[str, str]:
        part = self.lab.jobs / f".{secrets.token_hex(8)}.part"
        made: Path | None = None
        try:
            await asyncio.to_thread(part.write_bytes, asked.decisions)
            async with self.lab.database.session() as session:
                strategy, snapshot = await strategies.register_source(
                    session,
                    self.lab.workspace,
                    files=asked.source.files,
                    entry=asked.source.entry,
                    class_name=asked.class_name,
                    folder=folder,
                )
                row = await backtests.create_backtest(session, asked.to_create(strategy.id))
                await backtests.refuse_bad_data(session, row)
                job = await backtests.queue_backtest(
                    session, row, strategy, snapshot, "decisions.msgpack"
                )
                # Before the commit: no worker may see the job without its decisions.
                made = self.lab.jobs / job.id
                made.mkdir()
                part.replace(made / "decisions.msgpack")
                return row.id, job.id
        except BaseException:
            part.unlink(missing_ok=True)
            if made is not None:
                await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
            raise

    async def _wait(self, job_id: str) -> None:
        """Until the job has ended well; when the caller goes away, the job is cancelled."""
        run = self.line.run
        here = None if run is None else asyncio.ensure_future(run(job_id))
        cancelled = False
        while True:
            async with self.lab.database.session(write=False) as session:
                job = await jobs.get_row(session, job_id)
            if job.state not in ("waiting", "running"):
                break
            if self.gone and not cancelled:
                cancelled = True
                async with self.lab.database.session() as session:
                    await jobs.cancel_job(session, job_id)
            if here is not None and here.done():
                await here  # raises what ended it
            await asyncio.sleep(POLL)
        if job.error is not None:
            raise Invalid(job.error.message, code=job.error.code)
        if job.state == "cancelled":
            raise Conflict("The run was cancelled.", code="cancelled")


class LineServer(HTTPServer):
    """Takes connections of one user only, where the socket's folder did not keep others away."""

    user: int | None = None

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Close a stranger's connection; the number of the user is the kernel's word for it."""
        caller = stream.socket.getsockopt(SOL_SOCKET, SO_PEERCRED, CREDENTIALS.size)
        if self.user is not None and CREDENTIALS.unpack(caller)[1] != self.user:
            app_log.warning("Somebody else than its kernel used a line")
            stream.close()
            return
        super().handle_stream(stream, address)


async def serve_line(
    lab: Lab,
    socket: Path,
    cwd: Path,
    grants: Path | None,
    run: Callable[[str], Awaitable[Job]] | None = None,
    user: int | None = None,
) -> Callable[[], Awaitable[None]]:
    """Listen on `socket`; answers what closes it again. Without `grants` the caller is trusted.

    `run` runs a job by its id; without it, a worker elsewhere has to. `user`: whoever else
    connects is turned away.
    """
    about = {"line": Line(lab, cwd, grants, run)}
    application = Application(
        [
            ("/datasets", DatasetsHandler, about),
            ("/bars", BarsHandler, about),
            ("/backtests", BacktestsHandler, about),
        ],
        default_handler_class=UnknownHandler,
        default_handler_args=about,
    )
    if len(os.fsencode(socket)) > 107:
        raise TooLarge(f"{socket} is too long for a unix socket: 107 bytes are allowed.")
    server = LineServer(application, max_body_size=LARGEST_BODY)
    server.user = user
    server.add_socket(bind_unix_socket(str(socket), mode=0o666 if grants else 0o600))

    async def close() -> None:
        server.stop()
        await server.close_all_connections()
        socket.unlink(missing_ok=True)

    return close
