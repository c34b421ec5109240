"""Patterns that usually read the future: warnings, never errors, for only a run can show a leak."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .literals import NotLiteral, fold
from .names import Module, dotted
from .schema import Problem

_BACKWARDS = {"bfill", "backfill"}
_TOWARDS_LATER = {"bfill", "backfill", "nearest", "forward"}


def find_leaks(module: Module) -> Iterator[Problem]:
    """Every place in a file that probably looks ahead."""
    for node in ast.walk(module.source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _judge_call(module, node, node.func)
        elif isinstance(node, ast.Subscript):
            yield from _judge_slice(module, node)


def _judge_call(module: Module, call: ast.Call, func: ast.Attribute) -> Iterator[Problem]:
    name = func.attr
    if name in ("shift", "diff", "pct_change"):
        yield from _judge_step(module, call, func, _argument(call, 0, "periods"))
    elif name == "roll" and dotted(func.value) in ("np", "numpy"):
        yield from _judge_step(module, call, func, _argument(call, 1, "shift"))
    elif name == "rolling":
        yield from _judge_window(module, call, func)
    elif name in _BACKWARDS:
        text = f"{name}() fills a gap with a value that came later."
        yield _warn(module, call, func, f"{text} ffill() uses the last one known.", "ffill()")
    elif name == "fillna" and _text(module, _argument(call, 1, "method")) in _BACKWARDS:
        text = "fillna fills a gap with a value that came later. ffill() uses the last one known."
        yield _warn(module, call, func, text, "ffill()")
    elif name == "interpolate":
        text = "interpolate() draws a line to the next known value, which lies in the future."
        yield _warn(module, call, func, f"{text} ffill() uses the last one known.")
    elif name in ("reindex", "get_indexer", "merge_asof"):
        key = "direction" if name == "merge_asof" else "method"
        if (how := _text(module, _argument(call, None, key))) in _TOWARDS_LATER:
            text = f"{name} with {key}={how!r} takes values that came later."
            way_out = "backward" if name == "merge_asof" else "ffill"
            yield _warn(module, call, func, f"{text} {key}={way_out!r} does not.")
    elif name == "sort_index" and _is(module, _argument(call, None, "ascending"), False):
        text = "With the latest bar first, every later step reads the future as the past."
        yield _warn(module, call, func, text)


def _judge_step(
    module: Module, call: ast.Call, func: ast.Attribute, step: ast.expr | None
) -> Iterator[Problem]:
    if step is None:
        return
    written = f"{func.attr}({module.source.text_of(step)})"
    bars = _number(module, step)
    if bars is not None and bars < 0:
        count = "the next bar" if bars == -1 else f"{-bars:g} bars of the future"
        yield _warn(module, call, func, f"{written} reads {count}.")
    elif bars is None and isinstance(step, ast.UnaryOp) and isinstance(step.op, ast.USub):
        yield _warn(module, call, func, f"{written} reads bars of the future.")


def _judge_window(module: Module, call: ast.Call, func: ast.Attribute) -> Iterator[Problem]:
    if not _is(module, _argument(call, 2, "center"), True):
        return
    bars = _number(module, _argument(call, 0, "window"))
    if bars is None:
        text = "A centred window reads half of its bars from the future."
    else:
        # pandas counts the middle in, so that 20 bars are 10 before, itself, and 9 after.
        ahead = int(bars - 1) // 2
        if ahead < 1:
            return
        future = "1 bar" if ahead == 1 else f"{ahead} bars"
        text = f"A centred window of {bars:g} bars reads {future} of the future."
    kept = [module.source.text_of(node) for node in call.args[:2]]
    kept += [
        f"{keyword.arg}={module.source.text_of(keyword.value)}"
        for keyword in call.keywords
        if keyword.arg not in (None, "center")
    ]
    whole = len(call.args) <= 3 and all(keyword.arg for keyword in call.keywords)
    yield _warn(module, call, func, text, f"rolling({', '.join(kept)})" if whole else None)


def _judge_slice(module: Module, node: ast.Subscript) -> Iterator[Problem]:
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for part in parts:
        if isinstance(part, ast.Slice) and part.step is not None:
            step = _number(module, part.step)
            if step is not None and step < 0:
                text = "Likely look-ahead. A slice with a negative step turns time around: "
                text += "what came later stands before what came earlier."
                yield module.source.problem(node, "warning", "look_ahead", text)


def _warn(
    module: Module, call: ast.Call, func: ast.Attribute, text: str, repair: str | None = None
) -> Problem:
    """Mark from the method's name to the closing bracket: what a repair takes the place of."""
    marked = ast.Name(
        id=func.attr,
        lineno=func.end_lineno or func.lineno,
        col_offset=(func.end_col_offset or 0) - len(func.attr.encode()),
        end_lineno=call.end_lineno,
        end_col_offset=call.end_col_offset,
    )
    return module.source.problem(
        marked, "warning", "look_ahead", f"Likely look-ahead. {text}", repair
    )


def _argument(call: ast.Call, position: int | None, name: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        return call.args[position]
    return None


def _read(module: Module, node: ast.expr | None) -> object:
    if node is None:
        return None
    try:
        return fold(node, module.constants)
    except NotLiteral:
        return None


def _number(module: Module, node: ast.expr | None) -> float | None:
    value = _read(module, node)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(module: Module, node: ast.expr | None) -> str | None:
    value = _read(module, node)
    return value if isinstance(value, str) else None


def _is(module: Module, node: ast.expr | None, value: bool) -> bool:
    return _read(module, node) is value
