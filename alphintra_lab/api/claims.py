"""What a kernel claims and what it is given: the code it says it ran, the files it may read."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ..backtests.schema import BacktestCreate, Fill
from ..errors import Conflict, Invalid, LabError, Malformed, TooLarge
from ..sandbox.access import allow_reading
from ..sandbox.bubblewrap import choose_user
from ..sandbox.provisioner import hidden_paths, own_folder
from ..strategies.beneath import open_beneath
from ..strategies.snapshot import check_files
from .lab import Lab

Word = Annotated[str, msgspec.Meta(max_length=255, pattern=r"\A[^\x00]*\Z")]
FilePath = Annotated[str, msgspec.Meta(max_length=1024, pattern=r"\A[^\x00]*\Z")]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code whose decisions come along: files by path, and where they lie, if anywhere."""

    files: dict[Word, str]
    entry: Word
    folder: FilePath | None
    scratch: bool


class LineBacktest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`backtest(...)` in a notebook: settings, source and the decisions that the kernel took."""

    source: Source
    class_name: Word
    parameters: dict[str, Any]
    dataset: Word
    decisions: bytes
    symbols: list[Word] | None = None
    start: Word | None = None
    end: Word | None = None
    cash: float = 10_000.0
    commission: float | None = None
    slippage_bps: float | None = None
    fill: Fill = "next_open"
    whole_shares: bool = False
    overrides: list[Word] = []

    def to_create(self, strategy_id: str) -> BacktestCreate:
        """The backtest to be defined."""
        names = BacktestCreate.__struct_fields__
        same = {name: getattr(self, name) for name in names if name != "strategy_id"}
        return BacktestCreate(strategy_id=strategy_id, **same)


LARGEST_CLAIM = 2 * 1024 * 1024
"""Bytes of all but the decisions, which stay bytes: decoded, the rest grows up to 70 times."""
_Parts = msgspec.defstruct(
    "_Parts",
    [(name, msgspec.Raw, msgspec.Raw()) for name in LineBacktest.__struct_fields__],
    forbid_unknown_fields=True,
)


def decode_claim(body: bytearray) -> LineBacktest:
    """A request of a kernel, of bounded size in memory. Raises Malformed, Invalid, TooLarge."""
    try:
        parts = msgspec.structs.asdict(msgspec.msgpack.decode(body, type=_Parts))
        size = sum(memoryview(part).nbytes for name, part in parts.items() if name != "decisions")
        if size > LARGEST_CLAIM:
            raise TooLarge(
                f"Code, parameters and settings have {size:,} bytes; {LARGEST_CLAIM:,} are allowed."
            )
        return msgspec.msgpack.decode(body, type=LineBacktest)
    except msgspec.ValidationError as error:
        raise Invalid(f"The request is not a backtest: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Malformed(f"The body is not valid MessagePack: {error}.") from None


class Bars(msgspec.Struct, frozen=True):
    """Where the kernel finds a dataset's files, by symbol."""

    name: str
    symbols: dict[str, str]
    columns: list[str]


def check_claim(source: Source, lab: Lab, cwd: Path, *, trusted: bool) -> Path | None:
    """The folder that the code is from, as the host knows it; None for a class typed in a cell.

    A kernel sees the workspace at its own path. It may write its own folder, and of that it is
    believed what ran. Of any other folder it is not: else a notebook could put its code on
    record under another strategy's name.
    """
    check_files(source.files, source.entry)  # before any path of it is opened
    _refuse_clashes(source.files)
    if source.scratch:
        return None
    folder = Path(os.path.realpath(cwd / (source.folder or "")))
    if trusted:
        return folder
    hidden = [*hidden_paths(lab.workspace, lab.home), lab.home]
    if not folder.is_relative_to(lab.workspace) or any(map(folder.is_relative_to, hidden)):
        raise Invalid(f"{source.folder!r} lies outside of the workspace.", field="folder")
    if not folder.is_dir():
        raise Invalid(f"There is no folder {source.folder!r}.", field="folder")
    own = own_folder(lab.workspace, cwd.resolve())
    if own is None or not folder.is_relative_to(own):
        for path, text in source.files.items():
            if not _holds(folder, path, text):
                raise Conflict(
                    f"{path} in {folder.relative_to(lab.workspace)} is not what was run: it was "
                    "changed meanwhile. Run it again."
                )
    return folder


def _refuse_clashes(files: Mapping[str, str]) -> None:
    """Refuse a file that would also have to be a folder."""
    for path in files:
        parents = path.split("/")[:-1]
        if any("/".join(parents[: i + 1]) in files for i in range(len(parents))):
            raise Invalid(f"{path!r} lies in a file of the same code.", field="files")


def _holds(folder: Path, path: str, text: str) -> bool:
    wanted = text.encode()
    try:
        descriptor = open_beneath(folder, path)
    except (LabError, OSError):
        return False
    with os.fdopen(descriptor, "rb") as file:
        return file.read(len(wanted) + 1) == wanted


def grant(grants: Path | None, paths: Mapping[str, Path]) -> dict[str, str]:
    """Link files into the kernel's folder; a plain script, without one, reads the store itself."""
    if grants is None:
        return {symbol: str(path) for symbol, path in paths.items()}
    return {symbol: _link(grants, path) for symbol, path in paths.items()}


def _link(grants: Path, path: Path) -> str:
    target = grants / path.name  # the hash of its content: the same name is the same file
    if not target.exists():
        part = grants / f".{secrets.token_hex(8)}.part"
        try:
            try:
                os.link(path, part)
            except OSError:  # another file system, or one without links
                shutil.copyfile(path, part)
            # As root the store's files are root's; all sandboxes have one group.
            allow_reading(choose_user("grants"), part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return f"/grants/{target.name}"
