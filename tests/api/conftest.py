"""A real server with the lab in it, on a migrated database of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import AsyncHTTPClient, HTTPResponse


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any], sqlite_url: str, tmp_path: Path) -> Any:
    return {
        **jp_server_config,
        "ServerApp": {
            **jp_server_config.get("ServerApp", {}),
            "jpserver_extensions": {"alphintra_lab": True},
        },
        "AlphintraLab": {"worker": False, "sandbox_test": False},
        "LabConfig": {"home": str(tmp_path / "home"), "database_url": sqlite_url},
    }


@pytest.fixture
def lab(jp_serverapp: ServerApp) -> ServerApp:
    """The server; its database is open."""
    jp_serverapp.web_app.settings["alphintra"].opened.set()  # the fixture's file is migrated
    return jp_serverapp


@pytest.fixture
def lab_fetch(
    lab: ServerApp, http_server_client: AsyncHTTPClient, jp_auth_header: dict[str, str]
) -> Callable[..., Any]:
    """Fetch a path of the lab as its user, or as a stranger (`known=False`)."""

    async def fetch(path: str, *, known: bool = True, **options: Any) -> HTTPResponse:
        url = lab.base_url.rstrip("/") + path
        return await http_server_client.fetch(
            url, headers=jp_auth_header if known else {}, allow_nonstandard_methods=True, **options
        )

    return fetch
