"""Progress in Prefect while a stage runs: one artifact a stage and run, kept up to date."""

import time
from contextlib import closing
from uuid import UUID

import pytest


@pytest.fixture(scope="module")
def artifacts(prefect_api):
    """What was passed on, and the artifacts that a run left which reported two stages."""
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run

    from pacloop.flows.runs.progress import ProgressReporter

    passed_on, runs = [], []

    @flow
    def work():
        runs.append(UUID(flow_run.get_id()))
        report = ProgressReporter(lambda *news: passed_on.append(news))
        report("collect", 10, 100, "success 20%")
        report("collect", 100, 100, "success 25%")

        @task
        def judge():
            report("gate", 50, 200, "success 30%, evidence 1.20 of 2.40")

        judge()
        report.close()
        return report

    report = work()
    report("gate", 1, 200, "outside of any run")
    with get_client(sync_client=True) as client:
        return passed_on, [a for a in client.read_artifacts() if a.flow_run_id in runs]


def test_each_stage_has_one_artifact_with_its_latest(artifacts):
    found = {a.key: a for a in artifacts[1]}
    assert len(artifacts[1]) == len(found) == 2
    collect, gate = found["progress-collect"], found["progress-gate"]
    assert (collect.type, collect.data) == ("progress", 100.0)
    assert collect.description == "collect: 100 of 100, success 25%"
    assert gate.data == 25.0
    assert "evidence 1.20 of 2.40" in gate.description
    assert collect.flow_run_id == gate.flow_run_id
    assert collect.task_run_id is None and gate.task_run_id is not None


def test_a_run_that_somebody_cancels_ends_its_work(prefect_api, monkeypatch):
    from prefect import flow, task
    from prefect.client.orchestration import get_client
    from prefect.exceptions import CancelledRun
    from prefect.runtime import flow_run
    from prefect.states import Cancelling

    from pacloop.flows.runs import progress
    from pacloop.flows.runs.rounds import ends_withdrawn

    monkeypatch.setattr(progress, "EVERY_SEC", 0.1)
    runs = []

    @task
    def collect(report):
        runs.append(run := UUID(flow_run.get_id()))
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run, Cancelling())
        for episode in range(600):
            report("collect", episode, 600, "")
            time.sleep(0.1)

    @flow
    @ends_withdrawn
    def work(report):
        collect(report)

    with closing(progress.ProgressReporter(lambda *_: None)) as report:
        with pytest.raises(CancelledRun, match="collect was cancelled; what was finished is kept"):
            work(report)
        report("collect", 1, 600, "outside of any run")
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(runs[0]).state.is_cancelled()


def test_everything_is_passed_on(artifacts):
    assert [news[:2] for news in artifacts[0]] == [
        ("collect", 10),
        ("collect", 100),
        ("gate", 50),
        ("gate", 1),
    ]


@pytest.mark.parametrize(
    ("what", "stage"),
    [("learn", "learn"), ("race-n8", "race"), ("final-r002-pac", "final"), ("manual0003", "evaluate")],
)
def test_keys_are_the_same_in_every_run(what, stage):
    from pacloop.flows.runs.progress import stage_of

    assert stage_of(what) == stage
