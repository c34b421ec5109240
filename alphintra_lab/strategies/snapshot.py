"""The files that a run can import: read from a folder, hashed, and written out for the run.

A version is the true text that runs, so nothing is normalised: line ends and a byte order mark
count. What cannot be kept truly (links, other encodings) is refused, with the way out.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tokenize
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..errors import Conflict, Invalid, TooLarge
from .beneath import open_beneath, refuse_link
from .schema import Problem
from .source import MAX_FILE_BYTES, find_imports, parse, paths_of

ENTRY = "strategy.py"
MAX_FILES = 200
MAX_BYTES = 1024 * 1024
MAX_VISITED = 10_000
MAX_DEPTH = 12

_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def read_folder(folder: Path, entry: str) -> dict[str, str]:
    """Every file that a run of `folder/entry` can import: path relative to the folder -> text.

    A folder with `strategy.py` is a strategy's own: all its Python files count. Any other file
    stands among strangers: what it imports from beside it counts, found by reading, not running.
    """
    check_path(entry)
    if entry == ENTRY:
        files = {path: _read(folder, path) for path in _find_files(folder)}
    else:
        files = _read_imported(folder, entry)
    if entry not in files:
        raise Conflict(f"{folder.name} has no {entry}. Put the strategy's class there.")
    check_files(files, entry)
    return files


def sha256_of(files: Mapping[str, str], entry: str) -> str:
    """The version's hash: the entry's name, then each file's path and bytes, sorted by path."""
    digest = hashlib.sha256(b"alphintra-strategy/1\n")
    ordered = sorted((path.encode(), text.encode()) for path, text in files.items())
    for part in (entry.encode(), *(part for pair in ordered for part in pair)):
        # The length in front keeps two different sets of files from giving the same stream.
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()


def write_files(files: Mapping[str, str], target: Path) -> None:
    """Write a snapshot below `target`, each file read-only; to do it again is harmless."""
    for path, text in files.items():
        check_path(path)
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            os.fchmod(file.fileno(), 0o444)  # whatever the umask says, the sandbox's user can read


def check_files(files: Mapping[str, str], entry: str) -> None:
    """Refuse a snapshot that is too large, or whose paths would leave its folder."""
    for path in files:
        check_path(path)
    if entry not in files:
        raise Invalid(f"The code has no file {entry!r}.", field="entry")
    if len(files) > MAX_FILES:
        raise TooLarge(_too_much(f"{len(files):,} Python files", f"{MAX_FILES} files"))
    for path, text in files.items():
        content = encode(path, text)
        _check_size(path, len(content))
        _check_encoding(path, content)
    total = sum(len(text.encode()) for text in files.values())
    if total > MAX_BYTES:
        raise TooLarge(_too_much(f"{total // 1024:,} KB of code", f"{MAX_BYTES // 1024} KB"))


def check_path(path: str) -> None:
    """Refuse a path that is not plainly below its folder."""
    pure = PurePosixPath(path)
    plain = path and not pure.is_absolute() and str(pure) == path and ".." not in pure.parts
    if not plain or "\0" in path or "\\" in path or not path.endswith(".py"):
        raise Invalid(f"{path!r} is not the path of a Python file in the strategy's folder.")


def encode(path: str, text: str) -> bytes:
    """The text as UTF-8, or Invalid where it holds half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise Invalid(f"{path}, line {line}: half of a character. Remove it.") from None


def _find_files(folder: Path) -> list[str]:
    found: list[str] = []
    visited = 0
    for where, folders, names in os.walk(folder, onerror=_raise, followlinks=False):
        inside = Path(where).relative_to(folder)
        visited += len(folders) + len(names)
        if visited > MAX_VISITED or len(inside.parts) > MAX_DEPTH:
            raise TooLarge(
                f"{folder.name} holds more than a strategy's folder may ({MAX_VISITED:,} files, "
                f"{MAX_DEPTH} levels). Move {ENTRY} and its helpers to a folder of their own."
            )
        folders[:] = sorted(name for name in folders if _enters(Path(where), name, inside))
        found += [
            (inside / name).as_posix()
            for name in sorted(names)
            if name.endswith(".py") and not name.startswith(".")
        ]
        if len(found) > MAX_FILES:
            raise TooLarge(_too_much(f"more than {MAX_FILES} Python files", f"{MAX_FILES} files"))
    return found


def is_skipped(name: str) -> bool:
    """Whether a folder of this name holds nothing that is a strategy's own."""
    return name.startswith(".") or name in _SKIPPED


def _enters(where: Path, name: str, inside: Path) -> bool:
    if is_skipped(name) or (where / name / "pyvenv.cfg").exists():
        return False
    if (where / name).is_symlink():
        raise Conflict(refuse_link(f"{(inside / name).as_posix()}/"))
    return True


def _raise(error: OSError) -> None:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return  # gone, or never there: the missing entry says so
    raise Conflict(f"{error.filename} cannot be read: {error.strerror}. Change its permissions.")


def _read_imported(folder: Path, entry: str) -> dict[str, str]:
    files: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in files or not os.path.lexists(folder / path):
            continue
        files[path] = _read(folder, path)
        if len(files) > MAX_FILES:
            raise TooLarge(_too_much(f"more than {MAX_FILES} Python files", f"{MAX_FILES} files"))
        parsed = parse(path, files[path])
        if not isinstance(parsed, Problem):
            waiting += [place for name in find_imports(parsed) for place in paths_of(name)]
    return files


def _read(folder: Path, path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Conflict(f"The file name {path!r} is not UTF-8. Rename the file.") from None
    descriptor = open_beneath(folder, path)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Conflict(f"{path} is not a file. Remove it, or give it another name.")
        _check_size(path, status.st_size)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    _check_size(path, len(raw))
    return _decode(path, raw)


def _decode(path: str, raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Conflict(
            f"{path}, line {line}: byte {raw[error.start]:#04x} is not UTF-8. "
            "Save the file as UTF-8."
        ) from None


def _check_encoding(path: str, raw: bytes) -> None:
    """Python reads the file as its coding line says, which must not differ from what is kept."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    except SyntaxError:
        encoding = "an encoding Python does not know"
    if encoding not in ("utf-8", "utf-8-sig", "ascii"):
        raise Conflict(
            f"{path} says it is written in {encoding}; a version is kept in UTF-8. "
            "Save the file as UTF-8 and remove its coding line."
        )


def _check_size(path: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise TooLarge(
            _too_much(f"{path} with {size // 1024:,} KB", f"{MAX_FILE_BYTES // 1024} KB")
        )


def _too_much(found: str, limit: str) -> str:
    return (
        f"The strategy has {found}; a version keeps up to {limit}. Move data out of the code, and "
        "what the strategy does not import out of its folder."
    )
