"""The kernels' line, from inside: a real lab, real sandboxed kernels, and what they may not do."""

from __future__ import annotations

import json
import os
import socket
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import wait_for_datasets, wait_for_end
from tests.faults.harness import Lab, wait_until
from tests.remote_kernel import RemoteKernel, open_kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TEMPLATE = Path(__file__).parents[2] / "templates" / "sma_cross" / "strategy.py"

# What any code in a kernel can do: speak HTTP on the socket by itself, with any body.
FORGER = """
import http.client, os, socket, msgspec

def ask(method, target, body=None, headers={}):
    line = http.client.HTTPConnection("lab")
    line.sock = socket.socket(socket.AF_UNIX)
    line.sock.settimeout(60)
    line.sock.connect(os.environ["ALPHINTRA_LINE"])
    try:
        line.request(method, target, body, headers)
    except BrokenPipeError:
        pass  # refused, and told, before all of it was sent
    answer = line.getresponse()
    return answer.status, answer.read().decode()

GOOD = {
    "source": {"files": {"strategy.py": "from alphintra_lab.sdk import Signals, Strategy\\n"
        "class Forged(Strategy):\\n    def signals(self, bars): ...\\n"},
        "entry": "strategy.py", "folder": None, "scratch": True},
    "class_name": "Forged", "parameters": {}, "dataset": "eurusd-1h", "decisions": b"",
}

def forge(**changes):
    source = {**GOOD["source"], **changes.pop("source", {})}
    body = {**GOOD, "source": source, **changes}
    return ask("POST", "/backtests", msgspec.msgpack.encode(body))
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with its datasets and two strategies from the same code."""
    folder = tmp_path_factory.mktemp("line")
    with Lab(folder / "home", folder / "workspace") as running:
        wait_for_datasets(running)
        for name in ("mine", "other"):
            body = {"name": name, "code": TEMPLATE.read_text()}
            running.json("POST", "/api/strategies/code/create", body)
        yield running


@pytest.fixture(scope="module")
def kernel(lab: Lab) -> Iterator[RemoteKernel]:
    """A kernel of a notebook beside the first strategy."""
    with open_kernel(lab, "strategies/mine/test.ipynb") as opened:
        opened.run(FORGER)
        yield opened


def find_strategy(lab: Lab, name: str) -> dict[str, Any]:
    listed = lab.json("GET", "/api/strategies?limit=100")["items"]
    (found,) = [one for one in listed if one["name"] == name]
    return dict(found)


def count(lab: Lab) -> dict[str, int]:
    """Everything that a request could add to."""
    overview = lab.json("GET", "/api/overview")
    files = [*lab.workspace.rglob("*"), *(lab.home / "jobs").rglob("*")]
    kept = {name: overview[name] for name in ("strategies", "datasets", "backtests", "trials")}
    return {
        **kept,
        "files": len([path for path in files if ".ipynb_checkpoints" not in path.parts]),
    }


def forge(kernel: RemoteKernel, changes: str) -> tuple[int, dict[str, Any]]:
    status, text = kernel.read(f"forge({changes})")
    return status, json.loads(text)


def test_bars_in_a_kernel_are_the_datasets(lab: Lab, kernel: RemoteKernel) -> None:
    expression = "(lambda b: [len(b), list(b.columns), b.index[0].isoformat(), b['open'].iloc[0]])"
    seen = kernel.read(f"{expression}(load_bars('eurusd-1h'))")
    (dataset,) = [d for d in lab.json("GET", "/api/datasets")["items"] if d["name"] == "eurusd-1h"]
    preview = lab.json("GET", f"/api/datasets/{dataset['id']}/preview?limit=1")
    row = dict(zip(preview["columns"], preview["rows"][0], strict=True))
    columns = ["open", "high", "low", "close", "volume"]
    assert seen == [6225, columns, "2017-01-01T22:00:00+00:00", row["open"]]
    cut = "len(load_bars('eurusd-1h', start='2017-06-01', end='2017-06-02'))"
    assert kernel.read(cut) == 24


