"""The table of backtests. Trades, orders and equity are Parquet in the job's folder."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..db import Base, Json
from .schema import Check, Settings, Verdict


class BacktestRow(Base):
    """A defined backtest and the summary of its result."""

    __tablename__ = "backtests"
    __table_args__ = (
        UniqueConstraint("workspace_id", "number", name="uq_backtests_number"),
        Index("ix_backtests_strategy", "strategy_id", "id"),
        Index("ix_backtests_family_trial", "family_id", "trial_sha256"),
        # Those that MLflow does not have yet are asked for every second.
        Index("ix_backtests_mlflow_run_id", "mlflow_run_id"),
    )

    number: Mapped[int]
    strategy_id: Mapped[str] = mapped_column(ForeignKey("strategies.id", ondelete="CASCADE"))
    strategy_version_id: Mapped[str | None] = mapped_column(ForeignKey("strategy_versions.id"))
    """Set when it starts: the snapshot that runs."""
    dataset_version_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id"))
    family_id: Mapped[str] = mapped_column(String(36))
    """The strategy's family, under which trials are counted."""
    trial_sha256: Mapped[str | None] = mapped_column(String(64))
    """Hash of code, parameters, dataset version and costs: equal runs are one trial."""
    settings: Mapped[Settings] = mapped_column(Json(Settings))
    archived: Mapped[bool] = mapped_column(default=False)
    """Deleted by the user; it keeps its number, and stays a trial that was made."""
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    summary: Mapped[dict[str, Any] | None] = mapped_column(Json(dict[str, Any]))
    """Counts, labels and the benchmark's metrics: what the page needs beside the columns here."""
    metrics: Mapped[dict[str, float | None] | None] = mapped_column(Json(dict[str, float | None]))
    checks: Mapped[dict[str, Check] | None] = mapped_column(Json(dict[str, Check]))
    verdict: Mapped[Verdict | None] = mapped_column(Json(Verdict))
    sparkline: Mapped[list[float]] = mapped_column(Json(list[float]), default=list)
    ledger_sha256: Mapped[str | None] = mapped_column(String(64))
    decisions_sha256: Mapped[str | None] = mapped_column(String(64))
    versions: Mapped[dict[str, str] | None] = mapped_column(Json(dict[str, str]))
    mlflow_claimed_until: Mapped[dt.datetime | None]
    """Until then one process alone writes it to MLflow, which knows no key to be unique."""
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64))
