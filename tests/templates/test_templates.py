from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from alphintra_lab.engine.decisions import (
    Decisions,
    SignalDecisions,
    signal_arrays,
    weight_array,
)
from alphintra_lab.engine.settings import Settings
from alphintra_lab.engine.simulate import simulate
from alphintra_lab.sdk import Strategy, memo
from alphintra_lab.sdk.bars import assemble
from alphintra_lab.sdk.deciding import decide
from alphintra_lab.sdk.entry import fresh_class
from templates import draw

FOLDER = Path(draw.__file__).parent
TEMPLATES = ["blank", "momentum", "rsi_reversion", "sma_cross"]
CARDS = {name: json.loads((FOLDER / name / "template.json").read_text()) for name in TEMPLATES}


def load(template: str) -> Strategy:
    folder, name = FOLDER / template, CARDS[template]["class_name"]
    with fresh_class(folder, "strategy.py", name) as (cls, _):
        return cls()


def read(template: str) -> dict[str, pd.DataFrame]:
    return draw.read_bars(CARDS[template]["dataset"])


def raw(decisions: Decisions) -> np.ndarray:
    """Everything that was decided, [bars, values]."""
    if isinstance(decisions, SignalDecisions):
        return np.hstack([a for a in signal_arrays(decisions) if a is not None])
    return weight_array(decisions)


def test_every_folder_is_a_template_that_is_tested() -> None:
    assert sorted(path.parent.name for path in FOLDER.glob("*/strategy.py")) == TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_decides_on_real_bars_and_trades(template: str) -> None:
    bars = read(template)
    decisions = decide(load(template), bars)
    run = simulate(assemble(bars), decisions, Settings(commission=0.0001))
    assert (run.trades["status"] == "closed").sum() >= 30
    assert not run.refused


@pytest.mark.parametrize("template", TEMPLATES)
def test_decisions_already_made_do_not_change_when_later_bars_are_cut(template: str) -> None:
    bars = read(template)
    times = assemble(bars).index
    whole = raw(decide(load(template), bars))
    changed = np.flatnonzero((whole[1:] != whole[:-1]).any(axis=1)) + 1
    cuts = {*changed[:: len(changed) // 12], *(changed[:: len(changed) // 12] + 1), 1, 700}
    assert len(cuts) > 20
    for cut in cuts:
        memo.forget()
        part = decide(load(template), {s: f[f.index < times[cut]] for s, f in bars.items()})
        np.testing.assert_array_equal(raw(part), whole[:cut])


def test_momentum_decides_monthly_and_never_borrows() -> None:
    bars = read("momentum")
    weights = pd.DataFrame(raw(decide(load("momentum"), bars)), assemble(bars).index, list(bars))
    decided = weights.dropna(how="all")
    months = decided.index.strftime("%Y-%m")  # type: ignore[attr-defined]  # times
    assert months.is_unique
    assert len(decided) == len({f"{time:%Y-%m}" for time in weights.index}) - 1
    assert decided.sum(axis=1).max() <= 1
    assert set(np.unique(decided)) == {0.0, 0.5}
    # By hand, for the first bar of October 2009: the year up to the bar 21 sessions before.
    row = list(weights.index).index(pd.Timestamp("2009-10-01", tz="UTC"))
    past = {}
    for symbol, frame in bars.items():
        close = frame["close"].reindex(weights.index)
        past[symbol] = close.iloc[row - 21] / close.iloc[row - 252] - 1
    best = sorted(past, key=lambda symbol: past[symbol])[-2:]
    assert min(past[symbol] for symbol in best) > 0
    assert {symbol for symbol in past if weights[symbol].iloc[row] > 0} == set(best)


def test_rsi_reversion_buys_the_fall_and_sells_the_recovery() -> None:
    import talib

    bars = read("rsi_reversion")["EURUSD"]
    decisions = decide(load("rsi_reversion"), {"EURUSD": bars})
    rsi = pd.Series(talib.RSI(bars["close"].to_numpy(), 14))
    arrays = signal_arrays(decisions)  # type: ignore[arg-type]  # signals, as the template gives
    np.testing.assert_array_equal(arrays.entries[:, 0], (rsi < 30) & (rsi.shift(1) >= 30))
    np.testing.assert_array_equal(arrays.exits[:, 0], (rsi > 55) & (rsi.shift(1) <= 55))


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_card_names_its_folder_its_class_and_its_data(template: str) -> None:
    card = CARDS[template]
    assert list(card) == ["id", "title", "subtitle", "summary", "class_name", "dataset"]
    assert card["id"] == template
    assert type(load(template)).__name__ == card["class_name"]
    assert load(template).__doc__


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_picture_is_drawn_from_the_templates_own_run(template: str) -> None:
    stored = (FOLDER / template / "thumbnail.svg").read_text()
    assert stored == draw.draw(template), "run: python templates/draw.py"
    tree = ET.fromstring(stored)
    assert tree.attrib["viewBox"] == "0 0 240 84"
    assert len(stored) < 20_000
    assert not {e.tag.partition("}")[2] for e in tree.iter()} & {"script", "image", "style", "a"}
    for color in re.findall(r"(?:stroke|fill):([^;\"]+)", stored):
        assert color.startswith("var(--") or color == "none"


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_notebook_is_valid_clean_and_uses_the_templates_class(template: str) -> None:
    book: Any = json.loads((FOLDER / template / "notebook.ipynb").read_text())
    nbformat.validate(book)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"] == {
        "name": "alphintra-sandboxed",
        "display_name": "Alphintra (sandboxed)",
        "language": "python",
    }
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    texts = ["".join(cell["source"]) for cell in book["cells"]]
    assert texts[0].startswith("# ")
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        assert (cell["outputs"], cell["execution_count"]) == ([], None)
        ast.parse("".join(cell["source"]))
    assert any(f"from strategy import {CARDS[template]['class_name']}" in text for text in texts)
    assert any(f'"{CARDS[template]["dataset"]}"' in text for text in texts)
