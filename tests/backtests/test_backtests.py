"""Backtests over REST, from a definition to a record, with all that can go wrong in between."""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from tests.faults.conftest import wait_for_end
from tests.faults.harness import Lab

pytestmark = pytest.mark.slow
Create = Callable[..., dict[str, Any]]

CROSS = """
from alphintra_lab.sdk import Signals, Strategy, param, ta

class Cross(Strategy):
    fast = param(10, low=2, high=60)
    slow = param(30, low=10, high=250)

    def signals(self, bars):
        fast, slow = ta.sma(bars["close"], self.fast), ta.sma(bars["close"], self.slow)
        return Signals(entries=fast > slow, exits=fast < slow)
"""


def body_of(name: str, text: str) -> str:
    """A strategy whose method `name` has this body."""
    lines = "\n".join("        " + line for line in text.strip().splitlines())
    return (
        "import os\nimport numpy as np\nimport pandas as pd\n"
        "from alphintra_lab.sdk import Signals, Strategy\n\n"
        f"class Mine(Strategy):\n    def {name}(self, bars):\n{lines}\n"
    )


@pytest.fixture(scope="module")
def finished(run: Create) -> dict[str, Any]:
    """The job of a run that ended well, for those who only read it."""
    job = run(CROSS, commission=0.0002, slippage_bps=1)
    assert job["state"] == "succeeded", job["error"]
    return job


def test_a_finished_run_answers_every_question_about_itself(
    lab: Lab, finished: dict[str, Any]
) -> None:
    path = f"/api/backtests/{finished['subject_id']}"
    results = lab.json("GET", f"{path}/results?points=100")
    curve = results["curve"]
    assert len({len(curve[name]) for name in ("time", "equity", "benchmark", "drawdown")}) == 1
    assert 50 < len(curve["time"]) <= 110
    assert curve["time"] == sorted(curve["time"])
    metrics = results["backtest"]["metrics"]
    assert min(curve["drawdown"]) == pytest.approx(metrics["max_drawdown"]), "the worst is kept"
    assert curve["equity"][-1] == pytest.approx(10_000 * (1 + metrics["total_return"]))
    assert results["trades_total"] == metrics["trades"]
    assert set(results["checks"]) == {"look_ahead", "warm_up", "determinism", "sanity"}
    assert results["checks"]["sanity"]["passed"] is True

    trades = lab.json("GET", f"{path}/trades?limit=10")
    assert len(trades["items"]) == 10
    assert (trades["total"], trades["next"]) == (results["trades_total"], 10)
    wins = lab.json("GET", f"{path}/trades?filter=wins&limit=1000")["items"]
    losses = lab.json("GET", f"{path}/trades?filter=losses&limit=1000")["items"]
    assert all(trade["pnl"] > 0 for trade in wins)
    assert len(wins) + len(losses) == results["trades_total"]

    first = trades["items"][0]
    window = f"symbol=EURUSD&start={first['entry_time']}&end={first['exit_time']}"
    orders = lab.json("GET", f"{path}/orders?{window}")["items"]
    assert (orders[0]["time"], orders[0]["price"]) == (first["entry_time"], first["entry_price"])
    assert orders[0]["decided"] < orders[0]["time"]
    bars = lab.json("GET", f"{path}/bars?{window}")
    opened = bars["open"][0]
    # The next open, 1 bp against us, up to the next tick of 0.00001.
    assert first["entry_price"] == pytest.approx(math.ceil(opened * 1.0001 * 1e5) / 1e5)


def test_of_more_orders_than_a_chart_can_take_the_first_come_with_their_number(
    lab: Lab, run: Create
) -> None:
    flip = "w = bars['close'] * 0 + np.arange(len(bars))[:, None] % 2\nreturn w"
    job = run(body_of("weights", flip))
    assert job["state"] == "succeeded", job["error"]
    path = f"/api/backtests/{job['subject_id']}"
    orders = lab.json("GET", f"{path}/orders")
    exported = lab.request("GET", f"{path}/export?table=orders&format=csv").text
    assert len(orders["items"]) == 5000
    assert orders["total"] == len(exported.splitlines()) - 1 > 6000


