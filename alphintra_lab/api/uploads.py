"""A file that is sent: received piece by piece, plain or as a form, never in memory as a whole."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import IO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from ..datasets.store import answer_full_disk, format_bytes
from ..errors import Invalid, Malformed, TooLarge

MAX_FIELD = 4096


class Upload:
    """One upload, as far as it has come. Its file has no name: whatever ends us removes it too."""

    def __init__(self, folder: Path, limit: int, length: int, content_type: str) -> None:
        self.folder, self.limit = folder, limit
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size = 0
        self._lock = threading.Lock()  # a cut line closes it while a thread may still write
        kind, options = parse_options_header(content_type)
        self._parser: MultipartParser | None = None
        if kind == b"multipart/form-data":
            self._parser = self._make_parser(options.get(b"boundary", b""))
        # A form has some bytes around its file; the file itself is counted as it comes.
        if length > limit + (MAX_FIELD * 4 if self._parser else 0):
            raise self._too_large()
        with answer_full_disk(folder, length):
            self.file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  `close` closes

    def write(self, piece: bytes) -> None:
        """Take the next piece of the body. Writes to the disk: for a thread."""
        with self._lock:
            if self.file.closed:
                return
            if self._parser is None:
                self._write_file(piece, 0, len(piece))
                return
            try:
                self._parser.write(piece)
            except MultipartParseError as error:
                raise Malformed(f"The form cannot be read: {error}.") from None

    def finish(self) -> None:
        """The body has come to its end; what is missing in it is answered here."""
        if self._parser is not None:
            try:
                self._parser.finalize()
            except MultipartParseError as error:
                raise Malformed(f"The form is not complete: {error}.") from None
            if self.filename is None:
                raise Invalid("The form has no file. Send it in a field named file.", field="file")
        if self.size == 0:
            raise Invalid("The file is empty. Send a CSV or Parquet file with bars.", field="file")
        with answer_full_disk(self.folder, self.size):
            self.file.flush()

    def close(self) -> None:
        """Let go of the file; with that it is gone."""
        with self._lock:
            self.file.close()

    def _write_file(self, data: bytes, start: int, end: int) -> None:
        self.size += end - start
        if self.size > self.limit:
            raise self._too_large()
        with answer_full_disk(self.folder, self.size):
            self.file.write(memoryview(data)[start:end])

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The file is larger than {format_bytes(self.limit)}, the limit of an upload. Send it "
            "as Parquet or packed with gzip or zstd, or raise the limit (upload_limit).",
            field="file",
        )

    def _make_parser(self, boundary: bytes) -> MultipartParser:
        if not boundary:
            raise Malformed("The form names no boundary in its Content-Type.")
        part = _Part()

        def end_header() -> None:
            if part.header_name.lower() == b"content-disposition":
                _, options = parse_options_header(bytes(part.header_value))
                part.name = options.get(b"name", b"").decode(errors="replace")
                filename = options.get(b"filename")
                part.is_file = filename is not None
                if filename is not None:
                    self.filename = filename.decode(errors="replace")
            part.header_name, part.header_value = bytearray(), bytearray()

        def take_data(data: bytes, start: int, end: int) -> None:
            if part.is_file:
                self._write_file(data, start, end)
                return
            part.value += data[start:end]
            if len(part.value) > MAX_FIELD:
                raise TooLarge(f"The form's field {part.name!r} is longer than {MAX_FIELD} bytes.")

        def end_part() -> None:
            if not part.is_file:
                self.fields[part.name] = part.value.decode(errors="replace")
            part.__init__()  # type: ignore[misc]  # the next part begins anew

        return MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: part.header_name.extend(
                    data[start:end]
                ),
                "on_header_value": lambda data, start, end: part.header_value.extend(
                    data[start:end]
                ),
                "on_header_end": end_header,
                "on_part_data": take_data,
                "on_part_end": end_part,
            },
        )


class _Part:
    """The part of a form that is being read."""

    def __init__(self) -> None:
        self.header_name, self.header_value = bytearray(), bytearray()
        self.name, self.value, self.is_file = "", bytearray(), False
