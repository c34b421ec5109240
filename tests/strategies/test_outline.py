"""The static check: what it reads, where it points, and that it agrees with Python and the SDK."""

from __future__ import annotations

import sys
import threading
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphintra_lab.strategies.outline import _NOT_HERE, read_outline
from alphintra_lab.strategies.schema import Outline, Problem

ENTRY = "strategy.py"
HEAD = "from alphintra_lab.sdk import Signals, Strategy, param, ta\n"
CROSS = (
    HEAD
    + '''
class SmaCross(Strategy):
    """Long while the fast average is above the slow one."""

    fast = param(10, low=2, high=60)
    slow = param(30, low=10, high=250)

    def signals(self, bars):
        fast, slow = ta.sma(bars["close"], self.fast), ta.sma(bars["close"], self.slow)
        return Signals(entries=fast > slow, exits=fast < slow)
'''
)


def check(code: str, **more: str) -> Outline:
    files = {f"{name.replace('__', '/')}.py": dedent(text) for name, text in more.items()}
    return read_outline({ENTRY: dedent(code), **files}, ENTRY)


def only(outline: Outline) -> Problem:
    assert len(outline.problems) == 1, outline.problems
    return outline.problems[0]


def marked(code: str, problem: Problem) -> str:
    """The text a problem marks: what a person would see underlined."""
    lines = dedent(code).split("\n")
    assert problem.line == problem.end_line
    return lines[problem.line - 1][problem.column - 1 : problem.end_column - 1]


def test_a_sound_strategy_is_read_whole_and_has_no_problems() -> None:
    outline = check(CROSS)
    assert outline.problems == []
    assert (outline.class_name, outline.kind, outline.universe) == ("SmaCross", "signals", False)
    assert outline.doc == "Long while the fast average is above the slow one."
    [fast, slow] = outline.parameters
    assert (fast.name, fast.kind, fast.default, fast.low, fast.high) == ("fast", "int", 10, 2, 60)
    assert (slow.name, slow.line) == ("slow", 7)


@pytest.mark.parametrize(
    "imported",
    [
        "from alphintra_lab.sdk import Strategy as Base",
        "from alphintra_lab.sdk.strategy import Strategy as Base",
        "import alphintra_lab.sdk\nBase = alphintra_lab.sdk.Strategy",
        "from alphintra_lab import sdk\nBase = sdk.Strategy",
        "import alphintra_lab.sdk as lab\nBase = lab.Strategy",
        "from alphintra_lab.sdk import *\nBase = Strategy",
        "try:\n    from alphintra_lab.sdk import Strategy as Base\nexcept ImportError:\n    raise",
    ],
)
def test_strategy_is_known_under_any_name(imported: str) -> None:
    outline = check(f"{imported}\nclass Mine(Base):\n    def weights(self, bars): return bars\n")
    assert (outline.class_name, outline.kind, outline.problems) == ("Mine", "weights", [])


def test_a_class_is_found_through_bases_in_helper_modules() -> None:
    outline = check(
        """
        from lib import bases as b
        class Mine(b.Middle):
            slow = 40
            extra = param = None
        """,
        lib__bases="""
        from .root import Root
        class Middle(Root):
            \"\"\"From the middle.\"\"\"
            slow = p(30)
        from alphintra_lab.sdk import param as p
        """,
        lib__root="""
        from alphintra_lab.sdk import Strategy, param
        class Root(Strategy):
            universe = True
            fast = param(5)
            slow = param(20)
            def signals(self, bars): ...
        """,
        lib____init__="",
    )
    assert (outline.class_name, outline.kind, outline.universe) == ("Mine", "signals", True)
    assert outline.doc == "From the middle."
    # A plain value in a subclass fixes what was a parameter.
    assert [(p.name, p.default) for p in outline.parameters] == [("fast", 5)]
    assert outline.problems == []


@pytest.mark.parametrize(
    ("code", "line", "text"),
    [
        ("def f(:\n    pass\n", 1, ":"),
        ("x = 'é' + \n", 1, None),
        ("x = (1,\n", 1, "("),
        ("if True:\nx = 1\n", 2, "x"),
        ("x = 1\n  y = 2\n", 2, None),
        ("return 5\n", 1, "return 5"),
        ("f(a=1, a=2)\n", 1, "a=2"),
        ("print 'é', x\n", 1, None),
    ],
)
def test_a_syntax_error_has_its_line_and_column(code: str, line: int, text: str | None) -> None:
    problem = only(check(code))
    assert (problem.severity, problem.code, problem.file, problem.line) == (
        "error",
        "syntax",
        ENTRY,
        line,
    )
    assert (problem.end_line, problem.end_column) > (problem.line, problem.column)
    if text is not None:
        assert marked(code, problem).startswith(text)
    with pytest.raises(SyntaxError):
        compile(code, ENTRY, "exec")