def test_a_notebooks_run_is_the_one_that_rest_gives(lab: Lab, kernel: RemoteKernel) -> None:
    mine = find_strategy(lab, "mine")
    create = {"strategy_id": mine["id"], "dataset": "eurusd-1h", "parameters": {"fast": 5}}
    defined = lab.json("POST", "/api/backtests", {**create, "commission": 0.0001})
    job = lab.json("POST", f"/api/backtests/{defined['id']}/run")
    assert wait_for_end(lab, job)["state"] == "succeeded"
    rest = lab.json("GET", f"/api/backtests/{defined['id']}/results")

    fields = "[r.ledger_sha256, r.strategy_sha256, r.dataset_sha256, r.id, r.final_equity]"
    from_file = kernel.run(
        "from strategy import SmaCross\n"
        "r = backtest(SmaCross(fast=5), 'eurusd-1h', commission=0.0001)"
    )
    assert from_file.error is None
    ledger, code, data, run_id, equity = kernel.read(fields)
    assert ledger == rest["ledger_sha256"]
    assert (code, data) == (rest["strategy_sha256"], rest["dataset_sha256"])
    recorded = lab.json("GET", f"/api/backtests/{run_id}")
    assert recorded["strategy_id"] == mine["id"]
    assert recorded["settings"] == rest["backtest"]["settings"]

    # The same class typed in a cell is another strategy, with the same decisions.
    cell = TEMPLATE.read_text().replace("SmaCross", "TypedCross")
    typed = kernel.run(cell + "\nr = backtest(TypedCross(fast=5), 'eurusd-1h', commission=0.0001)")
    assert typed.error is None
    typed_ledger, typed_code, _, typed_id, typed_equity = kernel.read(fields)
    assert typed_equity == equity
    assert typed_code != code
    assert typed_ledger == ledger
    scratch = lab.json("GET", f"/api/backtests/{typed_id}")
    assert scratch["strategy_name"] == "TypedCross"
    assert scratch["strategy_id"] != mine["id"]


def test_a_cells_result_shows_its_verdict(lab: Lab, kernel: RemoteKernel) -> None:
    output = kernel.run("from strategy import SmaCross\nbacktest(SmaCross(), 'eurusd-1h')")
    assert output.error is None
    run = lab.json("GET", "/api/backtests?limit=1")["items"][0]
    assert output.results[-1]["text/plain"].startswith(run["verdict"]["title"])
    assert run["verdict"]["title"] in output.results[-1]["text/html"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("load_bars('eurusd1h')", "LineError: There is no dataset 'eurusd1h'. Did you mean"),
        ("load_bars('eurusd-1h', 'AAPL')", "LineError: The dataset has no symbol 'AAPL'"),
        ("backtest(Bad(), 'eurusd-1h')", "StrategyError: signals returned None"),
        ("backtest(Bad(fast=1), 'eurusd-1h')", "StrategyError: Bad has no parameter 'fast'"),
        ("backtest(SmaCross(), 'eurusd-1h', cash=-1)", "LineError: cash=-1 must be above 0"),
        ("backtest(SmaCross(), 'eurusd-1h', fill='now')", "LineError: The request is not"),
        ("backtest(SmaCross(), 'eurusd-1h', start='soon')", "ValueError: start is 'soon'"),
    ],
)
def test_an_error_in_a_cell_can_be_read(kernel: RemoteKernel, code: str, error: str) -> None:
    bad = """
    from strategy import SmaCross
    class Bad(Strategy):
        def signals(self, bars): pass
    """
    output = kernel.run(textwrap.dedent(bad) + code)
    assert output.error is not None
    assert output.error.startswith(error)


def test_a_kernel_reaches_no_file_that_it_was_not_granted(lab: Lab) -> None:
    with open_kernel(lab, "strategies/other/test.ipynb") as kernel:
        assert kernel.read("__import__('os').listdir('/grants')") == []
        assert kernel.read("len(load_bars('aapl-1d'))") == 3270
        (granted,) = kernel.read("__import__('os').listdir('/grants')")
        stored = {path.name for path in (lab.home / "store").glob("*.parquet")}
        assert granted in stored
        assert len(stored) > 5
        other = next(iter(stored - {granted}))
        for path in (f"/grants/{other}", f"{lab.home}/store/{other}", f"{lab.home}/lab.db"):
            output = kernel.run(f"open({path!r}, 'rb').read()")
            assert output.error is not None
            assert output.error.startswith("FileNotFoundError"), path
        output = kernel.run(f"open('/grants/{granted}', 'r+b').write(b'x')")
        assert output.error is not None
        assert output.error.startswith(("OSError", "PermissionError"))
        network = f"""
        import socket
        socket.create_connection(("127.0.0.1", {lab.port}), 2)
        """
        output = kernel.run(textwrap.dedent(network))
        assert output.error is not None
        assert output.error.startswith(("ConnectionRefusedError", "OSError"))


