"""What a strategy and a notebook import."""

from . import ta
from .strategy import Signals, Strategy, StrategyError, param

__all__ = ["Signals", "Strategy", "StrategyError", "param", "ta"]
