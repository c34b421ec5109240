from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alphintra_lab.sdk import Signals, Strategy, StrategyError, param
from alphintra_lab.sdk.strategy import find_kind


class Cross(Strategy):
    fast = param(10, low=2, high=60)
    slow = param(30, low=10, high=250)
    band = param(0.5, low=0.0, high=1.0)
    short = param(False)
    price = param("close", choices=["close", "open", 3])

    def signals(self, bars: Any) -> Signals:
        return Signals(False, False)


def test_defaults_hold_and_given_values_replace_them() -> None:
    strategy = Cross(fast=5)
    assert (strategy.fast, strategy.slow, strategy.band) == (5, 30, 0.5)
    assert strategy.given == {"fast": 5}
    assert repr(strategy) == "Cross(fast=5, slow=30, band=0.5, short=False, price='close')"
    assert Cross().fast == 10


def test_the_class_tells_its_parameters_in_the_order_of_the_source() -> None:
    found = Cross.parameters()
    assert list(found) == ["fast", "slow", "band", "short", "price"]
    assert [p.kind for p in found.values()] == ["int", "int", "float", "bool", "choice"]
    assert (found["fast"].default, found["fast"].low, found["fast"].high) == (10, 2, 60)
    assert found["price"].choices == ["close", "open", 3]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("fast", 61, "fast: 61 is above high=60."),
        ("fast", 1, "fast: 1 is below low=2."),
        ("fast", 2.5, "fast: 2.5 is not a whole number."),
        ("fast", "5", "fast: '5' is not a number."),
        ("fast", True, "fast: True is not a number."),
        ("band", float("nan"), "band: nan is not a finite number."),
        ("short", 1, "short: 1 is not True or False."),
        ("price", "clos", "'clos' is not one of 'close', 'open', 3. Did you mean 'close'?"),
        ("price", 3.0, "price: 3.0 is not one of"),
        ("fats", 5, "no parameter 'fats'; it has fast, slow.*Did you mean 'fast'"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(name: str, value: Any, said: str) -> None:
    with pytest.raises(StrategyError, match=said):
        Cross(**{name: value})


def test_a_value_set_later_is_checked_too() -> None:
    strategy = Cross()
    with pytest.raises(StrategyError, match="above high"):
        strategy.fast = 300


def test_numbers_take_the_kind_of_the_parameter() -> None:
    strategy = Cross(fast=np.int64(7), slow=20.0, band=1)
    assert [(v, type(v)) for v in (strategy.fast, strategy.slow, strategy.band)] == [
        (7, int),
        (20, int),
        (1.0, float),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"default": 300, "low": 10, "high": 250}, "the default 300 is above high=250"),
        ({"default": 5, "low": 9, "high": 1}, "low=9 is above high=1"),
        ({"default": "x"}, "the default 'x' is a str. Use a number"),
        ({"default": "x", "choices": []}, "choices is empty"),
        ({"default": "x", "choices": ["y"]}, "the default 'x' is not one of 'y'"),
        ({"default": 1, "choices": [1], "low": 0}, "exclude each other"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(StrategyError, match=said):
        param(**arguments)


def test_a_subclass_can_change_or_fix_a_parameter() -> None:
    class Slower(Cross):
        slow = param(100, low=10, high=500)
        band = 0.25

    assert Slower().slow == 100
    assert "band" not in Slower.parameters()
    with pytest.raises(StrategyError, match="no parameter 'band'"):
        Slower(band=0.5)


@pytest.mark.parametrize("name", ["on_bar", "on_start", "on_fill"])
def test_what_this_version_cannot_do_is_refused_where_it_is_written(name: str) -> None:
    said = f"Later: {name} is not supported by this version; write signals or weights."
    with pytest.raises(StrategyError, match=said):
        type("Later", (Strategy,), {name: lambda self, ctx: None})


def test_inputs_are_refused_where_they_are_declared() -> None:
    with pytest.raises(StrategyError, match="inputs are not supported by this version"):
        type("Wide", (Strategy,), {"inputs": {"market": "sp500-1d"}})


def test_stops_are_refused_with_what_works() -> None:
    with pytest.raises(
        StrategyError, match=r"stop_loss is not supported.*write the exit into exits"
    ):
        Signals(True, False, stop_loss=0.02)
    with pytest.raises(StrategyError, match=r"no field 'entry'.*Did you mean 'entries'"):
        Signals(True, False, entry=True)


def test_a_parameter_may_not_take_a_name_that_strategy_uses() -> None:
    with pytest.raises(StrategyError, match="'universe' cannot be a parameter's name"):
        type("Odd", (Strategy,), {"universe": param(True)})


def test_a_class_decides_by_exactly_one_of_signals_and_weights() -> None:
    class Both(Cross):
        def weights(self, bars: Any) -> Any:
            return None

    class Neither(Strategy):
        pass

    assert find_kind(Cross) == "signals"
    with pytest.raises(StrategyError, match="Both has signals and weights"):
        find_kind(Both)
    with pytest.raises(StrategyError, match="Neither decides nothing"):
        find_kind(Neither)
