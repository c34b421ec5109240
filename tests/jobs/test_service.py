"""The queue on both databases: fair, bounded, leased, and nothing lost."""

from __future__ import annotations

import asyncio
import datetime as dt

from alphintra_lab.db import Database, now
from alphintra_lab.jobs import service
from alphintra_lab.jobs.schema import Job
from alphintra_lab.jobs.table import JobRow

ALICE, BOB = "a" * 36, "b" * 36


async def queue(database: Database, owner: str, count: int = 1) -> list[str]:
    ids = []
    async with database.session() as session:
        for _ in range(count):
            row = await service.create_job(session, "backtest", "subject", "run", {})
            row.owner_id = owner
            ids.append(row.id)
    return ids


async def claim(database: Database, worker: str = "host:1:1", cores: int = 99) -> str | None:
    async with database.session() as session:
        row = await service.claim_job(session, worker, worker.split(":")[0], cores)
        return row.id if row else None


async def get(database: Database, job_id: str) -> Job:
    async with database.session(write=False) as session:
        return await service.get_job(session, job_id)


async def test_owners_take_turns(database: Database) -> None:
    alices = await queue(database, ALICE, 4)
    bobs = await queue(database, BOB, 2)
    order = [await claim(database) for _ in range(6)]
    # One each, one each, and then the rest of who has more.
    assert order == [alices[0], bobs[0], alices[1], bobs[1], alices[2], alices[3]]


async def test_the_place_in_the_queue_is_the_order_of_claims(database: Database) -> None:
    alices = await queue(database, ALICE, 3)
    [bobs] = await queue(database, BOB)
    places = {job: (await get(database, job)).place for job in [*alices, bobs]}
    assert places == {alices[0]: 1, bobs: 2, alices[1]: 3, alices[2]: 4}


async def test_no_more_jobs_run_on_a_host_than_it_has_cores(database: Database) -> None:
    await queue(database, ALICE, 5)
    first = [await claim(database, "host:1:1", cores=2) for _ in range(2)]
    assert None not in first
    assert await claim(database, "host:1:1", cores=2) is None
    assert await claim(database, "host:2:2", cores=2) is None, "another worker of the same host"
    assert await claim(database, "other:1:1", cores=2) is not None


async def test_many_workers_at_once_never_share_a_job(database: Database) -> None:
    jobs = await queue(database, ALICE, 8)
    claimed = await asyncio.gather(*(claim(database, f"host{n}:1:1") for n in range(8)))
    assert sorted(filter(None, claimed)) == sorted(jobs)


async def test_a_job_whose_lease_ran_out_waits_again_and_fails_after_three_starts(
    database: Database,
) -> None:
    [job_id] = await queue(database, ALICE)
    for attempt in (1, 2, 3):
        assert await claim(database) == job_id
        async with database.session() as session:
            row = await session.get_one(JobRow, job_id)
            row.lease_until = now() - dt.timedelta(seconds=1)
        async with database.session() as session:
            assert await service.reclaim_jobs(session, dead=[]) == [job_id]
        job = await get(database, job_id)
        assert (job.state, job.attempt) == ("failed" if attempt == 3 else "waiting", attempt)
    assert job.error is not None
    assert job.error.code == "worker_lost"
    assert "died 3 times" in job.error.message


async def test_a_worker_known_to_be_dead_loses_its_jobs_before_the_lease_ends(
    database: Database,
) -> None:
    dead, alive = await queue(database, ALICE, 2)
    assert await claim(database, "host:1:1") == dead
    assert await claim(database, "host:2:2") == alive
    async with database.session() as session:
        assert await service.reclaim_jobs(session, dead=["host:1:1"]) == [dead]
    assert (await get(database, dead)).state == "waiting"
    assert (await get(database, alive)).state == "running"


async def test_a_worker_that_lost_its_lease_can_write_nothing(database: Database) -> None:
    [job_id] = await queue(database, ALICE)
    await claim(database, "old:1:1")
    async with database.session() as session:
        await service.reclaim_jobs(session, dead=["old:1:1"])
    await claim(database, "new:1:1")
    async with database.session() as session:
        assert await service.renew_lease(session, job_id, "old:1:1") is None
        assert not await service.end_job(session, job_id, "old:1:1", result={"from": "old"})
        await service.report_progress(session, job_id, "old:1:1", "decisions", 0.9, {})
    job = await get(database, job_id)
    assert (job.state, job.result, job.progress) == ("running", None, 0.0)


async def test_cancelling_a_waiting_job_ends_it_and_a_running_one_is_asked(
    database: Database,
) -> None:
    running, waiting = await queue(database, ALICE, 2)
    await claim(database, "host:1:1")
    async with database.session() as session:
        assert (await service.cancel_job(session, waiting)).state == "cancelled"
        assert (await service.cancel_job(session, running)).state == "running"
    async with database.session() as session:
        assert await service.renew_lease(session, running, "host:1:1") is True
        assert await service.end_job(session, running, "host:1:1", cancelled=True)
    assert (await get(database, running)).state == "cancelled"


async def test_an_ended_job_stays_as_it_is(database: Database) -> None:
    [job_id] = await queue(database, ALICE)
    await claim(database, "host:1:1")
    async with database.session() as session:
        await service.end_job(session, job_id, "host:1:1", result={"value": 1})
    async with database.session() as session:
        await service.cancel_job(session, job_id)
    job = await get(database, job_id)
    assert (job.state, job.result, job.progress) == ("succeeded", {"value": 1}, 1.0)


async def test_pages_of_jobs_hold_each_once_the_newest_first(database: Database) -> None:
    jobs = await queue(database, ALICE, 7)
    seen: list[str] = []
    cursor = None
    async with database.session(write=False) as session:
        while True:
            page = await service.list_jobs(session, 3, cursor)
            seen += [job.id for job in page.items]
            cursor = page.next
            if cursor is None:
                break
    assert seen == jobs[::-1]


async def test_a_job_cancelled_while_a_worker_claims_it_does_not_run(database: Database) -> None:
    [job_id] = await queue(database, ALICE)
    async with database.session() as session:
        await service.cancel_job(session, job_id)
        claiming = asyncio.ensure_future(claim(database))
        await asyncio.sleep(0.2)  # it has looked: the cancellation is not committed yet
    assert await claiming is None
    assert (await get(database, job_id)).state == "cancelled"
