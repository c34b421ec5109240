"""Rows as the API gives them, and what an ingest left as a row."""

from __future__ import annotations

from .prepared import Prepared
from .schema import Dataset, DatasetDetail, DatasetVersion
from .table import DatasetRow, DatasetVersionRow


def make_version_row(dataset: DatasetRow, prepared: Prepared, source: str) -> DatasetVersionRow:
    """The dataset's next version."""
    return DatasetVersionRow(
        id=prepared.version_id,
        dataset_id=dataset.id,
        number=dataset.version + 1,
        sha256=prepared.sha256,
        source=source,
        columns=prepared.columns,
        files=prepared.files,
        instruments=prepared.instruments,
        rows=prepared.rows,
        start=prepared.start,
        end=prepared.end,
        frequency=prepared.frequency,
        calendar=prepared.calendar,
        periods_per_year=prepared.periods_per_year,
        bytes=prepared.bytes,
        report=prepared.report,
        notes=prepared.notes,
    )


def to_detail(row: DatasetRow, version: DatasetVersionRow) -> DatasetDetail:
    """Rows as the API gives them, with instruments and report."""
    return DatasetDetail(to_dataset(row, version), version.instruments, version.report)


def to_dataset(row: DatasetRow, version: DatasetVersionRow) -> Dataset:
    """Rows as the API gives them."""
    severities = [finding.severity for finding in version.report.findings]
    return Dataset(
        id=row.id,
        name=row.name,
        family_id=row.family_id,
        origin="platform" if row.origin == "platform" else "custom",
        description=row.description,
        source=version.source,
        version=version.number,
        version_id=version.id,
        sha256=version.sha256,
        symbols=sorted(version.files),
        columns=version.columns,
        rows=version.rows,
        start=version.start,
        end=version.end,
        frequency=version.frequency,
        calendar=version.calendar,
        periods_per_year=version.periods_per_year,
        bytes=version.bytes,
        score=version.report.score,
        errors=severities.count("error"),
        warnings=severities.count("warning"),
        notes=version.notes,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def to_version(version: DatasetVersionRow) -> DatasetVersion:
    """A version as the API gives it."""
    return DatasetVersion(
        id=version.id,
        dataset_id=version.dataset_id,
        number=version.number,
        sha256=version.sha256,
        symbols=sorted(version.files),
        rows=version.rows,
        start=version.start,
        end=version.end,
        created_at=version.created_at,
    )
