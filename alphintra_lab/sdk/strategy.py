"""What a user's class builds on: `Strategy`, its parameters, and the signals it returns."""

from __future__ import annotations

import difflib
import math
import operator
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import FrameType
from typing import Any, ClassVar, Literal

Kind = Literal["int", "float", "bool", "choice"]

_NOT_HERE = {
    "on_bar": "on_bar is not supported by this version; write signals or weights.",
    "on_start": "on_start is not supported by this version; write signals or weights.",
    "on_fill": "on_fill is not supported by this version; write signals or weights.",
    "inputs": "inputs are not supported by this version; use the columns of bars.",
}
_STOPS = ("stop_loss", "take_profit", "trailing_stop")


class StrategyError(Exception):
    """Something in a strategy cannot be used; the message names it and the way out.

    `code` is `strategy_error`, or `bad_decisions` when the code ran and its answer is unusable.
    """

    def __init__(self, message: str, *, code: str = "strategy_error") -> None:
        super().__init__(message)
        self.code = code


class Parameter:
    """A number, switch or choice that a run can set: what `param` puts on the class."""

    def __init__(
        self,
        default: Any,
        low: float | None = None,
        high: float | None = None,
        choices: Sequence[Any] | None = None,
    ) -> None:
        self.name = "param"
        self.low, self.high = low, high
        self.choices = None if choices is None else list(choices)
        self.kind = self._find_kind(default)
        self.default = self.convert(default, what="the default ")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Strategy | None, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return instance.__dict__.get(self.name, self.default)

    def __set__(self, instance: Strategy, value: Any) -> None:
        instance.__dict__[self.name] = self.convert(value)

    def __repr__(self) -> str:
        named = {"low": self.low, "high": self.high, "choices": self.choices}
        parts = [f"{key}={value!r}" for key, value in named.items() if value is not None]
        return f"param({', '.join([repr(self.default), *parts])})"

    def convert(self, value: Any, what: str = "") -> Any:
        """Give the value as this parameter's kind, or raise StrategyError with the way out."""
        if self.kind == "choice":
            return self._choose(value, what)
        value = value.item() if hasattr(value, "item") else value
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise self._refuse(f"{what}{value!r} is not True or False.")
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refuse(f"{what}{value!r} is not a number.")
        if not math.isfinite(value):
            raise self._refuse(f"{what}{value!r} is not a finite number.")
        if self.kind == "int" and value != int(value):
            raise self._refuse(f"{what}{value!r} is not a whole number.")
        if self.low is not None and value < self.low:
            raise self._refuse(f"{what}{value!r} is below low={self.low!r}.")
        if self.high is not None and value > self.high:
            raise self._refuse(f"{what}{value!r} is above high={self.high!r}.")
        return int(value) if self.kind == "int" else float(value)

    def _choose(self, value: Any, what: str) -> Any:
        assert self.choices is not None
        for choice in self.choices:
            if type(choice) is type(value) and choice == value:
                return choice
        listed = ", ".join(repr(choice) for choice in self.choices)
        near = suggest(str(value), [str(choice) for choice in self.choices])
        raise self._refuse(f"{what}{value!r} is not one of {listed}.{near}")

    def _find_kind(self, default: Any) -> Kind:
        if self.choices is not None:
            if not self.choices:
                raise self._refuse("choices is empty. Name at least one.")
            if self.low is not None or self.high is not None:
                raise self._refuse("choices and low or high exclude each other. Keep one.")
            return "choice"
        if self.low is not None and self.high is not None and self.low > self.high:
            raise self._refuse(f"low={self.low!r} is above high={self.high!r}. Swap them.")
        if isinstance(default, bool):
            return "bool"
        if isinstance(default, int):
            return "int"
        if isinstance(default, float):
            return "float"
        raise self._refuse(
            f"the default {default!r} is a {type(default).__name__}. "
            "Use a number, True or False, or choices=[...]."
        )

    def _refuse(self, reason: str) -> StrategyError:
        return StrategyError(f"{self.name}: {reason}")


def param(
    default: Any,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] | None = None,
) -> Any:
    """Declare a strategy's parameter: its default, and bounds (both included) or choices."""
    return Parameter(default, low, high, choices)


