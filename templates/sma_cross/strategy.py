"""A moving-average cross: the oldest trend rule there is."""

from alphintra_lab.sdk import Signals, Strategy, param, ta


class SmaCross(Strategy):
    """Long while the fast average is above the slow one."""

    # Bounds keep a slip of the finger within what makes sense.
    fast = param(10, low=2, high=60)
    slow = param(30, low=10, high=250)

    def signals(self, bars):
        # Both averages use closes up to and including this bar. The order goes out after the
        # close and fills at the next bar's open, so nothing here is known too early.
        fast = ta.sma(bars["close"], self.fast)
        slow = ta.sma(bars["close"], self.slow)

        # A signal acts where it becomes true: "above" buys at the cross, not on every bar.
        # While an average still warms up it is NaN, and NaN is never above anything.
        return Signals(entries=fast > slow, exits=fast < slow)