def test_exports_hold_the_whole_table(lab: Lab, finished: dict[str, Any]) -> None:
    path = f"/api/backtests/{finished['subject_id']}"
    count = lab.json("GET", f"{path}/results")["trades_total"]
    csv = lab.request("GET", f"{path}/export?table=trades&format=csv")
    assert "attachment" in csv.headers["content-disposition"]
    assert len(pd.read_csv(io.BytesIO(csv.content))) == count
    parquet = lab.request("GET", f"{path}/export?table=equity&format=parquet")
    assert len(pd.read_parquet(io.BytesIO(parquet.content))) == 6225


def test_files_of_a_run_that_the_disk_lost_are_told_and_give_no_500(lab: Lab, run: Create) -> None:
    ended = run(CROSS, "goog-1d")
    path = f"/api/backtests/{ended['subject_id']}"
    folder = lab.home / "jobs" / ended["id"]
    (folder / "trades.parquet").unlink()
    (folder / "equity.parquet").write_bytes(b"PAR1 and no more")
    for question, said in (
        ("/trades", "are gone"),
        ("/export?table=trades&format=parquet", "are gone"),
        ("/results", "are damaged"),
        ("/export?table=equity&format=parquet", "are damaged"),
    ):
        answer = lab.json("GET", path + question, status=404)
        assert said in answer["message"]
    assert lab.json("GET", path)["metrics"], "the summary is still there"


def test_the_same_run_twice_is_one_trial_with_one_ledger(lab: Lab, create: Create) -> None:
    first = create(CROSS)
    body = {"strategy_id": first["strategy_id"], "dataset": "eurusd-1h"}
    ids = [first["id"], lab.json("POST", "/api/backtests", body)["id"]]
    other = lab.json("POST", "/api/backtests", body | {"parameters": {"fast": 11}})["id"]
    for together in (ids, [other]):
        for job in [lab.json("POST", f"/api/backtests/{one}/run") for one in together]:
            wait_for_end(lab, job)
    a, b, c = (lab.json("GET", f"/api/backtests/{one}/results") for one in [*ids, other])
    assert a["ledger_sha256"] == b["ledger_sha256"] != c["ledger_sha256"]
    strategy = lab.json("GET", f"/api/strategies/{first['strategy_id']}")
    assert strategy["trials"] == 2
    assert strategy["last_result"]["backtest_id"] == other


def test_a_run_keeps_the_code_it_ran_with_whatever_is_edited_later(
    lab: Lab, create: Create
) -> None:
    backtest = create(CROSS)
    wait_for_end(lab, lab.json("POST", f"/api/backtests/{backtest['id']}/run"))
    before = lab.json("GET", f"/api/backtests/{backtest['id']}/results")
    path = f"/api/strategies/code/{backtest['strategy_id']}"
    lab.json("PUT", path, {"code": CROSS.replace("param(10", "param(12")})
    after = lab.json("GET", f"/api/backtests/{backtest['id']}/results")
    for results in (before, after):  # MLflow may have heard of the run meanwhile
        del results["backtest"]["mlflow_run_id"], results["backtest"]["updated_at"]
    assert after == before
    versions = lab.json("GET", f"/api/strategies/{backtest['strategy_id']}/versions")["items"]
    assert [version["number"] for version in versions] == [2, 1]


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"dataset": "eurusd-1d"}, "dataset", "eurusd-1h"),
        ({"symbols": ["EURUSDX"]}, "symbols", "EURUSD"),
        ({"cash": 0}, "cash", "above 0"),
        ({"commission": 2}, "commission", "0.0002 is 0.02 %"),
        ({"slippage_bps": -1}, "slippage_bps", "basis points"),
        ({"start": "2030-01-01"}, "start", "2017"),
        ({"start": "2017-06-01", "end": "2017-05-01"}, "start", "not before"),
        ({"end": "2001-01-01"}, "end", "leaves no bars"),
        ({"start": "soon"}, "start", "soon"),
        ({"overrides": ["hihg_below_low"]}, "overrides", "high_below_low"),
        ({"parameters": {"fst": 5}}, "parameters", "fast"),
        ({"parameters": {"fast": 1}}, "parameters", "2"),
        ({"parameters": {"fast": "ten"}}, "parameters", "ten"),
        ({"fill": "last_close"}, "fill", "last_close"),
        ({"leverage": 2}, "leverage", "leverage"),
    ],
)
def test_a_wrong_definition_names_the_field_and_the_way_out(
    lab: Lab, create: Create, settings: dict[str, Any], field: str, words: str
) -> None:
    good = create(CROSS)
    body = {"strategy_id": good["strategy_id"], "dataset": "eurusd-1h"} | settings
    answer = lab.request("POST", "/api/backtests", json=body)
    error = answer.json()
    assert answer.status_code in (404, 422), error
    assert field in (error["field"] or "") or field in error["message"], error
    assert words in error["message"], error
    no_bars = "leaves no bars" in error["message"] or "not before" in error["message"]
    assert (error["code"] == "bad_window") == no_bars


