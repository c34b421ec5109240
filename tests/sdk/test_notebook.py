from __future__ import annotations

import datetime as dt
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.engine.decisions import decode, signal_arrays
from alphintra_lab.sdk import LineError, StrategyError, backtest, datasets, load_bars
from tests.sdk.fake_lab import FakeLab
from tests.sdk.market import read_eurusd, read_stock

CROSS = """
from alphintra_lab.sdk import Signals, Strategy, param, ta
from windows import SLOW

class SmaCross(Strategy):
    fast = param(10, low=2, high=60)
    slow = param(SLOW, low=10, high=250)

    def signals(self, bars):
        fast, slow = ta.sma(bars["close"], self.fast), ta.sma(bars["close"], self.slow)
        return Signals(entries=fast > slow, exits=fast < slow)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A strategy's folder from which this interpreter imports, as a notebook in it does."""
    folder = tmp_path / "cross"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    (folder / ".ipynb_checkpoints" / "old.py").write_text("old")
    (folder / "strategy.py").write_text(CROSS)
    (folder / "windows.py").write_text("SLOW = 30\n")
    (folder / "notes.md").write_text("not code")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name in ("strategy", "windows"):
        sys.modules.pop(name, None)


def entries_of(body: dict[str, Any], bars: int) -> list[bool]:
    decisions = decode(body["decisions"], bars=bars, symbols=body["symbols"])
    arrays = signal_arrays(decisions)  # type: ignore[arg-type]  # signals, as the strategy gives
    column: list[bool] = arrays.entries[:, 0].tolist()
    return column


def cross(fast: int, slow: int, end: str | None = None) -> list[bool]:
    close = read_eurusd().loc[: pd.Timestamp(end, tz="UTC") if end else None, "close"]
    close = close[close.index < end] if end else close
    return list(close.rolling(fast).mean() > close.rolling(slow).mean())


# Loading bars.


def test_one_symbol_is_a_flat_frame(lab: FakeLab) -> None:
    pd.testing.assert_frame_equal(load_bars("eurusd-1h"), read_eurusd(), check_freq=False)
    flat = load_bars("us-stocks-1d", symbols="GOOG")
    assert list(flat.columns) == ["open", "high", "low", "close", "volume"]


def test_several_symbols_have_field_and_symbol(lab: FakeLab) -> None:
    table = load_bars("us-stocks-1d", ["AAPL", "GOOG"])
    assert table.columns.names == ["field", "symbol"]
    assert table["close"]["GOOG"].isna().sum() == len(read_stock("AAPL")) - len(read_stock("GOOG"))


def test_the_start_is_included_and_the_end_excluded(lab: FakeLab) -> None:
    bars = load_bars("eurusd-1h", start="2017-03-01 05:00", end="2017-03-01 08:00")
    assert [f"{time:%H:%M}" for time in bars.index] == ["05:00", "06:00", "07:00"]


def test_times_may_be_pythons_or_pandas_own(lab: FakeLab) -> None:
    zoned = pd.Timestamp("2017-03-01 06:00", tz="Europe/Berlin")
    bars = load_bars("eurusd-1h", start=zoned, end=dt.datetime(2017, 3, 1, 8, tzinfo=dt.UTC))
    assert [f"{time:%H:%M}" for time in bars.index] == ["05:00", "06:00", "07:00"]
    assert load_bars("eurusd-1h", start=dt.date(2017, 12, 29)).index[0].day == 29


