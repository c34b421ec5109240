"""Strategies over REST, in a real server: every path, every kind of bad input, one error shape."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPResponse

from alphintra_lab.datasets import service as datasets
from alphintra_lab.jobs.table import JobRow
from alphintra_lab.strategies.table import StrategyVersionRow

Call = Callable[..., Awaitable[tuple[int, Any]]]

CODE = """from alphintra_lab.sdk import Signals, Strategy, param


class Mine(Strategy):
    fast = param(10, low=2, high=60)

    def signals(self, bars):
        return Signals(entries=bars["close"] > 0, exits=bars["close"] < 0)
"""


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
def call(jp_fetch: Any, jp_serverapp: Any) -> Call:
    """Send a request; the answer's status and JSON."""
    jp_serverapp.web_app.settings["alphintra"].opened.set()  # the fixture's file is migrated

    async def send(method: str, path: str, body: Any = None, **query: str) -> tuple[int, Any]:
        raw = body if isinstance(body, str | None) else json.dumps(body)
        if raw is None and method in ("POST", "PUT", "PATCH"):
            raw = ""
        try:
            answer: HTTPResponse = await jp_fetch(
                "api",
                "strategies",
                *path.split("/") if path else [],
                method=method,
                body=raw,
                params=query,
            )
        except HTTPClientError as error:
            assert error.response is not None
            answer = error.response
            assert set(json.loads(answer.body)) <= {"message", "code", "field"}
            assert "Traceback" not in answer.body.decode()
        return answer.code, json.loads(answer.body) if answer.body else None

    return send


@pytest.fixture
def workspace(jp_root_dir: Path) -> Path:
    return jp_root_dir


async def make(call: Call, name: str = "Cross") -> dict[str, Any]:
    status, made = await call("POST", "code/create", {"name": name, "code": CODE})
    assert status == 201
    return dict(made)


async def test_the_whole_life_of_a_strategy(call: Call, workspace: Path) -> None:
    made = await make(call)
    one = made["id"]
    assert (made["folder"], made["version"], made["trials"]) == ("strategies/cross", 1, 0)
    entry = workspace / "strategies/cross/strategy.py"
    assert entry.read_text() == CODE

    status, changed = await call("PUT", f"code/{one}", {"code": CODE.replace("10", "300")})
    assert (status, changed["version"]) == (200, 2)
    [problem] = changed["outline"]["problems"]
    assert (problem["line"], problem["column"], problem["repair"]) == (5, 18, "60")
    assert "param(300" in entry.read_text()

    status, page = await call("GET", f"{one}/versions")
    assert (status, [v["number"] for v in page["items"]], page["next"]) == (200, [2, 1], None)
    status, source = await call("GET", f"{one}/versions/1")
    assert (status, source["files"], source["entry"]) == (200, {"strategy.py": CODE}, "strategy.py")
    status, diff = await call("GET", f"{one}/versions/1/diff/2")
    assert "+    fast = param(300, low=2, high=60)" in diff["files"][0]["diff"]
    status, restored = await call("POST", f"{one}/versions/1/restore")
    assert (status, restored["outline"]["problems"]) == (200, [])
    assert entry.read_text() == CODE

    status, renamed = await call("PATCH", one, {"name": "Better"})
    assert (status, renamed["name"], renamed["folder"]) == (200, "Better", "strategies/cross")
    assert (await call("GET", one))[1] == renamed
    assert (await call("DELETE", one)) == (204, None)
    assert not entry.exists()
    assert (await call("GET", one))[0] == 404
    assert (await call("GET", ""))[1] == {"items": [], "next": None}


async def test_a_folder_dropped_in_the_workspace_is_in_the_list(
    call: Call, workspace: Path
) -> None:
    folder = workspace / "strategies/dropped"
    folder.mkdir(parents=True)
    (folder / "strategy.py").write_text(CODE)
    status, page = await call("GET", "")
    assert (status, [s["name"] for s in page["items"]]) == (200, ["dropped"])
    assert page["items"][0]["outline"]["class_name"] == "Mine"


async def test_lists_are_paged_and_filtered(call: Call) -> None:
    for name in ("One", "Two", "Three"):
        await make(call, name)
    _, first = await call("GET", "", limit="2")
    _, rest = await call("GET", "", limit="2", cursor=first["next"])
    assert [s["name"] for s in first["items"] + rest["items"]] == ["Three", "Two", "One"]
    _, found = await call("GET", "", q="tw")
    assert [s["name"] for s in found["items"]] == ["Two"]


async def test_code_is_checked_as_it_is_typed_and_nothing_is_stored(call: Call) -> None:
    status, outline = await call("POST", "check", {"code": "x = (\n"})
    [problem] = outline["problems"]
    assert (status, problem["severity"], problem["line"], problem["column"]) == (200, "error", 1, 5)
    status, outline = await call("POST", "check", {"code": CODE})
    assert (outline["class_name"], outline["kind"], outline["problems"]) == ("Mine", "signals", [])
    assert (await call("GET", ""))[1]["items"] == []


