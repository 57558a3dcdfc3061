"""What may go: weights and states that nothing needs, never what a reign or a resumed run asks for."""

import shutil

import pytest
from recorded import put, verdict

from pacloop.loop.errors import LoopError
from pacloop.loop.stages.learn import start_policy
from pacloop.loop.views.lineage import policy_facts
from pacloop.loop.workspace.records import Diverged
from pacloop.loop.workspace.retention import remove_files, spare_files


@pytest.fixture
def rounds(space, put_policy):
    """Five rounds: 1 promoted and rolled back, 2 rejected, 3 undecided, 4 rejected, 5 not ended."""
    for name, number in (("r000-bc", 0), ("r000-pac", 0), *((f"r00{k}-pac", k) for k in range(1, 6))):
        put_policy(name, number)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    decisions = {1: "promoted", 2: "rejected", 3: "undecided", 4: "rejected"}
    for number, decision in decisions.items():
        put(space, number, "gate", **verdict(decision, f"r00{number}-pac", 5, 10))
        space.registry.settle()
    space.registry.rollback(reason="it scratches", by="ann")
    for number in (4, 5):
        folder = space.round_folder(number) / "learn-run"
        folder.mkdir(parents=True)
        (folder / "state.safetensors").write_bytes(bytes(100))
        (folder / "metrics.jsonl").write_text("{}\n")
    return space


def names(space, keep):
    return [file.name for file in spare_files(space, keep)]


def weights(number):
    return f"policies/r00{number}-pac/weights.safetensors"


def killed(*_):
    raise KeyboardInterrupt


STATE = "rounds/004/learn-run/state.safetensors"


def test_what_may_go(rounds):
    assert names(rounds, 1) == [weights(2), weights(4), STATE]
    assert names(rounds, 2) == [weights(2), STATE]
    assert names(rounds, 9) == [STATE]
    rounds.write_json(
        "evaluations/0001.begun.json",
        {"version": 1, "policy": "r002-pac", "episodes": 5, "against": "r004-pac", "paired": False},
    )
    assert names(rounds, 1) == [STATE]
    rounds.write_json("evaluations/0001.json", {"whatever": "it ended with"})
    assert names(rounds, 1) == [weights(2), weights(4), STATE]


def test_a_folder_beside_the_rounds_is_none(rounds):
    before = names(rounds, 1), rounds.registry.history()
    shutil.copytree(rounds.round_folder(4), rounds.folder / "rounds" / "004.bak")
    assert rounds.rounds() == [1, 2, 3, 4, 5]
    assert (names(rounds, 1), rounds.registry.history()) == before


def test_packs_may_go(rounds):
    packs = ["dataset/packed/0.bin", "dataset/packed/index.json", "cache/0a1b/packed/0.bin"]
    for name in packs:
        path = rounds.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(7))
    spare = spare_files(rounds, 9)
    assert {file.name for file in spare} == {STATE, *packs}
    remove_files(rounds, spare, "ann")
    assert spare_files(rounds, 9) == []
    assert not any((rounds.folder / name).exists() for name in packs)


def test_what_went_is_gone_and_nothing_else(rounds):
    before = {path for path in rounds.folder.rglob("*") if path.is_file()}
    spare = spare_files(rounds, 1)
    assert [file.bytes for file in spare] == [(rounds.folder / file.name).stat().st_size for file in spare]
    remove_files(rounds, spare, "ann")
    after = {path for path in rounds.folder.rglob("*") if path.is_file()}
    assert before - after == {rounds.folder / file.name for file in spare}
    assert {path.name for path in after - before} == {"removed.json"}
    assert spare_files(rounds, 1) == []
    facts = policy_facts(rounds, rounds.store, "r002-pac")
    assert facts["weights_removed"]["by"] == "ann" and facts["verdict"]["decision"] == "rejected"
    with pytest.raises(LoopError, match="the weights of r002-pac were removed by pacloop gc"):
        rounds.registry.promote("r002-pac", reason="why not", by="ann")
    rounds.registry.promote("r003-pac", reason="why not", by="ann")


def test_what_is_promoted_meanwhile_keeps_its_weights(rounds):
    spare = spare_files(rounds, 1)
    rounds.registry.promote("r002-pac", reason="why not", by="ann")
    assert [file.name for file in remove_files(rounds, spare, "cron")] == [weights(4), STATE]
    assert (rounds.folder / weights(2)).exists()


def test_weights_that_are_about_to_go_are_put_in_force_by_nobody(rounds, monkeypatch):
    spare = spare_files(rounds, 1)
    monkeypatch.setattr(type(rounds), "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_files(rounds, spare, "cron")
    with pytest.raises(LoopError, match="the weights of r002-pac were removed by pacloop gc"):
        rounds.registry.promote("r002-pac", reason="why not", by="ann")
    monkeypatch.undo()
    assert remove_files(rounds, spare_files(rounds, 1), "cron") == spare


def test_what_the_round_after_a_diverged_one_goes_on_from_stays(space, put_policy):
    for name, number in (("r000-pac", 0), *((f"r00{k}-pac", k) for k in range(1, 4))):
        put_policy(name, number)
    space.registry.install("r000-pac", reason="first", by="round 0", round=0, action="first")
    for number, decision in {1: "undecided", 2: "rejected", 3: "rejected", 4: "undecided"}.items():
        put(space, number, "begin", champion="r000-pac")
        put(space, number, "gate", **verdict(decision, f"r00{number}-pac", 5, 10))
    space.write_record(4, Diverged(policy="r004-pac", parent="r003-pac", reason="not finite", seconds=0.0))
    put(space, 5, "begin", champion="r000-pac")
    assert start_policy(space, 5) == "r001-pac"
    assert weights(1) not in names(space, 1)
