"""What a strategy and a notebook import."""

from . import ta
from .line import LineError
from .notebook import backtest, datasets, load_bars
from .strategy import Signals, Strategy, StrategyError, param

__all__ = [
    "LineError",
    "Signals",
    "Strategy",
    "StrategyError",
    "backtest",
    "datasets",
    "load_bars",
    "param",
    "ta",
]