async def test_every_template_is_listed_with_its_picture(call: Call) -> None:
    status, page = await call("GET", "templates")
    assert status == 200
    assert {"sma_cross", "blank"} <= {t["id"] for t in page["items"]}
    status, made = await call("POST", "code/create", {"name": "Mine", "template": "sma_cross"})
    assert (status, made["template"], made["outline"]["problems"]) == (201, "sma_cross", [])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field", "message"),
    [
        ("POST", "code/create", "{", 400, None, "not valid JSON"),
        ("POST", "code/create", "", 400, None, "no body"),
        ("POST", "code/create", [], 422, None, "object"),
        ("POST", "code/create", {}, 422, "name", "name"),
        ("POST", "code/create", {"name": ""}, 422, "name", "needs a name"),
        ("POST", "code/create", {"name": 5}, 422, "name", "str"),
        ("POST", "code/create", {"name": "a", "template": "nope"}, 404, "template", "There are"),
        ("POST", "code/create", {"name": "a", "code": "#" * 300_000}, 413, None, "256 KB"),
        ("POST", "code/create", '{"name": "a", "code": "\\ud800"}', 400, None, "JSON"),
        ("POST", "code/create", {"name": "Cross", "code": ""}, 409, "name", "'Cross 2' is free"),
        ("PUT", "code/nothing", {"code": ""}, 404, "id", "no strategy 'nothing'"),
        ("PUT", "code/{id}", {"code": None}, 422, "code", "str"),
        ("PATCH", "{id}", {"name": "\u0007"}, 422, "name", "cannot be shown"),
        ("GET", "%00", None, 404, "id", "no strategy"),
        ("GET", "{id}/versions/2", None, 404, "number", "it has 1 to 1"),
        ("GET", "{id}/versions/x", None, 422, "number", "int"),
        ("GET", "{id}/versions/99999999999999999999999", None, 404, "number", "no version"),
        ("GET", "{id}/versions/1/diff/9", None, 404, "number", "no version 9"),
        ("POST", "{id}/versions/9/restore", None, 404, "number", "no version 9"),
        ("GET", "?limit=0", None, 422, "limit", ">= 1"),
        ("GET", "?what=1", None, 422, "what", "no query parameter"),
        ("DELETE", "nothing", None, 404, "id", "no strategy"),
        ("POST", "code/{id}/execute", {"dataset": "nope"}, 404, "dataset", "nope"),
        # A slip of the pen must not run the defaults in silence.
        (
            "POST",
            "code/{id}/execute",
            {"dataset": "x", "parameter": {}},
            422,
            "parameter",
            "unknown",
        ),
        ("POST", "code/create", {"name": "B", "tmplate": "x"}, 422, "tmplate", "unknown field"),
        ("PUT", "code/{id}", {"code": "", "v": 1}, 422, "v", "unknown field"),
        ("PATCH", "{id}", {"name": "B", "folder": "x"}, 422, "folder", "unknown field"),
    ],
)
async def test_bad_input_gets_a_clear_answer(
    call: Call, method: str, path: str, body: Any, status: int, field: str | None, message: str
) -> None:
    made = await make(call)
    path, _, query = path.replace("{id}", made["id"]).partition("?")
    parameters = dict([query.split("=")]) if query else {}
    found, answer = await call(method, path, body, **parameters)
    assert (found, answer.get("field")) == (status, field), answer
    assert message in answer["message"]
    assert len((await call("GET", ""))[1]["items"]) == 1, "nothing was made or lost"


async def test_a_deleted_folder_is_told_and_comes_back(call: Call, workspace: Path) -> None:
    made = await make(call)
    (workspace / "strategies/cross/strategy.py").unlink()
    _, seen = await call("GET", made["id"])
    assert (seen["missing"], seen["outline"]["class_name"]) == (True, "Mine")
    status, answer = await call("PUT", f"code/{made['id']}", {"code": CODE})
    assert (status, answer["code"]) == (409, "conflict")
    assert "Restore version 1" in answer["message"]
    assert (await call("POST", f"{made['id']}/versions/1/restore"))[1]["missing"] is False


async def test_a_run_without_a_backtest_is_a_job_over_the_code_as_it_stands(
    call: Call, workspace: Path, jp_serverapp: Any
) -> None:
    lab = jp_serverapp.web_app.settings["alphintra"]
    rows = [f"2020-01-{day:02},1,2,0.5,1.5,10" for day in range(1, 29)]
    file = workspace / "small.csv"
    file.write_text("\n".join(["time,open,high,low,close,volume", *rows]))
    await datasets.add_file(lab.database, lab.store, file, name="small", symbol="S")
    made = await make(call)
    entry = workspace / "strategies/cross/strategy.py"
    entry.write_text(CODE.replace("fast", "quick"))
    body = {"dataset": "small", "parameters": {"quick": 7}}
    status, job = await call("POST", f"code/{made['id']}/execute", body)
    assert (status, job["kind"], job["state"], job["place"]) == (202, "execute", "waiting", 1)
    async with lab.database.session(write=False) as session:
        row = await session.get(JobRow, job["id"])
        version = await session.get(StrategyVersionRow, row.spec["version_id"])
    assert version.files == {"strategy.py": entry.read_text()}
    assert row.spec["settings"]["parameters"] == {"quick": 7}
    body["parameters"] = {"quick": 700}
    status, answer = await call("POST", f"code/{made['id']}/execute", body)
    assert (status, answer["field"]) == (422, "parameters.quick")
    assert answer["message"] == "quick: 700 is above high=60."
