"""The self-test passes here, and fails closed where the sandbox cannot be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from alphintra_lab.sandbox import bubblewrap
from alphintra_lab.sandbox.self_test import self_test


def test_it_passes_quickly_and_says_what_holds() -> None:
    result = self_test()
    assert result.passed, result.message
    assert result.seconds < 1.5
    assert set(result.limits) >= {"memory", "processes", "network", "system calls", "user"}
    assert result.describe()["state"] == "ready"


def test_a_folder_that_is_seen_fails_it() -> None:
    result = self_test([Path("/usr/share")])
    assert not result.passed
    assert "it sees /usr/share/" in result.message


def test_a_machine_without_user_namespaces_fails_it_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text(
        "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n"
    )
    refusing.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "find_binary", lambda: str(refusing))
    result = self_test()
    assert not result.passed
    assert "setting up uid map: Permission denied" in result.message
    assert any(way in result.message for way in ("apparmor_parser", "SYS_ADMIN", "sysctl"))


def test_a_program_that_answers_without_being_a_sandbox_fails_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "bwrap"
    silent.write_text("#!/bin/sh\nexit 0\n")
    silent.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "find_binary", lambda: str(silent))
    assert not self_test().passed


def test_a_missing_binary_fails_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bubblewrap, "find_binary", lambda: str(tmp_path / "gone"))
    result = self_test()
    assert not result.passed
    assert result.describe()["state"] == "failed"
