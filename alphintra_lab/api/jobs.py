"""/api/jobs: whatever runs."""

from __future__ import annotations

from ..db import Page
from ..jobs import service
from ..jobs.schema import Job, JobLog, State
from .handler import LabHandler, ListQuery, Route, endpoint


class JobsQuery(ListQuery, frozen=True):
    """Which jobs."""

    state: State | None = None


class JobsHandler(LabHandler):
    """All jobs."""

    @endpoint
    async def get(self, query: JobsQuery) -> Page[Job]:
        """List jobs, the newest first."""
        return await service.list_jobs(self.session, query.limit, query.cursor, query.state)


class JobHandler(LabHandler):
    """One job."""

    @endpoint
    async def get(self, id: str) -> Job:
        """Get a job: its state, progress and place in the queue, and how it ended."""
        return await service.get_job(self.session, id)


class JobLogHandler(LabHandler):
    """What a job's user code printed."""

    @endpoint
    async def get(self, id: str) -> JobLog:
        """Get what the user's code printed."""
        return await service.read_log(self.session, self.lab.jobs, id)


class JobCancelHandler(LabHandler):
    """The way to stop a job."""

    @endpoint
    async def post(self, id: str) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        return await service.cancel_job(self.session, id)


ROUTES = [
    Route("/api/jobs", JobsHandler),
    Route("/api/jobs/{id}", JobHandler),
    Route("/api/jobs/{id}/log", JobLogHandler),
    Route("/api/jobs/{id}/cancel", JobCancelHandler),
]
