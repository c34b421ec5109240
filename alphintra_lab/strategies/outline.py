"""The static check: what a strategy's source declares, and what is wrong with it, by reading it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Literal

from .leaks import find_leaks
from .literals import NotLiteral, fold
from .names import (
    SDK,
    Link,
    Module,
    assigned_names,
    dotted,
    find_class,
    meaning,
    read_modules,
    statements,
    trace,
)
from .parameters import read_parameters
from .schema import Outline, Problem
from .source import parse_reachable

_DECIDES = ("signals", "weights")
_NOT_HERE = {
    "on_bar": "on_bar is not supported by this version; write signals or weights.",
    "on_start": "on_start is not supported by this version; write signals or weights.",
    "on_fill": "on_fill is not supported by this version; write signals or weights.",
    "inputs": "inputs are not supported by this version; use the columns of bars.",
}
_REFUSED = {
    "load_bars": "load_bars is refused inside a strategy: a run must know its data beforehand. "
    "Use the bars that are handed in.",
    "backtest": "backtest is refused inside a strategy. Call it from a notebook.",
}


def read_outline(files: Mapping[str, str], entry: str, class_name: str | None = None) -> Outline:
    """What `entry`, with the files it imports from `files`, declares. Nothing is ever imported.

    `class_name` picks the class; otherwise it is the last one that decides, as in a run.
    """
    try:
        return _read(files, entry, class_name)
    except RecursionError:
        message = "This code is nested too deeply to be read. Split its longest expression."
        return Outline(problems=[Problem("error", "too_deep", message, entry, 1, 1, 1, 1)])


def _read(files: Mapping[str, str], entry: str, wanted: str | None) -> Outline:
    sources, problems = parse_reachable(files, entry)
    if entry not in sources:
        return Outline(problems=_in_order(problems, entry))
    modules = read_modules(sources.values())
    broken = bool(problems)
    for module in modules.values():
        problems += find_leaks(module)
    chain, found = _choose_class(modules, modules[sources[entry].module], wanted, broken)
    problems += found
    if chain is None:
        return Outline(problems=_in_order(problems, entry))
    parameters, found = read_parameters(modules, chain)
    problems += found
    kind, found = _read_kind(chain)
    problems += found
    for link in chain:
        problems += _find_refused(modules, link)
    return Outline(
        class_name=chain[0][1].name,
        doc=next((doc for _, cls in chain if (doc := ast.get_docstring(cls))), ""),
        kind=kind,
        universe=_read_universe(chain),
        parameters=parameters,
        problems=_in_order(problems, entry),
    )


def _in_order(problems: list[Problem], entry: str) -> list[Problem]:
    unique = {(p.file, p.line, p.column, p.code, p.message): p for p in problems}
    return sorted(unique.values(), key=lambda p: (p.file != entry, p.file, p.line, p.column))


def _choose_class(
    modules: dict[str, Module], entry: Module, wanted: str | None, broken: bool
) -> tuple[list[Link] | None, list[Problem]]:
    """The class that runs: the one asked for, or the last one of the entry that decides."""
    found = {
        name: chain
        for name, cls in entry.classes.items()
        for chain, reaches in [trace(modules, (entry, cls))]
        if reaches
    }
    if wanted is not None and wanted in found:
        return found[wanted], []
    if not found:
        return None, _explain_absence(modules, entry, broken)
    deciding = [name for name, chain in found.items() if _decides(chain)] or list(found)
    name = deciding[-1]
    built_on = {id(cls) for _, cls in found[name]}
    others = [other for other in deciding if id(entry.classes[other]) not in built_on]
    if not others:
        return found[name], []
    message = (
        f"There is more than one strategy here, and {name}, the last, is the one that runs. "
        f"Move {', '.join(others)} to another file."
    )
    mark = entry.source.problem(entry.classes[name], "warning", "several_strategies", message)
    return found[name], [mark]


def _decides(chain: list[Link]) -> bool:
    return any(name in _DECIDES for _, cls in chain for name, _ in _members(cls))


def _explain_absence(modules: dict[str, Module], entry: Module, broken: bool) -> list[Problem]:
    for cls in entry.classes.values():
        for base in cls.bases:
            if dotted(base) == "Strategy" and "Strategy" not in entry.bound:
                message = "Strategy is not imported. Add: from alphintra_lab.sdk import Strategy"
                return [entry.source.problem(base, "error", "no_import", message)]
    for node in statements(entry.source.tree.body):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = meaning(modules, entry, ast.Name(id=alias.asname or alias.name))
                link = find_class(modules, name)
                if link is not None and trace(modules, link)[1]:
                    message = (
                        f"{link[1].name} is only imported here. A run takes a class of this file: "
                        f"class MyStrategy({alias.asname or alias.name})."
                    )
                    return [entry.source.problem(node, "error", "no_strategy", message)]
    if broken and entry.classes:
        return []  # what it builds on may stand in the file that cannot be read
    message = (
        f"There is no strategy in {entry.source.path}. Write a class that builds on Strategy: "
        "from alphintra_lab.sdk import Strategy, then class MyStrategy(Strategy)."
    )
    return [entry.source.problem(entry.source.tree, "error", "no_strategy", message)]


def _read_kind(
    chain: list[Link],
) -> tuple[Literal["signals", "weights"] | None, list[Problem]]:
    module, cls = chain[0]
    problems = []
    written: dict[str, tuple[Module, ast.stmt]] = {}
    for where, link in chain:
        for name, node in _members(link):
            if name in _NOT_HERE:
                problems.append(where.source.problem(node, "error", "not_here", _NOT_HERE[name]))
            written.setdefault(name, (where, node))
    kinds = [name for name in _DECIDES if name in written]
    if not kinds:
        message = f"{cls.name} decides nothing. Write signals(self, bars) or weights(self, bars)."
        problems.append(module.source.problem(cls, "error", "no_decision", message))
        return None, problems
    if len(kinds) == 2:
        message = f"{cls.name} has signals and weights. Keep the one it decides by."
        where, node = written["weights"]
        problems.append(where.source.problem(node, "error", "two_decisions", message))
        return None, problems
    where, node = written[kinds[0]]
    problems += _check_signature(where, node)
    return "signals" if kinds[0] == "signals" else "weights", problems


def _members(cls: ast.ClassDef) -> Iterator[tuple[str, ast.stmt]]:
    for node in statements(cls.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for name in assigned_names(node):
                yield name, node


def _check_signature(module: Module, node: ast.stmt) -> list[Problem]:
    """It is called with the bars and nothing else."""
    if isinstance(node, ast.AsyncFunctionDef):
        message = f"{node.name} cannot be async. Write def {node.name}(self, bars)."
        return [module.source.problem(node, "error", "signature", message)]
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return []
    given = node.args
    names = [*given.posonlyargs, *given.args]
    needed = len(names) - len(given.defaults)
    keywords = [d for d in given.kw_defaults if d is None]
    fits = needed <= 2 and not keywords and (len(names) >= 2 or given.vararg is not None)
    if fits:
        return []
    message = (
        f"{node.name} is called with the bars and nothing else. Write def {node.name}(self, bars)."
    )
    return [module.source.problem(node, "error", "signature", message)]


def _read_universe(chain: list[Link]) -> bool:
    for module, cls in chain:
        for name, node in _members(cls):
            if name == "universe" and isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                try:
                    return fold(node.value, module.constants) is True
                except NotLiteral:
                    return False
    return False


def _find_refused(modules: dict[str, Module], link: Link) -> Iterator[Problem]:
    module, cls = link
    for node in ast.walk(cls):
        if isinstance(node, ast.Call):
            name = meaning(modules, module, node.func) or ""
            for refused, message in _REFUSED.items():
                if name == f"{SDK}.{refused}":
                    yield module.source.problem(node, "error", "data_inside", message)
