"""The way from HTTP to a service: who may call, what is refused, and in which shape."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from openapi_spec_validator import validate
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError
from tornado.httpclient import HTTPClientError
from tornado.web import RequestHandler

from alphintra_lab.api.handler import LabHandler, Route, explain_refusal
from alphintra_lab.api.openapi import build_document
from alphintra_lab.api.routes import ROUTES
from alphintra_lab.db import Database
from alphintra_lab.errors import Conflict, Invalid
from alphintra_lab.events import EventRow

Fetch = Callable[..., Any]

# Whoever adds to these two lists decides that a stranger may call it.
PUBLIC = {"/health", "/ready"}
SIGNED: set[str] = set()


def test_only_the_listed_routes_are_open_to_strangers() -> None:
    assert {r.path for r in ROUTES if r.access == "public"} == PUBLIC
    assert {r.path for r in ROUTES if r.access == "signed"} == SIGNED


def test_a_new_route_is_authenticated_by_default() -> None:
    assert Route("/api/new", LabHandler).access == "authenticated"


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _body(error: HTTPClientError) -> dict[str, Any]:
    assert error.response is not None
    body: dict[str, Any] = json.loads(error.response.body)
    return body


async def test_a_stranger_is_refused_by_every_method_of_every_other_route(
    lab: ServerApp, lab_fetch: Fetch
) -> None:
    closed = [route for route in ROUTES if route.access != "public"]
    for route, method in itertools.product(closed, METHODS):
        if getattr(route.handler, method.lower()) is RequestHandler._unimplemented_method:
            continue
        path = re.sub(r"\{\w+\}", "1", route.path)
        with pytest.raises(HTTPClientError) as refused:
            await lab_fetch(path, method=method, body="{}", known=False)
        # 403 where Jupyter's own guard against forged requests comes first.
        assert refused.value.code in (401, 403), f"{method} {path}"
        assert _body(refused.value)["code"] in ("unauthorized", "forbidden")


async def test_a_stranger_may_ask_how_the_lab_is(lab: ServerApp, lab_fetch: Fetch) -> None:
    assert (await lab_fetch("/health", known=False)).code == 200
    assert (await lab_fetch("/ready", known=False)).code == 200


async def test_every_error_has_the_one_shape(lab: ServerApp, lab_fetch: Fetch) -> None:
    async def refused(path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        with pytest.raises(HTTPClientError) as error:
            await lab_fetch(path, **options)
        return error.value.code, _body(error.value)

    post = {"method": "POST"}
    assert await refused("/api/backtests", **post, body="{") == (
        400,
        {
            "message": "The body is not valid JSON: Input data was truncated.",
            "code": "malformed",
        },
    )
    code, error = await refused("/api/backtests", **post, body='{"dataset": "eurusd-1h"}')
    assert (code, error["code"], error["field"]) == (422, "invalid", "strategy_id")
    code, error = await refused("/api/backtests", **post, body='{"strategy_id": "x", "csh": 1}')
    assert (code, error["field"]) == (422, "csh")
    code, error = await refused("/api/jobs/nothing")
    assert (code, error) == (
        404,
        {"message": "There is no job 'nothing'.", "code": "not_found", "field": "id"},
    )
    code, error = await refused("/api/jobs?limit=1000")
    assert (code, error["field"]) == (422, "limit")
    code, error = await refused("/api/jobs?limt=10")
    assert (code, error["field"]) == (422, "limt")
    assert "limit" in error["message"]
    code, error = await refused("/api/jobs", method="DELETE")
    assert (code, error["code"]) == (405, "method_not_allowed")


async def test_the_document_is_valid_openapi_and_names_every_route(
    lab: ServerApp, lab_fetch: Fetch
) -> None:
    document = json.loads((await lab_fetch("/api/openapi.json")).body)
    validate(document)
    documented = {r.path for r in ROUTES if hasattr(r.handler.get, "endpoint")}
    assert documented <= set(document["paths"])
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "security" not in document["paths"]["/api/jobs"]["get"]


def test_operations_have_names_of_their_own_and_a_summary() -> None:
    document = build_document(ROUTES)
    operations = [op for path in document["paths"].values() for op in path.values()]
    names = [op["operationId"] for op in operations]
    assert len(names) == len(set(names))
    assert [op for op in operations if not op["summary"]] == []


async def test_ready_names_each_part(lab: ServerApp, lab_fetch: Fetch) -> None:
    answer = json.loads((await lab_fetch("/ready", known=False)).body)
    assert set(answer["parts"]) == {"database", "store", "sandbox", "worker"}
    assert answer["parts"]["database"] == {"ready": True, "message": "sqlite", "details": {}}


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_documentation_pages_name_no_other_host(
    lab: ServerApp, lab_fetch: Fetch, page: str
) -> None:
    answer = await lab_fetch(page)
    html = answer.body.decode()
    assert not re.search(r"https?://", html)
    for source in re.findall(r'(?:src|href)="/a%40b/([^"]+)"', html):
        assert (await lab_fetch("/" + source)).code == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


async def test_a_file_outside_of_the_viewers_folder_is_not_served(
    lab: ServerApp, lab_fetch: Fetch
) -> None:
    with pytest.raises(HTTPClientError) as error:
        await lab_fetch("/docs/static/..%2Fhandler.py")
    assert error.value.code == 404


async def test_a_lab_whose_worker_ended_is_not_ready(lab: ServerApp, lab_fetch: Fetch) -> None:
    lab.web_app.settings["alphintra"].worker = "ended with 1; starting again"
    with pytest.raises(HTTPClientError) as error:
        await lab_fetch("/ready", known=False)
    assert error.value.code == 503
    parts = _body(error.value)["parts"]
    assert [name for name, part in parts.items() if not part["ready"]] == ["worker"]


async def test_a_file_with_an_endless_name_is_not_found(lab: ServerApp, lab_fetch: Fetch) -> None:
    with pytest.raises(HTTPClientError) as error:
        await lab_fetch("/docs/static/" + "a" * 300)
    assert error.value.code == 404


async def test_a_number_too_large_for_the_database_is_a_wrong_field(
    lab: ServerApp, lab_fetch: Fetch
) -> None:
    with pytest.raises(HTTPClientError) as error:
        await lab_fetch(f"/api/datasets/any/preview?version={2**64}")
    assert error.value.code == 422


async def test_the_databases_refusals_are_answers_not_failures(database: Database) -> None:
    """A taken key is a conflict on both; a null character is refused by PostgreSQL only."""
    event = EventRow(id=1, kind="job", subject_id="x", status="waiting", progress=0.0)
    async with database.session() as session:
        session.add(event)
    with pytest.raises(DBAPIError) as taken:
        async with database.session() as session:
            await session.execute(
                insert(EventRow).values(id=1, kind="job", subject_id="y", status="w")
            )
    assert isinstance(explain_refusal(taken.value), Conflict)
    if database.engine.dialect.name == "postgresql":
        with pytest.raises(DBAPIError) as null:
            async with database.session() as session:
                await session.execute(select(EventRow).where(EventRow.kind == "a\0b"))
        assert isinstance(explain_refusal(null.value), Invalid)


async def test_a_body_over_the_limit_is_refused_with_the_limit(
    lab: ServerApp, lab_fetch: Fetch
) -> None:
    body = '{"name": "' + "x" * (8 * 1024 * 1024) + '"}'
    with pytest.raises(HTTPClientError) as error:
        await lab_fetch("/api/strategies/code/create", method="POST", body=body)
    assert error.value.code == 413
    assert "8 MiB" in _body(error.value)["message"]
