"""A strategy of your own."""

from alphintra_lab.sdk import Signals, Strategy, param, ta


class MyStrategy(Strategy):
    """Say in one sentence when it is in the market, and why that should pay."""

    window = param(20, low=2, high=200)

    def signals(self, bars):
        # bars: one row per bar, columns open, high, low, close, volume; the index is UTC time.
        average = ta.sma(bars["close"], self.window)

        # Compare whole columns. A rule to begin with; replace it with your own:
        return Signals(entries=bars["close"] > average, exits=bars["close"] < average)
