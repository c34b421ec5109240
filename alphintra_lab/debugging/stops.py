"""Where a debug run stops: breakpoints checked against the files, and the strategy's first line."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from ..errors import Invalid
from ..strategies.schema import Outline
from .schema import Breakpoint


def check_breakpoints(files: Mapping[str, str], breakpoints: Sequence[Breakpoint]) -> None:
    """Raise Invalid for a breakpoint at no line of these files, or with no expression to judge."""
    for number, one in enumerate(breakpoints):
        field = f"breakpoints.{number}"
        if one.file not in files:
            raise Invalid(
                f"{one.file[:200]!r} is not in the strategy's folder; there are "
                f"{', '.join(sorted(files)[:20])}.",
                field=f"{field}.file",
            )
        lines = files[one.file].count("\n") + 1
        if not 1 <= one.line <= lines:
            raise Invalid(
                f"{one.file} has no line {one.line}; it has 1 to {lines}.", field=f"{field}.line"
            )
        if one.condition is not None:
            _check_condition(one.condition, f"{field}.condition")


def _check_condition(condition: str, field: str) -> None:
    if len(condition) > 1000:
        raise Invalid(
            f"The condition has {len(condition):,} characters; up to 1,000 are judged.", field=field
        )
    try:
        ast.parse(condition.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise Invalid(
            f"The condition {condition[:100]!r} is no Python expression: {reason}. "
            "Write one that is true or false: len(bars) > 100.",
            field=field,
        ) from None


def find_first_line(files: Mapping[str, str], entry: str, outline: Outline) -> Breakpoint:
    """The first line of what the strategy decides with; Invalid where reading does not find it."""
    if outline.class_name is not None and outline.kind is not None:
        for file, node in _chain(files, entry, outline.class_name):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == outline.kind:
                    return Breakpoint(line=_first_statement(method).lineno, file=file)
    raise Invalid(
        f"{entry} has no signals or weights to stop in. Write one, or mend what the static check "
        "found.",
        field="stop_on_entry",
    )


def _chain(
    files: Mapping[str, str], entry: str, class_name: str
) -> Iterator[tuple[str, ast.ClassDef]]:
    """The class, then those that it inherits from, as far as they are in these files."""
    known: dict[str, tuple[str, ast.ClassDef]] = {}
    for file in (*(name for name in files if name != entry), entry):
        try:
            tree = ast.parse(files[file])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # what cannot be read defines nothing; the run itself will say why
        known |= {n.name: (file, n) for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    waiting, seen = [class_name], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in known:
            continue
        seen.add(name)
        yield known[name]
        bases = known[name][1].bases
        waiting += [
            base.id if isinstance(base, ast.Name) else base.attr
            for base in bases
            if isinstance(base, ast.Name | ast.Attribute)
        ]


def _first_statement(method: ast.FunctionDef) -> ast.stmt:
    first, *rest = method.body
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return rest[0] if is_text and rest else first
