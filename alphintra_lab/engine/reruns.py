"""Decisions of many runs in one small file: each as its difference from the first, compressed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from .decisions import Decisions, WeightDecisions, encode
from .variants import Rerun

LARGEST = 512 * 1024 * 1024
"""Bytes of a file of reruns, and of the decisions in one of them."""

_LENGTH = struct.Struct("<Q")
_PLAIN, _DIFFERENCE = b"\0", b"\1"


def take_rows(decisions: Decisions, first: int, end: int) -> Decisions:
    """The decisions on rows `first` (included) to `end` (excluded)."""
    width = len(decisions.symbols)

    def part(data: bytes | None, size: int) -> bytes | None:
        return None if data is None else data[first * width * size : end * width * size]

    sizes = {"weights": 8, "size": 8}
    fields = [name for name in decisions.__struct_fields__ if name not in ("symbols", "bars")]
    parts = {name: part(getattr(decisions, name), sizes.get(name, 1)) for name in fields}
    return msgspec.structs.replace(decisions, bars=end - first, **parts)


def pack(decisions: Decisions, base: Decisions | None) -> bytes:
    """Decisions as bytes; next to nothing where they equal the base on the same rows."""
    data = encode(decisions)
    other = b"" if base is None else encode(base)
    if len(data) != len(other):
        return _PLAIN + zlib.compress(data, 1)
    return _DIFFERENCE + zlib.compress(_xor(data, other), 1)


def unpack(packed: bytes, base: Decisions | None, limit: int = LARGEST) -> bytes:
    """The encoded decisions that were packed against this base; ValueError for nonsense."""
    kind, compressed = packed[:1], packed[1:]
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(compressed, limit)
    except zlib.error as error:
        raise ValueError(f"packed decisions cannot be read: {error}") from None
    if not stream.eof:
        raise ValueError("packed decisions are cut off, or larger than they may be")
    if kind == _PLAIN:
        return data
    other = b"" if base is None else encode(base)
    if kind != _DIFFERENCE or len(data) != len(other):
        raise ValueError("packed decisions do not fit to what they were packed against")
    return _xor(data, other)


def frame(rerun: Rerun) -> bytes:
    """A rerun as it stands in a file: its length, and MessagePack."""
    data = msgspec.msgpack.encode(rerun)
    return _LENGTH.pack(len(data)) + data


def read_reruns(path: Path) -> Iterator[Rerun]:
    """The reruns of a file, up to the first that is not whole: its writer may have been killed."""
    with path.open("rb") as file:
        left = LARGEST
        while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
            length = _LENGTH.unpack(head)[0]
            left -= length
            if left < 0 or len(data := file.read(length)) < length:
                return
            try:
                yield msgspec.msgpack.decode(data, type=Rerun)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return


def largest_encoding(rows: int, decisions: Decisions) -> int:
    """Bytes that encoded decisions of so many rows and these symbols can have at most."""
    width = 8 if isinstance(decisions, WeightDecisions) else 12
    names = sum(len(symbol.encode()) + 8 for symbol in decisions.symbols)
    return rows * len(decisions.symbols) * width + names + 1024


def _xor(left: bytes, right: bytes) -> bytes:
    a, b = np.frombuffer(left, np.uint8), np.frombuffer(right, np.uint8)
    return (a ^ b).tobytes()
