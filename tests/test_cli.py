"""The command line as a user meets it: a real process, one home for all tests here."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from alphintra_lab import schemas

ROOT = Path(__file__).parents[1]
SMA = str(ROOT / "templates" / "sma_cross")
Done = subprocess.CompletedProcess[str]

HEADER = "from alphintra_lab.sdk import Signals, Strategy\n"
SIGNALS = HEADER + "class Broken(Strategy):\n    def signals(self, bars):\n"
WEIGHTS = HEADER + "class Broken(Strategy):\n    def weights(self, bars):\n"


def validate(name: str, printed: Any) -> None:
    """Against the schema as it ships."""
    schema = json.loads((schemas.FOLDER / f"{name}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(printed)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli") / "home"


@pytest.fixture(scope="session")
def environment(home: Path) -> dict[str, str]:
    ours = {"DATABASE_URL", "MLFLOW_TRACKING_URI"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"ALPHINTRA_HOME": str(home), "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def first(environment: dict[str, str]) -> Done:
    """The very first command on this machine."""
    return run_command(environment, ROOT, "backtest", SMA, "--dataset", "eurusd-1h", "--json")


def run_command(environment: dict[str, str], cwd: Path, *arguments: str) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "alphintra_lab", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture
def lab(environment: dict[str, str], first: Done, tmp_path: Path) -> Callable[..., Done]:
    """Run one command in a folder of the test's own."""
    return lambda *arguments, **settings: run_command(environment | settings, tmp_path, *arguments)


def read_error(done: Done) -> Any:
    """The error object; nothing else may have been printed."""
    assert done.stdout == ""
    error = json.loads(done.stderr)
    validate("error", error)
    return error


def test_the_first_command_on_a_machine_gives_run_1_and_a_whole_result(
    first: Done, home: Path
) -> None:
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    result = json.loads(first.stdout)
    validate("backtest", result)
    assert result["number"] == 1
    order = result["orders"][0]
    assert {"time", "symbol", "side", "quantity", "price", "commission", "rule"} <= order.keys()
    # By hand, from the dataset: 30 closes are there at 2017-01-04T11:00, and the fast average is
    # the higher one; the whole cash buys at the next bar's open, ask 1.04318.
    assert (order["time"], order["side"]) == ("2017-01-04T12:00:00Z", "buy")
    assert order["quantity"] * order["price"] == pytest.approx(10_000, abs=1e-9)
    assert result["trades"][-1]["status"] == "open"
    assert len(result["equity"]) == 6225
    assert result["equity"][0] == {"time": "2017-01-01T22:00:00Z", "value": 10_000.0}
    assert result["equity"][-1]["value"] == result["final_equity"]
    assert result["metrics"]["total_return"] == pytest.approx(result["final_equity"] / 10_000 - 1)
    assert result["metrics"]["max_drawdown"] < 0
    assert list(result["checks"]) == ["look_ahead", "warm_up", "determinism", "sanity"]
    assert {"vectorbt", "numpy", "python"} <= result["versions"].keys()
    (ledger,) = home.glob("jobs/*/ledger.txt")
    assert hashlib.sha256(ledger.read_bytes()).hexdigest() == result["ledger_sha256"]
    with sqlite3.connect(home / "mlflow.db") as mlflow:
        assert mlflow.execute("SELECT name, status FROM runs").fetchall() == [("run 1", "FINISHED")]


def test_a_folder_and_its_file_give_the_same_ledger_from_anywhere(
    lab: Callable[..., Done], first: Done, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "cross.py").write_bytes(Path(SMA, "strategy.py").read_bytes())
    done = lab("backtest", "inner/cross.py", "--dataset", "eurusd-1h", "--json", "--strict")
    assert done.returncode == 0, done.stderr  # a check that was not assessed has not failed
    result = json.loads(done.stdout)
    assert result["ledger_sha256"] == json.loads(first.stdout)["ledger_sha256"]
    assert result["number"] > 1


