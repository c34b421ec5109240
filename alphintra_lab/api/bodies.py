"""Bodies that are taken as they come, or refused before they come."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.routing import Matcher, Rule
from tornado.web import Application, Finish, stream_request_body

from ..errors import LabError, TooLarge
from .handler import LARGEST_BODY, ErrorAnswer, LabHandler, Route

# How much of a refused body is still taken, so that the sender gets to read why: a connection
# closed with unread data in it is reset, and the answer may be lost with it.
LINGER = 64 * 1024 * 1024


@stream_request_body
class StreamingHandler(LabHandler):
    """A request whose method runs once the body has come, and whose head may be answered before."""

    refused = False
    discarded = 0

    async def prepare(self) -> None:  # type: ignore[override]  # as in LabHandler
        """As everywhere; and the lab's own limits answer, with words, not Tornado's."""
        await super().prepare()
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        connection.set_max_body_size(2**62)

    async def data_received(self, chunk: bytes) -> None:
        """Tornado hands over the body as it comes: here, that of a refused request."""
        self.discarded += len(chunk)
        if self.discarded > LINGER and not self._finished:
            self.finish()  # and Tornado hangs up

    async def refuse(self, error: LabError) -> None:
        """Answer at once; the connection is closed a little later, or when the body has come."""
        body = msgspec.json.encode(ErrorAnswer(error.message, error.code, error.field))
        self.refused = True
        self.set_status(error.status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Content-Length", str(len(body)))
        self.set_header("Connection", "close")
        self.write(body)
        if self.request.headers.get("Expect", "").lower() == "100-continue":
            self.finish()  # the sender waits for leave, and has sent nothing
            return
        with contextlib.suppress(StreamClosedError):
            await self.flush()


@stream_request_body
class RefusingHandler(StreamingHandler):
    """Any request whose JSON would be over the limit."""

    async def prepare(self) -> None:  # type: ignore[override]  # as in LabHandler
        """Refuse it, if its sender is known."""
        await super().prepare()
        if not self._finished:
            limit = LARGEST_BODY // 1024**2
            await self.refuse(TooLarge(f"The body is over {limit} MiB, the limit of JSON."))

    async def _end(self, *_: str) -> None:
        raise Finish

    get = head = post = put = patch = delete = _end


class LargeBodies(Matcher):
    """Matches requests to some paths that announce a body over the limit of JSON."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self.paths = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """An empty dict for a match: nothing is taken from the path."""
        length = request.headers.get("Content-Length", "")
        large = length.isdecimal() and int(length) > LARGEST_BODY
        return {} if large and self.paths.fullmatch(request.path) else None


def refuse_large_bodies(application: Application, base_url: str, routes: Iterable[Route]) -> None:
    """Answer 413 to what is announced as too large for JSON, while it is still on its way.

    Of other handlers Tornado calls nothing before the whole body lies in memory. A body of
    unknown length (chunked) still does: it is refused then, and Jupyter's own limit bounds it.
    """
    root = re.escape(base_url.rstrip("/"))
    patterns = [
        root + route.pattern for route in routes if not issubclass(route.handler, StreamingHandler)
    ]
    rule = Rule(LargeBodies(patterns), RefusingHandler)
    application.default_router.rules.insert(0, rule)
