from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from alphintra_lab.sdk import LineError, line
from tests.sdk.fake_lab import FakeLab

ROOT = Path(__file__).parents[2]


def test_a_question_gets_its_answer(lab: FakeLab) -> None:
    assert [dataset["name"] for dataset in line.get("/datasets")] == ["eurusd-1h", "us-stocks-1d"]


def test_a_refusal_keeps_message_code_and_field(lab: FakeLab) -> None:
    with pytest.raises(LineError, match="There is no dataset 'x&y'") as caught:
        line.get("/bars", dataset="x&y")
    assert (caught.value.code, caught.value.field) == ("not_found", "dataset")


def test_an_answer_that_is_no_json_is_told_by_its_status(lab: FakeLab) -> None:
    lab.refusal = (502, b"<html>")
    with pytest.raises(LineError, match=r"no readable answer \(status 502\)"):
        line.post("/backtests", {"symbols": []})
    lab.refusal = (500, b"[]")
    with pytest.raises(LineError, match="answered with status 500"):
        line.post("/backtests", {"symbols": []})


def test_a_server_that_is_gone_or_hangs_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALPHINTRA_LINE", "line")
    with pytest.raises(LineError, match=r"does not answer \(FileNotFoundError"):
        line.get("/datasets")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("line")
        listening.listen()
        listening.settimeout(10)
        pid = os.fork()
        if pid == 0:
            listening.accept()[0].close()
            os._exit(0)
        with pytest.raises(LineError, match="does not answer"):
            line.get("/datasets")
        os.waitpid(pid, 0)


def run_script(tmp_path: Path, stand_in: str, code: str) -> subprocess.CompletedProcess[str]:
    """A plain script, whose `python -m alphintra_lab line` is a stand-in."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{stand_in}\n")
    python.chmod(0o755)
    environment = {**os.environ, "TMPDIR": "/tmp", "PYTHONPATH": str(ROOT)}
    environment.pop("ALPHINTRA_LINE", None)
    start = f"import sys; sys.executable = {str(python)!r}\n"
    return subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        cwd=tmp_path,
    )


def test_a_plain_script_starts_one_process_and_ends_it(
    tmp_path: Path, granted: dict[str, dict[str, str]]
) -> None:
    fake = f'echo "$@" >> {tmp_path}/started; echo $$ > {tmp_path}/pid'
    serve = f"exec {sys.executable} -m tests.sdk.fake_lab '{json.dumps(granted)}' \"$@\""
    done = run_script(
        tmp_path,
        f"{fake}; {serve}",
        """
        from alphintra_lab.sdk import datasets, line, load_bars
        print(len(load_bars("eurusd-1h")), len(datasets()))
        print(line._started.folder)
        """,
    )
    assert done.returncode == 0, done.stderr
    numbers, folder = done.stdout.splitlines()
    assert numbers == "6225 2"
    (started,) = (tmp_path / "started").read_text().splitlines()
    assert started == f"-P -m alphintra_lab line --socket {folder}/line"
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_process_that_does_not_start_says_its_last_words(tmp_path: Path) -> None:
    done = run_script(
        tmp_path,
        "echo the database is locked >&2; exit 3",
        "from alphintra_lab.sdk import datasets; datasets()",
    )
    assert done.returncode == 1
    assert "LineError: The lab did not start.\nthe database is locked" in done.stderr
