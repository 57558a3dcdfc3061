"""Two rounds through a real Prefect server, with an injection from another process between them."""

import asyncio
import base64
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import write_npz
from typed import pacloop, small

from pacloop.loop.injection.demonstrations import add_demonstrations
from pacloop.loop.progress import silent
from pacloop.loop.views.lineage import learned_by, policy_facts
from pacloop.loop.views.rounds import rows
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.records import Appended, Learned, Raced
from pacloop.loop.workspace.verdict import Verdict
from pacloop.loop.workspace.workspace import Workspace

SETTINGS = small(collect={"actors": 2}, learn={"batch_size": 32}, improve={"rounds": 2})


@pytest.fixture(scope="module")
def ended(prefect_api, tmp_path_factory):
    """An improved workspace, and what Prefect then knows of it: flow runs, task runs, artifacts."""
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from pacloop.flows.runs.improve import improve_with_prefect
    from pacloop.flows.runs.rounds import round_flow

    folder = tmp_path_factory.mktemp("flows") / "space"
    Workspace.create(folder, parse_config(SETTINGS, "test"))
    add_demonstrations(
        folder, task="pacloop/stack", episodes=6, seed=0, clean=False, bare=False, progress=silent
    )

    def leave_behind_a_run_of_a_killed_process():
        facts = {"parameters": {"workspace": str(folder), "number": 1}, "name": "killed"}
        marks = (f"holds:{Workspace.open(folder).id}", f"on:{socket.gethostname()}")
        with get_client(sync_client=True) as client:
            client.create_flow_run(round_flow, **facts, state=Running(), tags=marks)

    teleop = write_npz(folder.parent / "teleop", three_good_episodes(), Workspace.open(folder).task.schema)
    said = []

    def progress(stage, *_):
        """Somebody injects a recording while the first round's gate is at work."""
        if stage == "gate" and not said:
            words = ("inject", teleop, "-w", folder, "--by", "anna", "--note", "new gripper")
            said.append(pacloop(*words, cwd=folder.parent))

    async def read():
        async with get_client() as client:
            return await client.read_flow_runs(), await client.read_task_runs(), await client.read_artifacts()

    leave_behind_a_run_of_a_killed_process()
    space = Workspace.open(folder)
    improved, _, text = improve_with_prefect(space, progress)
    done = SimpleNamespace(space=space, good=improved.good, text=text)
    assert said[0].returncode == 0, said[0].stderr
    runs, tasks, artifacts = asyncio.run(read())
    ours = [run for run in runs if run.parameters.get("workspace") == str(folder)]
    mine = {run.id for run in ours}
    return done, ours, tasks, [a for a in artifacts if a.flow_run_id in mine]


def three_good_episodes():
    from pacloop.actors.registry import find_task
    from pacloop.actors.rollout.rollout import rollout
    from pacloop.actors.tasks.stack.demonstrator import Demonstrator
    from pacloop.actors.tasks.stack.mistakes import CLEAN

    task = find_task("pacloop/stack")
    return list(rollout(task, Demonstrator(CLEAN), [1, 2, 3], environments=[task.make()]))


def test_a_rounds_run_is_renamed_after_its_verdict(ended):
    names = {run.name for run in ended[1]}
    verdict = ended[0].space.record(Verdict, 1)
    rate = verdict.candidate_rate
    assert f"round 1 - {rate:.0%} in the gate - {verdict.decision}" in names
    assert f"start - {ended[0].space.record(Raced, 0).policy}" in names
    assert all(run.state.is_completed() for run in ended[1] if run.name != "killed")


def test_a_run_left_behind_by_a_killed_process_is_closed(ended):
    assert next(run for run in ended[1] if run.name == "killed").state.is_crashed()


def test_a_round_is_four_tasks(ended):
    number = next(run.id for run in ended[1] if run.name.startswith("round 1"))
    tasks = [task for task in ended[2] if task.flow_run_id == number]
    assert sorted(task.name.split("-")[0] for task in tasks) == ["append", "collect", "gate", "learn"]


