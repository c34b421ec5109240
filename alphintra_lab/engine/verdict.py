"""The sentence that judges a run. Page, notebook, report and command line show this one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import msgspec

from .check import Check
from .settings import Settings

Icon = Literal["clock", "octagon", "triangle", "circle", "tick"]

FEWEST_TRADES = 30
"""Closed trades under which a run is too short to tell."""

STATED_COST = 0.0002
"""The commission a side at which a run without costs is simulated again."""


class Verdict(msgspec.Struct, frozen=True):
    """Icon, rule, the bold words, the rest of the sentence, and six words at most for a table."""

    icon: Icon
    rule: str
    title: str
    text: str
    short: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict is made from. What is not known yet is None or empty."""

    metrics: dict[str, float | None]
    checks: dict[str, Check]
    """`look_ahead`, `warm_up`, `determinism`, `sanity`."""
    settings: Settings
    progress: str | None = None
    """What the checks do now, while they run: `Look-ahead, cut 40 of 64.`"""
    overrides: list[str] = []
    """Data errors that were overridden by name: `"High below low" in BNB`."""
    next_open_return: float | None = None
    """Total return with next-open fills, when the run filled at the deciding close."""
    return_at_stated_cost: float | None = None
    """Total return at STATED_COST a side, when the run had no costs."""
    decision_counts: dict[str, int] = {}
    refused: int = 0
    ruined: str | None = None
    """The day on which equity fell to zero or below: `5 Mar 2018`."""


class _Finding(msgspec.Struct, frozen=True):
    """A rule that applies: its sentence, before anything is appended."""

    icon: Icon
    rule: str
    title: str
    text: str


def verdict(evidence: Evidence) -> Verdict:
    """Judge a run: the first rule that applies wins."""
    for rule in _RULES:
        found = rule(evidence)
        if found is not None:
            break
    else:
        found = _in_sample(evidence)
    title = short = found.title
    if found.icon not in ("clock", "octagon") and _earned_less_than_holding(evidence):
        title += ", and it earned less than holding"
        short += ", less than holding"
        short = short if len(short.split()) <= 6 else found.title
    return Verdict(found.icon, found.rule, f"{title}.", found.text, short)


def percent(value: float | None, digits: int = 1, *, signed: bool = True) -> str:
    """A fraction as a percentage: `+12.9 %`, with a true minus; a dash when undefined."""
    return "–" if value is None else f"{_signed(value * 100, digits, signed=signed)} %"


def ratio(value: float | None) -> str:
    """A ratio with two decimals and a true minus; a dash when undefined."""
    return "–" if value is None else _signed(value, 2, signed=False)


def _signed(value: float, digits: int, *, signed: bool) -> str:
    text = f"{abs(value):,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        return text
    sign = "−" if value < 0 else "+" if signed else ""
    return f"{sign}{text}"


def _checking(evidence: Evidence) -> _Finding | None:
    if evidence.progress is None:
        return None
    return _Finding("clock", "checking", "Checking", evidence.progress)


def _books(evidence: Evidence) -> _Finding | None:
    check = evidence.checks["sanity"]
    if check.passed:
        return None
    text = " ".join([*check.findings, "The fault is the lab's; report it."])
    return _Finding("octagon", "books", "Do not trust these numbers", text)


def _look_ahead(evidence: Evidence) -> _Finding | None:
    check = evidence.checks["look_ahead"]
    if check.passed is not False:
        return None
    text = _first(check)
    return _Finding("octagon", "look_ahead", "Do not trust these numbers", text)


def _not_verified(evidence: Evidence) -> _Finding | None:
    checks = evidence.checks
    if checks["look_ahead"].passed is None:
        text = f"Look-ahead: not assessed. {_first(checks['look_ahead'])}".strip()
        return _Finding("triangle", "not_verified", "Not verified", text)
    for name, label in (("warm_up", "Warm-up"), ("determinism", "Determinism")):
        if checks[name].passed is False:
            text = f"{label}: {_first(checks[name])}"
            return _Finding("triangle", "not_verified", "Not verified", text)
    return None


def _first(check: Check) -> str:
    return check.findings[0] if check.findings else ""


