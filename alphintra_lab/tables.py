"""Every table, imported once: what Alembic compares the schema with."""

from .backtests import table as backtests
from .datasets import table as datasets
from .debugging import table as debugging
from .events import EventRow
from .jobs import table as jobs
from .strategies import table as strategies

__all__ = ["EventRow", "backtests", "datasets", "debugging", "jobs", "strategies"]
