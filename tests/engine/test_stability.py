"""Determinism and warm-up: what is told of code that depends on chance, or on where it begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from alphintra_lab.sdk import Signals, Strategy
from tests.engine.rerunning import check, random_walk
from tests.engine.test_lookahead import by


def test_chance_is_not_assessable_and_never_passed() -> None:
    checks = check(
        by(
            lambda bars: pd.Series(np.random.default_rng().random(len(bars)) > 0.5).set_axis(
                bars.index
            )
        )
    )
    assert checks["determinism"].passed is False
    assert checks["look_ahead"].passed is None
    assert checks["warm_up"].passed is None
    assert checks["determinism"].findings[0].startswith("Identical runs decide differently on ")
    assert "seed what is random" in checks["look_ahead"].findings[0]


def test_chance_that_strikes_rarely_is_found_before_anybody_is_accused() -> None:
    calls = iter(range(10_000))

    def rule(bars: pd.DataFrame) -> Any:
        held = bars["close"] > bars["close"].shift(3)
        return ~held if next(calls) in (40, 41) else held  # neither of the first repeats

    checks = check(by(rule))
    assert checks["look_ahead"].passed is None
    assert checks["determinism"].passed is False


def test_equal_runs_have_equal_ledgers() -> None:
    found = check(by(lambda bars: bars["close"] > bars["close"].shift(3)))["determinism"]
    assert (found.passed, found.findings) == (True, [])
    assert found.power == (
        "Ran three times, in a fresh process each: the ledgers are equal, hash for hash."
    )


def test_decisions_that_the_recorded_source_does_not_give_are_not_assessable() -> None:
    calls = iter(range(10_000))

    def rule(bars: pd.DataFrame) -> Any:
        held = bars["close"] > bars["close"].shift(3)
        return ~held if next(calls) == 0 else held  # as a notebook's state did

    checks = check(by(rule), elsewhere=True)
    assert checks["look_ahead"].passed is None
    assert checks["determinism"].passed is False
    assert "something outside of its source" in checks["determinism"].findings[0]


def test_an_undeclared_warm_up_is_measured() -> None:
    found = check(by(lambda bars: bars["close"] > bars["close"].rolling(30).mean()))["warm_up"]
    assert found.passed is True
    # The average of 30 bars is first known on the 30th; before it nothing is above it.
    bar = int(found.power.rsplit("after bar ", 1)[1].rstrip("."))
    assert 20 <= bar <= 29
    assert "2 histories begun later, at " in found.power


class Rolling(Strategy):
    def signals(self, bars: pd.DataFrame) -> Signals:
        up = bars["close"] > bars["close"].rolling(30).mean()
        return Signals(up, ~up)


@pytest.mark.parametrize(("declared", "passed"), [(29, True), (40, True), (5, False)])
def test_decisions_are_held_to_a_declared_warm_up(declared: int, passed: bool) -> None:
    strategy = Rolling()
    strategy.warmup = declared
    found = check(strategy)["warm_up"]
    assert found.passed is passed
    if passed:
        assert f"past the declared warm-up of {declared} bars" in found.power
    else:
        assert "when the history starts later, the last at" in found.findings[0]
        assert found.findings[1] == "The declared warm-up of 5 bars is too short."


def counted(bars: pd.DataFrame) -> Any:
    return pd.Series(np.arange(len(bars)) % 20 < 10, index=bars.index)


def test_counting_bars_from_the_start_never_settles() -> None:
    found = check(by(counted))
    assert found["look_ahead"].passed is True
    assert found["warm_up"].passed is False
    assert "declare expanding = True" in found["warm_up"].findings[1]


def test_a_declared_expanding_strategy_reports_and_never_fails() -> None:
    strategy = by(counted)
    strategy.expanding = True
    found = check(strategy)["warm_up"]
    assert found.passed is True
    assert found.findings[0].startswith("Expanding, as declared: ")


def test_a_rounded_tie_is_told_and_does_not_fail() -> None:
    frames = {"X": random_walk(2000)}

    def rule(bars: pd.DataFrame) -> Any:
        held = bars["close"] > bars["close"].rolling(5).mean()
        odd = bars.index == frames["X"].index[1800]
        return held ^ (odd & (len(bars) < 1900))

    found = check(by(rule), frames)["warm_up"]
    assert found.passed is True
    assert "rounding" in found.findings[0]


def test_code_that_fails_on_a_later_beginning_is_told() -> None:
    frames = {"X": random_walk()}
    first = frames["X"]["close"].iloc[0]

    def rule(bars: pd.DataFrame) -> Any:
        if 350 < len(bars) < 370 and bars["close"].iloc[0] != first:
            raise ValueError("too few bars")
        return bars["close"] > bars["close"].shift(3)

    found = check(by(rule), frames)["warm_up"]
    assert found.passed is True
    assert "too few bars" in found.findings[0]
