"""Where histories are cut to look for look-ahead, and the runs that this takes."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from .decisions import Decisions, SignalDecisions, signal_arrays, weight_array
from .market import IntArray, Market
from .plans import find_edges
from .variants import Variant

CUTS, FEWEST_CUTS = 64, 20
"""Cuts of a run, and how many of them are made however long they take."""

LATER = (0.10, 0.25)
"""Shares of the history that are dropped to see whether decisions depend on where it begins."""


def decision_rows(decisions: Decisions, market: Market) -> IntArray:
    """Rows on which something is decided: signals' edges, or weights other than the row before's.

    The decisions' symbols may stand in any order; the market's are sorted.
    """
    order = [decisions.symbols.index(symbol) for symbol in market.symbols]
    if isinstance(decisions, SignalDecisions):
        arrays = signal_arrays(decisions)
        found = np.zeros(market.rows, dtype=np.bool_)
        for place, column in enumerate(order):
            one = slice(column, column + 1)
            alone = arrays._replace(
                entries=arrays.entries[:, one],
                exits=arrays.exits[:, one],
                short_entries=arrays.short_entries[:, one],
                short_exits=arrays.short_exits[:, one],
            )
            found |= np.logical_or.reduce(find_edges(alone, market.column(place)))
        return np.flatnonzero(found)
    weights = np.nan_to_num(weight_array(decisions), nan=np.inf)
    before = np.vstack([np.full((1, weights.shape[1]), np.inf), weights[:-1]])
    changed = ((weights != before) & np.isfinite(weights)).any(axis=1)
    changed[: market.start] = False
    return np.flatnonzero(changed)


def choose_cuts(decided: IntArray, start: int, rows: int, seed: int, count: int = CUTS) -> IntArray:
    """Rows after whose close the future is changed, each once, in random order.

    Half on bars with a decision, a quarter just before one, a quarter uniform; where there are not
    so many, more uniform ones. The last row has no future, so it is never cut.
    """
    random = np.random.default_rng(seed)
    possible = np.arange(start, rows - 1)
    chosen = _pick(random, [], decided, possible, count // 2)
    chosen = _pick(random, chosen, decided - 1, possible, count // 4)
    chosen = _pick(random, chosen, possible, possible, count - len(chosen))
    return random.permutation(np.array(chosen, dtype=np.int64))


def _pick(
    random: np.random.Generator, chosen: list[int], wanted: IntArray, possible: IntArray, count: int
) -> list[int]:
    pool = np.setdiff1d(np.intersect1d(wanted, possible), np.array(chosen, dtype=np.int64))
    picked = random.choice(pool, min(count, len(pool)), replace=False)
    return [*chosen, *picked.tolist()]


def plan_variants(market: Market, cuts: Iterable[int]) -> list[Variant]:
    """The runs that the checks take: identical ones at both ends, later beginnings, each cut."""
    repeat = Variant("repeat", 0, market.rows)
    variants = [repeat]
    for share in LATER:
        row = _next_prime(int(market.rows * share))
        if 0 < row < market.rows - 1:
            variants.append(Variant("later", row, market.rows, time_of(market, row)))
    for number, row in enumerate(cuts):
        variants += cut_variants(market, int(row), needed=number < FEWEST_CUTS)
    return [*variants, repeat]


def _next_prime(number: int) -> int:
    """No period but 1 divides it: else counting every 20th bar from the start would go unseen."""
    while any(number % divisor == 0 for divisor in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def cut_variants(market: Market, row: int, *, needed: bool = True) -> list[Variant]:
    """Two opposed futures after a row, and none at all."""
    time = time_of(market, row)
    return [
        Variant("rise", 0, row + 1, time, needed=needed),
        Variant("fall", 0, row + 1, time, needed=needed),
        Variant("truncate", 0, row + 1, time, needed=needed),
    ]


def time_of(market: Market, row: int) -> int:
    """A row's time in nanoseconds since 1970 UTC."""
    return int(pd.Timestamp(market.times[row]).as_unit("ns").value)