FORGED = {
    "an unknown field": ("strategy_id='x'", 422, "unknown field `strategy_id`"),
    "a field missing": ("decisions=None", 422, "Expected `bytes`, got `None`"),
    "a way out of the folder": (
        "source={'files': {'strategy.py': '', '../other/x.py': 'x = 1'}}",
        422,
        "'../other/x.py' is not the path",
    ),
    "an absolute path": (
        "source={'files': {'strategy.py': '', '/etc/x.py': 'x = 1'}}",
        422,
        "'/etc/x.py' is not the path",
    ),
    "a file in a file": (
        "source={'files': {'strategy.py': '', 'strategy.py/x.py': ''}}",
        422,
        "lies in a file",
    ),
    "an entry that is no file": ("source={'entry': 'other.py'}", 422, "no file 'other.py'"),
    "an entry outside": ("source={'entry': '../other/strategy.py'}", 422, "no file"),
    "a folder outside": (
        "source={'folder': '/etc', 'scratch': False}",
        422,
        "'/etc' lies outside of the workspace",
    ),
    "another's folder": (
        "source={'folder': '../other', 'scratch': False}",
        409,
        "is not what was run",
    ),
    "a null byte": ("source={'folder': 'a\\0b', 'scratch': False}", 422, "The request is not"),
    "a class that is none": ("class_name='os.system'", 422, "is not a class's name"),
    "too much code": ("source={'files': {'strategy.py': '#' * 2_000_000}}", 413, "KB"),
    "a parameter that is none": ("parameters={'x': 1}", 422, "has no parameter 'x'"),
    "no dataset": ("dataset='nope'", 404, "There is no dataset 'nope'"),
    "cash that is no number": ("cash=float('nan')", 422, "cash=nan"),
}


@pytest.mark.parametrize(("changes", "status", "message"), FORGED.values(), ids=FORGED)
def test_a_forged_request_is_refused_and_changes_nothing(
    lab: Lab, kernel: RemoteKernel, changes: str, status: int, message: str
) -> None:
    before = count(lab)
    seen, error = forge(kernel, changes)
    assert (seen, message in error["message"]) == (status, True), error
    assert set(error) <= {"message", "code", "field"}
    assert count(lab) == before


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("'POST', '/backtests', b'not msgpack'", 422),
        ("'POST', '/backtests', b''", 400),
        ("'POST', '/backtests', b'\\x81\\xa1a' * 100_000", 422),
        ("'POST', '/backtests', b'\\x81\\xa6source\\xa2\\xff\\xfe'", 422),
        ("'POST', '/backtests', b'x', {'Content-Length': '99999999999'}", 413),
        ("'GET', '/backtests'", 405),
        ("'POST', '/bars', b'{}'", 405),
        ("'GET', '/bars?dataset=..%2F..%2Flab.db'", 404),
        ("'GET', '/bars?dataset=%FF%FE'", 400),
        ("'GET', '/bars'", 404),
        ("'GET', '/../../etc/passwd'", 404),
        ("'DELETE', '/datasets'", 405),
        ("'GET', '/api/strategies'", 404),
    ],
)
def test_a_request_of_another_kind_is_refused_in_the_one_error_shape(
    lab: Lab, kernel: RemoteKernel, request_: str, status: int
) -> None:
    before = count(lab)
    seen, text = kernel.read(f"ask({request_})")
    error = json.loads(text)
    assert seen == status, error
    assert error["message"]
    assert "Traceback" not in text
    assert count(lab) == before


def test_a_body_over_the_limit_in_pieces_is_refused_and_frees_the_line(
    lab: Lab, kernel: RemoteKernel
) -> None:
    before = count(lab)
    code = """
    def flood():
        connection = http.client.HTTPConnection("lab")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(os.environ["ALPHINTRA_LINE"])
        try:
            connection.request("POST", "/backtests", iter([b"x" * 2**20] * 300))
            return connection.getresponse().status
        except OSError:  # the server hangs up on whoever sends on
            return 400
    """
    assert kernel.run(textwrap.dedent(code)).error is None
    assert kernel.read("flood()") == 400
    assert count(lab) == before
    assert forge(kernel, "dataset='nope'")[0] == 404