ENDLESS = body_of("signals", "while True:\n    pass")
EXIT = body_of("signals", "os._exit(0)")
HUNGRY = body_of("signals", "np.ones(20 * 1024**3, dtype='uint8')\nreturn Signals(bars, bars)")
KEY = body_of("signals", "flow = bars['volum'].diff()\nreturn Signals(flow > 0, flow < 0)")
SHORT = body_of("signals", "entries = np.ones(3, bool)\nreturn Signals(entries, entries)")
INFINITE = body_of("weights", "w = bars['close'] * np.nan\nw.iloc[5] = np.inf\nreturn w")
BROKEN = "class Mine(Strategy:\n    pass\n"
NOTHING = "x = 1\n"


@pytest.mark.parametrize(
    ("code", "kind", "words", "line"),
    [
        (ENDLESS, "time_limit", "time limit", None),
        (EXIT, "process_died", "0", None),
        (HUNGRY, "memory_limit", "memory", 8),
        (KEY, "strategy_error", "volum", 8),
        (SHORT, "bad_decisions", "3", None),
        (INFINITE, "bad_decisions", "inf", None),
        (BROKEN, "strategy_error", "SyntaxError", 1),
        (NOTHING, "strategy_error", "Strategy", None),
    ],
    ids=["endless", "exit", "hungry", "key", "short", "infinite", "broken", "nothing"],
)
def test_a_strategy_that_goes_wrong_fails_with_its_reason_and_line(
    lab: Lab, run: Create, code: str, kind: str, words: str, line: int | None
) -> None:
    job = run(code)
    assert job["state"] == "failed"
    error = job["error"]
    text = f"{error['message']} {error['exception']} {error['text']}"
    assert (error["code"], words in text) == (kind, True), error
    if line is not None:
        assert (error["file"], error["line"]) == ("strategy.py", line), error
    answer = lab.request("GET", f"/api/backtests/{job['subject_id']}/results")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_result")
    assert error["message"] in answer.json()["message"]


def test_weights_that_say_nothing_at_the_first_bars_are_fine(lab: Lab, run: Create) -> None:
    code = body_of("weights", "w = bars['close'] * np.nan\nw.iloc[100] = 0.5\nreturn w")
    job = run(code, "us-stocks-1d", symbols=["AAPL"])
    assert job["state"] == "succeeded", job["error"]
    orders = lab.json("GET", f"/api/backtests/{job['subject_id']}/orders")["items"]
    assert len(orders) == 1


def test_what_a_strategy_prints_is_its_jobs_log(lab: Lab, run: Create) -> None:
    job = run(body_of("signals", "print('seen', len(bars))\nreturn Signals(False, False)"))
    log = lab.json("GET", f"/api/jobs/{job['id']}/log")
    assert "seen 6225" in log["text"]


