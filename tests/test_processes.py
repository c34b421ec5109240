"""Our child processes end with whoever started them, and take nothing from the user's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alphintra_lab.processes import PARENT, command_of, environment_of_child
from alphintra_lab.sandbox.bubblewrap import find_binary

CHILD = "from alphintra_lab.processes import die_with_parent; die_with_parent(); print('lives')"
STARTER = f"""
import os, subprocess, sys
from alphintra_lab.processes import environment_of_child
print(os.getpid(), flush=True)
subprocess.run([sys.executable, "-c", {CHILD!r}], env=environment_of_child(), check=True)
"""


def test_a_child_whose_parent_has_gone_ends() -> None:
    env = environment_of_child() | {PARENT: "999999999"}  # the one that started it, long gone
    child = subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, text=True)
    assert (child.returncode, child.stdout) == (1, "")
    assert "is gone" in child.stderr


def test_a_lab_that_is_a_containers_first_process_has_children() -> None:
    inside = ["--bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid"]
    command = [find_binary(), *inside, "--as-pid-1", sys.executable, "-c", STARTER]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.stdout.split() == ["1", "lives"], ended.stderr


def test_a_module_of_ours_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('the user\\'s random ran')")
    monkeypatch.chdir(tmp_path)
    ended = subprocess.run(
        [*command_of("random")], capture_output=True, text=True, env=dict(os.environ)
    )
    assert "the user" not in ended.stdout + ended.stderr
