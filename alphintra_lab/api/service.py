"""/health, /ready, the documentation pages, and the overview."""

from __future__ import annotations

import contextlib
import mimetypes
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from tornado.web import HTTPError

from .. import __version__
from ..backtests import describe as backtests
from ..datasets import service as datasets
from ..jobs import service as jobs
from ..strategies import service as strategies
from .handler import LabHandler, Route, endpoint
from .openapi import build_document

PAGES = Path(__file__).parent / "pages"
STATIC = Path(__file__).parent / "static"
"""What the front end's build brings: Swagger UI and ReDoc."""


class Health(msgspec.Struct, frozen=True):
    """The server answers."""

    status: str
    version: str


class Part(msgspec.Struct, frozen=True):
    """One back end: whether it can be used, and what there is to say of it."""

    ready: bool
    message: str
    details: dict[str, Any] = {}


class Ready(msgspec.Struct, frozen=True):
    """Whether the lab can work, back end by back end."""

    ready: bool
    parts: dict[str, Part]


class Overview(msgspec.Struct, frozen=True):
    """The counts that Home and the status bar show."""

    strategies: int
    datasets: int
    backtests: int
    trials: int
    running: int
    waiting: int
    cores: int
    version: str


class HealthHandler(LabHandler):
    """Liveness."""

    @endpoint(session=False)
    async def get(self) -> Health:
        """Tell that the server is alive."""
        return Health("ok", __version__)


class ReadyHandler(LabHandler):
    """Readiness."""

    @endpoint(session=False)
    async def get(self) -> Ready:
        """Tell whether the lab can work, and which part cannot."""
        lab = self.lab
        parts = {
            "database": await self._database(),
            "store": Part(lab.datasets != "failed", lab.datasets),
            "sandbox": Part(lab.sandbox.get("state") != "failed", _sandbox_message(lab.sandbox)),
            "worker": Part(not lab.worker.startswith("ended"), lab.worker),
        }
        ready = all(part.ready for part in parts.values())
        self.set_status(200 if ready else 503)
        return Ready(ready, parts)

    async def _database(self) -> Part:
        if not self.lab.opened.is_set():
            return Part(False, "migrating")
        with contextlib.suppress(SQLAlchemyError, OSError):
            async with self.lab.database.session(write=False) as session:
                await session.execute(text("SELECT 1"))
            return Part(True, self.lab.database.engine.dialect.name)
        return Part(False, "The database does not answer; the server's log has the reason.")


def _sandbox_message(sandbox: dict[str, object]) -> str:
    return str(sandbox.get("message", sandbox.get("state", "")))


class OverviewHandler(LabHandler):
    """The lab in numbers."""

    @endpoint
    async def get(self) -> Overview:
        """Count what is here and what runs."""
        states = await jobs.count_states(self.session)
        return Overview(
            strategies=await strategies.count_strategies(self.session),
            datasets=await datasets.count_datasets(self.session),
            backtests=await backtests.count_backtests(self.session),
            trials=await backtests.count_trials(self.session),
            running=states.get("running", 0),
            waiting=states.get("waiting", 0),
            cores=self.lab.cores,
            version=__version__,
        )


class DocumentHandler(LabHandler):
    """The OpenAPI document."""

    async def get(self) -> None:
        """Serve it; it is made once."""
        document = self.settings.get("alphintra_openapi")
        if document is None:
            document = build_document(self.settings["alphintra_routes"])
            self.settings["alphintra_openapi"] = document
        server = {"servers": [{"url": self.base_url.rstrip("/") or "/"}]}
        self.answer(document | server)


class DocsHandler(LabHandler):
    """A viewer of the document; its files lie in the package, nothing is fetched from elsewhere."""

    page: str

    @property
    def content_security_policy(self) -> str:
        """Both viewers style inline, and ReDoc searches in a worker made from a blob."""
        return (
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            "worker-src blob:; frame-ancestors 'self'"
        )

    async def get(self) -> None:
        """Serve the page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        page = (PAGES / self.page).read_text(encoding="utf-8")
        self.finish(page.replace("{base}", self.base_url))


class SwaggerHandler(DocsHandler):
    """Swagger UI."""

    page = "swagger.html"


class RedocHandler(DocsHandler):
    """ReDoc."""

    page = "redoc.html"


class StaticHandler(LabHandler):
    """The viewers' files."""

    async def get(self, name: str) -> None:
        """Serve one of them."""
        files = (path for folder in (PAGES, STATIC) for path in folder.glob("*"))
        path = next((path for path in files if path.name == name and path.is_file()), None)
        if path is None:
            raise HTTPError(404, "There is no such file.")
        self.set_header("Content-Type", mimetypes.guess_type(name)[0] or "text/plain")
        self.set_header("Cache-Control", "max-age=86400")
        self.finish(path.read_bytes())


ROUTES = [
    Route("/health", HealthHandler, access="public"),
    Route("/ready", ReadyHandler, access="public"),
    Route("/docs", SwaggerHandler),
    Route("/redoc", RedocHandler),
    Route("/docs/static/{name}", StaticHandler),
    Route("/api/openapi.json", DocumentHandler),
    Route("/api/overview", OverviewHandler),
]
