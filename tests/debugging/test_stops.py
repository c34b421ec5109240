"""Breakpoints against the files, and the strategy's first line."""

from __future__ import annotations

import pytest

from alphintra_lab.debugging.schema import Breakpoint
from alphintra_lab.debugging.stops import check_breakpoints, find_first_line
from alphintra_lab.errors import Invalid
from alphintra_lab.strategies.outline import read_outline

CODE = '''from alphintra_lab.sdk import Signals, Strategy


class Mine(Strategy):
    def helper(self, bars):
        return bars

    def signals(self, bars):
        """What it does."""

        rising = bars["close"].diff() > 0
        return Signals(entries=rising, exits=~rising)
'''
HEIR = "from base import Mine\n\n\nclass Heir(Mine):\n    pass\n"


@pytest.mark.parametrize(
    ("breakpoint", "field", "message"),
    [
        (Breakpoint(1, file="other.py"), "file", "there are strategy.py"),
        (Breakpoint(1, file="../strategy.py"), "file", "not in the strategy's folder"),
        (Breakpoint(0), "line", "has no line 0; it has 1 to 13"),
        (Breakpoint(14), "line", "has no line 14"),
        (Breakpoint(11, condition="rising ="), "condition", "is no Python expression"),
        (Breakpoint(11, condition=""), "condition", "is no Python expression"),
        (Breakpoint(11, condition="x = 1"), "condition", "is no Python expression"),
        (Breakpoint(11, condition="1\0"), "condition", "is no Python expression"),
        (Breakpoint(11, condition="x" * 1001), "condition", "1,001 characters"),
    ],
)
def test_a_breakpoint_that_could_never_stop_is_refused(
    breakpoint: Breakpoint, field: str, message: str
) -> None:
    with pytest.raises(Invalid, match=message) as refused:
        check_breakpoints({"strategy.py": CODE}, [Breakpoint(11), breakpoint])
    assert refused.value.field == f"breakpoints.1.{field}"


def test_breakpoints_at_lines_of_any_file_pass() -> None:
    files = {"strategy.py": HEIR, "base.py": CODE}
    check_breakpoints(
        files, [Breakpoint(5), Breakpoint(11, file="base.py", condition=" len(bars) > 3 ")]
    )


def test_the_first_line_is_the_first_statement_after_the_docstring() -> None:
    files = {"strategy.py": CODE}
    first = find_first_line(files, "strategy.py", read_outline(files, "strategy.py"))
    assert first == Breakpoint(11, file="strategy.py")


def test_an_inherited_method_is_found_in_the_file_that_has_it() -> None:
    files = {"strategy.py": HEIR, "base.py": CODE}
    first = find_first_line(files, "strategy.py", read_outline(files, "strategy.py"))
    assert first == Breakpoint(11, file="base.py")


def test_a_method_that_is_a_docstring_only_stops_there() -> None:
    files = {"strategy.py": CODE.split("\n\n        rising")[0] + "\n"}
    first = find_first_line(files, "strategy.py", read_outline(files, "strategy.py"))
    assert first == Breakpoint(9)


@pytest.mark.parametrize("code", ["", "import os\n", CODE.replace("signals(", "decide("), "x = ("])
def test_code_that_decides_nothing_has_no_first_line(code: str) -> None:
    files = {"strategy.py": code}
    with pytest.raises(Invalid, match="no signals or weights to stop in"):
        find_first_line(files, "strategy.py", read_outline(files, "strategy.py"))
