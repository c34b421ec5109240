"""A dataset that leaves and comes back is the same dataset."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from alphintra_lab import db
from alphintra_lab.datasets import service
from alphintra_lab.errors import Invalid
from tests.datasets.files import prepare

HEADER = "time,symbol,open,high,low,close,volume,spread\n"


def make_long(ticks: bool = False) -> str:
    rng = np.random.default_rng(5)
    lines = [HEADER]
    for symbol in ("A", "B/C"):
        for n in range(200):
            time = f"2024-01-01T00:00:{n % 60:02}.{n:09}Z" if ticks else f"{1_700_000_000 + n}"
            close = float(np.exp(rng.normal()))
            volume = "" if n % 7 == 0 else repr(float(rng.random() * 1e9))
            lines.append(
                f"{time},{symbol},{close!r},{close * 2!r},{close / 3!r},{close!r},{volume},1e-300\n"
            )
    return "".join(lines)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("ticks", [False, True])
async def test_what_is_exported_and_added_again_is_the_same_version(
    database: db.Database, tmp_path: Path, kind: str, ticks: bool
) -> None:
    prepared = prepare(tmp_path, make_long(ticks))
    async with database.session() as session:
        await service.add_prepared(session, prepared, name="x", source="")
    out = tmp_path / f"x.{kind}"
    assert await service.export_dataset(database, tmp_path / "store", "x", out) == prepared.rows
    again = prepare(tmp_path, out.read_bytes())
    assert again.sha256 == prepared.sha256
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
        {"sent", out.name, *(p.name for p in tmp_path.glob("lab.db*"))}
    )


async def test_a_csv_is_what_a_spreadsheet_expects(database: db.Database, tmp_path: Path) -> None:
    text = "time,open,high,low,close\n2024-01-01T05:00Z,1,2,0.5,1.25\n"
    async with database.session() as session:
        await service.add_prepared(session, prepare(tmp_path, text), name="x", source="")
    await service.export_dataset(database, tmp_path / "store", "x", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open() as file:
        header, row = csv.reader(file)
    assert header == ["time", "symbol", "open", "high", "low", "close", "volume"]
    assert row == ["2024-01-01 05:00:00Z", "ABC", "1", "2", "0.5", "1.25", ""]


async def test_a_folder_that_is_not_there_is_named(database: db.Database, tmp_path: Path) -> None:
    prepared = prepare(tmp_path, "time,close\n2024-01-01,1\n")
    async with database.session() as session:
        await service.add_prepared(session, prepared, name="x", source="")
    with pytest.raises(Invalid, match=r"none/x\.csv' cannot be written: No such file"):
        await service.export_dataset(database, tmp_path / "store", "x", tmp_path / "none" / "x.csv")


async def test_another_ending_is_refused(database: db.Database, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"ends in \.csv or \.parquet"):
        await service.export_dataset(database, tmp_path, "x", tmp_path / "x.xlsx")
