"""The store: bars as immutable Parquet, one file per symbol, named by the hash of its content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import Unavailable

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

BAR_COLUMNS = ("open", "high", "low", "close", "volume")
# Small enough that a chart's window reads little, large enough to compress well.
ROWS_PER_GROUP = 65_536
UNUSED_SECONDS = 3600


class DiskFull(Unavailable):
    """The store's disk has no room; nothing half-made was left there."""

    code = "disk_full"


class DamagedStore(Unavailable):
    """A file of the store is gone or does not hold what its name says."""

    code = "damaged_store"


def make_table(time: np.ndarray, values: dict[str, np.ndarray]) -> pa.Table:
    """Bars as an Arrow table: `time` (nanoseconds since 1970, sorted, UTC) and float64 columns."""
    import pyarrow as pa

    arrays: dict[str, Any] = {"time": pa.array(time, pa.timestamp("ns", "UTC"))}
    # from_pandas=False: a NaN stays the value NaN, and does not become a null.
    arrays |= {name: pa.array(column, pa.float64()) for name, column in values.items()}
    return pa.table(arrays)


def hash_bars(table: pa.Table) -> str:
    """SHA-256 over schema and values, the same whatever version of Parquet stores them.

    NaNs are one NaN and -0.0 is 0.0: values that no computation can tell apart hash alike.
    """
    import numpy as np

    digest = hashlib.sha256(b"alphintra-bars/1\n")
    schema = [[field.name, str(field.type)] for field in table.schema]
    digest.update(json.dumps([schema, table.num_rows]).encode() + b"\n")
    digest.update(table["time"].to_numpy().astype("datetime64[ns]").astype("<i8").tobytes())
    for name in table.column_names[1:]:
        column = table[name].to_numpy().astype("<f8") + 0.0
        column[np.isnan(column)] = np.nan
        digest.update(column.tobytes())
    return digest.hexdigest()


def hash_version(files: dict[str, str], columns: list[str]) -> str:
    """SHA-256 of a dataset's state: its columns, and each symbol with its bars' hash."""
    digest = hashlib.sha256(b"alphintra-dataset/1\n")
    digest.update(json.dumps(columns).encode() + b"\n")
    for symbol in sorted(files):
        digest.update(json.dumps([symbol, files[symbol].partition(".")[0]]).encode() + b"\n")
    return digest.hexdigest()


def write_bars(store: Path, table: pa.Table) -> tuple[str, int]:
    """Put bars into the store, all or nothing; answers the file's name and size in bytes.

    A file that is there already stays, and counts as used now; a damaged one is replaced.
    """
    name = f"{hash_bars(table)}.parquet"
    path = store / name
    if path.exists() and _is_sound(path):
        os.utime(path)
        return name, path.stat().st_size
    return name, write_table(store, name, table)


def _is_sound(path: Path) -> bool:
    try:
        read_sound_bars(path, "")
    except DamagedStore:
        return False
    return True


def write_table(store: Path, name: str, table: pa.Table) -> int:
    """Write a table as `name`, all or nothing; answers its size in bytes."""
    import pyarrow.parquet as pq

    path = store / name
    store.mkdir(parents=True, exist_ok=True)
    with write_whole(path, table.nbytes) as file:
        pq.write_table(table, file, compression="zstd", row_group_size=ROWS_PER_GROUP)
    return path.stat().st_size


@contextlib.contextmanager
def write_whole(path: Path, needed: int) -> Iterator[IO[bytes]]:
    """A file to write into, which becomes `path` at the end; after an error there is none.

    `needed`: about how many bytes, for the error when the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with answer_full_disk(path.parent, needed):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:  # so that the rename survives a power cut
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def answer_full_disk(folder: Path, needed: int) -> Iterator[None]:
    """Turn the system's "no space left" into an error that says how much is needed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(place).free
        raise DiskFull(
            f"The disk is full: up to {format_bytes(needed)} are needed, "
            f"{format_bytes(free)} are free. Free some space, or move the lab's home "
            "(ALPHINTRA_HOME) to a larger disk. Nothing was stored."
        ) from None


def format_bytes(number: int) -> str:
    """1234567 -> `1.2 MB`."""
    size = float(number)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def find_old_files(store: Path) -> list[Path]:
    """Files that nobody has written or used for an hour."""
    return [
        path for path in store.iterdir() if path.suffix in (".parquet", ".tmp") and _is_old(path)
    ]


def remove_old_files(paths: list[Path]) -> int:
    """Remove them, but for one that was used again in the meantime; answers how many."""
    old = [path for path in paths if _is_old(path)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _is_old(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime < time.time() - UNUSED_SECONDS
    return False


def open_bars(path: Path, symbol: str) -> pq.ParquetFile:
    """A symbol's file in the store, or an error that says what became of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except FileNotFoundError:
        reason = "is gone from the store"
    except (pa.ArrowInvalid, OSError):
        reason = "is damaged in the store"
    raise DamagedStore(
        f"The file with the bars of {symbol} ({path.name[:12]}...) {reason}. Add the dataset "
        "again, or bring the file back from a backup."
    )


def read_sound_bars(path: Path, symbol: str) -> pa.Table:
    """A symbol's bars, if they are what the file's name says; else DamagedStore."""
    try:
        table = open_bars(path, symbol).read()
        sound = hash_bars(table) == path.name.partition(".")[0]
    except (OSError, ValueError, KeyError):  # pyarrow's errors, and a column that is missing
        sound = False
    if not sound:
        raise DamagedStore(
            f"The bars of {symbol} in the store are not what was stored. Add the dataset "
            "again, or bring the file back from a backup."
        )
    return table
