"""Bodies that are too large: refused with the limit, before they are sent, let alone kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpserver import HTTPServer

MEGABYTE = 1024 * 1024


@pytest.fixture
def port(lab: ServerApp, http_server: HTTPServer, http_server_port: tuple[Any, int]) -> int:
    """Where the lab's server listens."""
    return http_server_port[1]


async def ask(
    server: ServerApp, port: int, head: dict[str, str], path: str, method: str = "POST"
) -> tuple[str, dict[str, Any]]:
    """The answer's first line and its object, to a request whose body never comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {server.base_url.rstrip('/')}{path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in head.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(10):
        said, _, _ = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        body = await reader.readuntil(b"}")
    writer.close()
    return said.decode(), json.loads(body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/strategies/code/create"),
        ("PUT", "/api/strategies/code/some-id"),
        ("POST", "/api/backtests/"),
    ],
)
@pytest.mark.parametrize("size", [8 * MEGABYTE + 1, 10**12])
async def test_json_over_the_limit_is_refused_before_it_is_sent(
    lab: ServerApp,
    port: int,
    jp_auth_header: dict[str, str],
    method: str,
    path: str,
    size: int,
) -> None:
    head = jp_auth_header | {"Content-Length": str(size)}
    said, error = await ask(lab, port, head, path, method)
    assert said.startswith("HTTP/1.1 413")
    assert (error["code"], "8 MiB" in error["message"]) == ("too_large", True)


async def test_a_stranger_is_not_told_the_limit(lab: ServerApp, port: int) -> None:
    head = {"Content-Length": str(10**9)}
    said, _ = await ask(lab, port, head, "/api/strategies/code/create")
    assert said.split()[1] in ("401", "403")


async def test_jupyters_own_bodies_keep_jupyters_limit(
    lab: ServerApp, port: int, jp_auth_header: dict[str, str]
) -> None:
    head = jp_auth_header | {"Content-Length": str(9 * MEGABYTE)}
    with pytest.raises(TimeoutError):  # it waits for the body
        async with asyncio.timeout(0.5):
            await ask(lab, port, head, "/api/contents/a.ipynb", "PUT")