def test_the_artifact_holds_table_and_curve(ended):
    from pacloop.flows.pages.publishing import key_of

    found = [a for a in ended[3] if a.key == "success-per-round"]
    text = max(found, key=lambda a: a.created).data
    own = [a for a in ended[3] if a.key == key_of(ended[0].space)]
    assert max(own, key=lambda a: a.created).data == text, "the workspace's own has the same"
    for name in ("demonstrations", "BC", "PAC on the demonstrations", "round 1", "final"):
        assert f"| {name} |" in text
    png = base64.b64decode(text.split("base64,")[1].split(")")[0])
    assert png.startswith(b"\x89PNG")
    assert len(text) < 300_000


def test_the_round_after_an_injection_learned_from_it(ended):
    space = ended[0].space
    (batch,) = [b for b in space.store.batches() if b.origin.get("command") == "inject"]
    before, after = (space.record(Learned, number).policy for number in (1, 2))
    learners = learned_by(space, f"{batch.id}/0")
    assert after in learners and before not in learners
    assert space.record(Appended, 1).sources["demonstration"] == 6
    assert space.record(Appended, 2).sources["demonstration"] == 9
    facts = policy_facts(space, space.store, after)
    assert facts["sources"]["demonstration"] == 9
    assert facts["rows"] == space.record(Learned, 2).rows == space.record(Appended, 2).rows
    shown = pacloop("policies", "show", after, "-w", space.folder, cwd=space.folder)
    assert f"{batch.id}: demonstration from teleop by anna, 3 episodes, success 100%" in shown.stdout


def test_status_and_the_artifact_show_the_injection(ended):
    space = ended[0].space
    found = rows(space)
    names = [row.name for row in found]
    assert names[names.index("injected teleop") + 1] == "round 2"
    row = found[names.index("injected teleop")]
    assert (row.n, row.rate, row.verdict) == (3, 1.0, "injected")
    assert row.reason.endswith("learned from since round 2; new gripper")
    text = max((a for a in ended[3] if a.key == "success-per-round"), key=lambda a: a.created).data
    assert "| injected teleop | 100.0% |" in text
    assert f"**injected teleop**: {row.reason}" in text


def test_the_workspace_says_how_it_ended(ended):
    done = ended[0]
    assert not done.good, "24 gradient steps cannot stack cubes"
    assert "NOT reached" in done.text
    assert "stopped after" in done.text and ": 2 rounds were played\n" in done.text
    place = f"--workspace {done.space.folder}\n"
    assert f"pacloop report --open {place}" in done.text
    assert f"pacloop improve {place}" in done.text + "\n"
    assert (done.space.folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_rounds_own_report_has_its_verdict_training_and_films_or_why_not(ended):
    number = next(run.id for run in ended[1] if run.name.startswith("round 1"))
    (found,) = [a for a in ended[3] if a.key == "round-report" and a.flow_run_id == number]
    text = found.data
    verdict = ended[0].space.record(Verdict, 1)
    assert text.startswith(f"# Round 1: {verdict.decision}")
    for part in ("## Stages", "![training curves](data:image/png", f"`{verdict.candidate}`"):
        assert part in text
    assert "(data:image/jpeg;base64," in text or "Pictures are missing: " in text
    start = next(run.id for run in ended[1] if run.name.startswith("start"))
    assert f"/runs/flow-run/{start})" in text, "the policy it went on from links to the run that made it"
    assert len(text) < 300_000


def test_stages_told_their_progress_while_they_ran(ended):
    keys = {a.key for a in ended[3]}
    assert {"progress-collect", "progress-learn", "progress-gate"} <= keys
    number = next(run.id for run in ended[1] if run.name.startswith("round 1"))
    (gate,) = [a for a in ended[3] if a.key == "progress-gate" and a.flow_run_id == number]
    assert gate.type == "progress" and gate.data > 0
