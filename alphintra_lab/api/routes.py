"""The handler table: every route of the lab, and who may call it."""

from . import backtests, datasets, debugging, jobs, service, strategies
from .handler import Route

ROUTES: list[Route] = [
    *service.ROUTES,
    *strategies.ROUTES,
    *debugging.ROUTES,
    *datasets.ROUTES,
    *backtests.ROUTES,
    *jobs.ROUTES,
]
