"""A promotion that waits for a person, on a real Prefect server: form, terminal, kill and cancellation."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from threading import Thread

import pytest
from typed import PACLOOP, pacloop

from pacloop.loop.errors import Withdrawn
from pacloop.loop.progress import silent
from pacloop.loop.stages import approval
from pacloop.loop.stages.question import answer, make_answer, question
from pacloop.loop.workspace.verdict import Verdict

DEADLINE_SEC = 240


@pytest.fixture
def client(prefect_api):
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def runs(client):
    """Reads the runs of a workspace, the newest last."""

    def runs(space, flow="round"):
        found = client.read_flow_runs()
        ours = [r for r in found if r.parameters.get("workspace") == str(space.folder)]
        return sorted((r for r in ours if client.read_flow(r.flow_id).name == flow), key=lambda r: r.created)

    return runs


@pytest.fixture
def paused(runs):
    """Waits until a workspace's newest round is paused for the `n`th time, and gives its run."""

    def paused(space, n=1):
        for _ in range(DEADLINE_SEC):
            found = runs(space)
            if found and found[-1].state.is_paused():
                key = found[-1].state.state_details.run_input_keyset["response"]
                if f"-{n}-" in key:
                    return found[-1]
            time.sleep(1)
        raise AssertionError([(run.name, run.state) for run in runs(space)])

    return paused


@pytest.fixture
def played(prefect_api):
    """Plays round 1 in a thread, as `pacloop improve` does in its process."""

    def played(space):
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from pacloop.flows.runs.rounds import play as play_part
        from pacloop.flows.runs.session import session

        def play():
            with (
                temporary_settings({PREFECT_API_URL: prefect_api}),
                suppress(Withdrawn),
                session(space, silent),
            ):
                play_part("round", str(space.folder), 1)

        thread = Thread(target=play)
        thread.start()
        return thread

    return played


def test_the_form_shows_the_figures_and_takes_an_answer(client, waiting, played, paused, runs):
    space = waiting()
    thread = played(space)
    run = paused(space)
    assert run.name == "round 1 - 61% in the gate - waits for approval"
    keyset = run.state.state_details.run_input_keyset
    page = client.read_flow_run_input(run.id, keyset["description"])
    for words in ("Promote `r001-pac`?", "| champion | `r000-pac` | 48.0% |", "data:image/png;base64,"):
        assert words in page
    nothing = client.resume_flow_run(run.id, run_input={"decision": "approve"})
    assert nothing.status.value == "REJECT", "a reason must be given"
    client.resume_flow_run(run.id, run_input={"decision": "reject", "reason": "it scratches", "who": "anna"})
    thread.join(DEADLINE_SEC)
    assert space.record(Verdict, 1).reason.startswith("rejected by anna: it scratches")
    assert space.registry.champion() == "r000-pac"
    (run,) = runs(space)
    assert run.state.is_completed()
    assert run.name == "round 1 - 61% in the gate - rejected"


@pytest.mark.parametrize("first", ["approve", "reject"])
def test_the_first_of_a_form_and_a_terminal_counts(client, waiting, played, paused, monkeypatch, first):
    """Both answer while nobody looks; the terminal approves, and nobody signs the form."""
    monkeypatch.setattr(approval, "POLL_SEC", 10.0)
    space = waiting()
    thread = played(space)
    run = paused(space)
    acts = {
        "approve": lambda: answer(space, make_answer("approve", by="ben", reason="a steady hand")),
        "reject": lambda: client.resume_flow_run(
            run.id, run_input={"decision": "reject", "reason": "it scratches"}
        ),
    }
    acts.pop(first)()
    time.sleep(1.1)
    acts.popitem()[1]()
    thread.join(DEADLINE_SEC)
    by = {"approve": "approved by ben: ", "reject": "rejected by somebody, on the form: "}
    assert space.record(Verdict, 1).reason.startswith(by[first])


