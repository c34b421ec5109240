"""Laws that hold for all bars and decisions."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alphintra_lab.engine.checks import sanity
from alphintra_lab.engine.decisions import Decisions, signal_decisions, weight_decisions
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import simulate
from tests.engine.market_data import make_bars

SYMBOLS = ["C", "A", "B"]
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def markets(draw: st.DrawFn) -> pd.DataFrame:
    """Bars of one to three symbols that jump about, with holes."""
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    rows = draw(st.integers(2, 25))
    symbols = SYMBOLS[: draw(st.integers(1, 3))]
    wild = draw(st.sampled_from([0.01, 0.1, 0.5]))
    opens, closes = {}, {}
    for symbol in symbols:
        path = 50 * np.exp(np.cumsum(random.normal(0, wild, 2 * rows)))
        holes = random.random(rows) < draw(st.sampled_from([0.0, 0.2]))
        opens[symbol] = np.where(holes, np.nan, path[0::2]).tolist()
        closes[symbol] = np.where(holes, np.nan, path[1::2]).tolist()
    return make_bars(opens, closes)


@st.composite
def decided(draw: st.DrawFn, bars: pd.DataFrame) -> Decisions:
    """Any decisions over these bars."""
    symbols = list(dict.fromkeys(bars.columns.get_level_values(1)))
    shape = (len(bars), len(symbols))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        weights = random.uniform(-1, 1, shape) * draw(st.sampled_from([1.0, 1 / shape[1]]))
        weights[random.random(shape) < 0.4] = np.nan
        return weight_decisions(symbols, weights)
    entries, exits, short_entries, short_exits = random.random((4, *shape)) < 0.3
    size = random.uniform(0.01, 1, shape) if draw(st.booleans()) else None
    return signal_decisions(symbols, entries, exits, short_entries, short_exits, size)


@st.composite
def runs(draw: st.DrawFn) -> tuple[pd.DataFrame, Decisions, Settings]:
    bars = draw(markets())
    made = Settings(
        commission=draw(st.sampled_from([0.0, 0.001, 0.02])),
        slippage_bps=draw(st.sampled_from([0.0, 10.0])),
        fill=draw(st.sampled_from(["next_open", "unsafe_same_close"])),
        whole_shares=draw(st.booleans()),
        start=bars.index[draw(st.integers(0, len(bars) - 1))].to_pydatetime(),
    )
    return bars, draw(decided(bars)), made


def turned(bars: pd.DataFrame, decisions: Decisions) -> tuple[pd.DataFrame, Decisions]:
    """The same run with its columns in the opposite order."""
    symbols = decisions.symbols[::-1]
    columns = [
        (field, symbol)
        for field in ("open", "high", "low", "close", "volume")
        for symbol in symbols
    ]
    changes: dict[str, Any] = {"symbols": symbols}
    for name in ("entries", "exits", "short_entries", "short_exits", "size", "weights"):
        data = getattr(decisions, name, None)
        if data is not None:
            kind = "<f8" if name in ("size", "weights") else np.uint8
            table = np.frombuffer(data, dtype=kind).reshape(len(bars), len(symbols))
            changes[name] = table[:, ::-1].tobytes()
    return bars[columns], msgspec.structs.replace(decisions, **changes)


@quick
@given(runs())
def test_the_books_balance(run: tuple[pd.DataFrame, Decisions, Settings]) -> None:
    bars, decisions, made = run
    check = sanity(simulate(bars, decisions, made), made)
    assert check.passed, check.findings


@quick
@given(runs())
def test_the_order_of_columns_does_not_matter(
    run: tuple[pd.DataFrame, Decisions, Settings],
) -> None:
    bars, decisions, made = run
    one, other = simulate(bars, decisions, made), simulate(*turned(bars, decisions), made)
    assert one.ledger == other.ledger
    assert one.decisions_sha256 == other.decisions_sha256
    assert one.equity.tolist() == other.equity.tolist()


@quick
@given(runs())
def test_the_same_run_has_the_same_ledger(run: tuple[pd.DataFrame, Decisions, Settings]) -> None:
    bars, decisions, made = run
    one, other = simulate(bars, decisions, made), simulate(bars.copy(), decisions, made)
    assert one.ledger_sha256 == other.ledger_sha256


@quick
@given(runs())
def test_no_order_fills_before_the_bar_after_its_decision(
    run: tuple[pd.DataFrame, Decisions, Settings],
) -> None:
    bars, decisions, made = run
    orders = simulate(bars, decisions, msgspec.structs.replace(made, fill="next_open")).orders
    forced = orders["rule"] == "ruined"  # found and closed at one and the same open
    assert (orders["time"] > orders["decided"])[~forced].all()
    assert (orders["time"] >= orders["decided"]).all()
    assert made.start is not None and (orders["decided"] >= made.start).all()


@quick
@given(runs(), st.integers(1, 24))
def test_what_comes_later_changes_nothing_before(
    run: tuple[pd.DataFrame, Decisions, Settings], cut: int
) -> None:
    bars, decisions, made = run
    made = msgspec.structs.replace(made, start=bars.index[0].to_pydatetime())
    cut = min(cut, len(bars))
    changes: dict[str, Any] = {"bars": cut}
    for name in ("entries", "exits", "short_entries", "short_exits", "size", "weights"):
        data = getattr(decisions, name, None)
        if data is not None:
            changes[name] = data[: len(data) // len(bars) * cut]
    short = simulate(bars.iloc[:cut], msgspec.structs.replace(decisions, **changes), made)
    whole = simulate(bars, decisions, made)
    before = (
        whole.orders[whole.orders["time"] < bars.index[cut]] if cut < len(bars) else whole.orders
    )
    assert short.orders.equals(before.reset_index(drop=True))
    assert short.equity.tolist() == whole.equity.iloc[:cut].tolist()


@quick
@given(runs(), st.sampled_from([0.25, 2.0, 1024.0]))
def test_more_cash_scales_every_quantity(
    run: tuple[pd.DataFrame, Decisions, Settings], factor: float
) -> None:
    bars, decisions, made = run
    made = msgspec.structs.replace(made, whole_shares=False)
    more = msgspec.structs.replace(made, cash=made.cash * factor)
    one, other = simulate(bars, decisions, made), simulate(bars, decisions, more)
    assert one.orders["rule"].tolist() == other.orders["rule"].tolist()
    np.testing.assert_allclose(other.orders["quantity"], one.orders["quantity"] * factor, rtol=1e-9)


@quick
@given(runs())
def test_cash_is_never_borrowed_and_whole_shares_stay_whole(
    run: tuple[pd.DataFrame, Decisions, Settings],
) -> None:
    bars, decisions, made = run
    made = msgspec.structs.replace(made, whole_shares=True)
    done = simulate(bars, decisions, made)
    if done.ruined is None:
        assert (done.cash >= -1e-6).all()
        assert (done.orders["quantity"] % 1 == 0).all()
