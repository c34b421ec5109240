"""As root, a sandbox's user reads and writes what it was given, whatever the mode says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from alphintra_lab.sandbox import access
from alphintra_lab.sandbox.bubblewrap import choose_user

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="an ordinary user's sandbox has its rights"
)


def try_as_sandbox(folder: Path, command: str, group: int | None = None) -> bool:
    """Whether a shell command works for a sandbox's user in the folder."""
    user = choose_user("access")
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        user=user.user,
        group=user.group if group is None else group,
        extra_groups=[],
        capture_output=True,
        check=False,
    )
    return ended.returncode == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of root's alone, with a file and a subfolder; the way to it is open."""
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.is_relative_to("/tmp/") and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    own = tmp_path / "own"
    (own / "sub").mkdir(parents=True)
    (own / "file").write_text("text")
    (own / "sub" / "file").write_text("text")
    for path in (own / "file", own / "sub" / "file"):
        path.chmod(0o600)
    for path in (own, own / "sub"):
        path.chmod(0o700)
    return own


def test_reading_is_for_the_named_file_only(folder: Path) -> None:
    user = choose_user("access")
    assert not try_as_sandbox(Path("/"), f"cat {folder}/file")
    access.allow_reading(user, folder, folder / "file")
    assert try_as_sandbox(folder, "cat file && ls")
    assert not try_as_sandbox(folder, "cat sub/file")
    assert not try_as_sandbox(folder, "echo x > file")
    assert not try_as_sandbox(folder.parent, f"cat {folder}/file", group=65534)  # another group
    assert (folder / "file").stat().st_uid == 0


def test_writing_reaches_what_the_server_makes_later(folder: Path) -> None:
    access.allow_writing(choose_user("access"), folder)
    (folder / "sub" / "later").write_text("by the server")
    (folder / "new").mkdir()
    assert try_as_sandbox(folder, "echo x > file && echo x > sub/later && echo x > new/file")
    assert (folder / "new" / "file").read_text() == "x\n"


def test_doing_it_again_changes_nothing(folder: Path) -> None:
    user = choose_user("access")
    access.allow_writing(user, folder)
    before = os.getxattr(folder, access.ACCESS)
    access.allow_writing(user, folder)
    assert os.getxattr(folder, access.ACCESS) == before


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    (folder / "link").symlink_to(secret)
    access.allow_writing(choose_user("access"), folder)
    assert not try_as_sandbox(folder, "cat link")
    assert secret.stat().st_mode & 0o777 == 0o600
