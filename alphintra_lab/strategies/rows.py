"""Strategies' rows: found by id."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from ..errors import NotFound
from .table import StrategyRow


async def get_row(session: AsyncSession, strategy_id: str) -> StrategyRow:
    """The strategy's row, or NotFound; a deleted one is not found."""
    # PostgreSQL takes no null byte, not even to look for it.
    row = None if "\0" in strategy_id else await session.get(StrategyRow, strategy_id)
    if row is None or row.archived:
        raise NotFound(f"There is no strategy {strategy_id!r}.", field="id")
    return row
