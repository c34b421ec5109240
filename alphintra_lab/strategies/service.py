"""Strategies: create, list, change, delete. A folder is the working copy; what ran is a version."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .. import events
from ..db import LOCAL_WORKSPACE, new_id, read_page
from ..errors import Conflict, Invalid
from .beneath import replace_beneath
from .current import read_current
from .outline import read_outline
from .register import (
    discover,
    find_new_folders,
    register_folder,
    register_source,
)
from .rows import get_row
from .schema import LastResult, Outline, Strategy, StrategyCreate
from .snapshot import ENTRY, check_files, encode
from .table import StrategyRow
from .templates import BLANK, get_template, read_template
from .values import check_parameters
from .versions import (
    add_version,
    diff_versions,
    get_version_files,
    list_versions,
    restore_version,
    snapshot_strategy,
)
from .workspace import (
    STRATEGIES,
    create_folder,
    is_own,
    locate,
    move_back,
    move_to_trash,
    on_rollback,
    remove_folder,
    slug_of,
)

__all__ = [
    "check_code",
    "check_parameters",
    "count_strategies",
    "create_strategy",
    "delete_strategy",
    "describe",
    "describe_strategies",
    "diff_versions",
    "discover",
    "find_new_folders",
    "get_row",
    "get_version_files",
    "list_strategies",
    "list_versions",
    "register_folder",
    "register_source",
    "rename_strategy",
    "restore_version",
    "snapshot_strategy",
    "update_strategy_code",
]

Results = Mapping[str, tuple[int, LastResult | None]]
"""By strategy's id: its family's trials, and its newest result. They are the backtests' to tell."""


async def create_strategy(
    session: AsyncSession, workspace: Path, create: StrategyCreate
) -> StrategyRow:
    """Make a strategy's folder from a template or from code, and its first version."""
    name = _check_name(create.name)
    files, notebook, template = await asyncio.to_thread(_first_files, create)
    folder = f"{STRATEGIES}/{slug_of(name)}"
    await _refuse_taken(session, workspace, name, folder)
    row = StrategyRow(
        id=new_id(),
        name=name,
        folder=folder,
        entry=ENTRY,
        notebook=notebook,
        template=template,
    )
    row.family_id = row.id
    session.add(row)
    # The row before the folder: another process that finds the folder sees whose it is.
    await session.flush()
    await asyncio.to_thread(create_folder, workspace, slug_of(name), files)
    on_rollback(session, lambda: remove_folder(workspace, folder))
    await snapshot_strategy(session, workspace, row.id)
    events.publish(session, "strategy", row.id, "created")
    return row


def _first_files(create: StrategyCreate) -> tuple[dict[str, bytes], str | None, str | None]:
    if create.code is None:
        template = get_template(create.template or BLANK)
        return (*read_template(template), template.id)
    if create.template is not None:
        raise Invalid("Give a template or code, not both.", field="code")
    check_files({ENTRY: create.code}, ENTRY)
    return {ENTRY: create.code.encode()}, None, None


