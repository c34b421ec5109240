"""A strategy's `param(...)` declarations, read and checked as the SDK will check them."""

from __future__ import annotations

import ast
import difflib
import math
from typing import Any, Literal

from .literals import NotLiteral, fold
from .names import SDK, Link, Module, assigned_names, meaning
from .schema import Parameter, Problem

RESERVED = frozenset({"universe", "parameters", "given", "values", "signals", "weights"})
_ARGUMENTS = ("default", "low", "high", "choices")


class _Bad(Exception):
    """A declaration that cannot be used; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_parameters(
    modules: dict[str, Module], chain: list[Link]
) -> tuple[list[Parameter], list[Problem]]:
    """Every parameter of a class, its bases' first, and what is wrong with the declarations."""
    found: dict[str, Parameter] = {}
    problems: list[Problem] = []
    for module, cls in reversed(chain):
        own: set[str] = set()
        for node in cls.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.pop(node.name, None)
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            call = _as_declaration(modules, module, node.value)
            for name in assigned_names(node):
                if call is None:
                    found.pop(name, None)  # a plain attribute of a subclass fixes the value
                    continue
                if name in own:
                    message = f"{name} is declared twice, and the last one counts. Remove one."
                    problems.append(module.source.problem(call, "warning", "param_twice", message))
                own.add(name)
                found.pop(name, None)
                try:
                    found[name], problem = _read_declaration(module, name, call)
                except _Bad as bad:
                    problem = bad.problem
                if problem is not None:
                    problems.append(problem)
    return list(found.values()), problems


def _as_declaration(modules: dict[str, Module], module: Module, value: ast.expr) -> ast.Call | None:
    if isinstance(value, ast.Call) and meaning(modules, module, value.func) == f"{SDK}.param":
        return value
    return None


def _read_declaration(
    module: Module, name: str, call: ast.Call
) -> tuple[Parameter, Problem | None]:
    """The parameter; and the problem, where the default is out of bounds but can be shown."""
    problem = None
    if name in RESERVED:
        message = (
            f"{name!r} cannot be a parameter's name, because Strategy uses it. Choose another."
        )
        raise _bad(module, call, "param_name", message)
    nodes = _arguments(module, name, call)
    values = {key: _value(module, name, key, node) for key, node in nodes.items()}
    default, choices = values["default"], values.get("choices")
    low, high = values.get("low"), values.get("high")
    if choices is not None:
        _check_choices(module, name, nodes, values)
        kind: Literal["int", "float", "bool", "choice"] = "choice"
    elif low is not None and high is not None and low > high:
        message = f"{name}: low={low!r} is above high={high!r}. Swap them."
        raise _bad(module, nodes["low"], "param_bounds", message)
    elif isinstance(default, bool):
        kind = "bool"
    elif isinstance(default, int | float):
        problem = _check_bounds(module, name, nodes, values)
        kind = "int" if isinstance(default, int) else "float"
    else:
        message = (
            f"{name}: the default {default!r} is not a number. "
            "Use a number, True or False, or name the choices: choices=[...]."
        )
        raise _bad(module, nodes["default"], "param_default", message)
    return Parameter(name, kind, default, low, high, choices, call.lineno), problem


def _arguments(module: Module, name: str, call: ast.Call) -> dict[str, ast.expr]:
    """The call's arguments by name, as Python would bind them."""
    if len(call.args) > len(_ARGUMENTS):
        message = f"{name}: param takes {len(_ARGUMENTS)} values: {', '.join(_ARGUMENTS)}."
        raise _bad(module, call.args[len(_ARGUMENTS)], "param_argument", message)
    nodes = dict(zip(_ARGUMENTS, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg is None:
            raise _not_literal(module, name, "arguments", keyword.value)
        if keyword.arg not in _ARGUMENTS:
            near = difflib.get_close_matches(keyword.arg, _ARGUMENTS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"{name}: param has no {keyword.arg!r}; it has {', '.join(_ARGUMENTS)}.{hint}"
            raise _bad(module, keyword, "param_argument", message)
        if keyword.arg in nodes:
            message = f"{name}: {keyword.arg} is given twice. Keep one."
            raise _bad(module, keyword, "param_argument", message)
        nodes[keyword.arg] = keyword.value
    if "default" not in nodes:
        message = f"{name}: param needs a default, its first value: param(10)."
        raise _bad(module, call, "param_default", message)
    return nodes


def _value(module: Module, name: str, key: str, node: ast.expr) -> Any:
    try:
        value = fold(node, module.constants)
    except NotLiteral as error:
        raise _not_literal(module, name, key, error.node) from None
    if key in ("low", "high"):
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _bad(module, node, "param_bound", f"{name}: {key}={value!r} is not a number.")
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{name}: {key}={value!r} is not a finite number."
        raise _bad(module, node, "param_bound" if key != "default" else "param_default", message)
    if key == "choices" and value is not None and not isinstance(value, list):
        message = f"{name}: choices={value!r} is not a list. Write choices=[...]."
        raise _bad(module, node, "param_choices", message)
    return value


def _check_bounds(
    module: Module, name: str, nodes: dict[str, ast.expr], values: dict[str, Any]
) -> Problem | None:
    default, low, high = values["default"], values.get("low"), values.get("high")
    if high is not None and default > high:
        message = (
            f"{name}: the default {default!r} is above high={high!r}. Lower it, or raise high."
        )
        return _bad(module, nodes["default"], "param_default", message, repr(high)).problem
    if low is not None and default < low:
        message = f"{name}: the default {default!r} is below low={low!r}. Raise it, or lower low."
        return _bad(module, nodes["default"], "param_default", message, repr(low)).problem
    return None


def _check_choices(
    module: Module, name: str, nodes: dict[str, ast.expr], values: dict[str, Any]
) -> None:
    default, choices = values["default"], values["choices"]
    if not choices:
        message = f"{name}: choices is empty. Name at least one."
        raise _bad(module, nodes["choices"], "param_choices", message)
    if values.get("low") is not None or values.get("high") is not None:
        message = f"{name}: choices and low or high exclude each other. Keep one."
        raise _bad(module, nodes["choices"], "param_choices", message)
    if not any(type(choice) is type(default) and choice == default for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        message = f"{name}: the default {default!r} is not one of {listed}."
        raise _bad(module, nodes["default"], "param_default", message)


def _not_literal(module: Module, name: str, key: str, node: ast.AST) -> _Bad:
    what = "the default" if key == "default" else key
    message = (
        f"{name}: {what} cannot be read without running the code. "
        "Write the value itself: a number, True or False, text, or a list of these."
    )
    return _bad(module, node, "param_not_literal", message)


def _bad(module: Module, node: ast.AST, code: str, message: str, repair: str | None = None) -> _Bad:
    return _Bad(module.source.problem(node, "error", code, message, repair))
