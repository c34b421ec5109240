"""Find the strategy class in a folder's entry file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from .deciding import strategy_code
from .strategy import Strategy, StrategyError, suggest


def load_class(folder: Path, entry: str, class_name: str | None = None) -> type[Strategy]:
    """Import the entry file and give the named class, or the last one defined in it that decides.

    The folder stands first on sys.path, so that what lies beside the file can be imported.
    """
    return find_class(_import(folder, entry), entry, class_name)


@contextmanager
def fresh_class(folder: Path, entry: str, class_name: str) -> Iterator[type[Strategy]]:
    """The class as the files on disk say now, whatever this interpreter imported before.

    A notebook's import is restored afterwards; what is recorded as a run's source is what ran.
    """
    path_before = list(sys.path)
    own = {name: module for name, module in sys.modules.items() if _lies_in(module, folder)}
    for name in own:
        del sys.modules[name]
    importlib.invalidate_caches()
    try:
        yield load_class(folder, entry, class_name)
    finally:
        for name in [name for name, module in sys.modules.items() if _lies_in(module, folder)]:
            del sys.modules[name]
        sys.modules.update(own)
        sys.path[:] = path_before


def find_class(module: ModuleType, entry: str, class_name: str | None) -> type[Strategy]:
    """The named class of a module, or the last one defined in it that decides."""
    defined = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
    }
    if class_name is not None:
        if class_name not in defined:
            raise StrategyError(
                f"{entry} has no Strategy named {class_name!r}."
                f"{suggest(class_name, defined) or _listed(defined)}"
            )
        return defined[class_name]
    deciding = [c for c in defined.values() if hasattr(c, "signals") or hasattr(c, "weights")]
    if deciding:
        return deciding[-1]
    if defined:
        name = next(reversed(defined))
        raise StrategyError(
            f"{name} decides nothing. Write signals(self, bars) or weights(self, bars)."
        )
    raise StrategyError(
        f"{entry} defines no strategy. Write a class that inherits from Strategy: "
        "class MyStrategy(Strategy)."
    )


def _listed(defined: dict[str, type[Strategy]]) -> str:
    return f" It has {', '.join(defined)}." if defined else " It defines none."


def _import(folder: Path, entry: str) -> ModuleType:
    path = folder / entry
    if not path.is_file():
        raise StrategyError(f"{entry} is not in the strategy's folder.")
    # A file called json.py must not replace a module that is already in use.
    name = path.stem if path.stem not in sys.modules else f"strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StrategyError(f"{entry} is not a Python file. Name a file that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    sys.modules[name] = module
    with strategy_code():
        spec.loader.exec_module(module)
    return module


def _lies_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)