def _check_name(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise Invalid("A strategy needs a name.", field="name")
    if len(name) > 100:
        raise Invalid(f"The name has {len(name)} characters; up to 100 are kept.", field="name")
    if not name.isprintable():
        raise Invalid(f"name={name!r} holds characters that cannot be shown.", field="name")
    return name


async def _refuse_taken(session: AsyncSession, workspace: Path, name: str, folder: str) -> None:
    if await _is_free(session, workspace, folder):
        return
    base = re.sub(r" \d+$", "", name)
    for number in range(2, 1000):
        other = f"{base} {number}"
        if await _is_free(session, workspace, f"{STRATEGIES}/{slug_of(other)}"):
            raise Conflict(
                f"{folder} is taken. {other!r} is free.", field="name", code="name_taken"
            )
    raise Conflict(f"{folder} is taken. Choose another name.", field="name", code="name_taken")


async def _is_free(session: AsyncSession, workspace: Path, folder: str) -> bool:
    statement = select(func.count()).where(
        StrategyRow.workspace_id == LOCAL_WORKSPACE, StrategyRow.folder == folder
    )
    if await session.scalar(statement):
        return False
    return not await asyncio.to_thread(
        os.path.lexists, locate(workspace, STRATEGIES).parent / folder
    )


async def list_strategies(
    session: AsyncSession, limit: int, cursor: str | None, q: str | None = None
) -> tuple[list[StrategyRow], str | None]:
    """A page of strategies, the newest first, and the next page's cursor; `q`: part of the name."""
    statement = select(StrategyRow).where(
        StrategyRow.workspace_id == LOCAL_WORKSPACE,
        StrategyRow.archived.is_(False),
        StrategyRow.scratch.is_(False),
    )
    if q:
        statement = statement.where(
            StrategyRow.name.icontains(q.replace("\0", ""), autoescape=True)
        )
    return await read_page(
        session, statement, StrategyRow, limit, (cursor or "").replace("\0", "") or None
    )


async def count_strategies(session: AsyncSession) -> int:
    """How many strategies are here."""
    statement = select(func.count()).where(
        StrategyRow.archived.is_(False), StrategyRow.scratch.is_(False)
    )
    return await session.scalar(statement) or 0


async def describe_strategies(
    workspace: Path, rows: Sequence[StrategyRow], results: Results
) -> list[Strategy]:
    """Rows as the API gives them, each folder read as it stands now."""

    def describe_all() -> list[Strategy]:
        found = []
        for row in rows:
            trials, last_result = results.get(row.id, (0, None))
            found.append(describe(row, workspace, trials=trials, last_result=last_result))
        return found

    return await asyncio.to_thread(describe_all)


def describe(
    row: StrategyRow,
    workspace: Path,
    *,
    trials: int = 0,
    last_result: LastResult | None = None,
) -> Strategy:
    """A row as the API gives it, with the outline of the files as they stand now."""
    outline, missing = read_current(row, workspace)
    return Strategy(
        id=row.id,
        name=row.name,
        family_id=row.family_id,
        folder=row.folder,
        entry=row.entry,
        notebook=row.notebook,
        template=row.template,
        outline=outline,
        version=row.version,
        trials=trials,
        last_result=last_result,
        missing=missing,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def check_code(code: str) -> Outline:
    """The static check of one file's text, as it is typed; nothing is stored."""
    return await asyncio.to_thread(read_outline, {ENTRY: code}, ENTRY)


async def update_strategy_code(
    session: AsyncSession, workspace: Path, strategy_id: str, code: str
) -> StrategyRow:
    """Write new text into the entry file and keep it as a version, problems or not."""
    row = await get_row(session, strategy_id)
    if row.scratch:
        raise Conflict(f"{row.name} was typed in a notebook. Change it there.")
    content = encode(row.entry, code)
    before = (await snapshot_strategy(session, workspace, row.id)).files
    await add_version(session, row, before | {row.entry: code})
    folder = locate(workspace, row.folder)
    on_rollback(session, lambda: replace_beneath(folder, row.entry, before[row.entry].encode()))
    await asyncio.to_thread(replace_beneath, folder, row.entry, content)
    events.publish(session, "strategy", row.id, "changed")
    return row


async def rename_strategy(session: AsyncSession, strategy_id: str, name: str) -> StrategyRow:
    """Give the strategy another name; its folder keeps its place."""
    row = await get_row(session, strategy_id)
    row.name = _check_name(name)
    await session.flush()
    events.publish(session, "strategy", row.id, "changed")
    return row


async def delete_strategy(session: AsyncSession, workspace: Path, strategy_id: str) -> None:
    """Take the strategy off the list. Runs keep their versions; the folder goes to the trash."""
    row = await get_row(session, strategy_id)
    row.archived = True
    if is_own(row.folder, row.entry):
        place = row.folder
        row.folder = await asyncio.to_thread(move_to_trash, workspace, place)
        on_rollback(session, lambda: move_back(workspace, row.folder, place))
    await session.flush()
    events.publish(session, "strategy", row.id, "deleted")
