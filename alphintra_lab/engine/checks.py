"""Checks of a finished run."""

from __future__ import annotations

import math
from urllib.parse import unquote

from .check import Check
from .ledger import HEADER
from .settings import Settings
from .simulate import Simulation


def sanity(simulation: Simulation, settings: Settings) -> Check:
    """Do the books balance? Added up anew from the ledger's text and the last closes.

    Final equity = start + realised + open PnL, both gross of commission, - commissions.
    """
    realised, open_pnl, commissions, traded, lines = _add_up(
        simulation.ledger, simulation.last_prices
    )
    expected = settings.cash + realised + open_pnl - commissions
    final = float(simulation.equity.iloc[-1])
    gap = abs(final - expected)
    power = f"{lines:,} fills added up again from the ledger and the last closes"
    if gap <= 1e-9 * (settings.cash + traded):
        return Check(passed=True, findings=[], power=power)
    finding = (
        f"Start + PnL − costs is {gap:,.2f} {settings.currency} from the final equity."
        if math.isfinite(gap)
        else "Start + PnL − costs is not a finite number."
    )
    return Check(passed=False, findings=[finding], power=power)


def _add_up(ledger: str, prices: dict[str, float]) -> tuple[float, float, float, float, int]:
    """Realised and open PnL at average cost, commissions, value traded, number of fills."""
    header, *lines = ledger.splitlines()
    assert header == HEADER
    held: dict[str, tuple[float, float]] = {}  # signed quantity, average price
    realised = commissions = traded = 0.0
    for line in lines:
        _, name, side, *numbers, _ = line.split("|")
        quantity, price, commission = map(float, numbers)
        change = quantity if side == "buy" else -quantity
        symbol = unquote(name)
        position, average = held.get(symbol, (0.0, 0.0))
        if position * change < 0:
            closed = math.copysign(min(quantity, abs(position)), position)
            realised += closed * (price - average)
            after = position + change
            held[symbol] = (after, average if after * position > 0 else price)
        else:
            total = position + change
            held[symbol] = (total, (position * average + change * price) / total)
        commissions += commission
        traded += quantity * price
    open_pnl = sum(
        position * (prices[symbol] - average)
        for symbol, (position, average) in held.items()
        if position != 0
    )
    return realised, open_pnl, commissions, traded, len(lines)
