"""One file of a strategy, parsed and never run: its tree, its positions, what it imports."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .schema import Problem

# A parser holds the interpreter while it works: the whole server waits for a very long file.
MAX_FILE_BYTES = 256 * 1024

# The parser's own warnings ("is" with a number) would go to the server's log at every keystroke.
_FILE_NAME = "<strategy source>"
warnings.filterwarnings("ignore", module=re.escape(_FILE_NAME))

_PLAIN_WORDS = {
    "invalid syntax": "Python cannot read this line. Look for a missing colon, bracket or quote, "
    "here or just before.",
    "unexpected indent": "This line is indented, but nothing above it opens a block. "
    "Remove the indentation.",
    "unindent does not match any outer indentation level": "The indentation matches no line above. "
    "Align it with the block it belongs to.",
    "inconsistent use of tabs and spaces in indentation": "Tabs and spaces are mixed in the "
    "indentation. Use spaces only.",
}


@dataclass(frozen=True)
class Source:
    """A parsed file."""

    path: str
    text: str
    tree: ast.Module
    lines: list[str] = field(repr=False)

    @property
    def module(self) -> str:
        """The dotted name it is imported under: `signals/fast.py` is `signals.fast`."""
        return module_name(self.path)

    def problem(
        self,
        node: ast.AST,
        severity: Literal["error", "warning"],
        code: str,
        message: str,
        repair: str | None = None,
    ) -> Problem:
        """A problem that marks `node`'s range."""
        line, column, end_line, end_column = self.range_of(node)
        return Problem(
            severity, code, message, self.path, line, column, end_line, end_column, repair
        )

    def range_of(self, node: ast.AST) -> tuple[int, int, int, int]:
        """Line, column, end line, end column (excluded), from 1, columns in characters."""
        if isinstance(node, ast.Module):
            return 1, 1, 1, len(self.lines[0]) + 1
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            return self._range_of_name(node)
        line = getattr(node, "lineno", 1)
        end_line = getattr(node, "end_lineno", None) or line
        start = self._column(line, getattr(node, "col_offset", 0))
        end = self._column(end_line, getattr(node, "end_col_offset", None) or 0)
        return line, start, end_line, end

    def _range_of_name(
        self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    ) -> tuple[int, int, int, int]:
        # A whole class underlined would bury every other mark: its name stands for it.
        line = self.lines[node.lineno - 1] if node.lineno <= len(self.lines) else ""
        start = self._column(node.lineno, node.col_offset) - 1
        found = re.compile(rf"\b{re.escape(node.name)}\b").search(line, start)
        if found is None:
            return node.lineno, start + 1, node.lineno, len(line) + 1
        return node.lineno, found.start() + 1, node.lineno, found.end() + 1

    def _column(self, line: int, offset: int) -> int:
        """`ast` counts UTF-8 bytes; people and editors count characters."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return len(text.encode()[:offset].decode(errors="ignore")) + 1

    def text_of(self, node: ast.AST) -> str:
        """The source of `node`, as written."""
        line, start, end_line, end = self.range_of(node)
        if line == end_line:
            return self.lines[line - 1][start - 1 : end - 1]
        middle = self.lines[line : end_line - 1]
        return "\n".join(
            [self.lines[line - 1][start - 1 :], *middle, self.lines[end_line - 1][: end - 1]]
        )


def parse(path: str, text: str) -> Source | Problem:
    """Read a file's text; what Python cannot read comes back as the problem, with its place."""
    text = text.removeprefix("\ufeff")
    lines = re.split(r"\r\n|\r|\n", text)
    if unreadable := _find_unreadable(path, text, lines):
        return unreadable
    try:
        tree = ast.parse(text, _FILE_NAME)
        # Compiling runs nothing, and finds what parsing passes: a return outside of a function.
        compile(tree, _FILE_NAME, "exec", dont_inherit=True)
        return Source(path, text, tree, lines)
    except SyntaxError as error:
        return _describe_syntax_error(path, lines, error)
    except (RecursionError, MemoryError):
        return _whole_file(
            path,
            lines,
            "too_deep",
            "This file is nested too deeply to be read. Split its longest expression.",
        )


def _find_unreadable(path: str, text: str, lines: list[str]) -> Problem | None:
    """What makes Python's parser fail without telling where."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        return _at_character(path, text, error.start, "is half of a character. Remove it.")
    if size > MAX_FILE_BYTES:
        message = (
            f"This file has {size // 1024:,} KB; up to {MAX_FILE_BYTES // 1024} KB are read. "
            "Move data out of the code, or split the file."
        )
        return _whole_file(path, lines, "too_large", message)
    if (null := text.find("\0")) >= 0:
        return _at_character(path, text, null, "is a null byte, which no Python file may hold.")
    return None


def _at_character(path: str, text: str, position: int, what: str) -> Problem:
    before = re.split(r"\r\n|\r|\n", text[:position])
    line, column = len(before), len(before[-1]) + 1
    message = f"Character {column} of line {line} {what}"
    return Problem("error", "syntax", message, path, line, column, line, column + 1)


def _whole_file(path: str, lines: list[str], code: str, message: str) -> Problem:
    return Problem("error", code, message, path, 1, 1, 1, len(lines[0]) + 1)


def _describe_syntax_error(path: str, lines: list[str], error: SyntaxError) -> Problem:
    line = min(max(error.lineno or 1, 1), len(lines))
    length = len(lines[line - 1])
    column = min(max(error.offset or 1, 1), length + 1)
    end_line, end_column = error.end_lineno or 0, error.end_offset or 0
    if not line <= end_line <= len(lines) or (end_line, end_column) <= (line, column):
        # No range: mark the rest of the line, or one place past its end.
        end_line, end_column = line, max(length, column) + 1
    end_column = min(end_column, len(lines[end_line - 1]) + 2)
    said = error.msg or "invalid syntax"
    message = _PLAIN_WORDS.get(said) or f"Syntax error: {said}."
    return Problem("error", "syntax", message, path, line, column, end_line, end_column)


def module_name(path: str) -> str:
    """The dotted name of a file in the strategy's folder."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def find_imports(source: Source) -> Iterator[str]:
    """Every dotted name the file imports, absolute; `from a import b` gives `a` and `a.b`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_module(source, node)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def absolute_module(source: Source, node: ast.ImportFrom) -> str:
    """The module that `from ... import` names, with leading dots resolved against the file."""
    if not node.level:
        return node.module or ""
    is_package = source.path.endswith("__init__.py")
    parts = source.module.split(".")
    up = node.level - (1 if is_package else 0)
    kept = parts[: len(parts) - up] if up else parts
    return ".".join([*kept, *([node.module] if node.module else [])])


def paths_of(name: str) -> Iterator[str]:
    """The files that importing a dotted name may run: each package's `__init__.py`, the module."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        base = "/".join(parts[:count])
        yield f"{base}/__init__.py"
        yield f"{base}.py"


def parse_reachable(
    files: Mapping[str, str], entry: str
) -> tuple[dict[str, Source], list[Problem]]:
    """Parse the entry and, from there, each file of the folder that it imports."""
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    waiting, seen = [entry], {entry}
    while waiting:
        path = waiting.pop()
        parsed = parse(path, files[path])
        if isinstance(parsed, Problem):
            problems.append(parsed)
            continue
        sources[path] = parsed
        for name in find_imports(parsed):
            for candidate in paths_of(name):
                if candidate in files and candidate not in seen:
                    seen.add(candidate)
                    waiting.append(candidate)
    return sources, problems
