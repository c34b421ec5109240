"""The source that is recorded with a run: a strategy's folder, or a class typed in a cell."""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from .strategy import Strategy, StrategyError

ENTRY = "strategy.py"
SKIPPED = {"__pycache__", "node_modules", "site-packages"}
_PLAIN = (bool, int, float, str, bytes, type(None))


def find_file(cls: type[Strategy]) -> Path | None:
    """The module file that defines a class; None for a class typed in a cell or a plain script."""
    if cls.__module__ == "__main__":
        return None
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if file is None:
        raise StrategyError(
            f"{cls.__name__} has no source: its module {cls.__module__!r} is no file. "
            "Write it in strategy.py or in a cell."
        )
    return Path(file).absolute()


def read_folder(folder: Path) -> dict[str, str]:
    """Every Python file of a strategy's folder, path -> text, without hidden and installed ones."""
    files: dict[str, str] = {}
    for where, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if not n.startswith(".") and n not in SKIPPED]
        folders[:] = [n for n in folders if not (Path(where) / n / "pyvenv.cfg").exists()]
        for name in names:
            if name.endswith(".py") and not name.startswith("."):
                path = Path(where) / name
                files[path.relative_to(folder).as_posix()] = read_text(path)
    return files


def read_text(path: Path) -> str:
    """A file's true text: UTF-8, line ends untouched."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise StrategyError(f"{path.name} is not UTF-8. Save it as UTF-8.") from None


def read_cell(cls: type[Strategy]) -> str:
    """A class typed in a cell as a module that stands alone: its imports, what it uses, itself.

    A value that is neither imported, defined in a cell nor a plain constant cannot be written down;
    a comment says so.
    """
    cell = _Cell(vars(sys.modules[cls.__module__]))
    cell.add(cls.__name__, cls)
    parts = ["\n".join(sorted(set(cell.imports)))] if cell.imports else []
    return "\n\n\n".join([*parts, *cell.definitions]) + "\n"


class _Cell:
    """Collects what a definition needs, before the definition itself."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.seen: set[str] = set()
        self.imports: list[str] = []
        self.definitions: list[str] = []

    def add(self, name: str, value: Any) -> None:
        """Write down how `name` comes to have this value."""
        if name in self.seen:
            return
        self.seen.add(name)
        imported = _find_import(name, value)
        if imported is not None:
            self.imports.append(imported)
        elif inspect.isclass(value) or inspect.isfunction(value):
            text = _find_definition(value)
            for needed in _used_names(text):
                if needed in self.names and not hasattr(builtins, needed):
                    self.add(needed, self.names[needed])
            self.definitions.append(text)
        elif _is_plain(value):
            self.definitions.append(f"{name} = {value!r}")
        else:
            kind = type(value).__name__
            self.definitions.append(f"# {name}: a {kind} made in the notebook, not kept here")


def _find_import(name: str, value: Any) -> str | None:
    if isinstance(value, ModuleType):
        module = value.__name__
        return f"import {module}" if name == module else f"import {module} as {name}"
    home, own = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(home, str) or not isinstance(own, str) or home == "__main__":
        return None
    for module in ("alphintra_lab.sdk", home):
        if getattr(sys.modules.get(module), own, None) is value:
            return f"from {module} import {own}" + ("" if own == name else f" as {name}")
    return None


def _find_definition(value: Any) -> str:
    """The text of a class or function, from the file or cell that Python compiled it from."""
    file = getattr(value, "_defined_in", None) if inspect.isclass(value) else None
    if file is None:
        functions = [value] if inspect.isfunction(value) else list(vars(value).values())
        file = next((f.__code__.co_filename for f in functions if inspect.isfunction(f)), None)
    text = "".join(linecache.getlines(file)) if file is not None else ""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # the file was changed since, and is not Python just now
        tree = ast.parse("")
    kinds = (ast.ClassDef, ast.FunctionDef)
    found = [n for n in ast.walk(tree) if isinstance(n, kinds) and n.name == value.__name__]
    if not found:
        raise StrategyError(
            f"The source of {value.__name__} cannot be found, so the run could not be repeated. "
            "Write it in strategy.py, or run its cell again."
        )
    node = found[-1]
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    return inspect.cleandoc("\n".join(lines)) if node.col_offset else "\n".join(lines)


def _used_names(text: str) -> list[str]:
    found = (node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
    return list(dict.fromkeys(found))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    # nan and inf have no literal
    return type(value) in _PLAIN and not (isinstance(value, float) and not math.isfinite(value))
