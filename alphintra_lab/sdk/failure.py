"""What went wrong in a strategy's own code: exception, text, line, traceback."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from .strategy import StrategyError, suggest

FRAMES = 30
"""At most so many frames are kept: the outermost and the innermost half."""


def describe_failure(
    error: BaseException, folder: Path, columns: Sequence[str] = (), dataset: str | None = None
) -> dict[str, Any]:
    """A failure as a job's error: only frames in the user's folder, files relative to it."""
    traceback.clear_frames(error.__traceback__)  # gives memory back before anything is built
    frames = _user_frames(error.__traceback__, folder)
    file, line = (frames[-1]["file"], frames[-1]["line"]) if frames else (None, None)
    if isinstance(error, SyntaxError) and _is_inside(error.filename, folder):
        file, line = str(Path(str(error.filename)).relative_to(folder)), error.lineno
    text = _text(error)
    place = f" ({file} line {line})" if file is not None else ""
    return {
        "code": _code(error),
        "message": _sentence(error, text, place) + _hint(error, columns, dataset),
        "exception": type(error).__name__,
        "text": text,
        "file": file,
        "line": line,
        "traceback": frames,
    }


def _code(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "memory_limit"
    return error.code if isinstance(error, StrategyError) else "strategy_error"


def _text(error: BaseException) -> str:
    """The exception's own words."""
    if isinstance(error, SyntaxError):
        return str(error.msg)
    try:
        # Half a character is a string in Python, but no text that can be handed on.
        return str(error)[:2000].encode(errors="replace").decode()
    except Exception:  # noqa: BLE001  the user's own __str__ may raise anything
        return "(its text cannot be shown)"


def _sentence(error: BaseException, text: str, place: str) -> str:
    name = type(error).__name__
    if isinstance(error, StrategyError):
        return f"{text}{place}"
    if isinstance(error, MemoryError):
        said = f" {text}." if text else ""
        return f"The strategy asked for more memory than it may use{place}.{said}"
    if isinstance(error, SystemExit):
        return f"The strategy ended the process with exit({error.code!r}){place}."
    if isinstance(error, KeyboardInterrupt):
        return f"The strategy was interrupted{place}."
    if isinstance(error, RecursionError):
        return f"A function calls itself without an end{place}."
    return f"{name}: {text}{place}" if text else f"{name}{place}"


def _hint(error: BaseException, columns: Sequence[str], dataset: str | None) -> str:
    if isinstance(error, KeyError) and error.args and columns:
        key = error.args[0]
        if isinstance(key, str) and key not in columns:
            has = f"{dataset} has" if dataset else "The bars have"
            return f". {has} the columns {', '.join(columns)}.{suggest(key, columns)}"
    if isinstance(error, AttributeError) and isinstance(error.name, str):
        near = suggest(error.name, dir(error.obj))
        return f".{near}" if near else ""
    if isinstance(error, NameError) and isinstance(error.name, str):
        near = suggest(error.name, _known_names(error.__traceback__))
        return f".{near}" if near else ""
    if isinstance(error, MemoryError):
        return " Work on fewer columns, or in smaller pieces."
    if isinstance(error, ModuleNotFoundError):
        return ". A strategy can import what lies beside it and what the lab's environment has."
    if isinstance(error, SystemExit):
        return " Return from the function instead."
    if isinstance(error, ValueError) and re.search(
        "truth value of a (Series|DataFrame)", str(error)
    ):
        return " Compare whole columns: use & and | in place of `and`, `or` and `if`."
    return ""


def _known_names(trace: TracebackType | None) -> list[str]:
    """The names that the line which failed could have meant."""
    frames = [frame for frame, _ in traceback.walk_tb(trace)]
    if not frames:
        return []
    last = frames[-1]
    return [*last.f_code.co_varnames, *last.f_globals, *last.f_builtins]


def _user_frames(trace: TracebackType | None, folder: Path) -> list[dict[str, Any]]:
    frames = []
    for frame, line in traceback.walk_tb(trace):
        code = frame.f_code
        if _is_inside(code.co_filename, folder):
            frames.append(
                {
                    "file": str(Path(code.co_filename).relative_to(folder)),
                    "line": line,
                    "function": code.co_name,
                    "text": linecache.getline(code.co_filename, line).strip()[:500],
                }
            )
    half = FRAMES // 2
    return frames if len(frames) <= FRAMES else frames[:half] + frames[-half:]


def _is_inside(file: str | None, folder: Path) -> bool:
    return file is not None and Path(file).is_relative_to(folder)
