"""What the command line prints equals the same calls of vectorbt made by hand, order by order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.numbers import TOLERANCE, compare_orders, cross_orders, momentum_orders

pytestmark = pytest.mark.slow

Pair = Callable[[Path], tuple[pd.DataFrame, pd.DataFrame]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("numbers")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("pair", "least"), [(cross_orders, 200), (momentum_orders, 200)])
def test_the_command_lines_orders_equal_vectorbts(home: Path, pair: Pair, least: int) -> None:
    ours, theirs = pair(home)
    assert len(ours) > least
    assert compare_orders(ours, theirs) <= TOLERANCE
    # And a difference would be seen: in a number, in a side, in an order too many.
    other = ours.assign(price=ours["price"] * (1 + 1e-8))
    assert compare_orders(other, theirs) > TOLERANCE
    assert compare_orders(ours.assign(side="buy"), theirs) == float("inf")
    assert compare_orders(ours.iloc[1:], theirs) == float("inf")
