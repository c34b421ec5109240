from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alphintra_lab.engine.check import Check, unchecked
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.verdict import Evidence, percent, ratio, verdict

PASSED = Check(passed=True, findings=[], power="64 cuts")
CHECKED = dict.fromkeys(("look_ahead", "warm_up", "determinism", "sanity"), PASSED)


def failed(*findings: str) -> Check:
    return Check(passed=False, findings=list(findings), power="64 cuts")


def evidence(*, metrics: dict[str, Any] | None = None, **changes: Any) -> Evidence:
    """A run that every rule of today lets pass, with changes."""
    numbers: dict[str, float | None] = {
        "bars": 5000.0,
        "trades": 84.0,
        "closed_trades": 84.0,
        "sharpe": 2.2,
        "min_track_record": 3447.0,
        "total_return": 0.129,
        "benchmark_return": 0.1,
    }
    clean = Evidence(
        metrics={**numbers, **(metrics or {})},
        checks=CHECKED,
        settings=Settings(commission=0.0001),
    )
    return msgspec.structs.replace(clean, **changes)


def sentence(given: Evidence) -> tuple[str, str, str]:
    found = verdict(given)
    return found.icon, found.title, found.text


def test_a_run_with_nothing_against_it_holds_up_in_sample_only() -> None:
    assert sentence(evidence()) == (
        "circle",
        "Holds up in sample only.",
        "Walk forward before you believe it.",
    )


def test_while_checks_run_it_says_so() -> None:
    given = evidence(progress="Look-ahead, cut 40 of 64.", checks={})
    assert sentence(given) == ("clock", "Checking.", "Look-ahead, cut 40 of 64.")


def test_books_that_do_not_balance_come_before_everything() -> None:
    finding = "Start + PnL − costs is 3.20 USD from the final equity."
    checks = {**CHECKED, "sanity": failed(finding), "look_ahead": failed("leak")}
    assert sentence(evidence(checks=checks)) == (
        "octagon",
        "Do not trust these numbers.",
        f"{finding} The fault is the lab's; report it.",
    )


def test_a_leak_is_told_as_the_check_found_it() -> None:
    finding = "The strategy reads the future: 23 of 64 cuts changed a decision already made."
    checks = {**CHECKED, "look_ahead": failed(finding), "warm_up": failed("other")}
    assert sentence(evidence(checks=checks)) == ("octagon", "Do not trust these numbers.", finding)


def test_a_run_that_nobody_checked_for_look_ahead_is_not_verified() -> None:
    checks = {**unchecked(), "sanity": PASSED}
    icon, title, text = sentence(evidence(checks=checks, settings=Settings()))
    assert (icon, title) == ("triangle", "Not verified.")
    assert text.startswith("Look-ahead: not assessed.")


@pytest.mark.parametrize(
    ("name", "label"), [("warm_up", "Warm-up"), ("determinism", "Determinism")]
)
def test_a_failed_warm_up_or_determinism_is_not_verified(name: str, label: str) -> None:
    finding = "12 decisions change when the history starts later."
    given = evidence(checks={**CHECKED, name: failed(finding)})
    assert sentence(given) == ("triangle", "Not verified.", f"{label}: {finding}")


def test_warm_up_and_determinism_that_were_not_assessed_do_not_hide_the_rest() -> None:
    checks = {**CHECKED, **unchecked(), "look_ahead": PASSED}
    assert verdict(evidence(checks=checks)).rule == "in_sample"


def test_overridden_data_errors_are_named() -> None:
    one = evidence(overrides=['"High below low" in BNB'], settings=Settings())
    assert sentence(one) == (
        "triangle",
        "Built on known bad data.",
        '"High below low" in BNB was overridden by name.',
    )
    three = evidence(overrides=["A", "B", "C"])
    assert verdict(three).text == "A was overridden by name, and 2 more were too."


def test_unsafe_fills_name_both_returns() -> None:
    given = evidence(
        metrics={"total_return": 0.314},
        settings=Settings(fill="unsafe_same_close"),
        next_open_return=0.129,
    )
    assert sentence(given) == (
        "triangle",
        "Not tradable as run.",
        (
            "Orders filled at the close they were decided on. "
            "At the next open the return is +12.9 %, not +31.4 %."
        ),
    )