def test_an_unknown_name_is_answered_with_near_ones(lab: FakeLab) -> None:
    with pytest.raises(LineError, match=r"no dataset 'eurusd-1'. Did you mean 'eurusd-1h'\?"):
        load_bars("eurusd-1")
    with pytest.raises(LineError, match=r"There are eurusd-1h, us-stocks-1d"):
        load_bars("xyz")


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"start": "yesterday-ish"}, "start is 'yesterday-ish'. Write a date"),
        ({"start": "2017-03-02", "end": "2017-03-01"}, "start 2017-03-02 is not before end"),
    ],
)
def test_a_time_that_cannot_be_used_is_named(
    lab: FakeLab, times: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        load_bars("eurusd-1h", **times)


def test_the_datasets_are_listed_by_name(lab: FakeLab) -> None:
    assert list(datasets().index) == ["eurusd-1h", "us-stocks-1d"]
    assert datasets().loc["us-stocks-1d", "symbols"] == ["AAPL", "GOOG"]


# Backtests.


def test_a_backtest_sends_source_settings_and_decisions(lab: FakeLab, folder: Path) -> None:
    from strategy import SmaCross  # type: ignore[import-not-found]  # written by the fixture

    result = backtest(
        SmaCross(fast=5), "eurusd-1h", end="2017-06-01", start="2017-02-01", commission=0.0001
    )
    (body,) = lab.posted
    assert entries_of(body, len(cross(5, 30, "2017-06-01"))) == cross(5, 30, "2017-06-01")
    del body["decisions"]
    assert body == {
        "source": {
            "files": {"strategy.py": CROSS, "windows.py": "SLOW = 30\n"},
            "entry": "strategy.py",
            "folder": str(folder),
            "scratch": False,
        },
        "class_name": "SmaCross",
        "parameters": {"fast": 5, "slow": 30},
        "dataset": "eurusd-1h",
        "symbols": ["EURUSD"],
        "start": "2017-02-01",
        "end": "2017-06-01",
        "cash": 10_000.0,
        "commission": 0.0001,
        "slippage_bps": None,
        "fill": "next_open",
        "whole_shares": False,
        "overrides": [],
    }
    assert (result.id, result.number) == ("0199-run", 41)


def test_an_edited_file_runs_as_it_is_now_with_its_new_defaults(lab: FakeLab, folder: Path) -> None:
    from strategy import SmaCross

    (folder / "windows.py").write_text("SLOW = 60\n")
    backtest(SmaCross, "eurusd-1h")
    (body,) = lab.posted
    assert body["source"]["files"]["windows.py"] == "SLOW = 60\n"
    assert body["parameters"] == {"fast": 10, "slow": 60}
    assert entries_of(body, len(read_eurusd())) == cross(10, 60)
    assert SmaCross().slow == 30


def test_a_class_in_another_file_takes_along_only_what_it_imports(
    lab: FakeLab, folder: Path
) -> None:
    (folder / "mine.py").write_text(CROSS)
    mine = importlib.import_module("mine")
    backtest(mine.SmaCross, "eurusd-1h")
    del sys.modules["mine"]
    source = lab.posted[0]["source"]
    assert source["entry"] == "mine.py"
    assert set(source["files"]) == {"mine.py", "windows.py"}


def test_a_class_typed_in_a_cell_is_stored_with_what_it_needs(lab: FakeLab, tmp_path: Path) -> None:
    cells = [
        "import numpy as np\nfrom alphintra_lab.sdk import *\nfrom math import sqrt as root",
        "WINDOW = 20\ntable = np.ones(3)\nunused = 5",
        "%time x = 1\ndef smooth(x):\n    return ta.sma(x, WINDOW)",
        """
        class Mine(Strategy):
            '''Above its average.'''
            level = param(1.0)

            def other(self):
                return table

            def signals(self, bars):
                above = bars["close"] > smooth(bars["close"]) * self.level * root(1)
                return Signals(np.asarray(above), False)
        """,
        'backtest(Mine(level=1.001), "eurusd-1h")',
    ]
    script = tmp_path / "kernel.py"
    script.write_text(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "import sys\n"
        "shell = InteractiveShell.instance()\n"
        "sys.modules['__main__'] = shell.user_module\n"
        f"for cell in {[dedent(cell) for cell in cells]!r}:\n"
        "    shell.run_cell(cell, store_history=True).raise_error()\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (body,) = lab.posted
    source = body["source"]
    assert (source["scratch"], source["folder"]) == (True, None)
    assert (body["class_name"], body["parameters"]) == ("Mine", {"level": 1.001})
    text = source["files"]["strategy.py"]
    assert "unused" not in text
    assert "# table: a ndarray made in the notebook, not kept here" in text
    # What was stored gives the same decisions again.
    stored: dict[str, Any] = {"__name__": "strategy"}
    exec(text, stored)
    again = stored["Mine"](level=1.001).signals(read_eurusd()).entries
    np.testing.assert_array_equal(entries_of(body, len(read_eurusd())), again)


def test_a_refusal_names_the_field(lab: FakeLab, folder: Path) -> None:
    from strategy import SmaCross

    lab.refusal = (422, {"message": "cash is -5. Give more.", "code": "invalid", "field": "cash"})
    with pytest.raises(LineError, match=r"cash is -5. Give more.") as caught:
        backtest(SmaCross, "eurusd-1h", cash=-5)
    assert (caught.value.code, caught.value.field) == ("invalid", "cash")


def test_only_a_strategy_can_be_tested(lab: FakeLab) -> None:
    with pytest.raises(StrategyError, match="backtest takes a Strategy, not a str"):
        backtest("SmaCross", "eurusd-1h")  # type: ignore[arg-type]  # that is the point
