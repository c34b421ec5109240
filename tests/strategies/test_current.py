"""Files that did not change are not read again; whatever changes is seen at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alphintra_lab.strategies import current, versions
from alphintra_lab.strategies.current import read_current
from alphintra_lab.strategies.schema import Outline
from alphintra_lab.strategies.table import StrategyRow

Read = Callable[[], Outline]


@pytest.fixture
def folder(workspace: Path, code: str) -> Path:
    path = workspace / "strategies/mine"
    path.mkdir(parents=True)
    (path / "strategy.py").write_text(code)
    (path / "notes.ipynb").write_text("{}")
    return path


@pytest.fixture
def read(workspace: Path, folder: Path) -> Read:
    row = StrategyRow(folder="strategies/mine", entry="strategy.py", scratch=False)

    def read_it() -> Outline:
        versions._outlines.clear()  # what is read again is a new object
        outline, missing = read_current(row, workspace)
        assert not missing
        return outline

    return read_it


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each change were long ago: what changed when cannot be set back."""
    monkeypatch.setattr(current, "SETTLED_NS", -(10**15))


@pytest.mark.usefixtures("settled")
def test_what_did_not_change_is_not_read_again(read: Read, folder: Path) -> None:
    first = read()
    (folder / "notes.ipynb").write_text("{ }")
    (folder / "__pycache__").mkdir()
    assert read() is first


@pytest.mark.usefixtures("settled")
def test_another_text_of_the_same_size_and_time_is_seen(read: Read, folder: Path) -> None:
    file = folder / "strategy.py"
    first, before = read(), file.stat()
    file.write_text(file.read_text().replace("fast", "slow"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert [one.name for one in first.parameters] == ["fast"]
    assert [one.name for one in read().parameters] == ["slow"]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("helper", ["helper.py", "parts/one.py"])
def test_a_changed_helper_is_seen(read: Read, folder: Path, helper: str) -> None:
    (folder / "parts").mkdir()
    (folder / helper).write_text("x = 1\n")
    entry = folder / "strategy.py"
    name = helper.removesuffix(".py").replace("/", ".")
    entry.write_text(f"import {name}\n{entry.read_text()}")
    assert read().problems == []
    (folder / helper).write_text("x = (\n")
    assert [one.file for one in read().problems] == [helper]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("link", ["data", "helper.py"])
def test_a_link_that_comes_is_refused(read: Read, folder: Path, tmp_path: Path, link: str) -> None:
    read()
    (folder / link).symlink_to(tmp_path if link == "data" else tmp_path / "elsewhere.py")
    assert [one.code for one in read().problems] == ["unreadable"]


def test_a_change_right_after_a_read_is_seen(read: Read, folder: Path) -> None:
    file = folder / "strategy.py"
    for name in ("slow", "last", "this"):
        read()
        file.write_text(file.read_text().replace(read().parameters[0].name, name))
        assert [one.name for one in read().parameters] == [name]


@pytest.mark.usefixtures("settled")
def test_a_file_that_went_is_missed(workspace: Path, read: Read, folder: Path) -> None:
    read()
    (folder / "strategy.py").unlink()
    known = Outline(class_name="Mine")
    row = StrategyRow(folder="strategies/mine", entry="strategy.py", scratch=False, outline=known)
    assert read_current(row, workspace) == (known, True)
