"""The table of jobs: the queue itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, Json
from .schema import JobError


class JobRow(Base):
    """A job. While it runs, one worker holds its lease and renews it."""

    __tablename__ = "jobs"
    __table_args__ = (Index("ix_jobs_state", "state", "id"),)

    kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(String(36), index=True)
    title: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]] = mapped_column(Json(dict[str, Any]))
    state: Mapped[str] = mapped_column(String(20))
    progress: Mapped[float] = mapped_column(default=0.0)
    step: Mapped[str] = mapped_column(String(40), default="")
    steps: Mapped[dict[str, float]] = mapped_column(Json(dict[str, float]), default=dict)
    attempt: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str | None] = mapped_column(String(200))
    """`host:pid:start` of the worker that holds the lease."""
    host: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[dt.datetime | None]
    handle: Mapped[dict[str, Any] | None] = mapped_column(Json(dict[str, Any]))
    """What the runner gave at the start, by which it is found and stopped again."""
    error: Mapped[JobError | None] = mapped_column(Json(JobError))
    result: Mapped[dict[str, Any] | None] = mapped_column(Json(dict[str, Any]))
    started_at: Mapped[dt.datetime | None]
    ended_at: Mapped[dt.datetime | None]
