"""The numbers of one run; `docs/metrics.md` defines each. A number that is not defined is None.

Returns are fractions per bar, drawdowns and VaR negative, risk-free 0.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd

from .decisions import FloatArray, signal_decisions
from .market import column_symbols, read_market
from .settings import Settings
from .simulate import Simulation, simulate

NORMAL = NormalDist()
CONFIDENCE_Z = NORMAL.inv_cdf(0.95)


def metrics(
    equity: pd.Series[float],
    trades: pd.DataFrame,
    orders: pd.DataFrame,
    positions: pd.DataFrame,
    settings: Settings,
    benchmark: pd.Series[float] | None = None,
) -> dict[str, float | None]:
    """Every metric of a run by its name. `benchmark` is an equity on the same bars."""
    values = np.asarray(equity, dtype=np.float64)
    returns = bar_returns(values, settings.cash)
    ppy = settings.periods_per_year
    held = None if benchmark is None else np.asarray(benchmark, dtype=np.float64)
    found: dict[str, float | None] = {
        "bars": float(len(values)),
        "years": len(values) / ppy,
        "final_equity": float(values[-1]),
        **_growth(values, settings.cash, len(returns), ppy),
        **_risk(returns, ppy),
        **_shape(returns),
        **_against(returns, held, settings.cash, ppy),
        **_record(returns),
        **_trading(trades),
        **_activity(values, orders, positions, settings.cash, ppy),
    }
    return {name: _defined(value) for name, value in found.items()}


def bar_returns(equity: FloatArray, cash: float) -> FloatArray:
    """E_t / E_(t-1) - 1 for every bar, the first against starting cash.

    A ruined run ends with its first bar of zero or less: what comes after has no return.
    """
    before = np.concatenate(([cash], equity[:-1]))
    broke = np.flatnonzero(equity <= 0)
    end = int(broke[0]) + 1 if broke.size else len(equity)
    return np.asarray(equity[:end] / before[:end] - 1, dtype=np.float64)


def drawdowns(equity: FloatArray, cash: float) -> FloatArray:
    """E_t over the highest equity so far, minus 1; starting cash is the first peak."""
    peaks = np.maximum.accumulate(np.concatenate(([cash], equity)))[1:]
    return np.asarray(equity / peaks - 1, dtype=np.float64)


def probabilistic_sharpe(returns: FloatArray, threshold: float = 0.0) -> float | None:
    """Probability that the true Sharpe ratio per bar is above the threshold.

    Bailey & López de Prado 2012, eq. 11. None for constant returns.
    """
    ratio = _ratio(returns)
    variance = _sharpe_variance(returns)
    if ratio is None or variance is None:
        return None
    return NORMAL.cdf((ratio - threshold) * math.sqrt(len(returns) - 1) / math.sqrt(variance))


def min_track_record(returns: FloatArray, threshold: float = 0.0) -> float | None:
    """Bars needed to say with 95 % that the Sharpe ratio per bar is above the threshold.

    Bailey & López de Prado 2012, eq. 13. None when it is not above it in the sample.
    """
    ratio = _ratio(returns)
    variance = _sharpe_variance(returns)
    if ratio is None or variance is None or ratio <= threshold:
        return None
    return 1 + variance * (CONFIDENCE_Z / (ratio - threshold)) ** 2


def buy_and_hold(bars: pd.DataFrame, settings: Settings) -> Simulation:
    """The benchmark, through the same fills and costs: an equal part of the cash for each symbol.

    Each part goes in whole into its symbol, decided at the symbol's first close from the start on.
    """
    symbols = column_symbols(bars)
    market = read_market(bars, settings)
    entries = np.zeros((market.rows, len(symbols)), dtype=np.bool_)
    for column, symbol in enumerate(symbols):
        closes = market.closes[:, market.symbols.index(symbol)]
        entries[market.start :, column] = np.isfinite(closes[market.start :])
    return simulate(bars, signal_decisions(symbols, entries, np.zeros_like(entries)), settings)


def _growth(equity: FloatArray, cash: float, bars: int, ppy: float) -> dict[str, float | None]:
    end = float(equity[-1])
    falls = drawdowns(equity, cash)
    worst = float(falls.min(initial=0.0))
    cagr = (end / cash) ** (ppy / bars) - 1 if end >= 0 else None
    return {
        "total_return": end / cash - 1,
        "cagr": cagr,
        "max_drawdown": worst,
        "max_drawdown_bars": float(_drawdown_bars(equity, cash, falls)),
        "calmar": None if cagr is None or worst == 0 else cagr / abs(worst),
    }


def _drawdown_bars(equity: FloatArray, cash: float, falls: FloatArray) -> int:
    """Bars of the deepest drawdown, from peak to recovery or end; starting cash is bar 0."""
    if not falls.size or falls.min() >= 0:
        return 0
    path = np.concatenate(([cash], equity))
    bottom = int(falls.argmin()) + 1
    peak = int(path[: bottom + 1].argmax())
    recovered = np.flatnonzero(path[bottom:] >= path[peak])
    end = bottom + int(recovered[0]) if recovered.size else len(path) - 1
    # A later bar at the same height is where this drawdown started.
    peak = int(np.flatnonzero(path[:bottom] == path[peak])[-1])
    return end - peak


def _risk(returns: FloatArray, ppy: float) -> dict[str, float | None]:
    count = len(returns)
    year = math.sqrt(ppy)
    ratio = _ratio(returns)
    losses = np.minimum(returns, 0)
    downside = math.sqrt(float(np.mean(losses**2)))
    lost = -float(losses.sum())
    worst = np.sort(returns)[: (count - 1) * 5 // 100 + 1]
    low, high = (float(np.percentile(returns, q)) for q in (5, 95))
    return {
        "volatility": float(returns.std(ddof=1)) * year if count > 1 else None,
        "sharpe": None if ratio is None else ratio * year,
        "sortino": None if downside == 0 else float(returns.mean()) * year / downside,
        "omega": None if lost == 0 else float(np.maximum(returns, 0).sum()) / lost,
        "var_95": low,
        "cvar_95": float(worst.mean()),
        "tail_ratio": None if low == 0 else abs(high) / abs(low),
    }


def _shape(returns: FloatArray) -> dict[str, float | None]:
    moments = _moments(returns)
    return {
        "skewness": None if moments is None else moments[0],
        "kurtosis": None if moments is None else moments[1],
        "autocorrelation": _correlation(returns[1:], returns[:-1]),
    }


def _against(
    returns: FloatArray, held: FloatArray | None, cash: float, ppy: float
) -> dict[str, float | None]:
    """Beta and alpha against the benchmark on the bars where both returns are finite."""
    if held is None:
        return {"beta": None, "alpha": None, "benchmark_return": None}
    other = bar_returns(held, cash)
    count = min(len(returns), len(other))
    mine, other = returns[:count], other[:count]
    both = np.isfinite(mine) & np.isfinite(other)
    mine, other = mine[both], other[both]
    beta = alpha = None
    if len(mine) > 1 and not _is_constant(other):
        beta = float(np.cov(mine, other)[0, 1] / np.var(other, ddof=1))
        base = 1 + float(np.mean(mine - beta * other))
        alpha = base**ppy - 1 if base >= 0 else None
    return {"beta": beta, "alpha": alpha, "benchmark_return": float(held[-1]) / cash - 1}


def _record(returns: FloatArray) -> dict[str, float | None]:
    return {
        "probabilistic_sharpe": probabilistic_sharpe(returns),
        "min_track_record": min_track_record(returns),
    }


def _trading(trades: pd.DataFrame) -> dict[str, float | None]:
    pnl = trades.loc[trades["status"] == "closed", "pnl"].to_numpy(dtype=np.float64)
    count = len(pnl)
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    hit_rate = len(wins) / count if count else None
    lost = abs(float(losses.sum()))
    spread = float(pnl.std(ddof=1)) if count > 1 and not _is_constant(pnl) else 0.0
    kelly = None
    if hit_rate is not None and wins.size:
        mean_loss = abs(float(losses.mean())) if losses.size else 0.0
        kelly = hit_rate - (1 - hit_rate) * mean_loss / float(wins.mean())
    return {
        "trades": float(len(trades)),
        "closed_trades": float(count),
        "hit_rate": hit_rate,
        "profit_factor": None if lost == 0 else float(wins.sum()) / lost,
        "sqn": None if spread == 0 else math.sqrt(count) * float(pnl.mean()) / spread,
        "kelly": kelly,
    }


def _activity(
    equity: FloatArray, orders: pd.DataFrame, positions: pd.DataFrame, cash: float, ppy: float
) -> dict[str, float | None]:
    costs = float(orders["commission"].sum())
    traded = float((orders["quantity"] * orders["price"]).abs().sum())
    mean = float(equity.mean())
    gross = float(equity[-1]) - cash + costs
    return {
        "exposure": float((positions.to_numpy() != 0).any(axis=1).mean()),
        "turnover": None if mean <= 0 else traded / mean * ppy / len(equity),
        "costs": costs,
        "cost_share": None if gross <= 0 else costs / gross,
    }


def _ratio(returns: FloatArray) -> float | None:
    """Mean over standard deviation (ddof 1), per bar; None for constant returns."""
    if len(returns) < 2 or _is_constant(returns):
        return None
    return float(returns.mean() / returns.std(ddof=1))


def _sharpe_variance(returns: FloatArray) -> float | None:
    """1 - g3 SR + (g4 - 1) / 4 SR^2; None where it is not above zero."""
    ratio, moments = _ratio(returns), _moments(returns)
    if ratio is None or moments is None:
        return None
    skewness, kurtosis = moments
    variance = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    return variance if variance > 0 else None


def _moments(returns: FloatArray) -> tuple[float, float] | None:
    """Skewness and Pearson's kurtosis (3 for the normal) from population moments."""
    if len(returns) < 2 or _is_constant(returns):
        return None
    centred = returns - returns.mean()
    variance = float(np.mean(centred**2))
    return float(np.mean(centred**3)) / variance**1.5, float(np.mean(centred**4)) / variance**2


def _correlation(a: FloatArray, b: FloatArray) -> float | None:
    if len(a) < 2 or _is_constant(a) or _is_constant(b):
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _is_constant(values: FloatArray) -> bool:
    """All equal up to the rounding of the division that made them."""
    return float(np.ptp(values)) <= 1e-15 + 1e-12 * abs(float(values.mean()))


def _defined(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
