"""What the names in a strategy's files stand for: the SDK's, a helper's class, a constant."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .source import Source, absolute_module

SDK = "alphintra_lab.sdk"
_MAX_HOPS = 30


@dataclass
class Module:
    """A file's top level: its classes and constants, and what each name is bound to."""

    source: Source
    bound: dict[str, str] = field(default_factory=dict)
    """Name -> the dotted name it stands for, seen from outside."""
    stars: list[str] = field(default_factory=list)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    constants: dict[str, ast.expr] = field(default_factory=dict)


Link = tuple[Module, ast.ClassDef]


def read_modules(sources: Iterable[Source]) -> dict[str, Module]:
    """The top level of each file, by the name it is imported under."""
    return {source.module: _read_module(source) for source in sources}


def _read_module(source: Source) -> Module:
    module = Module(source)
    for node in statements(source.tree.body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                head = alias.name if alias.asname else alias.name.split(".")[0]
                module.bound[alias.asname or head] = head
        elif isinstance(node, ast.ImportFrom):
            _bind_from(module, node)
        elif isinstance(node, ast.ClassDef):
            module.classes[node.name] = node
            module.bound[node.name] = f"{source.module}.{node.name}"
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            _bind_value(module, node, node.value)
    return module


def _bind_from(module: Module, node: ast.ImportFrom) -> None:
    base = absolute_module(module.source, node)
    for alias in node.names:
        if alias.name == "*":
            module.stars.append(base)
        else:
            module.bound[alias.asname or alias.name] = f"{base}.{alias.name}"


def _bind_value(module: Module, node: ast.Assign | ast.AnnAssign, value: ast.expr) -> None:
    for name in assigned_names(node):
        module.classes.pop(name, None)
        if (other := dotted(value)) is not None and other != name:
            module.bound[name] = f"{module.source.module}.{other}"
        else:
            module.bound.pop(name, None)
        # A name that is given twice has no one value.
        if name in module.constants:
            module.constants[name] = ast.Name(id="")
        else:
            module.constants[name] = value


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement that may run at this level, in order: `if`, `try` and `with` included."""
    waiting = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        inner: list[ast.stmt] = []
        if isinstance(node, ast.If | ast.Try | ast.With):
            inner += node.body
        if isinstance(node, ast.Try):
            inner += [stmt for handler in node.handlers for stmt in handler.body]
        if isinstance(node, ast.If | ast.Try):
            inner += node.orelse
        if isinstance(node, ast.Try):
            inner += node.finalbody
        waiting += reversed(inner)


def assigned_names(node: ast.Assign | ast.AnnAssign) -> list[str]:
    """The plain names that an assignment gives a value to."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` for a chain of plain names; None for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def meaning(modules: dict[str, Module], module: Module, node: ast.expr) -> str | None:
    """The full name behind an expression: `helper.Base`; None if it cannot be told."""
    text = dotted(node)
    return None if text is None else _follow(modules, f"{module.source.module}.{text}")


def _follow(modules: dict[str, Module], name: str, hops: int = 0) -> str | None:
    if name.startswith(f"{SDK}."):
        return f"{SDK}.{name.rsplit('.', 1)[1]}"  # wherever in the SDK it was imported from
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        module = modules.get(".".join(parts[:count]))
        if module is None or hops > _MAX_HOPS:
            continue
        head, rest = parts[count], parts[count + 1 :]
        target = module.bound.get(head)
        if target is None:
            return _follow_stars(modules, module, [head, *rest], hops)
        onward = ".".join([target, *rest])
        return onward if onward == name else _follow(modules, onward, hops + 1)
    return name


def _follow_stars(
    modules: dict[str, Module], module: Module, rest: list[str], hops: int
) -> str | None:
    for star in reversed(module.stars):
        if star == SDK or star in modules:
            found = _follow(modules, ".".join([star, *rest]), hops + 1)
            if found is not None:
                return found
    return None


def find_class(modules: dict[str, Module], name: str | None) -> Link | None:
    """The class of a full name, if it stands in the strategy's own files."""
    if name is None or "." not in name:
        return None
    module_name, class_name = name.rsplit(".", 1)
    module = modules.get(module_name)
    if module is None or class_name not in module.classes:
        return None
    return module, module.classes[class_name]


def trace(modules: dict[str, Module], start: Link) -> tuple[list[Link], bool]:
    """A class and its bases in our files, itself first; and whether it descends from Strategy."""
    chain: list[Link] = []
    reaches = False
    waiting = [start]
    while waiting:
        module, node = waiting.pop()
        if any(node is known for _, known in chain):
            continue
        chain.append((module, node))
        for base in reversed(node.bases):
            name = meaning(modules, module, base)
            reaches = reaches or name == f"{SDK}.Strategy"
            if (found := find_class(modules, name)) is not None:
                waiting.append(found)
    return chain, reaches
