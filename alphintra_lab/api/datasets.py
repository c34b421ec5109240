"""/api/datasets: add, read, check, download."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from tornado.iostream import StreamClosedError
from tornado.web import Finish, stream_request_body

from ..datasets import service
from ..datasets.schema import (
    Dataset,
    DatasetDetail,
    DatasetUpdate,
    DatasetVersion,
    Preview,
    Report,
)
from ..db import Page
from ..errors import Invalid, LabError
from .bodies import StreamingHandler
from .handler import LabHandler, ListQuery, Route, endpoint
from .uploads import Upload

PIECE = 1024 * 1024


class UploadQuery(msgspec.Struct, frozen=True):
    """What the file is; a form may say the same in its fields."""

    name: str | None = None
    filename: str | None = None
    symbol: str | None = None
    day_first: bool | None = None
    """For dates like 03/04/2017, where nothing in the file tells."""


class VersionQuery(msgspec.Struct, frozen=True):
    """Which version; the newest unless named."""

    version: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] | None = None


class PreviewQuery(VersionQuery, frozen=True):
    """A symbol, a page of its rows, and a window of its chart: start included, end excluded."""

    symbol: str | None = None
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100
    start: str | None = None
    end: str | None = None
    points: Annotated[int, msgspec.Meta(ge=10, le=5000)] = 1000


class DownloadQuery(VersionQuery, frozen=True):
    """Which symbols (`A,B`; all unless named), in which form."""

    symbols: str | None = None
    format: Literal["csv", "parquet"] = "csv"


class DatasetsHandler(LabHandler):
    """All datasets."""

    @endpoint
    async def get(self, query: ListQuery) -> Page[Dataset]:
        """List the platform's and the user's own datasets, the newest first."""
        return await service.list_datasets(self.session, query.limit, query.cursor)


@stream_request_body
class UploadHandler(StreamingHandler):
    """The way in for a file."""

    upload: Upload | None = None
    received = False

    async def prepare(self) -> None:  # type: ignore[override]  # as in LabHandler
        """Get ready for the body, or refuse it before any of it is read."""
        await super().prepare()
        if self._finished or self.request.method != "POST":
            return
        self.pieces = bytearray()
        headers = self.request.headers
        length = headers.get("Content-Length", "")
        try:
            if name := self.get_query_argument("name", ""):
                service.check_name(name)
            self.upload = Upload(
                self.lab.store,
                self.lab.upload_limit,
                int(length) if length.isdecimal() else 0,
                headers.get("Content-Type", ""),
            )
        except LabError as error:
            await self.refuse(error)

    async def data_received(self, chunk: bytes) -> None:
        """Tornado hands over the body as it comes."""
        if self.refused or self.upload is None:
            await super().data_received(chunk)
            return
        self.pieces += chunk
        if len(self.pieces) >= PIECE:
            try:
                await self._write(self.upload)
            except LabError as error:
                self.upload.close()
                await self.refuse(error)

    async def _write(self, upload: Upload) -> None:
        pieces, self.pieces = bytes(self.pieces), bytearray()
        await asyncio.to_thread(upload.write, pieces)

    @endpoint(status=201, session=False, streams=True)
    async def post(self, query: UploadQuery) -> DatasetDetail:
        """Add a CSV or Parquet file, plain or packed with gzip or zstd: as body or in a form."""
        if self.refused or self.upload is None:
            raise Finish
        self.received = True
        try:
            await self._write(self.upload)
            await asyncio.to_thread(self.upload.finish)
            return await self._add(self.upload, query)
        finally:
            self.upload.close()

    async def _add(self, upload: Upload, query: UploadQuery) -> DatasetDetail:
        said = {name: text for name, text in upload.fields.items() if text}
        name = query.name or said.get("name")
        if not name:
            raise Invalid("The dataset has no name. Say name=..., in lower case.", field="name")
        filename = query.filename or said.get("filename") or upload.filename or name
        day_first = query.day_first
        if day_first is None and "day_first" in said:
            day_first = said["day_first"].lower() in ("1", "true", "yes")
        return await service.add_file(
            self.lab.database,
            self.lab.store,
            upload.file,
            name=name,
            filename=PurePosixPath(filename.replace("\\", "/")).name[:200] or name,
            symbol=query.symbol or said.get("symbol"),
            day_first=day_first,
        )

    def on_connection_close(self) -> None:
        """The line was cut: nothing of half a file stays. A whole one is added all the same."""
        super().on_connection_close()
        if self.upload is not None and not self.received:
            self.upload.close()


class DatasetHandler(LabHandler):
    """One dataset."""

    @endpoint
    async def get(self, id: str) -> DatasetDetail:
        """Get a dataset, by id or name, with its instruments and its quality report."""
        return await service.get_dataset(self.session, id)

    @endpoint
    async def patch(self, id: str, body: DatasetUpdate) -> DatasetDetail:
        """Change a dataset's name or description."""
        return await service.update_dataset(self.session, id, body)

    @endpoint(session=False)
    async def delete(self, id: str) -> None:
        """Delete a dataset; while runs refer to it, it only leaves the lists."""
        async with self.lab.database.session() as session:
            await service.delete_dataset(session, id)
        await service.remove_unused_files(self.lab.database, self.lab.store)


