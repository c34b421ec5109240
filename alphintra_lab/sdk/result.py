"""A finished run in a notebook: the verdict first, then its numbers, orders, trades and equity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from .card import draw_card, five_numbers

if TYPE_CHECKING:
    from bokeh.plotting import figure

# Named here, so that a run without trades has the same columns as any other.
ORDERS = ["time", "symbol", "side", "quantity", "price", "commission", "rule", "decided"]
REFUSED = ["time", "symbol", "side", "quantity", "reason"]
TRADES = [
    "number",
    "symbol",
    "side",
    "status",
    "quantity",
    "entry_time",
    "entry_price",
    "exit_time",
    "exit_price",
    "bars",
    "costs",
    "pnl",
    "pnl_fraction",
    "entry_rule",
    "exit_rule",
]
TIMES = {"time", "decided", "entry_time", "exit_time"}


class BacktestResult:
    """A run as the lab recorded it. Fractions, not percent; drawdowns are negative."""

    def __init__(self, recorded: dict[str, Any]) -> None:
        self.id: str = recorded["id"]
        self.number: int = recorded["number"]
        self.verdict: str = recorded["verdict"]
        self.metrics = pd.Series(recorded["metrics"], dtype="float64", name="metrics")
        self.orders = _table(recorded["orders"], ORDERS)
        self.refused = _table(recorded["refused"], REFUSED)
        self.trades = _table(recorded["trades"], TRADES)
        self.equity = _curve(recorded["equity"])
        self.final_equity: float = recorded["final_equity"]
        self.checks: dict[str, dict[str, Any]] = recorded["checks"]
        self.settings: dict[str, Any] = recorded["settings"]
        self.versions: dict[str, str] = recorded["versions"]
        self.ledger_sha256: str = recorded["ledger_sha256"]
        self.decisions_sha256: str = recorded["decisions_sha256"]
        self.dataset_sha256: str = recorded["dataset_sha256"]
        self.strategy_sha256: str = recorded["strategy_sha256"]

    def __repr__(self) -> str:
        numbers = "   ".join(f"{name} {value}" for name, value in five_numbers(self))
        return f"{self.verdict}\n{numbers}\nrun {self.number} · ledger {self.ledger_sha256}"

    def _repr_html_(self) -> str:
        return draw_card(self)

    def plot(self) -> figure:
        """Equity at each bar's close as a Bokeh figure; `bokeh.io.show` draws it."""
        from bokeh.models import DatetimeTickFormatter, HoverTool, NumeralTickFormatter
        from bokeh.plotting import figure

        chart = figure(
            height=280,
            sizing_mode="stretch_width",
            title="Equity",
            x_axis_type="datetime",
            y_axis_location="right",
            tools="xpan,xwheel_zoom,box_zoom,reset,save",
        )
        times = (
            pd.DatetimeIndex(self.equity.index).tz_localize(None).to_numpy()
        )  # Bokeh assumes UTC
        chart.line(times, self.equity.to_numpy(), color="#1976d2", line_width=1.5)
        chart.yaxis.formatter = NumeralTickFormatter(format="0,0")
        chart.xaxis.formatter = DatetimeTickFormatter(days="%d %b %Y", months="%b %Y")
        tips = [("", "@x{%d %b %Y %H:%M}"), ("Equity", "@y{0,0.00}")]
        chart.add_tools(HoverTool(tooltips=tips, formatters={"@x": "datetime"}, mode="vline"))
        return chart


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns)
    for name in TIMES.intersection(columns):
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    return frame


def _curve(points: list[dict[str, Any]]) -> pd.Series:
    times = pd.to_datetime([p["time"] for p in points], utc=True, format="ISO8601")
    values = [p["value"] for p in points]
    return pd.Series(values, index=times.rename("time"), name="equity", dtype="float64")
