"""A log with a limit: what a strategy prints reaches the inherited files until it is too much."""

from __future__ import annotations

import io
import os
import sys

LIMIT = 1_000_000
"""Bytes, for stdout and stderr together."""


class _Limit:
    """The bytes that are left, shared by both streams."""

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit


class _LimitedFile(io.RawIOBase):
    """A file descriptor that says once that the limit was reached, and drops the rest."""

    def __init__(self, descriptor: int, shared: _Limit) -> None:
        self._descriptor, self._shared = descriptor, shared

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # the stub lacks a Buffer type
        shared = self._shared
        kept = view[: max(shared.left, 0)]
        if len(kept):
            _write_all(self._descriptor, kept)
        if len(kept) < len(view) and shared.left >= 0:
            said = f"\n[The log was cut here: the limit is {shared.limit:,} bytes.]\n"
            _write_all(self._descriptor, memoryview(said.encode()))
            shared.left = -1
        elif shared.left >= 0:
            shared.left -= len(kept)
        return len(view)


def limit_log(limit: int = LIMIT) -> None:
    """Put the limit on sys.stdout and sys.stderr; what is written past Python is the runner's."""
    sys.stdout.flush()
    sys.stderr.flush()
    shared = _Limit(limit)
    sys.stdout = _open_text(1, shared)
    sys.stderr = _open_text(2, shared)


def _open_text(descriptor: int, shared: _Limit) -> io.TextIOWrapper:
    buffered = io.BufferedWriter(_LimitedFile(descriptor, shared))
    return io.TextIOWrapper(
        buffered, encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