class Signals:
    """What `signals(bars)` returns: where to enter and exit, and how much.

    Each field is a boolean Series (with `universe`: a frame), an array of that shape, or one value
    for every bar. `size` is a share of equity in (0, 1]; None takes all that is available.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("entries", "exits", "short_entries", "short_exits", "size")

    def __init__(
        self,
        entries: Any,
        exits: Any,
        short_entries: Any = None,
        short_exits: Any = None,
        size: Any = None,
        **more: Any,
    ) -> None:
        for name in more:
            if name in _STOPS:
                raise StrategyError(
                    f"{name} is not supported by this version; write the exit into exits."
                )
            raise StrategyError(
                f"Signals has no field {name!r}; it has {', '.join(self.FIELDS)}."
                f"{suggest(name, self.FIELDS)}"
            )
        self.entries, self.exits = entries, exits
        self.short_entries, self.short_exits = short_entries, short_exits
        self.size = size


class Strategy:
    """The base of every strategy: write `signals(bars)` or `weights(bars)`, and declare `param`s.

    `universe = True` gives `signals` all symbols at once, with (field, symbol) columns.
    `warmup`: bars after which decisions no longer depend on where the history begins; a number, or
    a property that computes it from parameters. The warm-up check holds the strategy to it.
    `expanding = True`: all history counts on purpose, so that check reports and never fails.
    """

    universe: ClassVar[bool] = False
    warmup: int | None = None
    expanding: bool = False
    _defined_in: ClassVar[str | None] = None

    def __init__(self, **parameters: Any) -> None:
        """Take parameters by name; the rest keep their defaults."""
        declared = type(self).parameters()
        for name, value in parameters.items():
            if name not in declared:
                raise StrategyError(_unknown_parameter(type(self).__name__, name, declared))
            setattr(self, name, value)

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._defined_in = _find_source(cls.__module__)
        for name, reason in _NOT_HERE.items():
            if name in cls.__dict__:
                raise StrategyError(f"{cls.__name__}: {reason}")
        for name, value in cls.__dict__.items():
            if isinstance(value, Parameter) and name in _RESERVED:
                raise StrategyError(
                    f"{cls.__name__}: {name!r} cannot be a parameter's name, "
                    "because Strategy uses it. Choose another."
                )

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Every parameter by name, base classes' first, in the order of the source."""
        found: dict[str, Parameter] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if isinstance(value, Parameter):
                    found[name] = value
                elif name in found:
                    del found[name]  # a plain attribute of a subclass fixes the value
        return found

    @property
    def given(self) -> dict[str, Any]:
        """The parameters that were set on this instance; the others follow the class."""
        return {name: v for name, v in self.values.items() if name in self.__dict__}

    @property
    def values(self) -> dict[str, Any]:
        """The parameters' values of this instance."""
        return {name: getattr(self, name) for name in type(self).parameters()}

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"{type(self).__name__}({inside})"


_RESERVED = {"universe", "parameters", "given", "values", "signals", "weights"}


def _find_source(module: str) -> str | None:
    """The file, or a notebook's cell, whose code is defining a class of this module just now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return None if frame is None else frame.f_code.co_filename


def find_kind(cls: type[Strategy]) -> Literal["signals", "weights"]:
    """Say what the class decides with; raises StrategyError unless it is exactly one of the two."""
    written = [name for name in ("signals", "weights") if hasattr(cls, name)]
    if written == ["signals"]:
        return "signals"
    if written == ["weights"]:
        return "weights"
    if written:
        raise StrategyError(f"{cls.__name__} has signals and weights. Keep the one it decides by.")
    raise StrategyError(
        f"{cls.__name__} decides nothing. Write signals(self, bars) or weights(self, bars)."
    )


def suggest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'fast'?` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def whole(name: str, value: Any, low: int = 1) -> int:
    """A count of bars as int; raises StrategyError unless it is a whole number from `low`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        count = operator.index(value)
    except TypeError:
        raise StrategyError(f"{name} is {value!r}, not a whole number of bars.") from None
    if count < low:
        raise StrategyError(f"{name} is {count}; it must be {low} or more.")
    return count


def _unknown_parameter(cls: str, name: str, declared: Mapping[str, Parameter]) -> str:
    if not declared:
        return f"{cls} has no parameter {name!r}; it declares none."
    listed = ", ".join(declared)
    return f"{cls} has no parameter {name!r}; it has {listed}.{suggest(name, declared)}"
