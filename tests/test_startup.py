"""What a start must not cost: heavy imports, and grammars that nobody asks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HEAVY = {
    "alembic",
    "bokeh",
    "duckdb",
    "mlflow",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "talib",
    "torch",
    "vectorbt",
}


def run_fresh(code: str) -> str:
    """What a fresh interpreter prints that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_server_starts_without_a_heavy_import() -> None:
    found = run_fresh("import sys, alphintra_lab.app; print(*sys.modules)").split()
    assert "sqlalchemy" in found  # it was the lab that was imported
    assert HEAVY & {name.split(".")[0] for name in found} == set()


def test_a_worker_waits_for_work_without_a_heavy_import() -> None:
    code = "import sys, alphintra_lab.cli, alphintra_lab.jobs.worker; print(*sys.modules)"
    found = {name.split(".")[0] for name in run_fresh(code).split()}
    assert (HEAVY | {"tornado", "jupyter_server"}) & found == set()


def test_a_migrated_database_opens_without_alembic(tmp_path: Path, sqlite_url: str) -> None:
    code = f"""
import asyncio, sys
from alphintra_lab import db

async def open_it():
    database = db.connect({sqlite_url!r})
    await db.upgrade(database)
    await database.close()

asyncio.run(open_it())
print("alembic" in sys.modules)
"""
    assert run_fresh(code) == "False"


def test_the_grammars_of_iris_wait_until_one_is_checked() -> None:
    code = """
import sys
from alphintra_lab.startup import postpone_grammars
postpone_grammars()
postpone_grammars()
import jsonschema
early = "lark" in sys.modules
check = jsonschema.Draft7Validator.FORMAT_CHECKER
print(early, check.conforms("http://a.example/ü", "iri"), check.conforms("no iri", "iri"))
print(check.conforms("//a/ü", "iri-reference"), "lark" in sys.modules)
import rfc3987_syntax.utils
print(rfc3987_syntax.is_valid_syntax("iri", "urn:a:b"))
"""
    assert run_fresh(code).splitlines() == ["False True False", "True True", "True"]


def test_the_lab_opens_without_compiling_them() -> None:
    code = """
import contextlib, sys
from alphintra_lab.cli import open_in_browser
with contextlib.suppress(SystemExit):
    open_in_browser(["--help"])
print("jsonschema" in sys.modules, "lark" in sys.modules)
"""
    assert run_fresh(code).splitlines()[-1] == "True False"


def test_grammars_that_are_loaded_already_are_left_alone() -> None:
    code = """
import sys, rfc3987_syntax
from alphintra_lab.startup import postpone_grammars
postpone_grammars()
print(sys.modules["rfc3987_syntax"] is rfc3987_syntax, hasattr(rfc3987_syntax, "syntax_parser"))
"""
    assert run_fresh(code) == "True True"


def test_who_wants_more_of_the_module_gets_the_real_one() -> None:
    code = """
from alphintra_lab.startup import postpone_grammars
postpone_grammars()
from rfc3987_syntax import syntax_parser
print(type(syntax_parser).__name__)
"""
    assert run_fresh(code) == "Lark"