def _known_bad_data(evidence: Evidence) -> _Finding | None:
    if not evidence.overrides:
        return None
    first, *others = evidence.overrides
    if not others:
        text = f"{first} was overridden by name."
    else:
        more = "1 more was" if len(others) == 1 else f"{len(others)} more were"
        text = f"{first} was overridden by name, and {more} too."
    return _Finding("triangle", "bad_data", "Built on known bad data", text)


def _no_trades(evidence: Evidence) -> _Finding | None:
    """Fills and costs of orders that there were not say nothing."""
    if evidence.metrics["trades"] != 0:
        return None
    return _Finding("circle", "too_short", "Too short to tell", _why_no_trades(evidence))


def _unsafe_fills(evidence: Evidence) -> _Finding | None:
    if evidence.settings.fill != "unsafe_same_close":
        return None
    text = (
        "Orders filled at the close they were decided on. At the next open the return is "
        f"{percent(evidence.next_open_return)}, not {percent(evidence.metrics['total_return'])}."
    )
    return _Finding("triangle", "unsafe_fills", "Not tradable as run", text)


def _no_costs(evidence: Evidence) -> _Finding | None:
    if not evidence.settings.free_of_costs:
        return None
    text = (
        f"At {percent(STATED_COST, 2, signed=False)} a side the return is "
        f"{percent(evidence.return_at_stated_cost)}."
    )
    return _Finding("triangle", "no_costs", "Before costs", text)


def _ruined(evidence: Evidence) -> _Finding | None:
    if evidence.ruined is None:
        return None
    text = f"Equity fell to zero or below on {evidence.ruined}, and an account's run ended there."
    return _Finding("circle", "ruined", "Ruined", text)


def _too_short(evidence: Evidence) -> _Finding | None:
    numbers = evidence.metrics
    closed = int(numbers["closed_trades"] or 0)
    needed, bars = numbers["min_track_record"], numbers["bars"] or 0
    if needed is not None and needed > bars:
        text = (
            f"A Sharpe of {ratio(numbers['sharpe'])} needs about {_rounded(needed):,} bars; "
            f"there are {bars:,.0f}."
        )
    elif closed < FEWEST_TRADES:
        are = "is 1 closed trade" if closed == 1 else f"are {closed or 'no'} closed trades"
        text = f"There {are}; under {FEWEST_TRADES} say little."
    else:
        return None
    return _Finding("circle", "too_short", "Too short to tell", text)


def _not_proven(evidence: Evidence) -> _Finding | None:
    """Without a positive Sharpe ratio there is nothing that more data could prove."""
    sharpe = evidence.metrics["sharpe"]
    if sharpe is not None and sharpe > 0:
        return None
    text = f"The Sharpe ratio is {ratio(sharpe)}: holding cash would have done as well or better."
    return _Finding("circle", "not_proven", "Not proven", text)


def _in_sample(_: Evidence) -> _Finding:
    text = "Walk forward before you believe it."
    return _Finding("circle", "in_sample", "Holds up in sample only", text)


_RULES: list[Callable[[Evidence], _Finding | None]] = [
    _checking,
    _books,
    _look_ahead,
    _not_verified,
    _known_bad_data,
    _no_trades,
    _unsafe_fills,
    _ruined,
    _no_costs,
    _too_short,
    _not_proven,
]


def _earned_less_than_holding(evidence: Evidence) -> bool:
    held, earned = (evidence.metrics[name] for name in ("benchmark_return", "total_return"))
    return held is not None and earned is not None and held > earned


def _why_no_trades(evidence: Evidence) -> str:
    if evidence.refused:
        return f"No order was filled: {evidence.refused:,} were refused."
    counts = [
        f"{name.replace('_', ' ')} true on {count:,} bars"
        if name != "weights"
        else f"weights given on {count:,} bars"
        for name, count in evidence.decision_counts.items()
        if name in ("entries", "short_entries", "weights")
    ]
    return f"There are no trades: {', '.join(counts)}." if counts else "There are no trades."


def _rounded(value: float) -> int:
    """Up to two leading digits."""
    step: int = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    return math.ceil(value / step) * step
