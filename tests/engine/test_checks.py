from __future__ import annotations

import dataclasses

import pytest

from alphintra_lab.engine.check import unchecked
from alphintra_lab.engine.checks import sanity
from alphintra_lab.engine.decisions import signal_decisions
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import Simulation, simulate
from tests.engine.market_data import make_bars

SETTINGS = Settings(cash=1000, commission=0.01)


@pytest.fixture
def run() -> Simulation:
    bars = make_bars({"X|Y": [10.0, 10, 12, 9, 11]})
    up = [True, False, False, False, False]
    down = [False, False, True, False, False]
    return simulate(bars, signal_decisions(["X|Y"], up, down, down, up), SETTINGS)


def test_books_that_balance_pass_and_say_what_was_added_up(run: Simulation) -> None:
    check = sanity(run, SETTINGS)
    assert (check.passed, check.findings) == (True, [])
    assert check.power.startswith("2 fills")


def test_a_wrong_final_equity_fails_with_the_amount(run: Simulation) -> None:
    equity = run.equity.copy()
    equity.iloc[-1] += 3.2
    check = sanity(dataclasses.replace(run, equity=equity), SETTINGS)
    assert check.passed is False
    assert check.findings == ["Start + PnL − costs is 3.20 USD from the final equity."]


def test_a_commission_missing_in_the_ledger_fails(run: Simulation) -> None:
    first = float(run.orders["commission"].iloc[0])
    forged = run.ledger.replace(f"|{first!r}|", "|0.0|", 1)
    assert forged != run.ledger
    assert sanity(dataclasses.replace(run, ledger=forged), SETTINGS).passed is False


def test_a_lost_line_of_the_ledger_fails(run: Simulation) -> None:
    lost = "".join(run.ledger.splitlines(keepends=True)[:-1])
    assert sanity(dataclasses.replace(run, ledger=lost), SETTINGS).passed is False


def test_checks_that_do_not_run_are_not_assessable_and_never_passed() -> None:
    checks = unchecked()
    assert set(checks) == {"look_ahead", "warm_up", "determinism"}
    for check in checks.values():
        assert check.passed is None and "stopped" in check.findings[0]
