"""Values written in code, read without running it: numbers, text, lists, and sums of numbers."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_HUGE = 1e18
_MAX_EXPONENT = 64


class NotLiteral(Exception):
    """The expression is not a value that can be read without running the code."""

    def __init__(self, node: ast.AST) -> None:
        super().__init__()
        self.node = node


def fold(node: ast.expr, constants: Mapping[str, ast.expr], depth: int = 0) -> Any:
    """The value of a written expression; names count if they are constants of the module."""
    if depth > 50:
        raise NotLiteral(node)
    if isinstance(node, ast.Constant) and not isinstance(node.value, bytes | complex):
        return node.value
    if isinstance(node, ast.Name) and node.id in constants:
        return fold(constants[node.id], constants, depth + 1)
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [fold(item, constants, depth + 1) for item in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _number(node, fold(node.operand, constants, depth + 1))
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        left = _number(node, fold(node.left, constants, depth + 1))
        right = _number(node, fold(node.right, constants, depth + 1))
        return _calculate(node, left, right)
    raise NotLiteral(node)


def _calculate(node: ast.BinOp, left: float, right: float) -> Any:
    if isinstance(node.op, ast.Pow) and abs(right) > _MAX_EXPONENT:
        raise NotLiteral(node)
    try:
        return _number(node, _OPERATIONS[type(node.op)](left, right))
    except (ArithmeticError, ValueError):
        raise NotLiteral(node) from None


def _number(node: ast.AST, value: Any) -> Any:
    """A real number that is small enough to go on with: a huge power would hold the server."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotLiteral(node)
    if isinstance(value, int) and abs(value) > _HUGE:
        raise NotLiteral(node)
    if isinstance(value, float) and math.isnan(value):
        raise NotLiteral(node)
    return value
