"""A run's parameters, judged against what the strategy declares, as the SDK will judge them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from ..errors import Invalid
from .schema import Outline, Parameter


def check_parameters(outline: Outline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's value: the given ones as their kind, the rest by default; else Invalid.

    Code with errors may declare what could not be read: its unknown names pass, and the run
    itself tells what is wrong with the code.
    """
    declared = {parameter.name: parameter for parameter in outline.parameters}
    broken = any(problem.severity == "error" for problem in outline.problems)
    values = {} if broken else {p.name: p.default for p in outline.parameters}
    for name, value in given.items():
        if name in declared:
            values[name] = _convert(declared[name], value)
        elif broken:
            values[name] = value
        else:
            raise Invalid(_unknown(outline, name, list(declared)), field=f"parameters.{name}")
    return values


def _unknown(outline: Outline, name: str, declared: list[str]) -> str:
    if not declared:
        return f"{outline.class_name} has no parameter {name!r}; it declares none."
    near = difflib.get_close_matches(name, declared, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{outline.class_name} has no parameter {name!r}; it has {', '.join(declared)}.{hint}"


def _convert(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == "choice":
        for choice in parameter.choices or []:
            if type(choice) is type(value) and choice == value:
                return choice
        listed = ", ".join(repr(choice) for choice in parameter.choices or [])
        raise _refuse(parameter, f"{value!r} is not one of {listed}.")
    if parameter.kind == "bool":
        if not isinstance(value, bool):
            raise _refuse(parameter, f"{value!r} is not true or false.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refuse(parameter, f"{value!r} is not a number.")
    if isinstance(value, float) and not math.isfinite(value):
        raise _refuse(parameter, f"{value!r} is not a finite number.")
    if parameter.kind == "int" and value != int(value):
        raise _refuse(parameter, f"{value!r} is not a whole number.")
    if parameter.low is not None and value < parameter.low:
        raise _refuse(parameter, f"{value!r} is below low={parameter.low!r}.")
    if parameter.high is not None and value > parameter.high:
        raise _refuse(parameter, f"{value!r} is above high={parameter.high!r}.")
    if abs(value) > 1e300:
        raise _refuse(parameter, f"{value!r} is too large.")
    return int(value) if parameter.kind == "int" else float(value)


def _refuse(parameter: Parameter, reason: str) -> Invalid:
    return Invalid(f"{parameter.name}: {reason}", field=f"parameters.{parameter.name}")
