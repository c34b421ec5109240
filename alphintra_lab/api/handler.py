"""The one way from HTTP to a service: `LabHandler`, `@endpoint`, and the table of routes."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.client import responses
from typing import Any, Literal

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from tornado.web import Finish, HTTPError

from ..errors import Conflict, Invalid, LabError, Malformed, Unavailable
from .lab import Lab

LARGEST_BODY = 8 * 1024 * 1024

Access = Literal["authenticated", "public", "signed"]


class ErrorAnswer(msgspec.Struct, omit_defaults=True):
    """Every error's body. The message names the value and the way out."""

    message: str
    code: str
    field: str | None = None


class ListQuery(msgspec.Struct, frozen=True):
    """How much of a list, and from where."""

    limit: typing.Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    cursor: str | None = None


@dataclass(frozen=True)
class Route:
    """One line of the handler table: a path with `{names}`, its handler, who may call it."""

    path: str
    handler: type[LabHandler]
    access: Access = "authenticated"

    @property
    def pattern(self) -> str:
        """The path as Tornado's regular expression."""
        return re.sub(r"\{\w+\}", "([^/]+)", self.path) + "/?"


@dataclass(frozen=True)
class Endpoint:
    """What `@endpoint` read from a method's annotations; OpenAPI is made of these."""

    status: int
    summary: str
    path: dict[str, Any]
    body: Any
    query: Any
    answer: Any


class LabHandler(APIHandler):
    """A request to the lab. Authenticated and authorised here, before any method runs."""

    session: AsyncSession

    def initialize(self, access: Access = "authenticated") -> None:
        """Tornado hands over what the table says of this route."""
        self.access = access

    @property
    def lab(self) -> Lab:
        """The open lab."""
        return typing.cast(Lab, self.settings["alphintra"])

    async def prepare(self) -> None:  # type: ignore[override]  # Jupyter's own is a coroutine, Tornado's stub is not
        """Refuse whoever is not known or not allowed, then wait until the database is there."""
        await super().prepare()
        self._refuse_large_body()
        if self.access == "authenticated":
            if self.current_user is None:
                raise HTTPError(401)
            action = "read" if self.request.method in ("GET", "HEAD") else "write"
            allowed = self.authorizer.is_authorized(self, self.current_user, action, "alphintra")
            if inspect.isawaitable(allowed):
                allowed = await allowed
            if not allowed:
                raise HTTPError(403)
        if self.access != "public":
            await self.lab.opened.wait()

    def _refuse_large_body(self) -> None:
        """JSON lies whole in memory; uploads are streamed, with a limit of their own."""
        if len(self.request.body) > LARGEST_BODY:
            raise HTTPError(413, f"The body is over {LARGEST_BODY // 1024**2} MiB.")

    def answer(self, value: Any, status: int = 200) -> None:
        """Finish with `value` as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(msgspec.json.encode(value))

    def answer_error(self, error: LabError) -> None:
        """Finish with the one error shape, unless an answer is on its way already."""
        if self._headers_written:
            raise Finish
        self.answer(ErrorAnswer(error.message, error.code, error.field), error.status)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tornado's and Jupyter's errors take the lab's shape too, and never show a traceback."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, LabError):
            self.answer_error(error)
            return
        code = responses.get(status_code, "error").lower().replace(" ", "_")
        message = {
            401: "You are not logged in. Open the lab from the address with its token, or send the "
            "token in the Authorization header.",
            403: "This is not allowed for you.",
            405: f"{self.request.method} is not possible here.",
            500: "The lab failed at this request. The server's log has the details.",
        }.get(status_code, responses.get(status_code, "Error") + ".")
        if isinstance(error, HTTPError) and error.log_message and status_code < 500:
            message = error.get_message() or message
        self.answer(ErrorAnswer(message, code), status_code)


Method = Callable[..., Awaitable[Any]]
Answering = Callable[..., Awaitable[None]]
"""A method as Tornado calls it: strings in, the answer written."""


@typing.overload
def endpoint(method: Method) -> Answering: ...


@typing.overload
def endpoint(
    *, status: int = 200, session: bool = True, streams: bool = False
) -> Callable[[Method], Answering]: ...


def endpoint(
    method: Method | None = None, *, status: int = 200, session: bool = True, streams: bool = False
) -> Any:
    """Make a typed method of a `LabHandler` answer requests.

    Parameters named in the route's path come first, in order; `body` is decoded from the JSON
    body and `query` from the query string, both to their annotated type; what the method
    returns is the answer. The method runs in one transaction, `self.session`, unless `session`
    is False: then it opens its own, for as short as it needs them. With `streams` the handler
    takes the body itself, piece by piece.
    """
    if method is None:
        return functools.partial(endpoint, status=status, session=session, streams=streams)
    hints = typing.get_type_hints(method)
    returned = hints.pop("return", None)
    body, query = hints.pop("body", None), hints.pop("query", None)
    described = Endpoint(
        status=status,
        summary=(inspect.getdoc(method) or "").split("\n")[0].rstrip("."),
        path=hints,
        body=bytes if streams else body,
        query=query,
        answer=None if returned is type(None) else returned,
    )

    @functools.wraps(method)
    async def run(self: LabHandler, *args: str) -> None:
        try:
            self.set_status(status)  # the method may set another
            values: dict[str, Any] = {}
            for (name, kind), text in zip(hints.items(), args, strict=True):
                values[name] = _convert(text, kind, name)
            if body is not None:
                values["body"] = _decode_body(self.request.body, body)
            if query is not None:
                values["query"] = _decode_query(self, query)
            if session:
                write = self.request.method != "GET"
                async with self.lab.database.session(write=write) as self.session:
                    result = await method(self, **values)
            else:
                result = await method(self, **values)
        except LabError as error:
            self.answer_error(error)
            return
        except DBAPIError as error:
            explained = explain_refusal(error)
            if explained is None:
                raise
            self.log.warning("%s", explained.message, exc_info=True)
            self.answer_error(explained)
            return
        if described.answer is None:
            self.set_status(204)
            self.finish()
        elif not self._finished:
            self.answer(result, self.get_status())

    run.endpoint = described  # type: ignore[attr-defined]  # read again by api/openapi.py
    return allow_unauthenticated(run)  # LabHandler.prepare decides, by the table


def explain_refusal(error: DBAPIError) -> LabError | None:
    """The database's error as one that a user can act on; None where the lab is to blame."""
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return Unavailable(f"The database fails: {error.orig}. Nothing was changed.")
    if isinstance(error, IntegrityError):  # PostgreSQL lets two look at once
        return Conflict("Somebody else changed the same thing at this moment. Try again.")
    if getattr(error.orig, "sqlstate", None) == "22021":
        return Invalid("A text holds a null character, which cannot be stored. Leave it out.")
    return None


