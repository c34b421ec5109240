from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from alphintra_lab.backtests import schema
from alphintra_lab.sdk.result import BacktestResult
from tests.sdk.fake_lab import make_result

BODY: dict[str, Any] = {
    "symbols": ["EURUSD"],
    "start": None,
    "end": None,
    "parameters": {"fast": 5},
    "cash": 10_000.0,
    "fill": "next_open",
    "whole_shares": False,
    "overrides": [],
}


def read(**changes: Any) -> BacktestResult:
    recorded = msgspec.json.decode(msgspec.json.encode(make_result(BODY)))
    return BacktestResult({**recorded, **changes})


def test_a_result_gives_numbers_tables_and_a_curve() -> None:
    result = read()
    assert result.metrics["sharpe"] == 2.2
    assert np.isnan(result.metrics["sortino"])
    assert result.orders["time"][0] == pd.Timestamp("2017-01-02", tz="UTC")
    assert result.trades["pnl"].sum() == 176.0
    assert result.refused.empty
    assert result.equity.index[0] == pd.Timestamp("2017-01-01", tz="UTC")
    assert result.equity.iloc[0] == 10_000.0
    assert result.settings["parameters"] == {"fast": 5}


def test_a_run_without_trades_has_the_same_columns() -> None:
    result = read(orders=[], refused=[], trades=[])
    for table, row in (
        (result.orders, schema.Order),
        (result.refused, schema.Refusal),
        (result.trades, schema.Trade),
    ):
        assert len(table) == 0
        assert list(table.columns) == list(row.__struct_fields__)
    assert result.trades["pnl"].sum() == 0
    assert str(result.trades["exit_time"].dtype).endswith("UTC]")


def test_the_text_begins_with_the_verdict() -> None:
    lines = repr(read()).splitlines()
    assert lines[0] == "Before costs. At 0.02 % a side the return is <+4.1 %>."
    numbers = "Return +12.9 %   Holding +14.0 %   Sharpe 2.20   Drawdown −4.7 %   Trades 2, 1 open"
    assert lines[1] == numbers
    assert lines[2].startswith("run 41 · ledger 9f3c")


def test_the_card_is_well_formed_escaped_and_without_script() -> None:
    card = read()._repr_html_()
    tree = ET.fromstring(card)
    assert "".join(tree.itertext()).startswith("Before costs. At 0.02 % a side")
    assert "&lt;+4.1 %&gt;" in card
    assert "<script" not in card
    assert not re.search(r"\bon\w+=", card)
    assert [b.text for b in tree.iter("b")] == ["Before costs."]
    assert tree.find(".//polyline") is not None
    for color in re.findall(r"(?:stroke|fill|color):([^;\"]+)", card):
        assert color.startswith("var(--jp-") or color == "none"
    assert "line-through" not in card


def test_a_leak_strikes_the_numbers_through() -> None:
    card = read(checks={"look_ahead": {"passed": False, "findings": [], "power": ""}})
    assert card._repr_html_().count("line-through") == 5


@pytest.mark.parametrize("equity", [[], [10_000.0], [10_000.0] * 50, [0.001, 0.0011, 0.0012]])
def test_a_short_or_flat_curve_is_drawn_or_left_out(equity: list[float]) -> None:
    points = [{"time": f"2017-01-01T00:{i:02}:00Z", "value": v} for i, v in enumerate(equity)]
    tree = ET.fromstring(read(equity=points, trades=[], orders=[])._repr_html_())
    assert (tree.find(".//polyline") is not None) == (len(equity) > 1)


def test_a_long_curve_is_thinned_and_keeps_its_extremes() -> None:
    values = np.sin(np.arange(50_000) / 700.0) * 100 + 10_000
    values[31_234], values[41_111] = 20_000.0, 1.0
    times = pd.date_range("2017", periods=len(values), freq="min")
    points = [{"time": f"{t.isoformat()}Z", "value": v} for t, v in zip(times, values, strict=True)]
    line = ET.fromstring(read(equity=points)._repr_html_()).find(".//polyline")
    assert line is not None
    heights = [float(point.split(",")[1]) for point in line.attrib["points"].split()]
    assert len(heights) <= 402
    assert (min(heights), max(heights)) == (8.0, 118.0)


def test_an_undefined_number_is_a_dash() -> None:
    text = repr(read(metrics={"total_return": None, "sharpe": None}))
    assert text.splitlines()[1] == "Return –   Holding –   Sharpe –   Drawdown –   Trades 0"


def test_the_plot_is_the_whole_equity() -> None:
    result = read()
    chart: Any = result.plot()
    assert len(chart.renderers[0].data_source.data["y"]) == len(result.equity)
