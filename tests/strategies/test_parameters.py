"""Parameters read from the source, and values for a run: judged exactly as the SDK judges them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphintra_lab.errors import Invalid
from alphintra_lab.sdk import strategy as sdk
from alphintra_lab.strategies.outline import read_outline
from alphintra_lab.strategies.parameters import RESERVED
from alphintra_lab.strategies.schema import Outline, Parameter
from alphintra_lab.strategies.values import check_parameters

HEAD = "from alphintra_lab.sdk import Strategy, param\n"
TAIL = "\n    def signals(self, bars): ...\n"


def declare(*lines: str, before: str = "") -> tuple[str, Outline]:
    code = f"{HEAD}{before}\nclass Mine(Strategy):\n" + "\n".join(f"    {x}" for x in lines) + TAIL
    return code, read_outline({"strategy.py": code}, "strategy.py")


@pytest.mark.parametrize(
    ("written", "message", "mark", "repair"),
    [
        (
            "param(300, low=10, high=250)",
            "the default 300 is above high=250. Lower it, or raise high.",
            "300",
            "250",
        ),
        ("param(5, 10)", "the default 5 is below low=10. Raise it, or lower low.", "5", "10"),
        ("param(-5, low=-3)", "the default -5 is below low=-3", "-5", "-3"),
        ("param(5, low=9, high=2)", "low=9 is above high=2. Swap them.", "9", None),
        ("param()", "needs a default", "param()", None),
        ("param(5, hihg=9)", "Did you mean 'high'?", "hihg=9", None),
        ("param(5, 1, 9, None, 7)", "param takes 4 values", "7", None),
        ("param(5, default=6)", "default is given twice", "default=6", None),
        ("param('a')", "is not a number", "'a'", None),
        ("param(None)", "is not a number", "None", None),
        ("param([1])", "is not a number", "[1]", None),
        ("param(1e999)", "is not a finite number", "1e999", None),
        ("param(5, low='a')", "low='a' is not a number", "'a'", None),
        ("param(5, high=True)", "high=True is not a number", "True", None),
        ("param('c', choices=['a', 'b'])", "'c' is not one of 'a', 'b'", "'c'", None),
        ("param(1, choices=[True])", "1 is not one of True", "1", None),
        ("param('a', choices=[])", "choices is empty", "[]", None),
        ("param('a', choices='abc')", "is not a list", "'abc'", None),
        ("param('a', low=1, choices=['a'])", "exclude each other", "['a']", None),
        (
            "param(int('5'))",
            "the default cannot be read without running the code",
            "int('5')",
            None,
        ),
        ("param(5, high=limit())", "high cannot be read without running the code", "limit()", None),
        ("param(**options)", "arguments cannot be read", "options", None),
        ("param(9**9**9)", "cannot be read", "9**9**9", None),
        ("param(1/0)", "cannot be read", "1/0", None),
    ],
)
def test_a_bad_declaration_is_marked_with_the_way_out(
    written: str, message: str, mark: str, repair: str | None
) -> None:
    code, outline = declare(f"slow = {written}")
    [problem] = outline.problems
    assert problem.severity == "error"
    assert "slow" in problem.message
    assert message in problem.message
    line = code.split("\n")[problem.line - 1]
    assert line[problem.column - 1 : problem.end_column - 1] == mark
    assert problem.repair == repair


def test_a_repair_put_in_place_of_the_mark_repairs() -> None:
    code, outline = declare("slow = param(300, low=10, high=250)")
    [problem] = outline.problems
    lines = code.split("\n")
    text = lines[problem.line - 1]
    lines[problem.line - 1] = (
        text[: problem.column - 1] + str(problem.repair) + text[problem.end_column - 1 :]
    )
    assert read_outline({"strategy.py": "\n".join(lines)}, "strategy.py").problems == []


def test_a_default_out_of_bounds_is_still_shown_so_that_the_form_can_mark_it() -> None:
    _, outline = declare("slow = param(300, low=10, high=250)")
    assert [(p.name, p.default, p.high) for p in outline.parameters] == [("slow", 300, 250)]


def test_written_sums_and_constants_of_the_module_are_read() -> None:
    _, outline = declare(
        "a: int = param(2 * DAY - 1, low=-DAY)",
        "b = c = param(-(1 / 4))",
        "d = param('x', choices=('x', NAME))",
        before="DAY = 24\nNAME = 'y'",
    )
    assert outline.problems == []
    assert [(p.name, p.kind, p.default) for p in outline.parameters] == [
        ("a", "int", 47),
        ("b", "float", -0.25),
        ("c", "float", -0.25),
        ("d", "choice", "x"),
    ]
    assert outline.parameters[0].low == -24
    assert outline.parameters[3].choices == ["x", "y"]


def test_a_constant_that_is_given_twice_has_no_one_value() -> None:
    _, outline = declare("a = param(DAY)", before="DAY = 24\nDAY = 25")
    assert "cannot be read" in outline.problems[0].message


def test_a_name_declared_twice_is_a_warning_and_the_last_counts() -> None:
    _, outline = declare("a = param(1)", "a = param(2)")
    [problem] = outline.problems
    assert (problem.severity, outline.parameters[0].default) == ("warning", 2)


@pytest.mark.parametrize("name", sorted(RESERVED - {"signals"}))
def test_a_name_that_strategy_uses_is_refused(name: str) -> None:
    _, outline = declare(f"{name} = param(1)")
    assert any("Choose another" in p.message for p in outline.problems)


def test_the_reserved_names_are_the_sdks() -> None:
    assert RESERVED == sdk._RESERVED


numbers = st.one_of(st.integers(-5, 5), st.floats(-5, 5).map(lambda x: round(x, 1)), st.booleans())
bounds = st.none() | st.integers(-5, 5) | st.floats(-5, 5).map(lambda x: round(x, 1))
texts = st.sampled_from(["a", "b", "c"])


@settings(max_examples=400, deadline=None)
@given(numbers | texts, bounds, bounds, st.none() | st.lists(numbers | texts, max_size=3))
def test_what_reading_refuses_is_what_the_sdk_refuses(
    default: Any, low: Any, high: Any, choices: Any
) -> None:
    _, outline = declare(f"x = param({default!r}, {low!r}, {high!r}, {choices!r})")
    try:
        made = sdk.param(default, low, high, choices)
    except sdk.StrategyError:
        assert [p.severity for p in outline.problems] == ["error"]
    else:
        if made.kind == "bool" and not (low is None and high is None):
            return  # the SDK ignores a switch's bounds
        assert outline.problems == []
        [found] = outline.parameters
        assert (found.kind, found.low, found.high) == (made.kind, made.low, made.high)
        assert (found.choices, found.default) == (made.choices, made.default)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(
        [
            Parameter("x", "int", 3, 1, 9),
            Parameter("x", "float", 0.5, 0.0, 1.0),
            Parameter("x", "bool", True),
            Parameter("x", "choice", "a", choices=["a", 1, True]),
        ]
    ),
    numbers | texts | st.none() | st.just(float("nan")) | st.just(float("inf")) | st.just([1]),
)
def test_a_runs_value_is_taken_or_refused_as_the_sdk_does(parameter: Parameter, value: Any) -> None:
    outline = Outline("Mine", parameters=[parameter])
    declared = sdk.param(parameter.default, parameter.low, parameter.high, parameter.choices)
    try:
        expected = declared.convert(value)
    except sdk.StrategyError:
        with pytest.raises(Invalid, match=r"^x: ") as caught:
            check_parameters(outline, {"x": value})
        assert caught.value.field == "parameters.x"
    else:
        given = check_parameters(outline, {"x": value})["x"]
        assert given == expected
        assert type(given) is type(expected)


def test_every_parameter_has_a_value_in_a_runs_settings() -> None:
    outline = Outline("Mine", parameters=[Parameter("a", "int", 3), Parameter("b", "float", 0.5)])
    assert check_parameters(outline, {"b": 1}) == {"a": 3, "b": 1.0}


def test_an_unknown_parameter_names_those_there_are() -> None:
    outline = Outline("Mine", parameters=[Parameter("fast", "int", 3), Parameter("slow", "int", 9)])
    with pytest.raises(Invalid, match=r"it has fast, slow\. Did you mean 'fast'"):
        check_parameters(outline, {"fats": 3})
    with pytest.raises(Invalid, match="it declares none"):
        check_parameters(Outline("Mine"), {"fats": 3})


def test_code_with_errors_lets_unknown_names_pass_for_the_run_to_judge() -> None:
    outline = read_outline({"strategy.py": "def broken("}, "strategy.py")
    assert check_parameters(outline, {"fast": 3}) == {"fast": 3}


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e308])
def test_a_number_beyond_all_measure_is_refused(value: float) -> None:
    with pytest.raises(Invalid):
        check_parameters(Outline("M", parameters=[Parameter("x", "float", 1.0)]), {"x": value})