def test_a_backtest_runs_once_and_then_is_a_record(lab: Lab, finished: dict[str, Any]) -> None:
    again = lab.request("POST", f"/api/backtests/{finished['subject_id']}/run")
    assert again.status_code == 409
    assert "define a new backtest" in again.json()["message"]


def test_a_run_that_failed_can_be_tried_again_with_the_same_code(lab: Lab, create: Create) -> None:
    backtest = create(KEY)
    path = f"/api/backtests/{backtest['id']}"
    first = wait_for_end(lab, lab.json("POST", f"{path}/run"))
    second = wait_for_end(lab, lab.json("POST", f"{path}/run", status=202))
    assert (first["state"], second["state"]) == ("failed", "failed")
    assert first["id"] != second["id"]
    lab.json("PUT", f"/api/strategies/code/{backtest['strategy_id']}", {"code": CROSS})
    refused = lab.request("POST", f"{path}/run")
    assert refused.status_code == 409
    assert "code has changed" in refused.json()["message"]
    assert lab.json("GET", f"/api/strategies/{backtest['strategy_id']}")["trials"] == 1


def test_a_run_can_be_cancelled_and_then_deleted(lab: Lab, create: Create) -> None:
    backtest = create(ENDLESS)
    job = lab.json("POST", f"/api/backtests/{backtest['id']}/run")
    lab.json("POST", f"/api/backtests/{backtest['id']}/cancel")
    assert wait_for_end(lab, job, timeout=10)["state"] == "cancelled"
    lab.json("DELETE", f"/api/backtests/{backtest['id']}", status=204)
    assert lab.request("GET", f"/api/backtests/{backtest['id']}").status_code == 404


def test_a_deleted_strategy_folder_stops_the_run_with_the_way_out(lab: Lab, create: Create) -> None:

    backtest = create(CROSS)
    strategy = lab.json("GET", f"/api/strategies/{backtest['strategy_id']}")
    shutil.rmtree(lab.workspace / strategy["folder"])
    answer = lab.request("POST", f"/api/backtests/{backtest['id']}/run")
    assert answer.status_code == 409
    assert "version" in answer.json()["message"], "its versions are still here, and it says so"
    again = lab.json("GET", f"/api/strategies/{backtest['strategy_id']}")
    assert again["missing"] is True


def test_data_with_errors_is_refused_until_overridden_by_name(lab: Lab, create: Create) -> None:
    rows = ["time,open,high,low,close,volume"]
    for day in range(1, 29):
        rows.append(f"2024-01-{day:02},10,{9 if day == 7 else 11},9.5,10.5,100")
    csv = "\n".join(rows).encode()
    lab.request("POST", "/api/datasets/upload?name=bad-day&filename=bad.csv", content=csv)
    good = create(CROSS, "bad-day")
    answer = lab.request("POST", f"/api/backtests/{good['id']}/run")
    assert (answer.status_code, answer.json()["code"]) == (409, "data_errors")
    names = answer.json()["message"].rsplit("name: ", 1)[1].rstrip(".").split(", ")
    body = {"strategy_id": good["strategy_id"], "dataset": "bad-day", "overrides": names}
    backtest = lab.json("POST", "/api/backtests", body)
    job = wait_for_end(lab, lab.json("POST", f"/api/backtests/{backtest['id']}/run"))
    assert job["state"] == "succeeded", job["error"]
    verdict = lab.json("GET", f"/api/backtests/{backtest['id']}")["verdict"]
    assert verdict["title"].startswith("Built on known bad data")
    assert '"High below low" in ' in verdict["text"]


def test_a_strategy_can_be_executed_without_a_backtest(lab: Lab, create: Create) -> None:
    strategy_id = create(CROSS)["strategy_id"]
    path = f"/api/strategies/code/{strategy_id}/execute"
    job = lab.json("POST", path, {"dataset": "eurusd-1h", "parameters": {"fast": 5}})
    ended = wait_for_end(lab, job)
    assert ended["state"] == "succeeded", ended["error"]
    assert ended["kind"] == "execute"
    assert ended["result"]["bytes"] > 6225