def test_a_run_without_costs_says_what_costs_would_leave() -> None:
    given = evidence(settings=Settings(), return_at_stated_cost=0.041)
    assert sentence(given) == (
        "triangle",
        "Before costs.",
        "At 0.02 % a side the return is +4.1 %.",
    )


def test_a_run_with_slippage_alone_is_not_without_costs() -> None:
    assert verdict(evidence(settings=Settings(slippage_bps=1))).rule == "in_sample"


def test_a_record_below_the_minimum_is_too_short() -> None:
    given = evidence(metrics={"sharpe": 0.84, "min_track_record": 23_412.7})
    assert sentence(given) == (
        "circle",
        "Too short to tell.",
        "A Sharpe of 0.84 needs about 24,000 bars; there are 5,000.",
    )


def test_under_thirty_closed_trades_it_is_too_short() -> None:
    given = evidence(metrics={"trades": 12.0, "closed_trades": 12.0})
    assert sentence(given)[1:] == (
        "Too short to tell.",
        "There are 12 closed trades; under 30 say little.",
    )


def test_no_trades_say_why() -> None:
    none = {"trades": 0.0, "closed_trades": 0.0, "sharpe": None, "min_track_record": None}
    counts = {"entries": 0, "exits": 7, "short_entries": 0, "short_exits": 0}
    idle = evidence(metrics=none, decision_counts=counts)
    assert verdict(idle).text == (
        "There are no trades: entries true on 0 bars, short entries true on 0 bars."
    )
    refused = evidence(metrics=none, decision_counts=counts, refused=3)
    assert verdict(refused).text == "No order was filled: 3 were refused."


@pytest.mark.parametrize("settings", [Settings(), Settings(fill="unsafe_same_close")])
def test_without_trades_neither_costs_nor_fills_are_judged(settings: Settings) -> None:
    none = {"trades": 0.0, "closed_trades": 0.0, "sharpe": None, "min_track_record": None}
    given = evidence(metrics=none, settings=settings, refused=9, return_at_stated_cost=0.0)
    found = verdict(given)
    assert (found.rule, found.text) == ("too_short", "No order was filled: 9 were refused.")


def test_a_ruined_run_is_told_as_one() -> None:
    given = evidence(ruined="5 Mar 2018", metrics={"closed_trades": 3.0})
    assert sentence(given)[1] == "Ruined."
    assert "5 Mar 2018" in verdict(given).text


def test_a_sharpe_of_zero_or_below_is_not_proven_however_long_the_record() -> None:
    given = evidence(metrics={"sharpe": -0.4, "min_track_record": None, "benchmark_return": -0.9})
    assert sentence(given) == (
        "circle",
        "Not proven.",
        "The Sharpe ratio is −0.40: holding cash would have done as well or better.",
    )


def test_less_than_holding_is_appended_to_what_judges_and_not_to_broken_numbers() -> None:
    worse = {"benchmark_return": 0.14}
    found = verdict(evidence(metrics=worse, settings=Settings()))
    assert found.title == "Before costs, and it earned less than holding."
    assert found.short == "Before costs, less than holding"
    leak = evidence(metrics=worse, checks={**CHECKED, "look_ahead": failed("leak")})
    assert verdict(leak).title == "Do not trust these numbers."
    assert verdict(evidence(metrics={"benchmark_return": None})).title == "Holds up in sample only."


def test_the_short_form_has_six_words_at_most() -> None:
    worse = {"benchmark_return": 0.14}
    for settings in (Settings(), Settings(commission=0.01), Settings(fill="unsafe_same_close")):
        for ruined in (None, "1 Jan 2020"):
            for overrides in ([], ["A"]):
                given = evidence(
                    metrics=worse, settings=settings, ruined=ruined, overrides=overrides
                )
                assert len(verdict(given).short.split()) <= 6


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.129, "+12.9 %"),
        (-0.047, "−4.7 %"),
        (0.0, "0.0 %"),
        (-0.0004, "0.0 %"),
        (12.5, "+1,250.0 %"),
        (None, "–"),
    ],
)
def test_percentages_have_a_sign_a_true_minus_and_a_space(value: float | None, text: str) -> None:
    assert percent(value) == text


def test_ratios_have_two_decimals_and_no_plus() -> None:
    assert [ratio(2.2), ratio(-0.4), ratio(None)] == ["2.20", "−0.40", "–"]
