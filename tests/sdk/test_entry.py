from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alphintra_lab.sdk import StrategyError
from alphintra_lab.sdk.entry import fresh_class, load_class

TWO = """
from alphintra_lab.sdk import Signals, Strategy

class First(Strategy):
    def signals(self, bars):
        return Signals(True, False)

class Last(Strategy):
    def signals(self, bars):
        return Signals(False, False)

class Base(Strategy):
    pass
"""


@pytest.fixture(autouse=True)
def _restore_modules() -> Iterator[None]:
    modules, path = dict(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


def test_the_last_class_that_decides_is_taken_unless_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TWO)
    assert load_class(tmp_path, "two.py").__name__ == "Last"
    assert load_class(tmp_path, "two.py", "First").__name__ == "First"
    with pytest.raises(StrategyError, match=r"no Strategy named 'Lst'. Did you mean 'Last'\?"):
        load_class(tmp_path, "two.py", "Lst")
    with pytest.raises(StrategyError, match=r"'Xyz'. It has First, Last, Base"):
        load_class(tmp_path, "two.py", "Xyz")


def test_an_imported_strategy_is_not_the_files_own(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TWO)
    (tmp_path / "entry.py").write_text("from two import Last\n")
    with pytest.raises(StrategyError, match=r"entry.py defines no strategy"):
        load_class(tmp_path, "entry.py")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "mine.py defines no strategy. Write a class that inherits from Strategy"),
        ("from alphintra_lab.sdk import Strategy", "mine.py defines no strategy"),
        (
            "from alphintra_lab.sdk import Strategy\nclass Empty(Strategy):\n    pass\n",
            "Empty decides nothing. Write signals",
        ),
    ],
)
def test_a_file_without_a_strategy_says_what_to_write(tmp_path: Path, code: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(StrategyError, match=said):
        load_class(tmp_path, "mine.py")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match=r"strategy.py is not in the strategy's folder"):
        load_class(tmp_path, "strategy.py")


def test_a_strategy_may_have_the_name_of_a_module_in_use(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(TWO)
    assert load_class(tmp_path, "json.py").__name__ == "Last"
    assert sys.modules["json"] is json


def test_a_fresh_class_is_what_the_files_say_now_and_leaves_the_import_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "window.py").write_text("WINDOW = 10\n")
    (tmp_path / "cross.py").write_text(f"from window import WINDOW\n{TWO}")
    before = load_class(tmp_path, "cross.py", "First")
    imported, path = sys.modules["cross"], list(sys.path)
    # As long as before and within the same second, which Python's own cache does not notice.
    (tmp_path / "window.py").write_text("WINDOW = 20\n")
    with fresh_class(tmp_path, "cross.py", "First") as (fresh, files):
        assert fresh is not before
        assert sys.modules[fresh.__module__].WINDOW == 20
        assert files == {
            "cross.py": f"from window import WINDOW\n{TWO}",
            "window.py": "WINDOW = 20\n",
        }
    assert sys.modules["cross"] is imported
    assert imported.WINDOW == 10
    assert sys.path == path
