"""An account whose market orders are filled by vectorbt's own `execute_order`, Rust engine."""

from __future__ import annotations

import math
from typing import NamedTuple

from vectorbt_rust.portfolio import Order as VectorbtOrder
from vectorbt_rust.portfolio import ProcessOrderState, execute_order_rs

from .settings import Settings

# How far a float may be off that should be a whole number of lots, or just what is free.
TOLERANCE = 1e-9
# Vectorbt takes what is no larger than this for nothing: it would take the cash of such an order
# and forget the position.
SMALLEST = 1e-12
FILLED = 0  # vectorbt.portfolio.enums.OrderStatus.Filled
IGNORED = 1  # OrderStatus.Ignored


class Order(NamedTuple):
    """A market order that waits for its row.

    `target` is the position wanted, infinite for all that is available.
    """

    column: int
    target: float
    value: float
    """The target at the decision's close; orders fill by ascending change in value."""
    close: float
    """The decision's close."""
    decided: int
    due: int


class Fill(NamedTuple):
    """An order that was filled."""

    row: int
    column: int
    side: str
    quantity: float
    price: float
    commission: float
    rule: str
    decided: int


class Refused(NamedTuple):
    """An order that was not placed, and why."""

    row: int
    column: int
    side: str
    quantity: float
    reason: str