def _convert(text: str, kind: Any, name: str) -> Any:
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"{name}={text!r}: {error}", field=name) from None


def _decode_body(raw: bytes, kind: Any) -> Any:
    if not raw.strip():
        raise Malformed("The request has no body; a JSON object is expected.")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise Invalid(str(error), field=_field_of(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The body is not valid JSON: {error}.") from None


def _decode_query(handler: LabHandler, kind: Any) -> Any:
    known = {field.name for field in msgspec.structs.fields(kind)}
    given = {name: handler.get_query_argument(name) for name in handler.request.query_arguments}
    given.pop("token", None)  # Jupyter's own
    # Jupyter's client puts the time, nameless, behind an address that must not be cached.
    given = {name: value for name, value in given.items() if not name.isdecimal()}
    if unknown := sorted(set(given) - known):
        raise Invalid(
            f"There is no query parameter {unknown[0]!r}; there are {', '.join(sorted(known))}.",
            field=unknown[0],
        )
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(str(error), field=_field_of(str(error))) from None


def _field_of(message: str) -> str | None:
    """The field that msgspec's message names: "... - at `$.cash`", or a missing or unknown one."""
    found = re.search(r"at `\$\.?(.+?)`$", message) or re.search(r"field `(\w+)`", message)
    return found.group(1) if found else None


def tornado_handlers(routes: list[Route]) -> list[tuple[str, type, dict[str, Any]]]:
    """The table as Tornado wants it: paths without placeholders first, so that they win."""
    ordered = sorted(routes, key=lambda route: route.path.count("{"))
    return [(route.pattern, route.handler, {"access": route.access}) for route in ordered]