class ValidateHandler(LabHandler):
    """The quality checks."""

    @endpoint(session=False)
    async def post(self, id: str, query: VersionQuery) -> Report:
        """Check a dataset's bars again and get the quality report."""
        return await service.validate_dataset(self.lab.database, self.lab.store, id, query.version)


class PreviewHandler(LabHandler):
    """A look into a dataset."""

    @endpoint(session=False)
    async def get(self, id: str, query: PreviewQuery) -> Preview:
        """Get rows, statistics for each column, and a window of bars to draw."""
        async with self.lab.database.session(write=False) as session:
            _, version = await service.get_version_row(session, id, query.version)
        return await service.read_preview(
            version,
            self.lab.store,
            symbol=query.symbol,
            offset=query.offset,
            limit=query.limit,
            start=service.read_time(query.start, "start"),
            end=service.read_time(query.end, "end"),
            points=query.points,
        )


class VersionsHandler(LabHandler):
    """A dataset's history."""

    @endpoint
    async def get(self, id: str, query: ListQuery) -> Page[DatasetVersion]:
        """List a dataset's versions, the newest first."""
        return await service.list_versions(self.session, id, query.limit, query.cursor)


class DownloadHandler(LabHandler):
    """The way out for bars."""

    @endpoint(session=False)
    async def get(self, id: str, query: DownloadQuery) -> bytes:
        """Download bars as CSV or Parquet."""
        async with self.lab.database.session(write=False) as session:
            row, version = await service.get_version_row(session, id, query.version)
        symbols = query.symbols.split(",") if query.symbols else None
        paths = service.bars_paths(version, self.lab.store, symbols)
        with tempfile.TemporaryFile(dir=self.lab.store) as file:
            await service.write_export(paths, file, query.format)
            self._set_headers(f"{row.name}-v{version.number}.{query.format}", file.tell())
            file.seek(0)
            try:
                while piece := await asyncio.to_thread(file.read, PIECE):
                    self.write(piece)
                    await self.flush()
            except StreamClosedError:
                return b""  # whoever asked has gone
        self.finish()
        return b""

    def _set_headers(self, filename: str, length: int) -> None:
        kind = (
            "text/csv; charset=utf-8" if filename.endswith(".csv") else "application/octet-stream"
        )
        self.set_header("Content-Type", kind)
        self.set_header("Content-Length", str(length))
        self.set_header("Content-Disposition", f'attachment; filename="{filename}"')
        self.set_header("Cache-Control", "no-store")


ROUTES = [
    Route("/api/datasets", DatasetsHandler),
    Route("/api/datasets/upload", UploadHandler),
    Route("/api/datasets/{id}", DatasetHandler),
    Route("/api/datasets/{id}/validate", ValidateHandler),
    Route("/api/datasets/{id}/preview", PreviewHandler),
    Route("/api/datasets/{id}/versions", VersionsHandler),
    Route("/api/datasets/{id}/download", DownloadHandler),
]