def test_figures_that_cannot_be_shown_keep_nobody_from_answering(
    client, waiting, played, paused, monkeypatch
):
    from pacloop.flows.runs import approval_form

    def broken(space, question):
        raise ValueError("no curve")

    monkeypatch.setattr(approval_form, "approval_page", broken)
    space = waiting()
    thread = played(space)
    run = paused(space)
    page = client.read_flow_run_input(run.id, run.state.state_details.run_input_keyset["description"])
    assert "r001-pac waits for approval" in page and "No figures can be shown: ValueError: no curve" in page
    client.resume_flow_run(run.id, run_input={"decision": "approve", "reason": "seen elsewhere"})
    thread.join(DEADLINE_SEC)
    assert space.registry.champion() == "r001-pac"


def test_time_that_is_over_keeps_the_champion_and_the_run_completes(waiting, played, runs):
    space = waiting(approve_hours=0.001)
    played(space).join(DEADLINE_SEC)
    assert space.registry.champion() == "r000-pac"
    (run,) = runs(space)
    assert run.state.is_completed() and run.name == "round 1 - 61% in the gate - undecided"


def test_a_cancelled_question_is_asked_again(client, waiting, played, paused):
    from prefect.states import Cancelling

    space = waiting()
    thread = played(space)
    run = paused(space)
    client.set_flow_run_state(run.id, Cancelling())
    thread.join(DEADLINE_SEC)
    assert client.read_flow_run(run.id).state.is_cancelled()
    assert question(space).judged.candidate == "r001-pac"


def test_an_answer_is_looked_for_in_runs_of_the_same_round_only(client, waiting):
    from prefect import flow
    from prefect.states import Pending

    from pacloop.flows.pages.publishing import workspace_tag
    from pacloop.flows.runs.approval_form import _Form

    @flow
    def other():
        pass

    space = waiting()

    def begun(name, tag):
        return client.create_flow_run(other, name=name, tags=[tag], state=Pending()).id

    killed = begun("round 1 - 61% in the gate - waits for approval", workspace_tag(space))
    asked = begun("round 1", workspace_tag(space))
    for name, tag in {
        "evaluate r001-pac": workspace_tag(space),
        "start - r000-pac": workspace_tag(space),
        "round 1": "workspace:another",
    }.items():
        begun(name, tag)
    assert set(_Form(asked, space, question(space))._earlier(client)) == {killed, asked}


def test_an_answer_on_the_form_of_a_killed_run_counts(client, waiting, paused, runs, prefect_api):
    space = waiting()
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    command = [PACLOOP, "improve", "-w", str(space.folder), "--rounds", "1"]
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True)
    first = paused(space)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    word = {"decision": "approve", "reason": "a steady hand", "who": "anna"}
    assert client.resume_flow_run(first.id, run_input=word).status.value == "ACCEPT"
    time.sleep(1.1)  # answers have their second
    answer(space, make_answer("reject", by="ben", reason="too late"))
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_SEC)
    assert "champion r001-pac: 60.0% of 100" in again.stdout, again.stderr
    reign = space.registry.history()[-1]
    assert (reign.policy, reign.by) == ("r001-pac", "anna")
    assert space.record(Verdict, 1).approval.reason == "a steady hand"
    second = runs(space)[-1]
    assert second.id != first.id and second.state.is_completed()


def test_a_run_killed_while_it_waits_asks_again_and_a_terminal_answers(waiting, paused, runs, prefect_api):
    space = waiting()
    environment = os.environ | {"PREFECT_API_URL": prefect_api}
    command = [PACLOOP, "improve", "-w", str(space.folder), "--rounds", "1"]

    def start():
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    killed = start()
    first = paused(space)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    again = start()
    try:
        while (second := paused(space)).id == first.id:
            time.sleep(1)
        assert next(run for run in runs(space) if run.id == first.id).state.is_crashed()
        status = pacloop("status", "-w", space.folder, cwd=space.folder)
        assert "round 1: r001-pac waits for approval" in status.stdout
        words = ["-w", space.folder, "--reason", "steady hand", "--by", "ben"]
        said = pacloop("approve", "r001-pac", *words, cwd=space.folder)
        assert f"taken up by process {again.pid}" in said.stdout
        text, _ = again.communicate(timeout=DEADLINE_SEC)
    finally:
        again.kill()
    assert "champion r001-pac: 60.0% of 100" in text
    reign = space.registry.history()[-1]
    assert (reign.policy, reign.by) == ("r001-pac", "ben")
    assert next(run for run in runs(space) if run.id == second.id).state.is_completed()
