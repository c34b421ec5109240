"""Cross-sectional momentum: hold what rose most, and look again every month."""

from alphintra_lab.sdk import Strategy, param


class Momentum(Strategy):
    """Each month, hold the strongest stocks of the past year, its last month left out."""

    lookback = param(252, low=60, high=504)  # bars: about a year of sessions
    skip = param(21, low=0, high=42)  # the last month tends to reverse, so it does not count
    hold = param(2, low=1, high=4)

    def weights(self, bars):
        # One column per stock. NaN where it was not listed yet: then it is not ranked.
        close = bars["close"]
        momentum = close.shift(self.skip) / close.shift(self.lookback) - 1

        # Equal parts for the best that also rose; a free part stays in cash. The sum is at most 1.
        rank = momentum.rank(axis=1, ascending=False, method="first")
        weights = ((rank <= self.hold) & (momentum > 0)) / self.hold

        # Decide on the first bar of a month. (That a bar is a month's last, nobody knows before
        # the next one is there.) On all other bars NaN leaves the positions as they are.
        month = close.index.to_series().dt.month
        weights[month.diff().fillna(0) == 0] = float("nan")
        return weights
