"""What a run is made with."""

from __future__ import annotations

import datetime as dt
import math
from typing import Literal

import msgspec

Fill = Literal["next_open", "unsafe_same_close"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Cash, costs and fills of a run. Without a lot or tick, a symbol is not rounded."""

    cash: float = 10_000.0
    commission: float = 0.0
    """Fraction of the traded value, each side."""
    slippage_bps: float = 0.0
    """Basis points of the price, against you."""
    fill: Fill = "next_open"
    whole_shares: bool = False
    lots: dict[str, float | None] = {}
    ticks: dict[str, float | None] = {}
    adjusted: bool = False
    """Prices are adjusted for splits and dividends: then no price is rounded to a tick."""
    start: dt.datetime | None = None
    """First bar's open time whose close may decide; earlier bars are warm-up."""
    periods_per_year: float = 252.0
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cash) and self.cash > 0):
            raise ValueError(f"cash is {self.cash!r}; it must be a finite number above 0.")
        if not 0 <= self.commission < 1:
            raise ValueError(
                f"commission is {self.commission!r}; it is a fraction from 0 to below 1: "
                "0.001 is 0.1 %."
            )
        if not 0 <= self.slippage_bps < 10_000:
            raise ValueError(
                f"slippage_bps is {self.slippage_bps!r}; it is in basis points, "
                "from 0 to below 10,000."
            )
        if not (math.isfinite(self.periods_per_year) and self.periods_per_year > 0):
            raise ValueError(f"periods_per_year is {self.periods_per_year!r}; it must be above 0.")
        if self.start is not None and self.start.tzinfo is None:
            raise ValueError(f"start is {self.start}, without a time zone; give it in UTC.")
        for name, values in (("lot", self.lots), ("tick", self.ticks)):
            for symbol, value in values.items():
                if value is not None and not (math.isfinite(value) and value > 0):
                    raise ValueError(f"The {name} of {symbol} is {value!r}; it must be above 0.")

    @property
    def slippage(self) -> float:
        """Slippage as a fraction of the price."""
        return self.slippage_bps / 10_000

    @property
    def free_of_costs(self) -> bool:
        """Neither commission nor slippage is charged."""
        return self.commission == 0 and self.slippage_bps == 0

    def lot(self, symbol: str) -> float | None:
        """The symbol's lot, at least one share when shares are whole; None for any fraction."""
        lot = self.lots.get(symbol)
        if self.whole_shares:
            return 1.0 if lot is None or lot < 1 else lot
        return lot

    def tick(self, symbol: str) -> float | None:
        """The symbol's tick where prices are raw, else None."""
        return None if self.adjusted else self.ticks.get(symbol)
