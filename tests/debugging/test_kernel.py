"""Debug sessions for real: a lab, sandboxed kernels, and a debugger that stops in strategy.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.debugging.dap import open_debugger
from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CODE = """\
from alphintra_lab.sdk import Signals, Strategy, param, ta


class Cross(Strategy):
    fast = param(10, low=2, high=60)

    def signals(self, bars):
        \"\"\"Long while the fast average rises.\"\"\"
        average = ta.sma(bars["close"], self.fast)
        count = len(bars)
        rising = average.diff() > 0
        for number in range(5):
            square = number * number
        return Signals(entries=rising, exits=~rising)
"""
FAILING = CODE.replace("average.diff() > 0", 'bars["clos"] > 0')
EURUSD = {"dataset": "eurusd-1h"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("debug")
    with Lab(folder / "home", folder / "workspace") as running:
        wait_for_datasets(running)
        yield running


@pytest.fixture
def strategy(lab: Lab, request: pytest.FixtureRequest) -> str:
    """A strategy of the test's own; its id."""
    body = {"name": request.node.name[:90], "code": CODE}
    return str(lab.json("POST", "/api/strategies/code/create", body)["id"])


def debug(lab: Lab, strategy: str, **more: Any) -> dict[str, Any]:
    path = f"/api/strategies/code/{strategy}/debug"
    session = lab.json("POST", path, EURUSD | more, status=201)
    assert (session["state"], session["kernel_id"] is None) == ("starting", False)
    return dict(session)


def read(lab: Lab, session: dict[str, Any]) -> dict[str, Any]:
    return dict(lab.json("GET", f"/api/debug-sessions/{session['id']}"))


