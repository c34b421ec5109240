"""Debug sessions over REST: every kind of bad input, and a kernel that cannot start."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp

from alphintra_lab.api.debug_kernels import read_outcome
from alphintra_lab.datasets import service as datasets
from alphintra_lab.debugging.schema import MIME, DebugOutcome
from alphintra_lab.sandbox.provisioner import BubblewrapProvisioner
from alphintra_lab.sdk import debugging as sdk

Call = Callable[..., Awaitable[tuple[int, Any]]]

KERNEL = Path(__file__).parents[2] / "kernels" / "alphintra-sandboxed"
CODE = """from alphintra_lab.sdk import Signals, Strategy, param


class Mine(Strategy):
    fast = param(10, low=2, high=60)

    def signals(self, bars):
        return Signals(entries=bars["close"] > 0, exits=bars["close"] < 0)
"""


@pytest.fixture
def call(lab_fetch: Any) -> Call:
    async def send(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        raw = body if isinstance(body, str | None) else json.dumps(body)
        if raw is None and method == "POST":
            raw = ""
        answer = await lab_fetch(path, method=method, body=raw, raise_error=False)
        assert "Traceback" not in answer.body.decode()
        return answer.code, json.loads(answer.body) if answer.body else None

    return send


@pytest.fixture
def path(
    call: Call, lab: ServerApp, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> str:
    """Where the sessions of a strategy are begun, beside a small dataset."""
    opened = lab.web_app.settings["alphintra"]
    rows = [f"2020-01-{day:02},1,2,0.5,1.5,10" for day in range(1, 29)]
    file = tmp_path / "small.csv"
    file.write_text("\n".join(["time,open,high,low,close,volume", *rows]))

    async def make() -> str:
        await datasets.add_file(opened.database, opened.store, file, name="small", symbol="S")
        body = {"name": "Mine", "code": CODE}
        _, made = await call("POST", "/api/strategies/code/create", body)
        return f"/api/strategies/code/{made['id']}/debug"

    return jp_asyncio_loop.run_until_complete(make())


@pytest.mark.parametrize(
    ("body", "status", "field", "message"),
    [
        ("{", 400, None, "not valid JSON"),
        ("", 400, None, "no body"),
        ([], 422, None, "object"),
        ({}, 422, "dataset", "dataset"),
        ({"dataset": 5}, 422, "dataset", "str"),
        ({"dataset": "nope"}, 404, "dataset", "nope"),
        ({"dataset": "small", "cash": 5}, 422, "cash", "cash"),
        ({"dataset": "small", "breakpoints": [{"line": "9"}]}, 422, "breakpoints[0].line", "int"),
        ({"dataset": "small", "breakpoints": [{"line": 99}]}, 422, "breakpoints.0.line", "1 to"),
        (
            {"dataset": "small", "breakpoints": [{"line": 10**30}]},
            422,
            "breakpoints.0.line",
            "has no line",
        ),
        ({"dataset": "small", "breakpoints": [{"line": 1}] * 101}, 422, "breakpoints", "100"),
        (
            {"dataset": "small", "breakpoints": [{"line": 1, "condition": "("}]},
            422,
            "breakpoints.0.condition",
            "no Python expression",
        ),
        ({"dataset": "small", "stop_at_bar": "2020-03-01"}, 422, "stop_at_bar", "no bar of"),
        ({"dataset": "small", "parameters": {"fast": 1}}, 422, "parameters.fast", "below low=2"),
    ],
)
async def test_bad_input_gets_a_clear_answer_and_no_session(
    call: Call, path: str, body: Any, status: int, field: str | None, message: str
) -> None:
    found, answer = await call("POST", path, body)
    assert (found, answer.get("field")) == (status, field), answer
    assert message in answer["message"]
    assert (await call("GET", "/api/debug-sessions"))[1] == {"items": [], "next": None}


async def test_what_is_not_there_is_not_found(call: Call, path: str) -> None:
    nothing = "/api/strategies/code/nothing/debug"
    for method, where, body in [
        ("POST", nothing, {"dataset": "small"}),
        ("GET", nothing, None),
        ("GET", "/api/debug-sessions/nothing", None),
        ("DELETE", "/api/debug-sessions/nothing", None),
        ("GET", "/api/debug-sessions/%00", None),
    ]:
        status, answer = await call(method, where, body)
        assert (status, answer["field"]) == (404, "id"), (method, where)
    assert (await call("GET", path)) == (200, {"items": [], "next": None})
    status, answer = await call("GET", "/api/debug-sessions?active=perhaps")
    assert (status, answer["field"]) == (422, "active")


async def test_a_stranger_is_told_to_log_in(lab_fetch: Any, path: str) -> None:
    for where in (path, "/api/debug-sessions"):
        answer = await lab_fetch(where, known=False, raise_error=False)
        assert answer.code == 401


async def test_a_kernel_that_cannot_start_fails_the_session_and_says_why(
    call: Call,
    path: str,
    lab: ServerApp,
    jp_data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab.kernel_manager.default_kernel_name = "alphintra-sandboxed"
    status, answer = await call("POST", path, {"dataset": "small"})
    assert (status, answer["code"]) == (503, "unavailable")
    assert "No such kernel named alphintra-sandboxed" in answer["message"]

    shutil.copytree(KERNEL, jp_data_dir / "kernels" / KERNEL.name)
    monkeypatch.setattr(BubblewrapProvisioner, "refusal", "no user namespaces here.")
    status, answer = await call("POST", path, {"dataset": "small"})
    assert (status, answer["code"]) == (503, "unavailable")
    assert "The kernel did not start" in answer["message"]
    assert "no user namespaces here" in answer["message"]
    _, page = await call("GET", path)
    session, _ = page["items"]
    assert (session["state"], session["message"]) == ("failed", answer["message"])
    # It is over: ending it again changes nothing.
    _, ended = await call("DELETE", f"/api/debug-sessions/{session['id']}")
    assert ended == session


def test_the_kernels_word_is_read_in_our_own_form_only() -> None:
    told = sdk.Outcome("error", "x" * 20_000, "y" * 60_000, "strategy.py", 3)
    bundle = told._repr_mimebundle_()
    assert sdk.MIME == MIME
    outcome = read_outcome({"data": bundle})
    assert outcome == DebugOutcome("error", "x" * 10_000, "y" * 50_000, "strategy.py", 3)
    good = bundle[MIME]
    bad: Any
    for bad in (
        {},
        {"data": []},
        {"data": {"text/plain": "1"}},
        {"data": {MIME: "text"}},
        {"data": {MIME: good | {"kind": "verdict"}}},
        {"data": {MIME: good | {"message": "x" * 10_001}}},
        {"data": {MIME: good | {"line": "3"}}},
    ):
        assert read_outcome(bad) is None