def test_the_options_reach_the_run_and_people_read_the_verdict_first(
    lab: Callable[..., Done], home: Path
) -> None:
    done = lab(
        *("backtest", SMA, "--dataset", "us-stocks-1d", "--symbols", "AAPL, IBM"),
        *("--start", "2005-01-03", "--end", "2008-01-01", "--set", "fast=5", "--cash", "5000"),
        *("--commission", "0.001", "--slippage-bps", "2", "--fill", "unsafe_same_close"),
        "--whole-shares",
    )
    assert done.returncode == 0, done.stderr
    verdict, empty, *numbers = done.stdout.splitlines()
    assert verdict.startswith("run ")
    assert verdict[4:].split()[0].isdecimal()
    assert empty == ""
    assert [line.split()[0] for line in numbers[:3]] == ["Return", "CAGR", "Sharpe"]
    checks = numbers[numbers.index("") + 1 :]
    assert [line.split()[0] for line in checks] == ["Look-ahead", "Warm-up", "Determinism", "Books"]
    assert " histories cut" in checks[0], "how hard it looked"
    with sqlite3.connect(home / "lab.db") as rows:
        (stored,) = rows.execute("SELECT settings FROM backtests ORDER BY id DESC").fetchone()
    assert json.loads(stored) == {
        "symbols": ["AAPL", "IBM"],
        "start": "2005-01-03T00:00:00+00:00",
        "end": "2008-01-01T00:00:00+00:00",
        "parameters": {"fast": 5, "slow": 30},
        "cash": 5000.0,
        "commission": 0.001,
        "slippage_bps": 2.0,
        "fill": "unsafe_same_close",
        "whole_shares": True,
        "overrides": [],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bactest"], "There is no command 'bactest'. Did you mean 'backtest'?"),
        (["dataset", "lst"], "invalid choice: 'lst'"),
        (["dataset", "show"], "required: NAME"),
        (["dataset", "show", "eurusd1h"], "Did you mean 'eurusd-1h'?"),
        (["dataset", "add", "no.csv", "--name", "x"], "There is no file 'no.csv'."),
        (["backtest"], "required: FILE.py|FOLDER, --dataset"),
        (["backtest", "no.py", "--dataset", "eurusd-1h"], "There is no file or folder 'no.py'."),
        (["backtest", ".", "--dataset", "eurusd-1h"], "There is no strategy.py in '.'."),
        (["backtest", SMA, "--dataset", "eurusd1h"], "Did you mean 'eurusd-1h'?"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--set", "fast"], "'fast' is not NAME=VALUE"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--set", "fsat=1"], "Did you mean 'fast'?"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--set", "fast=abc"], "'abc' is not a number"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--set", "fast=99"], "99 is above high=60"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--symbols", "X"], "has no symbol 'X'"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--cash", "nan"], "cash=nan must be above 0"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--cash", "x"], "invalid float value: 'x'"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--start", "soon"], "start='soon' is no time"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--fill", "x"], "invalid choice: 'x'"),
        (["backtest", SMA, "--dataset", "eurusd-1h", "--time-limit", "0"], "is not above 0"),
        (["backtest", "\udcff.py", "--dataset", "eurusd-1h"], "There is no file or folder"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(
    lab: Callable[..., Done], arguments: list[str], message: str
) -> None:
    done = lab(*arguments, "--json")
    assert done.returncode == 2
    assert message in read_error(done)["message"]


def test_people_get_an_error_as_a_sentence_with_the_usage_below(lab: Callable[..., Done]) -> None:
    done = lab("dataset")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("alphintra-lab: Name what to do with datasets.\nusage: ")
    assert "add a CSV or Parquet file" in done.stderr
    done = lab("--help")
    assert done.returncode == 0
    assert "backtest" in done.stdout
    assert "worker" not in done.stdout  # what the lab starts itself is not for typing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            HEADER + "class Broken(Strategy)\n    pass\n",
            {"exception": "SyntaxError", "text": "expected ':'", "line": 2},
        ),
        (
            SIGNALS + "        return 1 / 0\n",
            {"exception": "ZeroDivisionError", "text": "division by zero", "line": 4},
        ),
        (
            "import nothing_here\n" + SIGNALS + "        pass\n",
            {"exception": "ModuleNotFoundError", "line": 1},
        ),
        (WEIGHTS + "        return bars['close'].iloc[:-1]\n", {"code": "bad_decisions"}),
        (SIGNALS + "        import os; os._exit(0)\n", {"code": "process_died"}),
        (SIGNALS + "        while True: pass\n", {"code": "time_limit"}),
        ("x = 1\n", {"code": "strategy_error"}),
    ],
)
def test_a_strategys_error_exits_with_1_and_says_where(
    lab: Callable[..., Done], tmp_path: Path, code: str, expected: dict[str, Any]
) -> None:
    (tmp_path / "strategy.py").write_text(code)
    limit = ["--time-limit", "5"] if "while True" in code else []
    done = lab("backtest", ".", "--dataset", "eurusd-1h", "--json", *limit)
    assert done.returncode == 1, done.stderr
    error = read_error(done)
    assert {name: error[name] for name in expected} == expected
    assert error["message"]


