"""The table of debug sessions."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, Json
from .schema import DebugOutcome, DebugSettings


class DebugSessionRow(Base):
    """A debug session. It keeps neither strategy nor dataset: it is no record of a run."""

    __tablename__ = "debug_sessions"
    __table_args__ = (Index("ix_debug_sessions_strategy", "strategy_id", "state"),)

    strategy_id: Mapped[str] = mapped_column(ForeignKey("strategies.id", ondelete="CASCADE"))
    dataset_version_id: Mapped[str] = mapped_column(
        ForeignKey("dataset_versions.id", ondelete="CASCADE")
    )
    settings: Mapped[DebugSettings] = mapped_column(Json(DebugSettings))
    folder: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    kernel_id: Mapped[str | None] = mapped_column(String(100), default=None)
    session_id: Mapped[str | None] = mapped_column(String(100), default=None)
    lease_until: Mapped[dt.datetime]
    """Its server says again and again that the kernel lives; a server that died says nothing."""
    outcome: Mapped[DebugOutcome | None] = mapped_column(Json(DebugOutcome), default=None)
    message: Mapped[str | None] = mapped_column(Text, default=None)
    ended_at: Mapped[dt.datetime | None] = mapped_column(default=None)
