"""Each template's notebook, made as the page makes it and run from top to bottom in the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import wait_for_datasets
from tests.faults.harness import Lab
from tests.remote_kernel import open_kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(path.parent.name for path in (ROOT / "templates").glob("*/notebook.ipynb"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("notebooks")
    with Lab(folder / "home", folder / "workspace") as running:
        wait_for_datasets(running)
        yield running


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_strategys_notebook_runs_from_top_to_bottom(lab: Lab, template: str) -> None:
    body = {"name": f"My {template}", "template": template}
    strategy = lab.json("POST", "/api/strategies/code/create", body)
    place = f"{strategy['folder']}/{strategy['notebook']}"
    book: Any = json.loads((lab.workspace / place).read_text())
    shown: list[dict[str, Any]] = []
    with open_kernel(lab, place) as kernel:
        for cell in book["cells"]:
            if cell["cell_type"] == "code":
                output = kernel.run("".join(cell["source"]), timeout=180)
                assert output.error is None, output.error
                shown += output.results
    runs = lab.json("GET", f"/api/backtests?strategy_id={strategy['id']}")["items"]
    assert runs
    assert all(run["job"]["state"] == "succeeded" for run in runs)
    (*_, card) = [result for result in shown if "ledger " in result["text/plain"]]
    ledger = card["text/plain"].rpartition("ledger ")[2].strip()
    by_ledger = {
        lab.json("GET", f"/api/backtests/{run['id']}/results")["ledger_sha256"]: run["verdict"]
        for run in runs
    }
    verdict = by_ledger[ledger]
    assert card["text/plain"].startswith(f"{verdict['title']} {verdict['text']}".strip())
    assert verdict["title"] in card["text/html"]


def test_a_plain_script_runs_a_template_without_any_server(tmp_path: Path) -> None:
    """The same call as in a notebook; the records are those that the command line makes."""
    source = (ROOT / "templates" / "sma_cross" / "strategy.py").read_text()
    (tmp_path / "cross.py").write_text(source)
    # Files of the user's with names of the standard library are no part of the lab.
    (tmp_path / "signal.py").write_text("raise SystemExit('the user\\'s own')\n")
    (tmp_path / "run.py").write_text(
        "import sys\n"
        "from alphintra_lab.sdk import LineError, backtest, datasets, load_bars\n"
        "sys.path.insert(0, '.')\n"
        "from cross import SmaCross\n"
        "if __name__ == '__main__':\n"
        "    print(len(load_bars('eurusd-1h')), len(datasets()))\n"
        "    run = backtest(SmaCross(fast=5), 'eurusd-1h')\n"
        "    print(run.number, run.ledger_sha256)\n"
        "    print(run)\n"
        "    try:\n"
        "        backtest(SmaCross(), 'eurusd1h')\n"
        "    except LineError as error:\n"
        "        print(error)\n"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "ALPHINTRA_LINE")}
    environment = kept | {"ALPHINTRA_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "run.py"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts, recorded, *card, refusal = done.stdout.splitlines()
    assert counts == "6225 7"
    number, ledger = recorded.split()
    assert number == "1"
    assert any(ledger in line for line in card)
    assert refusal == "There is no dataset 'eurusd1h'. Did you mean 'eurusd-1h'?"

    command = [sys.executable, "-P", "-m", "alphintra_lab", "backtest", "cross.py", "--json"]
    again = subprocess.run(
        [*command, "--dataset", "eurusd-1h", "--set", "fast=5"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    result = json.loads(again.stdout)
    assert (result["number"], result["ledger_sha256"]) == (2, ledger)
