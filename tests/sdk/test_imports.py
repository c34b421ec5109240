from __future__ import annotations

import subprocess
import sys

SERVER = {
    "tornado",
    "jupyter_server",
    "traitlets",
    "sqlalchemy",
    "mlflow",
    "vectorbt",
    "numba",
    "google",
    "torch",
}


def modules_after(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after the code."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_sdk_brings_no_server_module_along() -> None:
    loaded = modules_after("import alphintra_lab.sdk")
    assert "alphintra_lab" in loaded
    assert not loaded & SERVER


def test_the_users_process_brings_only_pandas_and_pyarrow() -> None:
    loaded = modules_after(
        "import alphintra_lab.sdk.decide, pyarrow.parquet\n"
        "import alphintra_lab.sdk as sdk, pandas as pd\n"
        "sdk.ta.rsi(pd.Series(range(50)), 14)"
    )
    assert {"pandas", "pyarrow", "talib"} <= loaded
    assert not loaded & (SERVER | {"bokeh", "asyncio", "polars"})


def test_every_public_name_is_there() -> None:
    from alphintra_lab import sdk

    names = {"Strategy", "Signals", "StrategyError", "param", "ta"}
    assert names | {"load_bars", "backtest", "datasets"} <= set(sdk.__all__)
    assert all(hasattr(sdk, name) for name in sdk.__all__)
