"""MLflow's client. It is heavy: only a worker calls this, and only then is it imported."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError

KEY = "alphintra.id"
PAGE = 100


class TrackingError(Exception):
    """MLflow cannot be reached or refuses; the message is its own."""


class Run(msgspec.Struct, frozen=True):
    """A finished run of ours, as MLflow is to know it. `key` is our id: one run for each key."""

    key: str
    experiment: str
    name: str
    started: dt.datetime
    ended: dt.datetime
    parameters: dict[str, Any]
    metrics: dict[str, float | None]
    tags: dict[str, str]


def write_run(tracking_uri: str, run: Run) -> str:
    """Write the run unless MLflow has it, and answer MLflow's id for it. It blocks."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # MLflow asks for git; ours may be absent
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # its migrations are not news
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # the caller tries again
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException

    try:
        with _tables_lock(tracking_uri):
            client = MlflowClient(tracking_uri=tracking_uri)
        experiment = _experiment(client, run.experiment)
        known = client.search_runs([experiment], f"tags.`{KEY}` = '{run.key}'", max_results=1)
        finished = [one for one in known if one.info.status == "FINISHED"]
        if finished:
            return str(finished[0].info.run_id)
        # An unfinished one with our key is ours, from a worker that died half-way: go on with it.
        run_id = known[0].info.run_id if known else _create(client, experiment, run)
        moment = _milliseconds(run.ended)
        metrics = [
            Metric(name, value, moment, 0)
            for name, value in run.metrics.items()
            if value is not None and math.isfinite(value)
        ]
        parameters = [Param(name, str(value)[:6000]) for name, value in run.parameters.items()]
        tags = [RunTag(name, value[:5000]) for name, value in run.tags.items()]
        for start in range(0, max(len(metrics), len(parameters), 1), PAGE):
            client.log_batch(
                run_id,
                metrics[start : start + PAGE],
                parameters[start : start + PAGE],
                tags if start == 0 else [],
            )
        client.set_terminated(run_id, "FINISHED", moment)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(str(error)) from error
    return str(run_id)


@contextlib.contextmanager
def _tables_lock(tracking_uri: str) -> Iterator[None]:
    """One process at a time makes the tables of a SQLite store: MLflow does not see to that."""
    if not tracking_uri.startswith("sqlite:///"):
        yield
        return
    with Path(tracking_uri.removeprefix("sqlite:///") + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _experiment(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # somebody else made it meanwhile
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _create(client: Any, experiment: str, run: Run) -> str:
    created = client.create_run(
        experiment,
        start_time=_milliseconds(run.started),
        tags={KEY: run.key},
        run_name=run.name,
    )
    return str(created.info.run_id)


def _milliseconds(time: dt.datetime) -> int:
    return int(time.timestamp() * 1000)
