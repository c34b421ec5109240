from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from alphintra_lab.jobs.schema import JobError
from alphintra_lab.sdk.deciding import decide
from alphintra_lab.sdk.entry import fresh_class
from alphintra_lab.sdk.failure import FRAMES, describe_failure
from tests.sdk.market import read_eurusd

BARS = read_eurusd()


def fail(folder: Path, code: str) -> JobError:
    """Run code that must fail, and read its failure as the server reads it."""
    (folder / "strategy.py").write_text(dedent(code))
    try:
        with fresh_class(folder, "strategy.py", "Mine") as (mine, _):
            decide(mine, {"EURUSD": BARS})
    except BaseException as error:  # noqa: BLE001  exits and interrupts are among them
        described = describe_failure(error, folder, list(BARS.columns), "eurusd-1h")
        return msgspec.json.decode(json.dumps(described), type=JobError)
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    ("line", "code", "exception", "said"),
    [
        (
            'bars["volum"]',
            "strategy_error",
            "KeyError",
            "eurusd-1h has the columns open, high, low, close, volume. Did you mean 'volume'?",
        ),
        ("self.sped", "strategy_error", "AttributeError", "Did you mean 'speed'?"),
        ("bras.close", "strategy_error", "NameError", "Did you mean 'bars'?"),
        ("if bars.close > 1: pass", "strategy_error", "ValueError", "use & and |"),
        ("import no_such_thing", "strategy_error", "ModuleNotFoundError", "what lies beside it"),
        ("sys.exit(3)", "strategy_error", "SystemExit", "ended the process with exit(3)"),
        ("raise KeyboardInterrupt", "strategy_error", "KeyboardInterrupt", "was interrupted"),
        ("return self.signals(bars)", "strategy_error", "RecursionError", "calls itself"),
        ('load_bars("x")', "strategy_error", "StrategyError", "cannot be called inside"),
        ("ta.sma(bars, 0)", "strategy_error", "StrategyError", "window is 0"),
        ("np.ones(2**50)", "memory_limit", "MemoryError", "more memory than it may use"),
        ("raise Mute", "strategy_error", "Mute", "its text cannot be shown"),
        (r'raise OSError("half \ud800")', "strategy_error", "OSError", "half ?"),
    ],
)
def test_what_goes_wrong_is_told_with_its_line_and_the_way_out(
    tmp_path: Path, line: str, code: str, exception: str, said: str
) -> None:
    error = fail(
        tmp_path,
        f"""
        import sys
        import numpy as np
        from alphintra_lab.sdk import Signals, Strategy, load_bars, param, ta

        class Mute(Exception):
            def __str__(self):
                raise RuntimeError("no text")

        class Mine(Strategy):
            speed = param(3)

            def signals(self, bars):
                {line}
        """,
    )
    assert error.code == code
    assert exception in str(error.exception)
    assert said in error.message
    assert "(strategy.py line 14)" in error.message
    assert (error.file, error.line) == ("strategy.py", 14)
    assert 1 <= len(error.traceback) <= FRAMES


def test_the_traceback_holds_the_users_files_only(tmp_path: Path) -> None:
    (tmp_path / "averages.py").write_text("def mean(bars):\n    return bars.rolling('x').mean()\n")
    error = fail(
        tmp_path,
        """
        from alphintra_lab.sdk import Signals, Strategy
        import averages

        class Mine(Strategy):
            def signals(self, bars):
                return averages.mean(bars)
        """,
    )
    assert [(f.file, f.line, f.function, f.text) for f in error.traceback] == [
        ("strategy.py", 7, "signals", "return averages.mean(bars)"),
        ("averages.py", 2, "mean", "return bars.rolling('x').mean()"),
    ]
    assert (error.exception, error.file, error.line) == ("ValueError", "averages.py", 2)
    assert error.message == f"ValueError: {error.text} (averages.py line 2)"


def test_an_answer_that_cannot_be_used_is_no_exception_of_the_users_code(tmp_path: Path) -> None:
    error = fail(
        tmp_path,
        """
        from alphintra_lab.sdk import Strategy

        class Mine(Strategy):
            def signals(self, bars):
                pass
        """,
    )
    assert (error.code, error.line, error.traceback) == ("bad_decisions", None, [])
    assert error.message == (
        "signals returned None (is a return missing?). Return Signals(entries=..., exits=...)."
    )


def test_a_syntax_error_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    error = fail(tmp_path, "import os\n\nclass Mine(:\n    pass\n")
    assert (error.exception, error.file, error.line) == ("SyntaxError", "strategy.py", 3)
    assert error.message == "SyntaxError: invalid syntax (strategy.py line 3)"


def test_a_bad_declaration_is_told_with_its_line(tmp_path: Path) -> None:
    error = fail(
        tmp_path,
        """
        from alphintra_lab.sdk import Strategy, param

        class Mine(Strategy):
            slow = param(300, low=10, high=250)
        """,
    )
    assert (error.file, error.line) == ("strategy.py", 5)
    assert "the default 300 is above high=250" in error.message
