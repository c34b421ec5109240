"""The cell of a debug session: what it shows the strategy, and what it says afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphintra_lab.sdk import debugging
from tests.sdk.fake_lab import FakeLab
from tests.sdk.market import read_eurusd

CODE = """from alphintra_lab.sdk import Signals, Strategy, param


class Mine(Strategy):
    step = param(2, low=1, high=9)

    def signals(self, bars):
        rising = bars["close"].diff() > 0
        print(len(bars), bars.index[-1].isoformat(), self.step)
        return Signals(entries=rising, exits=~rising)
"""
WEIGHTS = """import pandas as pd

from alphintra_lab.sdk import Strategy


class Halves(Strategy):
    def weights(self, bars):
        closes = bars["close"]
        return pd.DataFrame(0.5, index=closes.index, columns=closes.columns).where(closes.notna())
"""


@pytest.fixture
def folder(tmp_path: Path, lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A strategy's folder, in which the kernel works; `lab` answers it."""
    (tmp_path / "strategy.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_bar_is_shown_and_the_decisions_are_counted(
    folder: Path, lab: FakeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = debugging.run(entry="strategy.py", dataset="eurusd-1h", parameters={"step": 5})
    close = read_eurusd()["close"]
    up = int((close.diff() > 0).sum())
    assert outcome.kind == "decisions"
    assert outcome.message == (
        f"It saw {len(close):,} bars up to {close.index[-1]:%Y-%m-%d %H:%M} UTC and decided: "
        f"entries on {up:,}, exits on {len(close) - up:,}."
    )
    said = capsys.readouterr().out.split()
    assert said == [str(len(close)), close.index[-1].isoformat(), "5"]
    assert lab.posted == [], "nothing is recorded"


def test_bars_end_with_the_bar_it_stops_at_and_start_cuts_none_off(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    close = read_eurusd()["close"]
    last, start = close.index[500], close.index[400]
    between = (last + (close.index[501] - last) / 2).isoformat()
    outcome = debugging.run(
        entry="strategy.py",
        class_name="Mine",
        dataset="eurusd-1h",
        start=start.isoformat(),
        stop_at_bar=between,
    )
    assert capsys.readouterr().out.split()[:2] == ["501", last.isoformat()]
    up = int((close.diff() > 0).iloc[400:501].sum())
    assert f"entries on {up}, exits on {101 - up}." in outcome.message


def test_weights_are_counted_where_there_are_any(folder: Path) -> None:
    (folder / "strategy.py").write_text(WEIGHTS)
    outcome = debugging.run(
        entry="strategy.py", dataset="us-stocks-1d", symbols=["AAPL"], end="2001-01-01"
    )
    assert outcome.kind == "decisions", outcome
    seen = int(outcome.message.split()[2])
    assert seen > 200
    assert outcome.message.endswith(f"weights on {seen}.")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('bars["close"]', 'bars["clos"]', 8, "Did you mean 'close'?"),
        ("import Signals", "import Signal", 1, "cannot import name"),
        ("exits=~rising", "exits=~rising, stop_loss=1", 10, "not supported by this version"),
        ("rising = ", "raise SystemExit(3); rising = ", 8, "ended the process with exit(3)"),
        ("rising = ", "rising = = ", 8, "invalid syntax"),
        ("return Signals", "return 5  #", None, "Signals"),
        ("class Mine(Strategy)", "class Mine", None, "defines no strategy"),
    ],
)
def test_what_goes_wrong_is_told_with_its_line(
    folder: Path, old: str, new: str, line: int | None, message: str
) -> None:
    (folder / "strategy.py").write_text(CODE.replace(old, new))
    outcome = debugging.run(entry="strategy.py", dataset="eurusd-1h")
    assert (outcome.kind, outcome.line) == ("error", line), outcome
    assert message in outcome.message
    assert repr(outcome).endswith(outcome.message)


def test_a_dataset_or_parameter_that_is_not_there_is_told(folder: Path) -> None:
    outcome = debugging.run(entry="strategy.py", dataset="eurusd")
    assert "There is no dataset 'eurusd'" in outcome.message
    outcome = debugging.run(entry="strategy.py", dataset="eurusd-1h", parameters={"step": 99})
    assert "step: 99 is above high=9" in outcome.message


def test_an_interruption_is_not_the_strategys_failure(folder: Path) -> None:
    code = CODE.replace("rising = ", "raise KeyboardInterrupt; rising = ")
    (folder / "strategy.py").write_text(code)
    with pytest.raises(KeyboardInterrupt):
        debugging.run(entry="strategy.py", dataset="eurusd-1h")