def test_people_see_the_lines_of_their_own_code_that_failed(
    lab: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "strategy.py").write_text(SIGNALS + "        return bars['clsoe']\n")
    done = lab("backtest", ".", "--dataset", "eurusd-1h")
    assert done.returncode == 1
    sentence, place, line = done.stderr.splitlines()
    assert "Did you mean 'close'?" in sentence
    assert place == "  strategy.py, line 4, in signals"
    assert line == "    return bars['clsoe']"


def test_an_override_of_no_check_and_a_window_without_bars_are_refused(
    lab: Callable[..., Done],
) -> None:
    run = ("backtest", SMA, "--dataset", "eurusd-1h", "--json")
    error = read_error(lab(*run, "--override", "gaps"))
    assert (error["code"], error["field"]) == ("invalid", "overrides")
    assert "no check 'gaps'" in error["message"]
    assert "high_below_low" in error["message"]
    error = read_error(lab(*run, "--start", "2030-01-01"))
    assert (error["code"], error["field"]) == ("bad_window", "start")
    # A Saturday of a market that sleeps then: 7 January 2017.
    done = lab(*run, "--start", "2017-01-07T00:00", "--end", "2017-01-07T12:00")
    assert done.returncode == 1
    error = read_error(done)
    assert error["code"] == "bad_window"
    assert "eurusd-1h has no bars of EURUSD from 2017-01-07" in error["message"]


def test_a_corrupt_env_file_stops_the_command_and_names_the_line(
    lab: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("A=1\nDATABASE_URL sqlite:///elsewhere.db\n")
    done = lab("dataset", "list", "--json")
    assert done.returncode == 2
    assert f"{tmp_path}/.env, line 2: 'DATABASE_URL sqlite" in read_error(done)["message"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"DATABASE_URL": "nonsense"},
            "DATABASE_URL='nonsense' is neither sqlite:///PATH",
        ),
        ({"DATABASE_URL": "mysql://u@db/x"}, "DATABASE_URL='mysql://***@db/x' is neither sqlite"),
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x"}, "Connect call failed"),
        ({"ALPHINTRA_HOME": "/proc/nowhere"}, "/proc/nowhere"),
    ],
)
def test_a_place_that_cannot_be_used_is_named(
    lab: Callable[..., Done], settings: dict[str, str], message: str
) -> None:
    done = lab("dataset", "list", "--json", **settings)
    assert done.returncode == 2
    assert message in read_error(done)["message"]


