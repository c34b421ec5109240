"""Determinism and warm-up: the same code over the same bars, and over a history begun later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from .check import Check
from .decisions import BoolArray, Decisions
from .market import IntArray, Market
from .outcomes import Outcome, changed_cells, first_row, plural, when
from .settings import Settings
from .simulate import simulate

CHANCE = (
    "The code depends on chance, on the clock or on something else outside of its bars: "
    "seed what is random, as in np.random.default_rng(0)."
)


def find_instability(
    outcomes: Sequence[Outcome], recorded: Decisions, market: Market, *, elsewhere: bool
) -> Check | None:
    """The determinism check where identical runs differ or none could be made, else None.

    `elsewhere`: the run's decisions were taken in a notebook, not in the sandbox.
    """
    runs = [one for one in outcomes if one.variant.mode == "repeat"]
    power = f"Ran {_times(1 + sum(one.error is None for one in runs))}."
    if runs[0].error is not None:
        source = "from its recorded source " if elsewhere else ""
        text = f"The run could not be repeated {source}in the sandbox: {runs[0].error}"
        return Check(None, [text], "")
    for one, other in _pairs(outcomes):
        if one.other != other.other:
            said = _say(one.decided(recorded), other.decided(recorded), market)
            return Check(False, [f"Identical runs {said} {CHANCE}"], power)
    if runs[0].other is None:
        return None
    said = _say(runs[0].other, recorded, market)
    if elsewhere:
        text = (
            f"Run again from its recorded source, the strategy would {said} "
            "The notebook's code depends on something outside of its source."
        )
        return Check(False, [text], power)
    return Check(False, [f"Identical runs {said} {CHANCE}"], power)


def determinism(
    outcomes: Sequence[Outcome],
    recorded: Decisions,
    bars: pd.DataFrame,
    settings: Settings,
    ledger_sha256: str,
) -> Check:
    """The check where identical runs decided alike: their ledgers must be equal too."""
    runs = [one for one in outcomes if one.variant.mode == "repeat" and one.error is None]
    power = f"Ran {_times(1 + len(runs))}, in a fresh process each"
    if simulate(bars, runs[0].decided(recorded), settings).ledger_sha256 == ledger_sha256:
        return Check(True, [], f"{power}: the ledgers are equal, hash for hash.")
    text = "Equal decisions gave two ledgers. The fault is the lab's; report it."
    return Check(False, [text], f"{power}.")


def _pairs(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """Runs of the same variant."""
    first: dict[tuple[object, ...], Outcome] = {}
    pairs = []
    for one in outcomes:
        if one.error is not None:
            continue
        key = (one.variant.mode, one.variant.time, one.variant.end, *one.variant.columns)
        if key in first:
            pairs.append((first[key], one))
        else:
            first[key] = one
    return pairs


def _say(one: Decisions, other: Decisions, market: Market) -> str:
    cells = changed_cells(one, other)
    if not cells.any():
        return "differ in the last digits of a number."
    rows = plural(int(cells.any(axis=1).sum()), "bar")
    return f"decide differently on {rows}, first at {when(market, first_row(cells))}."


def _times(count: int) -> str:
    return {1: "once", 2: "twice", 3: "three times"}.get(count, f"{count} times")


ROUNDING = 0.001
"""Share of late decisions that may differ: a rolling sum's last digit depends on where it begins,
and decides where prices are equal."""

FEWEST_ROUNDED = 3


class _Late(NamedTuple):
    """A history begun at a row: where its decisions differ, on its own bars [rows, symbols]."""

    row: int
    cells: BoolArray
    age: IntArray
    """How many bars a symbol has had since the beginning, before this one [rows, symbols]."""


def warm_up(outcomes: Sequence[Outcome], recorded: Decisions, market: Market) -> Check:
    """Do decisions, as levels, depend on where the history begins?

    Past a declared warm-up they must not. Where none is declared, the bar is told after which they
    agree, and only differences in the last half of the shortened history fail. A few that stand
    alone in that half are told, and do not fail: rounding makes them.
    """
    late = [one for one in outcomes if one.variant.mode == "later"]
    notes = [
        f"It fails on a history that begins at {when(market, one.variant.first)}: {one.error}"
        for one in late
        if one.error is not None
    ]
    lates = [_compare(one, recorded, market) for one in late if one.error is None]
    if not lates:
        return Check(None, notes or ["The history is too short to begin later."], "")
    declared, expanding = late[0].rerun.warmup, late[0].rerun.expanding
    starts = " and ".join(when(market, one.row) for one in lates)
    power = f"{plural(len(lates), 'history')} begun later, at {starts}"
    if declared is None:
        wrong = [one.cells & _last_half(one)[:, None] for one in lates]
        settled = max(_settled(one.cells & ~_last_half(one)[:, None]) for one in lates)
        agree = f"after bar {settled:,}" if settled else "from the first bar on"
    else:
        wrong = [one.cells & (one.age >= declared) for one in lates]
        agree = f"past the declared warm-up of {plural(declared, 'bar')}"
    if not any(cells.any() for cells in wrong):
        return Check(True, notes, f"{power}; decisions agree {agree}.")
    text = _count_changes(lates, wrong, market)
    if all(_stand_alone(one, cells) for one, cells in zip(lates, wrong, strict=True)):
        alone = f"{text} So few that stand alone are what rounding does."
        return Check(True, [alone, *notes], f"{power}; decisions agree {agree}, but for those.")
    if expanding:
        return Check(True, [f"Expanding, as declared: {text}", *notes], f"{power}.")
    way_out = (
        "Within half of the history they do not settle. If all history counts on purpose, "
        "declare expanding = True."
        if declared is None
        else f"The declared warm-up of {plural(declared, 'bar')} is too short."
    )
    return Check(False, [text, way_out, *notes], f"{power}.")


def _count_changes(lates: Sequence[_Late], wrong: Sequence[BoolArray], market: Market) -> str:
    count = max(int(cells.sum()) for cells in wrong)
    last = max(
        one.row + int(np.flatnonzero(cells.any(axis=1))[-1])
        for one, cells in zip(lates, wrong, strict=True)
        if cells.any()
    )
    verb = "changes" if count == 1 else "change"
    return (
        f"{plural(count, 'decision')} {verb} when the history starts later, the last at "
        f"{when(market, last)}."
    )


def _compare(one: Outcome, recorded: Decisions, market: Market) -> _Late:
    row = one.variant.first
    order = [market.symbols.index(symbol) for symbol in recorded.symbols]
    there = np.isfinite(market.closes[row:, order])
    return _Late(row, one.changed(recorded), np.cumsum(there, axis=0) - there)


def _settled(cells: BoolArray) -> int:
    """Bars of the shortened history up to and including the last that differs."""
    rows = np.flatnonzero(cells.any(axis=1))
    return int(rows[-1]) + 1 if len(rows) else 0


def _stand_alone(late: _Late, wrong: BoolArray) -> bool:
    """Whether these differences are few, and all in the last half."""
    few = max(FEWEST_ROUNDED, ROUNDING * wrong.size / 2)
    return bool(wrong.sum() <= few and not wrong[~_last_half(late)].any())


def _last_half(late: _Late) -> BoolArray:
    return np.arange(len(late.cells)) >= len(late.cells) // 2
