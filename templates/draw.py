"""Draws each template's thumbnail from its own run on real data: `python templates/draw.py`.

The pictures are committed; a test draws them again and compares.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alphintra_lab.datasets.sources import read_platform
from alphintra_lab.engine.decisions import (
    SignalDecisions,
    WeightDecisions,
    signal_arrays,
    weight_array,
)
from alphintra_lab.sdk import ta
from alphintra_lab.sdk.bars import assemble
from alphintra_lab.sdk.deciding import decide
from alphintra_lab.sdk.entry import fresh_class

FOLDER = Path(__file__).parent
WIDTH, HEIGHT, EDGE = 240, 84, 7

# The page's tokens, with the light theme's values where a picture stands alone.
ACCENT = "var(--jp-brand-color1, #1976d2)"
LOSS = "var(--alp-loss, #b34700)"
QUIET = "var(--alp-bench, #757575)"


def draw_sma_cross() -> str:
    """The close, its two averages, and the bars on which the run buys and sells."""
    bars, strategy = read_bars("eurusd-1h")["EURUSD"], load("sma_cross", "SmaCross")
    decisions = decide(strategy, {"EURUSD": bars})
    assert isinstance(decisions, SignalDecisions)
    entries = signal_arrays(decisions).entries[:, 0]
    part = slice(3900, 4070)
    close = bars["close"]
    lines = [close, ta.sma(close, strategy.fast), ta.sma(close, strategy.slow)]
    x, (price, fast, slow) = scale([line.iloc[part].to_numpy() for line in lines])
    turns = np.flatnonzero(np.diff(entries[part].astype(int))) + 1
    dots = "".join(draw_dot(x[i], fast[i], ACCENT if entries[part][i] else LOSS) for i in turns)
    return (
        draw_line(x, price, QUIET, 1)
        + draw_line(x, slow, LOSS, 1.5, dashed=True)
        + draw_line(x, fast, ACCENT, 1.8)
        + dots
    )


def draw_rsi_reversion() -> str:
    """The index, the bands between which the run waits, and its entries."""
    bars, strategy = read_bars("eurusd-1h")["EURUSD"], load("rsi_reversion", "RsiReversion")
    decisions = decide(strategy, {"EURUSD": bars})
    assert isinstance(decisions, SignalDecisions)
    part = slice(330, 530)
    entries = np.flatnonzero(signal_arrays(decisions).entries[part, 0])
    rsi = ta.rsi(bars["close"], strategy.window).iloc[part].to_numpy()
    low, high = np.full_like(rsi, strategy.low), np.full_like(rsi, strategy.recovered)
    x, (index, bottom, top) = scale([rsi, low, high])
    band = (
        f'<rect x="0" y="{top[0]:.1f}" width="{WIDTH}" height="{bottom[0] - top[0]:.1f}"'
        f' style="fill:{ACCENT};fill-opacity:0.14"/>'
    )
    dots = "".join(draw_dot(x[i], index[i], ACCENT) for i in entries)
    return band + draw_line(x, index, ACCENT, 1.5) + dots


def draw_momentum() -> str:
    """The four stocks from a common start, log scale, each in colour while the run holds it."""
    frames, strategy = read_bars("us-stocks-1d"), load("momentum", "Momentum")
    decisions = decide(strategy, frames)
    assert isinstance(decisions, WeightDecisions)
    table = assemble(frames)
    weights = pd.DataFrame(weight_array(decisions), index=table.index, columns=list(frames))
    prices = table["close"].to_numpy()
    listed = int(np.argmax(~np.isnan(prices).any(axis=1)))
    part = slice(listed + strategy.lookback, None, 12)
    held = weights.ffill().iloc[part].to_numpy() > 0
    closes = prices[part]
    x, lines = scale(list(np.log(closes / closes[0]).T))
    quiet = "".join(draw_line(x, line, QUIET, 0.9) for line in lines)
    shown = [np.where(held[:, i], line, np.nan) for i, line in enumerate(lines)]
    return quiet + "".join(draw_line(x, line, ACCENT, 1.8) for line in shown)


def draw_blank() -> str:
    """A plus sign: there is no run yet."""
    x, y = WIDTH / 2, HEIGHT / 2
    path = f"M{x - 9:.1f},{y:.1f}h18M{x:.1f},{y - 9:.1f}v18"
    return f'<path d="{path}" style="fill:none;stroke:{QUIET};stroke-width:2"/>'


DRAWN = {
    "sma_cross": draw_sma_cross,
    "rsi_reversion": draw_rsi_reversion,
    "momentum": draw_momentum,
    "blank": draw_blank,
}


def draw(template: str) -> str:
    """One template's thumbnail as an SVG document."""
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
    return f'{head} aria-hidden="true">{DRAWN[template]()}</svg>\n'


def load(template: str, class_name: str) -> Any:
    """A template's strategy, an instance with its defaults."""
    with fresh_class(FOLDER / template, "strategy.py", class_name) as (cls, _):
        return cls()


def read_bars(dataset: str) -> dict[str, pd.DataFrame]:
    """A platform dataset's bars by symbol, straight from the package that holds them."""
    ((raw, _),) = read_platform([dataset])
    frames = {}
    for code, symbol in enumerate(raw.symbols):
        rows = raw.code == code
        times = pd.to_datetime(raw.time[rows], utc=True)
        columns = {name: column[rows] for name, column in raw.values.items()}
        frames[symbol] = pd.DataFrame(columns, index=times)
    return frames


def scale(lines: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Horizontal positions, and each line's height in the picture; all share one scale."""
    low = min(float(np.nanmin(line)) for line in lines)
    high = max(float(np.nanmax(line)) for line in lines)
    x = np.linspace(0, WIDTH, len(lines[0]))
    return x, [EDGE + (HEIGHT - 2 * EDGE) * (high - line) / (high - low) for line in lines]


def draw_line(
    x: np.ndarray, y: np.ndarray, color: str, width: float, *, dashed: bool = False
) -> str:
    """A line that breaks where a value is missing."""
    path, pen = [], "M"
    for across, down in zip(x, y, strict=True):
        if np.isnan(down):
            pen = "M"
            continue
        path.append(f"{pen}{across:.1f},{down:.1f}")
        pen = "L"
    dashes = ";stroke-dasharray:3 2" if dashed else ""
    style = f"fill:none;stroke:{color};stroke-width:{width};stroke-linejoin:round{dashes}"
    return f'<path d="{"".join(path)}" style="{style}"/>'


def draw_dot(x: float, y: float, color: str) -> str:
    """A decision."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" style="fill:{color}"/>'


if __name__ == "__main__":
    for name in sys.argv[1:] or DRAWN:
        (FOLDER / name / "thumbnail.svg").write_text(draw(name))
