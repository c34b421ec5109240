"""The built wheel, alone in an empty environment, gives the same lab as the checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import alphintra_lab
from tests.faults.harness import Lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """What a command prints; it has to end well."""
    # Without the tester's paths: the checkout must not be importable.
    clean = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment with nothing but the wheel and what it depends on."""
    environment = tmp_path_factory.mktemp("empty") / "venv"
    run(sys.executable, "-m", "venv", environment, cwd=environment.parent)
    python, constraints = environment / "bin" / "python", ROOT / "constraints.txt"
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        installer: tuple[str | Path, ...] = (uv, "pip", "install", "--python", python)
    else:
        installer = (python, "-m", "pip", "install")
    # Bytecode is compiled where it is needed; all of it would take longer than the tests here.
    env = {"UV_COMPILE_BYTECODE": "0"}
    run(*installer, "-c", constraints, wheel, cwd=environment, env=env)
    return environment / "bin"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("alphintra") / "home"


def test_the_wheel_holds_everything_that_is_not_code(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    data = f"alphintra_lab-{alphintra_lab.__version__}.data/data"

    def one(pattern: str) -> bool:
        return any(re.fullmatch(pattern, name) for name in names)

    assert one(r"alphintra_lab/schemas/backtest\.json")
    assert one(r"alphintra_lab/migrations/env\.py")
    assert one(r"alphintra_lab/migrations/versions/0001_\w+\.py")
    assert one(r"alphintra_lab/templates/[\w-]+/strategy\.py")
    assert one(r"alphintra_lab/templates/[\w-]+/[\w-]+\.ipynb")
    assert one(r"alphintra_lab/api/static/swagger-ui-bundle\.js")
    assert one(r"alphintra_lab/api/static/redoc\.standalone\.js")
    assert one(rf"{data}/etc/jupyter/jupyter_server_config\.d/alphintra_lab\.json")
    assert one(rf"{data}/share/jupyter/kernels/alphintra-sandboxed/kernel\.json")
    assert one(rf"{data}/share/jupyter/lab/settings/overrides\.d/alphintra_lab\.json")
    assert one(rf"{data}/share/jupyter/labextensions/alphintra-lab/static/remoteEntry\.\w+\.js")
    assert not [name for name in names if name.startswith(("tests/", "labextension/"))]
    assert not [name for name in names if "__pycache__" in name]


def test_the_command_line_works_alone(installed: Path, home: Path, tmp_path: Path) -> None:
    lab, env = installed / "alphintra-lab", {"ALPHINTRA_HOME": str(home)}
    where = run(
        installed / "python", "-c", "import alphintra_lab as a; print(a.__file__)", cwd=tmp_path
    )
    assert where.startswith(str(installed.parent)), "the test must not run the checkout's code"
    assert alphintra_lab.__version__ in run(lab, "--version", cwd=tmp_path)
    listed = run(lab, "dataset", "list", cwd=tmp_path, env=env)
    for name in ("aapl-1d", "us-stocks-1d", "eurusd-1h", "sp500-1d"):
        assert name in listed

    (template,) = (installed.parent / "lib").glob(
        "python*/site-packages/alphintra_lab/templates/sma*/strategy.py"
    )
    shutil.copy(template, tmp_path / "cross.py")
    arguments = ("backtest", "cross.py", "--dataset", "eurusd-1h", "--json")
    result = json.loads(run(lab, *arguments, cwd=tmp_path, env=env))
    assert result["orders"]
    assert result["final_equity"] == pytest.approx(result["equity"][-1]["value"])
    assert re.fullmatch("[0-9a-f]{64}", result["ledger_sha256"])


def test_the_server_opens_with_the_page_and_the_documentation(
    installed: Path, home: Path, tmp_path: Path
) -> None:
    command = [str(installed / "alphintra-lab")]
    with Lab(home, tmp_path / "workspace", command=command) as lab:
        page = lab.request("GET", "/lab", follow_redirects=True)
        found = re.search(
            r'<script id="jupyter-config-data" type="application/json">(.*?)</script>',
            page.text,
            re.DOTALL,
        )
        assert found, page.text[:500]
        config = json.loads(found[1])
        assert "alphintra-lab" in [ext["name"] for ext in config["federated_extensions"]]
        assert list(lab.json("GET", "/api/kernelspecs")["kernelspecs"]) == ["alphintra-sandboxed"]
        assert lab.request("GET", "/api/terminals").status_code == 404

        settings = lab.json("GET", "/lab/api/settings/@jupyterlab/apputils-extension:notification")
        assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"

        for path in ("/docs", "/redoc"):
            answer = lab.request("GET", path)
            assert answer.status_code == 200
            for script in re.findall(r'(?:src|href)="([^"]+)"', answer.text):
                assert not script.startswith(("http:", "https:", "//")), f"{path} loads {script}"
                asset = lab.request("GET", str(answer.url.join(script).path))
                assert asset.status_code == 200, script
        assert lab.json("GET", "/api/openapi.json")["openapi"].startswith("3.1")
        assert lab.json("GET", "/api/datasets")["items"]
        assert lab.stop() == 0
