"""The strategy templates: one folder each, shipped with the lab."""

from __future__ import annotations

import difflib
from pathlib import Path

import msgspec

from ..errors import NotFound
from .schema import StrategyTemplate

BLANK = "blank"
_OWN_FILES = {"template.json", "thumbnail.svg"}
_NOTEBOOK = "notebook.ipynb"


class _Card(msgspec.Struct, frozen=True):
    """A `template.json`."""

    id: str
    title: str
    subtitle: str
    summary: str
    class_name: str
    dataset: str


def templates_folder() -> Path:
    """The folder of the templates: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def list_templates() -> list[StrategyTemplate]:
    """Every template, the blank one last."""
    cards = sorted(templates_folder().glob("*/template.json"))
    found = [_read(card.parent) for card in cards]
    return sorted(found, key=lambda template: (template.id == BLANK, template.title))


def get_template(template_id: str) -> StrategyTemplate:
    """The template, or NotFound."""
    found = list_templates()
    for template in found:
        if template.id == template_id:
            return template
    ids = [template.id for template in found]
    near = difflib.get_close_matches(template_id, ids, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(ids)}."
    raise NotFound(f"There is no template {template_id!r}. {hint}", field="template")


def read_template(template: StrategyTemplate) -> tuple[dict[str, bytes], str | None]:
    """What a new strategy starts with, path -> content; and its notebook, named after the class."""
    folder = templates_folder() / template.id
    files: dict[str, bytes] = {}
    notebook = None
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__pycache__")) for part in inside.parts)
        if hidden or not path.is_file() or inside.as_posix() in _OWN_FILES:
            continue
        name = inside.as_posix()
        if name == _NOTEBOOK:
            name = notebook = f"{template.class_name}.ipynb"
        files[name] = path.read_bytes()
    return files, notebook


def _read(folder: Path) -> StrategyTemplate:
    card = msgspec.json.decode((folder / "template.json").read_bytes(), type=_Card)
    assert card.id == folder.name, f"{folder}: the id is {card.id!r}, not the folder's name"
    thumbnail = folder / "thumbnail.svg"
    return StrategyTemplate(
        id=card.id,
        title=card.title,
        subtitle=card.subtitle,
        summary=card.summary,
        class_name=card.class_name,
        dataset=card.dataset,
        thumbnail=thumbnail.read_text() if thumbnail.is_file() else "",
    )