def test_columns_count_characters_not_bytes() -> None:
    code = (
        HEAD
        + "class É(Strategy):\n    é = '€€€'; slow = param(300, high=250)\n"
        + "    def signals(self, bars): ...\n"
    )
    problem = only(check(code))
    assert marked(code, problem) == "300"
    assert (problem.line, problem.column) == (3, 29)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_do_not_move_the_marks(newline: str, start: str) -> None:
    code = CROSS.replace("param(30,", "param(300,")
    problem = only(check(start + code.replace("\n", newline)))
    assert (problem.line, problem.column) == (7, 18)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("a\0b", "null byte"),
        ("x = 1\n" + "y\0", "Character 2 of line 2 is a null byte"),
        ("\ud800", "half of a character"),
        ("#" * 300_000, "up to 256 KB"),
        ("-" * 50_000 + "1", "too deeply"),
        ("+".join(["x"] * 50_000), "too deeply"),
        ("(" * 5_000, "too many nested parentheses"),
        ("x" + "[0]" * 20_000, "too deeply"),
        ("x = " + "9" * 10_000, "4300 digits"),
    ],
)
def test_hostile_text_is_a_problem_and_never_a_crash(code: str, message: str) -> None:
    answers: list[Outline] = []
    thread = threading.Thread(target=lambda: answers.append(check(code)))  # as the server does
    thread.start()
    thread.join()
    assert message in only(answers[0]).message


@pytest.mark.parametrize(
    ("code", "message", "text"),
    [
        ("", "There is no strategy in strategy.py", ""),
        ("class Mine: pass\n", "There is no strategy", "class Mine: pass"),
        ("class Mine(Strategy): pass\n", "Strategy is not imported", "Strategy"),
        (HEAD + "class Mine(Strategy): pass\n", "Mine decides nothing", "Mine"),
        (
            HEAD
            + "class Mine(Strategy):\n    def signals(self, bars): ...\n"
            + "    def weights(self, bars): ...\n",
            "Mine has signals and weights",
            "weights",
        ),
        (
            HEAD + "class M(Strategy):\n    def signals(self): ...\n",
            "called with the bars",
            "signals",
        ),
        (
            HEAD + "class M(Strategy):\n    async def signals(self, bars): ...\n",
            "cannot be async",
            "signals",
        ),
        (
            HEAD
            + "class M(Strategy):\n    def on_bar(self, ctx): ...\n"
            + "    def weights(self, bars): ...\n",
            "on_bar is not supported",
            "on_bar",
        ),
    ],
)
def test_what_no_run_could_use_is_an_error_with_the_way_out(
    code: str, message: str, text: str
) -> None:
    problem = only(check(code))
    assert problem.severity == "error"
    assert message in problem.message
    assert marked(code, problem) == text


def test_a_class_that_is_only_imported_says_how_to_use_it() -> None:
    problem = only(check("from other import Mine\n", other=CROSS.replace("SmaCross", "Mine")))
    assert "class MyStrategy(Mine)" in problem.message


def test_of_several_the_last_that_decides_runs_and_is_named() -> None:
    code = HEAD + dedent(
        """
        class Base(Strategy):
            pass
        class One(Base):
            def signals(self, bars): ...
        class Two(One):
            pass
        class Three(Strategy):
            def weights(self, bars): ...
        """
    )
    outline = check(code)
    problem = only(outline)
    assert outline.class_name == "Three"
    assert problem.severity == "warning"
    assert "Three, the last, is the one that runs. Move One, Two" in problem.message
    assert read_outline({ENTRY: code}, ENTRY, "Two").class_name == "Two"


def test_a_helper_with_a_syntax_error_is_named_by_its_file_only_if_it_is_imported() -> None:
    broken = "def f(:\n"
    assert only(check("import helper\n" + CROSS, helper=broken)).file == "helper.py"
    assert check(CROSS, unused=broken).problems == []


@pytest.mark.parametrize("name", ["load_bars", "backtest"])
def test_data_loaded_inside_a_strategy_is_an_error(name: str) -> None:
    code = CROSS.replace("ta\n", f"ta, {name} as f\n", 1).replace(
        "        fast, slow", '        f("eurusd-1h")\n        fast, slow'
    )
    problem = only(check(code))
    assert (problem.severity, marked(code, problem)) == ("error", 'f("eurusd-1h")')
    assert f"{name} is refused inside a strategy" in problem.message


def test_nothing_is_imported_or_run(tmp_path: object) -> None:
    before = set(sys.modules)
    check("import marker_module_that_must_not_run\n1 / 0\n" + CROSS)
    assert set(sys.modules) - before == set()


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(CROSS.split()), max_size=40).map(" ".join))
def test_any_text_gives_an_outline_whose_marks_lie_in_the_text(code: str) -> None:
    lines = code.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in check_raw(code).problems:
        assert 1 <= problem.line <= problem.end_line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.end_column <= len(lines[problem.end_line - 1]) + 2


def check_raw(code: str) -> Outline:
    return read_outline({ENTRY: code}, ENTRY)


def test_the_names_the_sdk_refuses_are_the_same_here() -> None:
    from alphintra_lab.sdk import strategy

    assert strategy._NOT_HERE == _NOT_HERE
