"""A kernel's line to the server: HTTP on a unix socket of its own, for `load_bars` and `backtest`.

The socket is the kernel's identity: nobody else can reach it, and it offers nothing but this.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from ..backtests import results
from ..backtests import service as backtests
from ..backtests.schema import BacktestCreate, Fill, Result
from ..datasets import service as datasets
from ..errors import Invalid, LabError, TooLarge
from ..jobs import service as jobs
from ..sandbox.access import allow_reading
from ..sandbox.bubblewrap import choose_user
from ..strategies import service as strategies
from .handler import ErrorAnswer
from .lab import Lab

POLL = 0.05
LARGEST_BODY = 256 * 1024 * 1024


class Source(msgspec.Struct, frozen=True):
    """The code whose decisions come along: files by path, and where they lie, if anywhere."""

    files: dict[str, str]
    entry: str
    folder: str | None
    scratch: bool


class LineBacktest(msgspec.Struct, frozen=True):
    """`backtest(...)` in a notebook: settings, source and the decisions that the kernel took."""

    source: Source
    class_name: str
    parameters: dict[str, Any]
    dataset: str
    decisions: bytes
    symbols: list[str] | None = None
    start: str | None = None
    end: str | None = None
    cash: float = 10_000.0
    commission: float | None = None
    slippage_bps: float | None = None
    fill: Fill = "next_open"
    whole_shares: bool = False
    overrides: list[str] = []


class Bars(msgspec.Struct, frozen=True):
    """Where the kernel finds a dataset's files, by symbol."""

    name: str
    symbols: dict[str, str]
    columns: list[str]


class LineHandler(RequestHandler):
    """A request from a kernel."""

    def initialize(self, lab: Lab, cwd: Path, grants: Path | None) -> None:
        """Whose line this is."""
        self.lab, self.cwd, self.grants = lab, cwd, grants

    def answer(self, value: Any, status: int = 200) -> None:
        """Finish with JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(value))


def line_endpoint(
    method: Callable[[Any], Awaitable[Any]],
) -> Callable[[LineHandler], Awaitable[None]]:
    """Answer with what the method returns, or with the one error shape."""

    @functools.wraps(method)
    async def run(self: LineHandler) -> None:
        try:
            self.answer(await method(self))
        except msgspec.ValidationError as error:
            self.answer(ErrorAnswer(str(error), "invalid"), 422)
        except msgspec.DecodeError as error:
            self.answer(ErrorAnswer(f"The body cannot be read: {error}.", "malformed"), 400)
        except LabError as error:
            self.answer(ErrorAnswer(error.message, error.code, error.field), error.status)

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
        granted = {symbol: self._grant(path) for symbol, path in paths.items()}
        return Bars(dataset.name, granted, version.columns)

    def _grant(self, path: Path) -> str:
        """Link the file into the kernel's folder; a plain script reads the store itself."""
        if self.grants is None:
            return str(path)
        target = self.grants / path.name
        if not target.exists():
            try:
                os.link(path, target)
            except FileExistsError:
                pass
            except OSError:  # another file system, or one without links
                part = target.with_suffix(".part")
                part.write_bytes(path.read_bytes())
                part.replace(target)
            # As root the store's files are root's; all sandboxes have one group.
            allow_reading(choose_user("grants"), target)
        return f"/grants/{target.name}"


class BacktestsHandler(LineHandler):
    """A backtest from a notebook."""

    @line_endpoint
    async def post(self) -> Result:
        """Record the code and the decisions, run the engine, answer with the result."""
        asked = msgspec.msgpack.decode(self.request.body, type=LineBacktest)
        backtest_id, job_id = await self._queue(asked)
        while True:
            async with self.lab.database.session(write=False) as session:
                job = await jobs.get_row(session, job_id)
                if job.state not in ("waiting", "running"):
                    break
            await asyncio.sleep(POLL)
        if job.error is not None:
            raise Invalid(job.error.message, code=job.error.code)
        if job.state == "cancelled":
            raise Invalid("The run was cancelled.", code="cancelled")
        async with self.lab.database.session(write=False) as session:
            return await results.read_result(session, self.lab.jobs, backtest_id)

    async def _queue(self, asked: LineBacktest) -> tuple[str, str]:
        async with self.lab.database.session() as session:
            strategy, snapshot = await strategies.register_source(
                session,
                self.lab.workspace,
                files=asked.source.files,
                entry=asked.source.entry,
                class_name=asked.class_name,
                folder=None if asked.source.scratch else self._folder(asked.source.folder),
            )
            create = BacktestCreate(
                strategy_id=strategy.id,
                dataset=asked.dataset,
                symbols=asked.symbols,
                start=asked.start,
                end=asked.end,
                parameters=asked.parameters,
                cash=asked.cash,
                commission=asked.commission,
                slippage_bps=asked.slippage_bps,
                fill=asked.fill,
                whole_shares=asked.whole_shares,
                overrides=asked.overrides,
            )
            row = await backtests.create_backtest(session, create)
            await backtests.refuse_bad_data(session, row)
            job = await backtests.queue_backtest(
                session, row, strategy, snapshot, "decisions.msgpack"
            )
            # Before the commit: no worker may see the job without its decisions.
            folder = self.lab.jobs / job.id
            folder.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread((folder / "decisions.msgpack").write_bytes, asked.decisions)
            return row.id, job.id

    def _folder(self, named: str | None) -> Path:
        """The strategy's folder as the host knows it: a kernel sees its own at the same path."""
        folder = Path(named or self.cwd).resolve()
        inside = (self.cwd.resolve(), self.lab.workspace)
        if self.grants is not None and not any(folder.is_relative_to(one) for one in inside):
            raise Invalid(f"{named!r} lies outside of the workspace.", field="folder")
        return folder


async def serve_line(
    lab: Lab, socket: Path, cwd: Path, grants: Path | None
) -> Callable[[], Awaitable[None]]:
    """Listen on `socket`; answers what closes it again. Without `grants` the caller is trusted."""
    about = {"lab": lab, "cwd": cwd, "grants": grants}
    application = Application(
        [
            ("/datasets", DatasetsHandler, about),
            ("/bars", BarsHandler, about),
            ("/backtests", BacktestsHandler, about),
        ]
    )
    if len(os.fsencode(socket)) > 107:
        raise TooLarge(f"{socket} is too long for a unix socket: 107 bytes are allowed.")
    server = HTTPServer(application, max_body_size=LARGEST_BODY, max_buffer_size=LARGEST_BODY)
    server.add_socket(bind_unix_socket(str(socket), mode=0o666 if grants else 0o600))

    async def close() -> None:
        server.stop()
        await server.close_all_connections()
        socket.unlink(missing_ok=True)

    return close
