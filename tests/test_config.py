"""Settings: from the environment, from `.env`, and a corrupt `.env` that stops the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alphintra_lab.config import LabConfig, load_environment
from alphintra_lab.errors import Invalid


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in ("ALPHINTRA_HOME", "DATABASE_URL", "MLFLOW_TRACKING_URI"):
        os.environ.pop(name, None)


def test_with_nothing_set_everything_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    config = LabConfig()
    home = Path.home() / ".alphintra"
    assert config.folder == home
    assert config.database_url == f"sqlite:///{home / 'lab.db'}"
    assert config.mlflow_tracking_uri == f"sqlite:///{home / 'mlflow.db'}"


def test_dot_env_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    lines = ["# where things are", "ALPHINTRA_HOME=/somewhere", 'DATABASE_URL="postgresql://db/x"']
    (tmp_path / ".env").write_text("\n".join(lines))
    os.environ["DATABASE_URL"] = "postgresql://other/y"
    load_environment(tmp_path)
    config = LabConfig()
    assert config.home == "/somewhere"
    assert config.database_url == "postgresql://other/y"


@pytest.mark.parametrize(
    ("line", "shown"),
    [("DATABASE_URL", "DATABASE_URL"), ("this is not a setting", "this is"), ("=x", "=x")],
)
def test_a_corrupt_line_of_dot_env_is_named(tmp_path: Path, line: str, shown: str) -> None:
    (tmp_path / ".env").write_text(f"ALPHINTRA_HOME=/somewhere\n\n{line}\n")
    with pytest.raises(Invalid) as error:
        load_environment(tmp_path)
    assert "line 3" in error.value.message
    assert shown in error.value.message
    assert "NAME=VALUE" in error.value.message


def test_a_dot_env_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(Invalid, match=r"\.env is not text in UTF-8"):
        load_environment(tmp_path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://me:secret@db/lab", "postgres://***@db/lab"),
        ("me:secret/@db/lab", "***@db/lab"),
        ("postgresql://me:se@cret@db:port/lab", "postgresql://***@db:***/lab"),
        ("postgresql://db:5432x/lab?password=secret", "postgresql://db:***/lab?***"),
        ("postgresql://me:secret", "postgresql://me:***"),
        ("mysql://db:3306/lab", "mysql://db:3306/lab"),
        ("", ""),
    ],
)
def test_an_address_that_is_no_databases_is_named_without_its_secrets(
    tmp_path: Path, url: str, shown: str
) -> None:
    config = LabConfig(home=str(tmp_path), database_url=url)
    with pytest.raises(Invalid, match="neither sqlite") as refused:
        config.open_lab(tmp_path)
    assert f"DATABASE_URL={shown!r} is neither" in refused.value.message
    assert "secret" not in refused.value.message
    assert refused.value.field == "DATABASE_URL"


def test_a_child_process_is_told_no_secret_on_its_command_line() -> None:
    config = LabConfig(database_url="postgresql://user:secret@db/lab")
    assert "secret" not in " ".join(config.arguments())
    assert config.environment()["DATABASE_URL"] == "postgresql://user:secret@db/lab"


def test_every_setting_has_help() -> None:
    assert [name for name, trait in LabConfig.class_own_traits().items() if not trait.help] == []