def test_decisions_that_are_none_fail_as_a_run_with_its_reason(
    lab: Lab, kernel: RemoteKernel
) -> None:
    for decisions in ("b'garbage'", "msgspec.msgpack.encode({'kind': 'signals'})"):
        status, error = forge(kernel, f"decisions={decisions}")
        assert (status, error["code"]) == (422, "bad_decisions"), error
    job = lab.json("GET", "/api/jobs?limit=1")["items"][0]
    assert (job["state"], job["error"]["code"]) == ("failed", "bad_decisions")


def test_an_interrupted_cell_cancels_its_run(lab: Lab) -> None:
    code = """
    import os, time
    class Patient(Strategy):
        def signals(self, bars):
            if "ALPHINTRA_LINE" not in os.environ:  # not here, but where the checks run it again
                time.sleep(200)
            rising = bars["close"] > bars["open"]
            return Signals(entries=rising, exits=~rising)
    backtest(Patient(), "eurusd-1h")
    """

    def newest() -> dict[str, Any]:
        return dict(lab.json("GET", "/api/jobs?limit=1")["items"][0])

    with open_kernel(lab, "strategies/mine/second.ipynb") as kernel, ThreadPoolExecutor() as pool:
        cell = pool.submit(kernel.run, textwrap.dedent(code))
        wait_until(lambda: newest()["step"] == "checks", "the checks run", timeout=60)
        lab.request("POST", f"/api/kernels/{kernel.id}/interrupt")
        assert str(cell.result(30).error).startswith("KeyboardInterrupt")
        wait_until(lambda: newest()["state"] == "cancelled", "the run is cancelled", timeout=30)
        assert kernel.read("len(load_bars('aapl-1d'))") == 3270


def test_callers_that_hang_up_in_mid_body_leave_the_line_free(lab: Lab) -> None:
    with open_kernel(lab, "strategies/mine/second.ipynb") as kernel:
        kernel.run(FORGER)
        code = """
        def hang_up():
            body = msgspec.msgpack.encode({**GOOD, "decisions": b"x" * 100})
            connection = http.client.HTTPConnection("lab")
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(os.environ["ALPHINTRA_LINE"])
            connection.request("POST", "/backtests", body[:-50], {"Content-Length": str(len(body))})
            connection.sock.close()
        """
        assert kernel.run(textwrap.dedent(code)).error is None
        before = count(lab)
        for _ in range(3):
            assert kernel.run("hang_up()").error is None
        assert forge(kernel, "dataset='nope'")[0] == 404
        assert count(lab) == before


def test_a_class_typed_again_after_its_strategy_was_deleted_runs(
    lab: Lab, kernel: RemoteKernel
) -> None:
    cell = TEMPLATE.read_text().replace("SmaCross", "Deleted")
    run = cell + "\nr = backtest(Deleted(), 'eurusd-1h')"
    assert kernel.run(run).error is None
    recorded = lab.json("GET", f"/api/backtests/{kernel.read('r.id')}")
    lab.json("DELETE", f"/api/strategies/{recorded['strategy_id']}")
    assert kernel.run(run).error is None


def test_a_kernel_that_asks_too_often_is_told_to_wait_and_then_served(kernel: RemoteKernel) -> None:
    kernel.run(
        r"""
def flood():
    request = b"GET /nothing HTTP/1.1\r\nHost: lab\r\n"
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(os.environ["ALPHINTRA_LINE"])
        line.sendall(400 * (request + b"\r\n") + request + b"Connection: close\r\n\r\n")
        said = b""
        while part := line.recv(1 << 20):
            said += part
    return [said.count(one) for one in (b"HTTP/1.1 429", b"HTTP/1.1 404", b"Retry-After: 1")]
"""
    )
    refused, unknown, told = kernel.read("flood()")
    assert refused + unknown == 401
    assert unknown >= 200 and refused > 0 and told == refused
    kernel.run("import time; time.sleep(0.5)")
    assert kernel.read("ask('GET', '/datasets')[0]") == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's kernels have a user of their own")
def test_nobody_but_its_kernel_can_use_a_line(lab: Lab, kernel: RemoteKernel) -> None:
    assert lab.process is not None
    lines = list(Path("/run").glob(f"alphintra-{lab.process.pid}-*/line/sock"))
    assert lines
    for path in lines:
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(path))
            stranger.settimeout(5)
            assert stranger.recv(1) == b"", "closed without a word"
    assert kernel.read("ask('GET', '/datasets')[0]") == 200
