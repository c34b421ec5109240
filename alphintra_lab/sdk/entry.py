"""Find the strategy class in a folder's entry file."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType

from .deciding import strategy_code
from .source import read_text
from .strategy import Strategy, StrategyError, suggest


def load_class(folder: Path, entry: str, class_name: str | None = None) -> type[Strategy]:
    """Import the entry file and give the named class, or the last one defined in it that decides.

    The folder stands first on sys.path, so that what lies beside the file can be imported.
    """
    path = _check_entry(folder, entry)
    spec = importlib.util.spec_from_file_location(_name_module(path), path)
    return find_class(_import(folder, spec), entry, class_name)


@contextmanager
def fresh_class(
    folder: Path, entry: str, class_name: str | None
) -> Iterator[tuple[type[Strategy], dict[str, str]]]:
    """The class as the files on disk say now, whatever this interpreter imported before.

    With it comes the text of each file of the folder that ran (path -> text), growing while more
    are imported: what is recorded as a run's source is what ran. The notebook's own import of the
    same files is restored afterwards.
    """
    path = _check_entry(folder, entry)
    path_before = list(sys.path)
    # A list: the debugger imports in threads of its own meanwhile.
    own = {name: m for name, m in list(sys.modules.items()) if _lies_in(m, folder)}
    for name in own:
        del sys.modules[name]
    finder = _RecordingFinder(folder)
    sys.meta_path.insert(0, finder)
    try:
        module = _import(folder, finder.read_module(_name_module(path), path))
        yield find_class(module, entry, class_name), finder.files
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, m in list(sys.modules.items()) if _lies_in(m, folder)]:
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


class _RecordingFinder(importlib.abc.MetaPathFinder):
    """Imports a folder's modules from their text, and keeps the text.

    Python's cache of compiled files goes by size and second, and would miss a quick edit.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        place = self.folder.joinpath(*fullname.split("."))
        for file in (place / "__init__.py", place.parent / f"{place.name}.py"):
            if file.is_file():
                return self.read_module(fullname, file)
        return None

    def read_module(self, name: str, file: Path) -> importlib.machinery.ModuleSpec | None:
        """Keep a file's text, and tell Python to run just that."""
        text = read_text(file)
        self.files[file.relative_to(self.folder).as_posix()] = text
        inside = [str(file.parent)] if file.name == "__init__.py" else None
        loader = _TextLoader(name, str(file), text)
        return importlib.util.spec_from_file_location(
            name, file, loader=loader, submodule_search_locations=inside
        )


class _TextLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text.encode(), self.path, "exec", dont_inherit=True)


def _check_entry(folder: Path, entry: str) -> Path:
    path = folder / entry
    if not path.is_file():
        raise StrategyError(f"{entry} is not in the strategy's folder.")
    if path.suffix != ".py":
        raise StrategyError(f"{entry} is not a Python file. Name a file that ends in .py.")
    return path


def _name_module(path: Path) -> str:
    # A file called json.py must not replace a module that is already in use.
    return path.stem if path.stem not in sys.modules else f"strategy_{path.stem}"


def _import(folder: Path, spec: importlib.machinery.ModuleSpec | None) -> ModuleType:
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    sys.modules[spec.name] = module
    with strategy_code():
        spec.loader.exec_module(module)
    return module


def _lies_in(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(folder)
