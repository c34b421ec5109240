"""A mean reversion: buy what fell too fast, sell when it has recovered."""

from alphintra_lab.sdk import Signals, Strategy, param, ta


class RsiReversion(Strategy):
    """Long from an oversold RSI until it is back above the middle."""

    window = param(14, low=2, high=100)
    low = param(30, low=5, high=45)
    recovered = param(55, low=46, high=90)

    def signals(self, bars):
        # Wilder's index: 0 when every bar of late fell, 100 when every one rose.
        rsi = ta.rsi(bars["close"], self.window)

        # Buy on the bar that falls through the lower band, not on each bar below it.
        return Signals(
            entries=ta.crossed_below(rsi, self.low),
            exits=ta.crossed_above(rsi, self.recovered),
        )