@pytest.mark.parametrize(
    "command",
    [
        ["alphintra_lab", "--no-browser", "--port=0", "--allow-root"],
        ["jupyter_server", "--no-browser", "--port=0", "--allow-root"],
    ],
    ids=lambda command: command[0],
)
def test_a_server_over_no_database_ends_with_one_line_that_tells_no_secret(
    environment: dict[str, str], tmp_path: Path, command: list[str]
) -> None:
    enabled = '--ServerApp.jpserver_extensions={"alphintra_lab": True}'
    done = subprocess.run(
        [sys.executable, "-m", *command, enabled],
        env=environment | {"DATABASE_URL": "postgres//me:secret@db/lab"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    said = done.stdout + done.stderr
    [line] = [line for line in said.splitlines() if "DATABASE_URL" in line]
    assert "'***@db/lab' is neither sqlite:///PATH nor postgresql://" in line
    assert "Traceback" not in said
    assert "secret" not in said
    assert done.returncode == 2


def test_a_database_that_is_none_is_told_not_traced(
    lab: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "lab.db").write_text("this is no database at all, it is a text of some length")
    done = lab("dataset", "list", "--json", DATABASE_URL=f"sqlite:///{tmp_path}/lab.db")
    assert done.returncode == 2
    assert "file is not a database" in read_error(done)["message"]


def test_datasets_are_listed_shown_added_checked_and_exported(
    lab: Callable[..., Done], tmp_path: Path
) -> None:
    done = lab("dataset", "list", "--json")
    listed = json.loads(done.stdout)
    validate("dataset-list", listed)
    names = [one["name"] for one in listed["items"]]
    assert names == sorted(names)
    assert {"aapl-1d", "eurusd-1h", "sp500-1d", "us-stocks-1d"} <= set(names)

    shown = json.loads(lab("dataset", "show", "eurusd-1h", "--json").stdout)
    validate("dataset", shown)
    assert shown["dataset"]["rows"] == 6225

    done = lab("dataset", "export", "eurusd-1h", "--out", "bars.csv", "--json")
    exported = json.loads(done.stdout)
    validate("dataset-export", exported)
    assert exported == {"file": "bars.csv", "rows": 6225}

    # The second bar's low goes above its high.
    header, bar, second, *rest = (tmp_path / "bars.csv").read_text().splitlines()[:200]
    cells = second.split(",")
    cells[header.split(",").index("low")] = "9"
    (tmp_path / "bad.csv").write_text("\n".join([header, bar, ",".join(cells), *rest]))
    done = lab("dataset", "add", "bad.csv", "--name", "bad-low", "--json")
    added = json.loads(done.stdout)
    validate("dataset", added)
    assert added["dataset"]["rows"] == 199

    done = lab("dataset", "check", "bad-low", "--json", "--strict")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    validate("check", report)
    errors = [f for f in report["findings"] if f["severity"] == "error"]
    assert {row for f in errors for row in f["rows"]} == {1}

    refused = lab("backtest", SMA, "--dataset", "bad-low", "--json")
    assert refused.returncode == 2
    error = read_error(refused)
    assert error["code"] == "data_errors"
    checks = sorted({f["check"] for f in errors})
    assert ", ".join(checks) in error["message"]
    overrides = [word for check in checks for word in ("--override", check)]
    done = lab("backtest", SMA, "--dataset", "bad-low", "--json", *overrides)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["overrides"] == checks


def test_ending_the_command_cancels_its_run(
    environment: dict[str, str], first: Done, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "strategy.py").write_text(SIGNALS + "        while True: pass\n")
    command = [sys.executable, "-m", "alphintra_lab", "backtest", ".", "--dataset", "eurusd-1h"]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE) as run:
        with sqlite3.connect(home / "lab.db") as rows:

            def newest() -> tuple[str, str]:
                found = rows.execute("SELECT state, step FROM jobs ORDER BY id DESC").fetchone()
                return found[0], found[1]

            for _ in range(600):
                if newest() == ("running", "decisions"):
                    break
                time.sleep(0.1)
            run.send_signal(signal.SIGTERM)
            _, said = run.communicate(timeout=60)
            assert (run.returncode, said) == (130, b"alphintra-lab: Stopped.\n")
            assert newest()[0] == "cancelled"


def test_a_reader_that_goes_away_is_no_error_to_be_told(
    environment: dict[str, str], first: Done, tmp_path: Path
) -> None:
    script = textwrap.dedent(
        f"""
        {sys.executable} -m alphintra_lab dataset list 2>err | true
        echo ${{PIPESTATUS[0]}}
        """
    )
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout in ("0\n", "1\n")  # 0: it had written all before the reader went
    assert (tmp_path / "err").read_text() == ""


@pytest.mark.parametrize("name", schemas.PRINTED)
def test_the_shipped_schemas_are_those_of_the_structs(name: str) -> None:
    shipped = (schemas.FOLDER / f"{name}.json").read_bytes()
    made = schemas.encode_schema(schemas.PRINTED[name])
    assert shipped == made, "run: python -m alphintra_lab.schemas"
    jsonschema.Draft202012Validator.check_schema(json.loads(shipped))