def wait_for_state(lab: Lab, session: dict[str, Any], *states: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        now = read(lab, session)
        return now if now["state"] in states else None

    return wait_until(there, f"the session is {' or '.join(states)}", timeout=60)


def wait_for_no_kernel(lab: Lab, session: dict[str, Any]) -> None:
    wait_until(
        lambda: all(k["id"] != session["kernel_id"] for k in lab.json("GET", "/api/kernels")),
        "the kernel is gone",
    )
    assert lab.json("GET", "/api/sessions") == []


def test_a_run_stops_at_a_line_shows_its_values_and_goes_on_to_its_end(
    lab: Lab, strategy: str
) -> None:
    before = lab.json("GET", "/api/overview")
    session = debug(
        lab, strategy, parameters={"fast": 7}, breakpoints=[{"line": 11}], start="2017-06-01"
    )
    with open_debugger(lab, session) as debugger:
        (taken,) = debugger.attach(session)
        assert (taken["line"], taken["verified"]) == (11, True)
        debugger.start(session["code"])
        frame = debugger.wait_for_stop()
        assert (frame["line"], frame["name"]) == (11, "signals")
        assert frame["source"]["path"] == f"{session['folder']}/strategy.py"
        variables = debugger.read_variables(frame)
        assert variables["count"] == "6225"
        assert "rising" not in variables  # the line has not run yet
        assert debugger.evaluate(frame, "self.fast") == "7"
        assert wait_for_state(lab, session, "stopped")["outcome"] is None

        debugger.ask("next", threadId=frame["thread"])
        frame = debugger.wait_for_stop()
        assert frame["line"] == 12
        assert "rising" in debugger.read_variables(frame)
        debugger.ask("continue", threadId=frame["thread"])
        ended = wait_for_state(lab, session, "ended", "failed")
    assert ended["state"] == "ended"
    assert ended["message"] is None
    outcome = ended["outcome"]
    assert (outcome["kind"], outcome["line"]) == ("decisions", None)
    assert outcome["message"].startswith("It saw 6,225 bars up to 2017-12-29 ")
    wait_for_no_kernel(lab, session)
    after = lab.json("GET", "/api/overview")
    for counted in ("backtests", "trials"):
        assert after[counted] == before[counted], "a debug run is no trial"
    assert lab.json("GET", f"/api/strategies/{strategy}")["version"] == 1


def test_a_condition_decides_whether_it_stops(lab: Lab, strategy: str) -> None:
    breakpoints = [{"line": 13, "condition": "number == 3"}]
    session = debug(lab, strategy, breakpoints=breakpoints)
    with open_debugger(lab, session) as debugger:
        debugger.attach(session)
        debugger.start(session["code"])
        frame = debugger.wait_for_stop()
        variables = debugger.read_variables(frame)
        assert (frame["line"], variables["number"], variables["square"]) == (13, "3", "4")
        debugger.ask("continue", threadId=frame["thread"])
        assert wait_for_state(lab, session, "ended")["outcome"]["kind"] == "decisions"


def test_stop_at_bar_shows_the_bars_up_to_that_bars_close(lab: Lab, strategy: str) -> None:
    session = debug(lab, strategy, stop_at_bar="2017-03-01T12:30:00Z")  # within the bar of 12:00
    assert session["settings"]["breakpoints"] == [
        {"line": 9, "file": "strategy.py", "condition": None}
    ]
    with open_debugger(lab, session) as debugger:
        debugger.attach(session)
        debugger.start(session["code"])
        frame = debugger.wait_for_stop()
        assert (frame["line"], frame["name"]) == (9, "signals")
        assert "2017-03-01 12:00:00" in debugger.evaluate(frame, "str(bars.index[-1])")
        debugger.ask("continue", threadId=frame["thread"])
        outcome = wait_for_state(lab, session, "ended")["outcome"]
    assert "up to 2017-03-01 12:00 UTC" in outcome["message"]


def test_an_error_in_the_strategy_is_told_with_its_line(lab: Lab, strategy: str) -> None:
    lab.json("PUT", f"/api/strategies/code/{strategy}", {"code": FAILING})
    session = debug(lab, strategy)
    with open_debugger(lab, session) as debugger:
        debugger.attach(session)
        debugger.start(session["code"])
        failed = wait_for_state(lab, session, "failed", "ended")
    outcome = failed["outcome"]
    assert (failed["state"], outcome["kind"]) == ("failed", "error")
    assert (outcome["file"], outcome["line"]) == ("strategy.py", 11)
    assert "Did you mean 'close'?" in outcome["message"]
    assert 'rising = bars["clos"] > 0' in outcome["traceback"]
    wait_for_no_kernel(lab, session)


def test_a_killed_kernel_ends_the_session_and_does_not_come_back(lab: Lab, strategy: str) -> None:
    session = debug(lab, strategy, stop_on_entry=True)
    with open_debugger(lab, session) as debugger:
        debugger.attach(session)
        debugger.start(session["code"])
        debugger.wait_for_stop()
        kernels = [
            child
            for child in lab.children()
            if "alphintra_lab.sandbox.kernel" in " ".join(child.cmdline())
        ]
        assert kernels
        for process in kernels:
            process.kill()
        failed = wait_for_state(lab, session, "failed", "ended")
    assert (failed["state"], failed["outcome"]) == ("failed", None)
    assert "Its kernel ended before the run did" in failed["message"]
    wait_for_no_kernel(lab, session)
    again = debug(lab, strategy)
    lab.json("DELETE", f"/api/debug-sessions/{again['id']}")


def test_a_session_ends_when_it_is_told_to_or_its_kernel_is_shut_down(
    lab: Lab, strategy: str
) -> None:
    first = debug(lab, strategy)
    path = f"/api/strategies/code/{strategy}/debug"
    refused = lab.json("POST", path, EURUSD, status=409)
    assert refused["code"] == "debugged_already"
    assert first["id"] in refused["message"]
    active = lab.json("GET", f"/api/debug-sessions?active=true&strategy_id={strategy}")["items"]
    assert [one["id"] for one in active] == [first["id"]]
    ended = lab.json("DELETE", f"/api/debug-sessions/{first['id']}")
    assert (ended["state"], ended["message"]) == ("ended", "It was ended.")
    wait_for_no_kernel(lab, first)

    second = debug(lab, strategy)
    lab.request("DELETE", f"/api/sessions/{second['session_id']}")
    assert "was shut down" in wait_for_state(lab, second, "ended")["message"]
    listed = lab.json("GET", path)["items"]
    assert [one["id"] for one in listed] == [second["id"], first["id"]]


def test_a_kernel_sees_its_own_strategys_folder_as_its_working_folder(
    lab: Lab, strategy: str
) -> None:
    session = debug(lab, strategy)
    with open_debugger(lab, session) as debugger:
        debugger.start("import os; print(os.getcwd())")
        assert debugger.wait_for("stream")["text"].strip() == session["folder"]
        # Another cell than the session's own is no run.
        assert read(lab, session)["state"] == "starting"
    lab.json("DELETE", f"/api/debug-sessions/{session['id']}")


def test_sessions_end_with_the_lab(lab: Lab, strategy: str) -> None:
    session = debug(lab, strategy)
    lab.stop()
    lab.start()
    ended = read(lab, session)
    assert ended["state"] == "ended"
    assert "server that ran its kernel has ended" in ended["message"]


def test_a_kernel_that_was_forked_ahead_of_time_stops_just_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("warm")
    with Lab(folder / "home", folder / "workspace", zygote=True) as lab:
        wait_for_datasets(lab)
        wait_until(
            lambda: "alphintra_lab.sandbox.zygote" in str([c.cmdline() for c in lab.children()]),
            "kernels are forked",
            timeout=60,
        )
        body = {"name": "Warm", "code": CODE}
        strategy = lab.json("POST", "/api/strategies/code/create", body)["id"]
        for _ in range(2):  # the second is forked even where the first came too early
            session = debug(lab, strategy, stop_on_entry=True)
            with open_debugger(lab, session) as debugger:
                debugger.attach(session)
                debugger.start(session["code"])
                frame = debugger.wait_for_stop()
                assert (frame["line"], frame["name"]) == (9, "signals")
                assert debugger.evaluate(frame, "len(bars)") == "6225"
                debugger.ask("continue", threadId=frame["thread"])
                assert wait_for_state(lab, session, "ended")["outcome"]["kind"] == "decisions"
            wait_for_no_kernel(lab, session)
