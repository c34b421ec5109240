"""A result as a card in a notebook: verdict, five numbers, equity; HTML and SVG, no script."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from .result import BacktestResult

WIDTH, HEIGHT, MARGIN, POINTS = 638, 140, 60, 200

# The theme's own colours, with those of the light theme where there is no JupyterLab.
_TEXT = "var(--jp-ui-font-color1, #212121)"
_QUIET = "var(--jp-ui-font-color2, #616161)"
_LINE = "var(--jp-border-color2, #e0e0e0)"
_BRAND = "var(--jp-brand-color1, #1976d2)"


def five_numbers(result: BacktestResult) -> list[tuple[str, str]]:
    """Return, what holding would have given, Sharpe, drawdown and trades, as shown."""
    from ..engine.verdict import percent, ratio  # one way to write a number, in all the lab

    metrics = result.metrics.astype(object).where(result.metrics.notna(), None)
    trades = metrics.get("trades") or 0
    still_open = trades - (metrics.get("closed_trades") or 0)
    return [
        ("Return", percent(metrics.get("total_return"))),
        ("Holding", percent(metrics.get("benchmark_return"))),
        ("Sharpe", ratio(metrics.get("sharpe"))),
        ("Drawdown", percent(metrics.get("max_drawdown"))),
        ("Trades", f"{trades:,.0f}" + (f", {still_open:,.0f} open" if still_open else "")),
    ]


def draw_card(result: BacktestResult) -> str:
    """The card as one HTML fragment."""
    title, text = _split(result.verdict)
    ledger = result.ledger_sha256
    return (
        f'<div style="max-width:640px;border:1px solid {_LINE};border-radius:2px;color:{_TEXT};'
        f'font-family:var(--jp-ui-font-family, sans-serif);font-size:13px;line-height:1.4">'
        f'<div style="padding:8px 12px"><b>{escape(title)}</b> {escape(text)}</div>'
        f"{_draw_numbers(result)}{_draw_equity(result.equity)}"
        f'<div style="display:flex;justify-content:space-between;padding:6px 12px;'
        f'border-top:1px solid {_LINE};color:{_QUIET};font-size:12px">'
        f'<a href="?backtest={escape(result.id)}" data-backtest="{escape(result.id)}"'
        f' style="color:var(--jp-content-link-color, #1976d2)">'
        f"Open result</a>"
        f'<span title="{escape(ledger)}">run {result.number} · '
        f"ledger {escape(ledger[:4])}…{escape(ledger[-4:])}</span></div></div>"
    )


def _split(verdict: str) -> tuple[str, str]:
    title, point, text = verdict.partition(". ")
    return (f"{title}.", text) if point else (verdict, "")


def _draw_numbers(result: BacktestResult) -> str:
    look_ahead = result.checks.get("look_ahead", {}).get("passed")
    struck = ";text-decoration:line-through" if look_ahead is False else ""
    cells = "".join(
        f'<div style="text-align:right"><div style="color:{_QUIET};font-size:12px">{name}</div>'
        f'<div style="font-weight:600{struck}">{value}</div></div>'
        for name, value in five_numbers(result)
    )
    return (
        f'<div style="display:flex;justify-content:space-between;padding:0 12px 6px;'
        f'font-variant-numeric:tabular-nums">{cells}</div>'
    )


def _draw_equity(equity: pd.Series) -> str:
    if len(equity) < 2:
        return ""
    points = _thin(equity.to_numpy())
    values = equity.to_numpy()[points]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    spread = (high - low) or abs(high) or 1.0
    right = WIDTH - MARGIN

    def across(position: float) -> float:
        return 4 + (right - 8) * position / (len(equity) - 1)

    def down(value: float) -> float:
        return 8 + (HEIGHT - 30) * (high - value) / spread

    path = " ".join(f"{across(i):.1f},{down(v):.1f}" for i, v in zip(points, values, strict=True))
    grid = "".join(
        f'<line x1="4" x2="{right}" y1="{down(v):.1f}" y2="{down(v):.1f}" style="stroke:{_LINE}"/>'
        f'<text x="{right + 4}" y="{down(v) + 4:.1f}">{v:,.{decimals}f}</text>'
        for v, decimals in _ticks(low, high)
    )
    first, last = (f"{equity.index[i]:%d %b %Y}" for i in (0, -1))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Equity from {first} to {last}"'
        f' style="display:block;width:100%;font-size:11px;fill:{_QUIET}">{grid}'
        f'<polyline points="{path}" style="fill:none;stroke:{_BRAND};stroke-width:1.5"/>'
        f'<text x="4" y="{HEIGHT - 6}">{first}</text>'
        f'<text x="{right - 4}" y="{HEIGHT - 6}" text-anchor="end">{last}</text></svg>'
    )


def _thin(values: np.ndarray) -> list[int]:
    """Positions to draw: all, or the first, last, lowest and highest of each stretch."""
    if len(values) <= 2 * POINTS:
        return list(range(len(values)))
    kept = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), POINTS):
        kept |= {int(part[np.nanargmin(values[part])]), int(part[np.nanargmax(values[part])])}
    return sorted(kept)


def _ticks(low: float, high: float) -> list[tuple[float, int]]:
    """Two to five round values inside the range, and the decimals that they need."""
    if high <= low:
        return [(low, 2)]
    rough = (high - low) / 3
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(s * unit for s in (1, 2, 5, 10) if s * unit >= rough)
    decimals = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step)
    return [(i * step, decimals) for i in range(first, math.floor(high / step) + 1)]
