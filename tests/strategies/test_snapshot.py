"""What of a folder becomes a version, what is refused, and that the version is what runs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alphintra_lab.errors import Conflict, Invalid, LabError, TooLarge
from alphintra_lab.strategies.snapshot import read_folder, sha256_of, write_files

ENTRY = "strategy.py"


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_a_strategys_folder_gives_every_python_file_and_nothing_else(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            ENTRY: "import helper",
            "helper.py": "x = 1",
            "signals/__init__.py": "",
            "signals/fast.py": "y = 2",
            "notes.md": "not code",
            "SmaCross.ipynb": "{}",
            ".hidden.py": "hidden",
            ".git/hook.py": "hidden",
            "__pycache__/helper.cpython-311.py": "compiled",
            ".ipynb_checkpoints/strategy-checkpoint.py": "old",
            "venv/pyvenv.cfg": "home = /usr",
            "venv/lib/package.py": "installed",
        },
    )
    assert read_folder(tmp_path, ENTRY) == {
        ENTRY: "import helper",
        "helper.py": "x = 1",
        "signals/__init__.py": "",
        "signals/fast.py": "y = 2",
    }


def test_a_file_among_strangers_gives_itself_and_what_it_imports(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "mine.py": "import near\nfrom package import part\nimport json",
            "near.py": "def f():\n    import deeper",
            "deeper.py": "",
            "package/__init__.py": "from .other import z",
            "package/part.py": "",
            "package/other.py": "z = 1",
            "package/unused.py": "",
            "stranger.py": "",
        },
    )
    assert sorted(read_folder(tmp_path, "mine.py")) == [
        "deeper.py",
        "mine.py",
        "near.py",
        "package/__init__.py",
        "package/other.py",
        "package/part.py",
    ]


def test_a_file_that_python_cannot_read_is_still_kept(tmp_path: Path) -> None:
    put(tmp_path, {"mine.py": "def broken("})
    assert read_folder(tmp_path, "mine.py") == {"mine.py": "def broken("}


def test_line_ends_and_a_byte_order_mark_are_kept_to_the_byte(tmp_path: Path) -> None:
    raw = b"\xef\xbb\xbfx = 1\r\ny = '\xc3\xa9'\n"
    files = read_folder(put(tmp_path, {ENTRY: raw}), ENTRY)
    write_files(files, tmp_path / "out")
    assert (tmp_path / "out" / ENTRY).read_bytes() == raw


@pytest.mark.parametrize("entry", [ENTRY, "mine.py"])
@pytest.mark.parametrize("target", ["/etc/hostname", "other.py", "nowhere.py"])
def test_a_link_is_refused_wherever_it_leads(tmp_path: Path, entry: str, target: str) -> None:
    put(tmp_path, {entry: "import helper", "other.py": ""})
    (tmp_path / "helper.py").symlink_to(target)
    with pytest.raises(Conflict, match=r"helper\.py is a link"):
        read_folder(tmp_path, entry)


@pytest.mark.parametrize("entry", [ENTRY, "mine.py"])
def test_a_linked_folder_is_refused(tmp_path: Path, entry: str) -> None:
    put(tmp_path, {f"inside/{entry}": "import package.secret", "outside/secret.py": "x"})
    (tmp_path / "inside/package").symlink_to(tmp_path / "outside")
    with pytest.raises(Conflict, match=r"package/.* is a link"):
        read_folder(tmp_path / "inside", entry)


def test_a_pipe_does_not_hold_the_reader(tmp_path: Path) -> None:
    put(tmp_path, {ENTRY: ""})
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(Conflict, match=r"pipe\.py is not a file"):
        read_folder(tmp_path, ENTRY)


def test_a_folder_where_a_module_is_expected_is_named(tmp_path: Path) -> None:
    put(tmp_path, {"mine.py": "import odd", "odd.py/x.txt": ""})
    with pytest.raises(Conflict, match=r"odd\.py is not a file"):
        read_folder(tmp_path, "mine.py")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ok = 1\nname = '\xe9'\n", "line 2: byte 0xe9 is not UTF-8"),
        (b"# -*- coding: latin-1 -*-\nname = 'a'\n", "written in iso-8859-1"),
        (b"# coding: martian\n", "an encoding Python does not know"),
    ],
)
def test_another_encoding_is_refused_with_the_way_out(
    tmp_path: Path, content: bytes, message: str
) -> None:
    put(tmp_path, {ENTRY: "", "helper.py": content})
    with pytest.raises(Conflict, match=rf"helper\.py.*{message}.*Save the file as UTF-8"):
        read_folder(tmp_path, ENTRY)


def test_a_folder_without_the_entry_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match=r"has no strategy\.py"):
        read_folder(put(tmp_path, {"helper.py": ""}), ENTRY)
    with pytest.raises(Conflict, match=r"has no strategy\.py"):
        read_folder(tmp_path / "nowhere", ENTRY)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({f"m{n}.py": "" for n in range(201)}, "more than 200 Python files"),
        ({"big.py": "#" * (256 * 1024 + 1)}, r"big\.py with 256 KB.*up to 256 KB"),
        ({f"m{n}.py": "#" * 250_000 for n in range(5)}, "1,220 KB of code"),
        ({"/".join("abcdefghijklmnop") + "/x.py": ""}, "12 levels"),
        ({f"data/{n}.csv": "" for n in range(10_001)}, "10,000 files"),
    ],
    ids=["files", "one file", "total", "depth", "visited"],
)
def test_a_folder_over_a_limit_names_the_limit(
    tmp_path: Path, files: dict[str, str | bytes], message: str
) -> None:
    put(tmp_path, {ENTRY: "", **files})
    with pytest.raises(TooLarge, match=message):
        read_folder(tmp_path, ENTRY)


def test_the_hash_is_the_documented_stream() -> None:
    files = {"b.py": "é", "a.py": ""}
    stream = b"alphintra-strategy/1\n" + b"4:a.py" + b"4:a.py" + b"0:" + b"4:b.py" + b"2:\xc3\xa9"
    assert sha256_of(files, "a.py") == hashlib.sha256(stream).hexdigest()


def test_any_difference_changes_the_hash_and_order_does_not() -> None:
    files = {"a.py": "x\n", "b.py": "y\n"}
    base = sha256_of(files, "a.py")
    assert sha256_of(dict(reversed(files.items())), "a.py") == base
    for other, entry in [
        (files, "b.py"),
        ({**files, "a.py": "x\r\n"}, "a.py"),
        ({**files, "c.py": ""}, "a.py"),
        ({"a.py": "x\n", "c.py": "y\n"}, "a.py"),
        ({"a.py": "x\nb", "b.py": "y\n"}, "a.py"),
    ]:
        assert sha256_of(other, entry) != base


def test_a_written_snapshot_runs_is_read_only_and_can_be_written_again(tmp_path: Path) -> None:
    files = {
        ENTRY: "from pkg.helper import x\nprint(x)",
        "pkg/__init__.py": "",
        "pkg/helper.py": "x = 7",
    }
    target = tmp_path / "run"
    for _ in range(2):
        write_files(files, target)
    assert {p.stat().st_mode & 0o777 for p in target.rglob("*.py")} == {0o444}
    done = subprocess.run([sys.executable, ENTRY], cwd=target, capture_output=True, check=True)
    assert done.stdout == b"7\n"


@pytest.mark.parametrize(
    "path", ["../x.py", "/x.py", "a/../../x.py", "a//x.py", "x.txt", "a\\x.py", ""]
)
def test_a_path_that_would_leave_the_run_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(Invalid, match="not the path of a Python file"):
        write_files({path: "x"}, tmp_path / "run")
    assert not list(tmp_path.rglob("*.py"))


def test_a_file_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {ENTRY: ""})
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.py")).touch()
    with pytest.raises(LabError, match="not UTF-8"):
        read_folder(tmp_path, ENTRY)
