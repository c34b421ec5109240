"""Likely look-ahead: what is marked, what is said, and what pandas really does there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.strategies.outline import read_outline
from alphintra_lab.strategies.schema import Problem

HEAD = "from alphintra_lab.sdk import Strategy\nimport numpy as np\nimport pandas as pd\nLAG = -2\n"


def find(expression: str) -> tuple[str, list[Problem]]:
    code = f"{HEAD}class M(Strategy):\n    def signals(self, bars):\n        x = {expression}\n"
    problems = read_outline({"strategy.py": code}, "strategy.py").problems
    return code, problems


LEAKS = [
    ("s.shift(-1)", "shift(-1)", "shift(-1) reads the next bar.", None),
    ("s.shift(periods=-3)", "shift(periods=-3)", "reads 3 bars of the future.", None),
    ("s.shift(LAG)", "shift(LAG)", "shift(LAG) reads 2 bars of the future.", None),
    ("s.diff(-1)", "diff(-1)", "diff(-1) reads the next bar.", None),
    ("s.pct_change(-2)", "pct_change(-2)", "reads 2 bars of the future.", None),
    ("np.roll(s, -1)", "roll(s, -1)", "roll(-1) reads the next bar.", None),
    (
        "s.rolling(20, center=True).mean()",
        "rolling(20, center=True)",
        "A centred window of 20 bars reads 9 bars of the future.",
        "rolling(20)",
    ),
    (
        "s.rolling(window=5, min_periods=2, center=True).max()",
        "rolling(window=5, min_periods=2, center=True)",
        "A centred window of 5 bars reads 2 bars of the future.",
        "rolling(window=5, min_periods=2)",
    ),
    (
        "s.rolling(3, 1, True).sum()",
        "rolling(3, 1, True)",
        "reads 1 bar of the future.",
        "rolling(3, 1)",
    ),
    ("s.bfill()", "bfill()", "a value that came later", "ffill()"),
    ("s.fillna(method='bfill')", "fillna(method='bfill')", "came later", "ffill()"),
    ("s.interpolate()", "interpolate()", "lies in the future", None),
    (
        "s.reindex(s.index, method='nearest')",
        "reindex(s.index, method='nearest')",
        "came later",
        None,
    ),
    (
        "pd.merge_asof(s, s, direction='forward')",
        "merge_asof(s, s, direction='forward')",
        "came later",
        None,
    ),
    (
        "s.sort_index(ascending=False).cumsum()",
        "sort_index(ascending=False)",
        "latest bar first",
        None,
    ),
    ("s[::-1].cummax()", "s[::-1]", "negative step", None),
    ("s.iloc[::-1]", "s.iloc[::-1]", "negative step", None),
]


@pytest.mark.parametrize(("expression", "mark", "message", "repair"), LEAKS)
def test_a_likely_leak_is_a_warning_that_says_what_is_read(
    expression: str, mark: str, message: str, repair: str | None
) -> None:
    code, [problem] = find(expression)
    assert (problem.severity, problem.code) == ("warning", "look_ahead")
    assert problem.message.startswith("Likely look-ahead. ")
    assert message in problem.message
    line = code.split("\n")[problem.line - 1]
    assert line[problem.column - 1 : problem.end_column - 1] == mark
    assert problem.repair == repair


def test_a_step_of_unknown_length_backwards_is_marked() -> None:
    _, [problem] = find("s.shift(-self.lag)")
    assert "shift(-self.lag) reads bars of the future." in problem.message


@pytest.mark.parametrize(
    "expression",
    [
        "s.shift(1)",
        "s.shift()",
        "s.shift(self.lag)",
        "s.diff()",
        "s.rolling(20).mean()",
        "s.rolling(20, center=False).mean()",
        "s.ffill()",
        "s.fillna(0)",
        "s[::2]",
        "s[1:]",
        "s.reindex(s.index, method='ffill')",
        "s.sort_index()",
        "self.roll(s, -1)",
        "s[-1:]",
        "s.shift(1 - 0)",
        "s.rolling(20, center=flag)",
    ],
)
def test_what_reads_the_past_only_is_not_marked(expression: str) -> None:
    assert find(expression)[1] == []


def test_a_leak_in_an_imported_helper_is_marked_there() -> None:
    files = {
        "strategy.py": HEAD
        + "import helper\nclass M(Strategy):\n    def signals(self, bars): ...\n",
        "helper.py": "def f(s):\n    return s.shift(-1)\n",
        "unused.py": "def f(s):\n    return s.shift(-1)\n",
    }
    [problem] = read_outline(files, "strategy.py").problems
    assert (problem.file, problem.line) == ("helper.py", 2)


@pytest.mark.parametrize("window", range(1, 25))
def test_a_centred_window_reads_as_many_bars_ahead_as_pandas_does(window: int) -> None:
    rising = pd.Series(np.arange(100.0))
    ahead = int(rising.rolling(window, center=True).max()[50] - 50)
    _, problems = find(f"s.rolling({window}, center=True)")
    if not ahead:
        assert problems == []
        return
    [problem] = problems
    count = "1 bar " if ahead == 1 else f"{ahead} bars "
    assert f"reads {count}of the future" in problem.message
