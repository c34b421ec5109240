"""The templates that are shipped, and what a strategy made from one starts with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alphintra_lab.db import Database, connect
from alphintra_lab.errors import Invalid, NotFound
from alphintra_lab.strategies import service
from alphintra_lab.strategies.outline import read_outline
from alphintra_lab.strategies.schema import Strategy, StrategyCreate, StrategyTemplate
from alphintra_lab.strategies.templates import get_template, list_templates, read_template

TEMPLATES = list_templates()


def test_the_blank_template_is_there_and_comes_last() -> None:
    assert [t.id for t in TEMPLATES][-1] == "blank"
    assert len({t.id for t in TEMPLATES}) == len(TEMPLATES) > 1


@pytest.mark.parametrize("template", TEMPLATES, ids=[t.id for t in TEMPLATES])
def test_a_templates_code_passes_the_static_check_under_the_name_on_its_card(
    template: StrategyTemplate,
) -> None:
    files, notebook = read_template(template)
    code = {path: raw.decode() for path, raw in files.items() if path.endswith(".py")}
    outline = read_outline(code, "strategy.py")
    assert outline.problems == []
    assert outline.class_name == template.class_name
    assert template.thumbnail.lstrip().startswith("<svg") or not template.thumbnail
    assert notebook == f"{template.class_name}.ipynb"
    assert json.loads(files[notebook])["nbformat"] == 4
    assert not {"template.json", "thumbnail.svg"} & files.keys()


def test_an_unknown_template_suggests_the_nearest() -> None:
    with pytest.raises(NotFound, match="Did you mean 'sma_cross'"):
        get_template("sma_cros")
    with pytest.raises(NotFound, match=r"There are .*blank"):
        get_template("qqq")


async def make(database: Database, workspace: Path, create: StrategyCreate) -> Strategy:
    async with database.session() as session:
        return service.describe(
            await service.create_strategy(session, workspace, create), workspace
        )


async def test_a_strategy_from_a_template_has_its_code_and_its_notebook(
    sqlite_url: str, workspace: Path
) -> None:
    database = connect(sqlite_url)
    made = await make(database, workspace, StrategyCreate("My Cross", template="sma_cross"))
    blank = await make(database, workspace, StrategyCreate("Own"))
    both = StrategyCreate("Both", template="sma_cross", code="x")
    with pytest.raises(Invalid, match="not both"):
        await make(database, workspace, both)
    await database.close()
    folder = workspace / "strategies/my-cross"
    files, notebook = read_template(get_template("sma_cross"))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == files
    assert (made.template, made.notebook, made.outline.class_name) == (
        "sma_cross",
        notebook,
        get_template("sma_cross").class_name,
    )
    assert (blank.template, blank.version) == ("blank", 1)
