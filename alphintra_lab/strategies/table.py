"""The tables of strategies and their versions."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, Json
from .schema import Outline


class StrategyRow(Base):
    """A strategy: a folder the user edits. What ran is in its versions."""

    __tablename__ = "strategies"
    __table_args__ = (
        UniqueConstraint("workspace_id", "folder", "entry", name="uq_strategies_folder"),
        # The list: a page of it costs the same however many there are.
        Index("ix_strategies_listed", "workspace_id", "archived", "scratch", "id"),
    )

    name: Mapped[str] = mapped_column(String(200))
    family_id: Mapped[str] = mapped_column(String(36), index=True)
    folder: Mapped[str] = mapped_column(Text)
    entry: Mapped[str] = mapped_column(String(255))
    notebook: Mapped[str | None] = mapped_column(String(255))
    template: Mapped[str | None] = mapped_column(String(100))
    scratch: Mapped[bool] = mapped_column(default=False)
    """Typed in a notebook's cell: it has versions, but no folder of its own."""
    archived: Mapped[bool] = mapped_column(default=False)
    """Deleted by the user; its runs and their versions stay records."""
    outline: Mapped[Outline] = mapped_column(Json(Outline), default=Outline)
    version: Mapped[int | None] = mapped_column(default=None)
    """The newest version's number."""


class StrategyVersionRow(Base):
    """An immutable snapshot: the text of each file that a run can import."""

    __tablename__ = "strategy_versions"
    __table_args__ = (
        UniqueConstraint("strategy_id", "number", name="uq_strategy_versions_number"),
        UniqueConstraint("strategy_id", "sha256", name="uq_strategy_versions_sha256"),
    )

    strategy_id: Mapped[str] = mapped_column(ForeignKey("strategies.id", ondelete="CASCADE"))
    number: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    entry: Mapped[str] = mapped_column(String(255))
    files: Mapped[dict[str, str]] = mapped_column(Json(dict[str, str]))
