"""A run's tables: Parquet files in its job's folder, and their rows as records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def write_frame(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Whole or not at all: whoever reads meanwhile finds the old file or the new one."""
    part = folder / f"{name}.part"
    frame.to_parquet(part, index=False, compression="zstd")
    part.replace(folder / f"{name}.parquet")


def read_frame(folder: Path, name: str) -> pd.DataFrame:
    """One table of a job's folder."""
    import pandas as pd

    return pd.read_parquet(folder / f"{name}.parquet")


def to_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as records, times as ISO 8601 UTC."""
    frame = frame.copy()
    for column in frame.columns[frame.dtypes.map(lambda kind: kind.kind == "M")]:
        frame[column] = format_times(frame[column])
    return [{str(name): value for name, value in one.items()} for one in frame.to_dict("records")]


def format_times(times: pd.Series[pd.Timestamp]) -> list[str]:
    """UTC times as ISO 8601: to the second, or to the nanosecond where one of them needs it."""
    import numpy as np

    moments = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[ns]")
    whole = (moments == moments.astype("datetime64[s]")).all()
    text = np.datetime_as_string(moments, unit="s" if whole else "ns")
    return [f"{moment}Z" for moment in text]
