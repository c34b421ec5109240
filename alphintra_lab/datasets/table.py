"""The tables of datasets and their versions. The bars are Parquet files in the store."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, Json
from .schema import Instrument, Report


class DatasetRow(Base):
    """A dataset: a name over immutable versions."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("workspace_id", "name", name="uq_datasets_name"),)

    name: Mapped[str] = mapped_column(String(100))
    family_id: Mapped[str] = mapped_column(String(36), index=True)
    origin: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int]
    """The newest version's number."""
    archived: Mapped[bool] = mapped_column(default=False)
    """Deleted by the user while runs still refer to it."""


class DatasetVersionRow(Base):
    """One immutable state of a dataset, and what describes it."""

    __tablename__ = "dataset_versions"
    __table_args__ = (
        UniqueConstraint("dataset_id", "number", name="uq_dataset_versions_number"),
        UniqueConstraint("dataset_id", "sha256", name="uq_dataset_versions_sha256"),
    )

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    number: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    source: Mapped[str] = mapped_column(Text)
    columns: Mapped[list[str]] = mapped_column(Json(list[str]))
    files: Mapped[dict[str, str]] = mapped_column(Json(dict[str, str]))
    """Symbol -> name of its Parquet file in the store."""
    instruments: Mapped[list[Instrument]] = mapped_column(Json(list[Instrument]))
    rows: Mapped[int] = mapped_column(BigInteger)
    start: Mapped[dt.datetime]
    end: Mapped[dt.datetime]
    frequency: Mapped[str] = mapped_column(String(20))
    calendar: Mapped[str | None] = mapped_column(String(20))
    periods_per_year: Mapped[float]
    bytes: Mapped[int] = mapped_column(BigInteger)
    report: Mapped[Report] = mapped_column(Json(Report))
    notes: Mapped[list[str]] = mapped_column(Json(list[str]))