class Account:
    """Cash and positions; positions and debts by column, as vectorbt keeps them."""

    def __init__(self, cash: float, symbols: list[str], settings: Settings) -> None:
        self.cash = cash
        self.positions = [0.0] * len(symbols)
        self.waiting: dict[int, Order] = {}
        self._free_cash = cash
        self._debts = [0.0] * len(symbols)
        self._fees = settings.commission
        self._slippage = settings.slippage
        self._currency = settings.currency
        self._rule = "same_close" if settings.fill == "unsafe_same_close" else "next_open"
        self._lots = [settings.lot(symbol) for symbol in symbols]
        self._ticks = [settings.tick(symbol) for symbol in symbols]

    def equity(self, prices: list[float]) -> float:
        """Cash and positions at these prices, one a column; NaN only where nothing is held."""
        value = self.cash
        for position, price in zip(self.positions, prices, strict=True):
            if position != 0:
                value += position * price
        return value

    @property
    def is_short(self) -> bool:
        """Some position is short, so that equity can fall to zero."""
        return min(self.positions) < 0

    def fill(self, order: Order, row: int, prices: list[float]) -> Fill | Refused | None:
        """Fill a due order at its column's price; the other prices mark what is held.

        None: there was nothing to do.
        """
        column = order.column
        change = order.target - self.positions[column]
        if change == 0:
            return None
        price = self._market_price(column, prices[column], buys=change > 0)
        wanted = abs(change)
        quantity, limit = wanted, "cash"
        if math.isfinite(wanted) or self._lots[column] is not None:
            quantity, limit = self._cut(column, change, price, prices)
        if quantity == 0:
            return self._refuse(order, row, change, price, limit)
        if self._lots[column] is not None and order.target != 0:
            wanted = self._whole_lots(column, wanted) if math.isfinite(wanted) else wanted
        state = ProcessOrderState(
            self.cash,
            self.positions[column],
            self._debts[column],
            self._free_cash,
            price,
            self.cash,
            0,
            0,
        )
        after, result = execute_order_rs(
            state, VectorbtOrder(size=math.copysign(quantity, change), price=price, fees=self._fees)
        )
        if result.status == IGNORED:
            return None
        if result.status != FILLED:
            return self._refuse(order, row, change, price, limit)
        if result.size <= SMALLEST:
            side = "buy" if change > 0 else "sell"
            reason = f"{result.size:.6g} is less than the smallest quantity, {SMALLEST:g}"
            return Refused(row, column, side, result.size, reason)
        self.cash, self.positions[column] = after.cash, after.position
        self._debts[column], self._free_cash = after.debt, after.free_cash
        cut = math.isfinite(wanted) and result.size < wanted * (1 - TOLERANCE)
        return Fill(
            row=row,
            column=column,
            side="buy" if change > 0 else "sell",
            quantity=result.size,
            price=result.price,
            commission=result.fees,
            rule=f"cut_{limit}" if cut else self._rule,
            decided=order.decided,
        )

    def liquidate(self, column: int, row: int, price: float, decided: int) -> Fill:
        """Close a position of a ruined account, below zero cash too: vectorbt would refuse."""
        position = self.positions[column]
        price = self._market_price(column, price, buys=position < 0)
        commission = abs(position) * price * self._fees
        self.cash += position * price - commission
        self.positions[column] = 0.0
        side = "buy" if position < 0 else "sell"
        return Fill(row, column, side, abs(position), price, commission, "ruined", decided)

    def _market_price(self, column: int, price: float, *, buys: bool) -> float:
        """The price after slippage, rounded to the tick against you."""
        slipped = price * (1 + self._slippage) if buys else price * (1 - self._slippage)
        tick = self._ticks[column]
        if tick is None:
            return slipped
        steps = slipped / tick
        whole = math.ceil(steps - TOLERANCE) if buys else math.floor(steps + TOLERANCE)
        return max(whole, 1) * tick

    def _cut(
        self, column: int, change: float, price: float, prices: list[float]
    ) -> tuple[float, str]:
        """How much of the change can be placed, in whole lots; what limits it: `cash` or `margin`.

        Cash alone limits an account without shorts: there vectorbt cuts, unless lots are whole.
        With shorts, whose proceeds are collateral, gross exposure may not pass equity after costs.
        """
        position = self.positions[column]
        buys = change > 0
        quantity, limit = abs(change), "cash"
        closing = min(quantity, max(-position if buys else position, 0.0))
        shorts = self.is_short or not buys
        if quantity > closing and shorts:
            room = self._room(column, price, prices, closing, buys=buys)
            opening = max(room / (price * (1 + self._fees)), 0.0)
            if closing + opening < quantity * (1 - TOLERANCE):
                quantity, limit = closing + opening, "margin"
        lot = self._lots[column]
        if lot is None:
            return quantity, limit
        affordable = self.cash / (price * (1 + self._fees))
        if buys and affordable < quantity * (1 - TOLERANCE):
            quantity, limit = affordable, "cash"
        elif quantity == abs(position):
            return quantity, limit  # what closes a position leaves no rest
        whole = self._whole_lots(column, quantity)
        while buys and whole > 0 and self._cost(whole, price) > self.cash * (1 + TOLERANCE):
            whole = self._whole_lots(column, whole - lot)
        return whole, limit

    def _room(
        self, column: int, price: float, prices: list[float], closing: float, *, buys: bool
    ) -> float:
        """Value that can be opened, fees included, before gross exposure passes equity."""
        marks = [*prices]
        marks[column] = price
        gross = sum(
            abs(position) * mark
            for position, mark in zip(self.positions, marks, strict=True)
            if position != 0
        )
        left = gross - closing * price
        return self.equity(marks) - closing * price * self._fees - left

    def _whole_lots(self, column: int, quantity: float) -> float:
        lot = self._lots[column]
        assert lot is not None
        return math.floor(quantity / lot + TOLERANCE) * lot

    def _cost(self, quantity: float, price: float) -> float:
        return quantity * price + quantity * price * self._fees

    def _refuse(
        self, order: Order, row: int, change: float, price: float, limit: str
    ) -> Refused | None:
        column = order.column
        lot = self._lots[column]
        side = "buy" if change > 0 else "sell"
        quantity = abs(change)
        if not math.isfinite(quantity):
            quantity = max(self.cash, 0.0) / (price * (1 + self._fees))
        if lot is not None and self._whole_lots(column, quantity) == 0:
            if self.positions[column] != 0:
                return None
            reason = f"{quantity:.6g} is less than one lot of {lot:g}"
            return Refused(row, column, side, quantity, reason)
        if limit == "margin":
            reason = "would raise gross exposure above equity; proceeds of shorts are collateral"
            return Refused(row, column, side, quantity, reason)
        need = self._cost(quantity, price)
        reason = f"needs {need:,.2f} {self._currency}, {max(self.cash, 0.0):,.2f} free"
        return Refused(row, column, side, quantity, reason)
