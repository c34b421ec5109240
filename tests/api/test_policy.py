"""What the server tells browsers to let its pages and files do."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jupyterlab
import pytest
from jupyter_server.serverapp import ServerApp

from alphintra_lab.api.policy import page_policy, with_page_policy

Fetch = Callable[..., Any]


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "page.xhtml"])
async def test_a_file_that_may_hold_scripts_can_do_nothing(
    lab: ServerApp, lab_fetch: Fetch, name: str
) -> None:
    Path(lab.root_dir, name).write_text("<script>1</script>")
    answer = await lab_fetch(f"/files/{name}")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-scripts" not in policy


@pytest.mark.parametrize("name", ["code.js", "code.mjs"])
async def test_a_script_of_the_workspace_is_sent_as_text(
    lab: ServerApp, lab_fetch: Fetch, name: str
) -> None:
    Path(lab.root_dir, name).write_text("1")
    answer = await lab_fetch(f"/files/{name}")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_answers_of_the_api_may_load_nothing(lab_fetch: Fetch) -> None:
    """Of two equal directives in one policy only the first holds; so the last has its own."""
    answer = await lab_fetch("/api/overview")
    *_, last = answer.headers["Content-Security-Policy"].split(", ")
    assert "default-src 'none'" in last
    assert "default-src 'self'" not in last


def test_pages_run_no_script_inside_them_but_jupyters_own() -> None:
    scripts = next(part for part in page_policy().split("; ") if part.startswith("script-src"))
    assert "unsafe-inline" not in scripts
    page = Path(jupyterlab.__file__).with_name("static").joinpath("index.html").read_text()
    (own,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(own.encode()).digest()).decode() in scripts


def test_a_policy_that_the_server_has_already_holds_too() -> None:
    own = "frame-ancestors https://hub.example"
    headers = {"Content-Security-Policy": own, "X-Other": "1"}
    answer = with_page_policy({"headers": headers}, "/")
    assert answer == {"Content-Security-Policy": f"{page_policy()}, {own}", "X-Other": "1"}
