"""Runs in MLflow: a real tracking store, read back with MLflow's own client."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec
import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from alphintra_lab.experiments import service
from tests.faults.harness import free_port

pytestmark = pytest.mark.slow

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
RUN = service.Run(
    key="0195-a",
    experiment="SmaCross",
    name="run 41",
    started=START,
    ended=START + dt.timedelta(seconds=2),
    parameters={"parameter.fast": 10, "commission": 0.0002, "note": "x" * 7000},
    metrics={"sharpe": 2.2, "calmar": None, "omega": float("inf"), "cagr": 0.164},
    tags={"alphintra.ledger_sha256": "9f3c"},
)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def client(uri: str) -> Iterator[MlflowClient]:
    client = MlflowClient(tracking_uri=uri)
    yield client
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        for run in client.search_runs([experiment.experiment_id]):
            client.delete_run(run.info.run_id)


def test_a_run_arrives_with_its_parameters_metrics_hashes_and_times(
    uri: str, client: MlflowClient
) -> None:
    run = client.get_run(service.write_run(uri, RUN))
    assert client.get_experiment(run.info.experiment_id).name == "SmaCross"
    assert (run.info.run_name, run.info.status) == ("run 41", "FINISHED")
    assert run.info.start_time == int(START.timestamp() * 1000)
    assert run.info.end_time == run.info.start_time + 2000
    assert run.data.params["parameter.fast"] == "10"
    assert run.data.params["note"] == "x" * 6000
    assert run.data.metrics == {"sharpe": 2.2, "cagr": 0.164}, "undefined numbers stay out"
    assert run.data.tags["alphintra.ledger_sha256"] == "9f3c"


def test_writing_twice_makes_one_run(uri: str, client: MlflowClient) -> None:
    first = service.write_run(uri, RUN)
    assert service.write_run(uri, RUN) == first
    [experiment] = [e for e in client.search_experiments() if e.name == "SmaCross"]
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_a_run_that_a_dead_worker_left_half_written_is_finished(
    uri: str, client: MlflowClient
) -> None:
    run = msgspec.structs.replace(RUN, key="0195-b")
    experiment = service._experiment(client, run.experiment)
    half = service._create(client, experiment, run)
    assert client.get_run(half).info.status == "RUNNING"
    assert service.write_run(uri, run) == half
    assert client.get_run(half).info.status == "FINISHED"
    assert client.get_run(half).data.metrics["sharpe"] == 2.2


def test_a_deleted_experiment_is_restored(uri: str, client: MlflowClient) -> None:
    run = msgspec.structs.replace(RUN, key="0195-c", experiment="Deleted")
    run_id = service.write_run(uri, run)
    client.delete_experiment(client.get_run(run_id).info.experiment_id)
    again = service.write_run(uri, msgspec.structs.replace(run, key="0195-d"))
    assert client.get_run(again).info.status == "FINISHED"


def test_a_server_that_does_not_answer_is_a_tracking_error() -> None:
    with pytest.raises(service.TrackingError, match=r"127\.0\.0\.1"):
        service.write_run(f"http://127.0.0.1:{free_port()}", RUN)
