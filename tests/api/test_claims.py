from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alphintra_lab import db
from alphintra_lab.api.claims import LineBacktest, Source, check_claim, grant
from alphintra_lab.api.lab import Lab
from alphintra_lab.errors import Conflict, Invalid

CODE = "class A: ...\n"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab whose workspace holds its home, two strategies and a secret."""
    workspace = tmp_path / "workspace"
    for name in ("one", "two"):
        (workspace / "strategies" / name).mkdir(parents=True)
        (workspace / "strategies" / name / "strategy.py").write_text(CODE)
    for name in (".secret", "home"):
        (workspace / name).mkdir()
        (workspace / name / "strategy.py").write_text(CODE)
    return Lab(db.connect("sqlite:///unused.db"), workspace / "home", workspace)


def claim(folder: Path | str | None, code: str = CODE, **files: str) -> Source:
    place = None if folder is None else str(folder)
    return Source({"strategy.py": code, **files}, "strategy.py", place, False)


def test_of_its_own_folder_a_kernel_is_believed_what_ran(lab: Lab) -> None:
    own = lab.workspace / "strategies" / "one"
    edited = claim(own, "class A: edited = True\n")
    assert check_claim(edited, lab, own, trusted=False) == own
    assert check_claim(claim("."), lab, own, trusted=False) == own


def test_of_another_folder_only_what_lies_there_is_believed(lab: Lab) -> None:
    own, other = (lab.workspace / "strategies" / name for name in ("one", "two"))
    assert check_claim(claim(other), lab, own, trusted=False) == other
    for source in (claim(other, CODE + " "), claim(other, CODE[:-1]), claim(other, **{"b.py": ""})):
        with pytest.raises(Conflict, match="is not what was run"):
            check_claim(source, lab, own, trusted=False)
    # At the root, and in the folder of all strategies, a kernel may write nothing.
    for cwd in (lab.workspace, lab.workspace / "strategies"):
        with pytest.raises(Conflict, match="is not what was run"):
            check_claim(claim(other, ""), lab, cwd, trusted=False)


@pytest.mark.parametrize(
    "folder", ["/etc", "/", "..", "../../..", "../../.secret", "../../home", "strategy.py", "link"]
)
def test_a_folder_that_a_kernel_cannot_see_is_refused(lab: Lab, folder: str) -> None:
    own = lab.workspace / "strategies" / "one"
    (own / "link").symlink_to("/etc")
    with pytest.raises((Invalid, Conflict)) as caught:
        check_claim(claim(folder, "guessed"), lab, own, trusted=False)
    # Nothing tells whether a guess of what a hidden file holds was right.
    with pytest.raises((Invalid, Conflict)) as other:
        check_claim(claim(folder, CODE + CODE), lab, own, trusted=False)
    assert str(caught.value) == str(other.value)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/cron.d/x.py",
        "../two/strategy.py",
        "a/../../x.py",
        "a//b.py",
        "./a.py",
        "a\\b.py",
        "a\0.py",
        "notes.txt",
        "",
        "strategy.py/b.py",
    ],
)
def test_a_file_that_would_not_lie_plainly_in_its_folder_is_refused(lab: Lab, path: str) -> None:
    own = lab.workspace / "strategies" / "one"
    for scratch in (True, False):
        source = msgspec.structs.replace(claim(own, **{path: "x = 1\n"}), scratch=scratch)
        with pytest.raises(Invalid):
            check_claim(source, lab, own, trusted=False)


def test_a_script_of_ours_may_name_any_folder(lab: Lab, tmp_path: Path) -> None:
    assert check_claim(claim(tmp_path, "other"), lab, lab.workspace, trusted=True) == tmp_path


def test_too_long_names_and_unknown_fields_are_refused_while_decoding() -> None:
    good: dict[str, Any] = {
        "source": {"files": {"a.py": ""}, "entry": "a.py", "folder": None, "scratch": True},
        "class_name": "A",
        "parameters": {},
        "dataset": "eurusd-1h",
        "decisions": b"",
    }
    msgspec.convert(good, LineBacktest)
    long = {"files": {"a" * 300 + ".py": ""}}
    for bad in (
        {**good, "strategy_id": "x"},
        {**good, "dataset": "a\0"},
        {**good, "source": {**good["source"], "owner": "x"}},
        {**good, "source": {**good["source"], **long}},
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(bad, LineBacktest)


def test_granting_again_and_by_two_at_once_gives_the_same_file(tmp_path: Path) -> None:
    stored = tmp_path / "store" / "abc.parquet"
    stored.parent.mkdir()
    stored.write_bytes(b"bars")
    grants = tmp_path / "grants"
    grants.mkdir()

    async def both() -> list[dict[str, str]]:
        paths = {"A": stored, "B": stored}
        return await asyncio.gather(*[asyncio.to_thread(grant, grants, paths) for _ in range(2)])

    wanted = {"A": "/grants/abc.parquet", "B": "/grants/abc.parquet"}
    assert asyncio.run(both()) == [wanted, wanted]
    assert [path.name for path in grants.iterdir()] == ["abc.parquet"]
    assert (grants / "abc.parquet").samefile(stored)
    assert grant(None, {"A": stored}) == {"A": str(stored)}
