from __future__ import annotations

import numpy as np

from alphintra_lab.engine.cuts import choose_cuts, decision_rows, plan_variants
from alphintra_lab.engine.decisions import signal_decisions, weight_decisions
from alphintra_lab.engine.market import read_market
from alphintra_lab.engine.settings import Settings
from tests.engine.market_data import make_bars


def test_half_of_the_cuts_lie_on_decisions_and_a_quarter_before_one() -> None:
    decided = np.arange(100, 5000, 40)
    cuts = choose_cuts(decided, 0, 6000, seed=1)
    assert len(cuts) == len(set(cuts.tolist())) == 64
    assert np.isin(cuts, decided).sum() >= 32
    assert np.isin(cuts + 1, decided).sum() >= 16
    assert cuts.min() >= 0 and cuts.max() <= 5998, "the last bar has no future"


def test_a_part_of_the_cuts_is_as_mixed_as_the_whole() -> None:
    decided = np.arange(100, 5000, 40)
    first = choose_cuts(decided, 0, 6000, seed=1)[:20]
    assert 4 <= np.isin(first, decided).sum() <= 16


def test_the_seed_alone_decides_where() -> None:
    decided = np.arange(0, 1000, 7)
    one, same, other = (choose_cuts(decided, 0, 1000, seed=s).tolist() for s in (1, 1, 2))
    assert one == same != other


def test_few_decisions_are_all_cut_and_the_rest_is_uniform() -> None:
    cuts = choose_cuts(np.array([50, 70]), 10, 1000, seed=3)
    assert {50, 70, 49, 69} <= set(cuts.tolist())
    assert len(cuts) == 64 and cuts.min() >= 10


def test_a_short_history_is_cut_everywhere() -> None:
    assert sorted(choose_cuts(np.array([3]), 0, 10, seed=0).tolist()) == list(range(9))
    assert choose_cuts(np.array([], dtype=np.int64), 0, 1, seed=0).tolist() == []


def test_decisions_are_edges_of_signals_and_changes_of_weights() -> None:
    bars = make_bars({"A": [1.0] * 6, "B": [1.0] * 6})
    market = read_market(bars, Settings())
    up = np.array([[0, 0], [1, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=bool)
    signals = signal_decisions(["B", "A"], up, np.zeros_like(up))
    assert decision_rows(signals, market).tolist() == [1, 3]
    given = np.array([[np.nan] * 2, [0.5, 0], [0.5, 0], [np.nan] * 2, [0, 0], [0, 0]])
    weights = weight_decisions(["A", "B"], given)
    assert decision_rows(weights, market).tolist() == [1, 4]


def test_the_plan_repeats_at_both_ends_and_needs_twenty_cuts() -> None:
    market = read_market(make_bars({"A": [1.0] * 500}), Settings())
    variants = plan_variants(market, range(100, 164))
    assert [v.mode for v in variants[:6]] == [
        "repeat",
        "later",
        "later",
        "rise",
        "fall",
        "truncate",
    ]
    assert variants[-1] == variants[0]
    assert sum(v.mode == "truncate" and v.needed for v in variants) == 20
    # 10 % and 25 % of 500 bars, moved on to a prime: no period of a count divides it.
    assert [v.first for v in variants[1:3]] == [53, 127]
