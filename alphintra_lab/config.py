"""The lab's configuration: traits with help; defaults come from the environment and `.env`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sqlalchemy.exc import ArgumentError
from traitlets import Bool, Int, Unicode, default
from traitlets.config import Configurable

from .api.lab import Lab
from .db import Database, connect
from .errors import Invalid
from .sandbox.limits import Limits

GIB = 1024**3


def load_environment(folder: Path) -> None:
    """Take settings from `folder/.env`; what the environment says itself wins.

    Raises Invalid for a line that is not NAME=VALUE: a setting silently ignored, the database's
    address say, would be worse than a lab that does not start.
    """
    from dotenv.parser import parse_stream

    path = folder / ".env"
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not text in UTF-8: {error}. Mend it or remove it.") from None
    for binding in bindings:
        if binding.error or (binding.key and binding.value is None):
            text = binding.original.string
            blank = text[: len(text) - len(text.lstrip())].count("\n")
            raise Invalid(
                f"{path}, line {binding.original.line + blank}: "
                f"{text.strip().splitlines()[0]!r} is not NAME=VALUE. Mend the line or remove it."
            )
        if binding.key and binding.value is not None:
            os.environ.setdefault(binding.key, binding.value)


def mask_secrets(url: str) -> str:
    """An address, well formed or not, without what may be a password in it."""
    url, query, _ = url.partition("?")
    scheme, slashes, rest = url.rpartition("://")
    _, at, rest = rest.rpartition("@")
    rest = re.sub(r":(?!\d+(?:/|$))[^/]*", ":***", rest)
    return f"{scheme}{slashes}{'***@' if at else ''}{rest}{'?***' if query else ''}"


class LabConfig(Configurable):
    """Where the lab keeps things and how much a run may use."""

    home = Unicode(
        help="Folder of the database, the datasets' store and the jobs. ALPHINTRA_HOME."
    ).tag(config=True)
    database_url = Unicode(
        help="sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME. DATABASE_URL. "
        "Default: lab.db in the home."
    ).tag(config=True)
    mlflow_tracking_uri = Unicode(
        help="Where runs are logged. MLFLOW_TRACKING_URI. Default: mlflow.db in the home."
    ).tag(config=True)
    upload_limit = Int(2 * GIB, help="Largest file that may be uploaded, in bytes.").tag(
        config=True
    )
    memory_limit = Int(2 * GIB, help="Memory of a strategy's process, in bytes.").tag(config=True)
    time_limit = Int(300, help="Seconds that a strategy's process may take.").tag(config=True)
    zygote = Bool(
        True,
        help="Keep processes from which sandboxes are forked at once, with what user code needs "
        "loaded: one for kernels, one for jobs, about 300 MB each. Without them all starts cold.",
    ).tag(config=True)
    cores = Int(help="Jobs that run at once on this machine. Default: its cores.").tag(config=True)

    @default("home")
    def _home(self) -> str:
        return os.environ.get("ALPHINTRA_HOME") or str(Path.home() / ".alphintra")

    @default("database_url")
    def _database_url(self) -> str:
        return os.environ.get("DATABASE_URL") or f"sqlite:///{self.folder / 'lab.db'}"

    @default("mlflow_tracking_uri")
    def _mlflow_tracking_uri(self) -> str:
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.folder / 'mlflow.db'}"

    @default("cores")
    def _cores(self) -> int:
        return len(os.sched_getaffinity(0))

    @property
    def folder(self) -> Path:
        """The home, absolute."""
        return Path(self.home).expanduser().resolve()

    @property
    def limits(self) -> Limits:
        """What a strategy's process may use."""
        return Limits(memory_bytes=self.memory_limit, seconds=self.time_limit)

    def open_lab(self, workspace: Path) -> Lab:
        """The lab over this configuration, with its folders; the caller upgrades the schema."""
        for folder in (self.folder / "store", self.folder / "jobs"):
            folder.mkdir(parents=True, exist_ok=True)
        return Lab(
            database=self._connect(),
            home=self.folder,
            workspace=workspace.resolve(),
            upload_limit=self.upload_limit,
            cores=self.cores,
        )

    def _connect(self) -> Database:
        try:
            return connect(self.database_url)
        except (ArgumentError, ValueError):  # their own words may hold the password
            raise Invalid(
                f"DATABASE_URL={mask_secrets(self.database_url)!r} is neither sqlite:///PATH nor "
                "postgresql://USER:PASSWORD@HOST/NAME. Set it to one of these, or leave it out: "
                "then the database is lab.db in the home.",
                field="DATABASE_URL",
            ) from None

    def environment(self) -> dict[str, str]:
        """What a child process of ours finds in its environment to have the same configuration."""
        return {
            "ALPHINTRA_HOME": str(self.folder),
            "DATABASE_URL": self.database_url,
            "MLFLOW_TRACKING_URI": self.mlflow_tracking_uri,
        }

    def arguments(self) -> list[str]:
        """And what it is told on its command line, which everybody on the machine can read."""
        return [
            f"--memory-limit={self.memory_limit}",
            f"--time-limit={self.time_limit}",
            f"--cores={self.cores}",
            *(["--zygote"] if self.zygote else []),
        ]
