"""A workspace whose dataset is in a bucket: the stages and the commands go there."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import put
from typed import PACLOOP

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import SCHEMA, make_episode, write_npz

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.loop.episodes.play import Play, Session, play
from pacloop.loop.episodes.sample import collections, own_batches
from pacloop.loop.injection.inject import Request, inject
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def make_space(s3, tmp_path):
    """Workspaces, each in a folder of its own, of one dataset."""

    def make_space(name, url=f"s3://robots/{tmp_path.name}"):
        return Workspace.create(tmp_path / name, parse_config({"dataset": {"url": url}}, "test"))

    return make_space


def test_what_one_workspace_injects_the_other_pins(make_space, tmp_path):
    one, two = make_space("one"), make_space("two")
    assert not one.has_store()
    one.make_store(SCHEMA)
    path = write_npz(tmp_path / "n", [make_episode(5, seed) for seed in range(3)], SCHEMA)
    (batch,) = inject(one, Request(path, by="anna"), silent).batches
    assert inject(two, Request(path), silent).duplicates == 3
    two.open_store().exclude(f"{batch}/1", reason="it slipped", by="ben")
    object.__setattr__(one, "store", one.open_store())  # the task's own schema is another
    pinned = append(one, 1, silent)
    assert (pinned.episodes, pinned.excluded) == (2, 1)
    assert not (one.folder / "dataset").exists()
    assert sorted(path.name for path in one.folder.iterdir()) == [
        "cache",
        "identity.json",
        "pacloop.toml",
        "rlds",
        "rounds",
    ]


@pytest.fixture
def play_in(make_space):
    """Play six episodes of policy `p` in the workspace of a name; the batches, and how many were played."""
    from dataclasses import replace

    import torch

    from pacloop.learner.checkpoint import PolicyRecord, write_policy
    from pacloop.learner.config import PacConfig
    from pacloop.learner.policy import Acting

    class Pool:
        played = 0

        def run(self, _record, _weights, seeds):
            for seed in seeds:
                Pool.played += 1
                yield replace(make_episode(5, Pool.played), seed=seed, policy="p")

    def play_in(name, weight=0.0):
        before, space = Pool.played, make_space(name)
        object.__setattr__(space, "store", space.make_store(SCHEMA))
        record = PolicyRecord("p", SCHEMA, PacConfig(), Acting("sample", 1, 0.05), {"round": 0}, {})
        shutil.rmtree(space.folder / "policies", ignore_errors=True)
        write_policy(space.folder / "policies" / "p", record, {"w": torch.full((1,), weight)})
        wanted = Play("collect", "p", "collection", round=1, episodes=6, block=2)
        return space, list(play(Session(space, Pool, silent), wanted)), Pool.played - before

    return play_in


def test_blocks_played_into_the_bucket_are_found_again(play_in):
    _, first, played = play_in("one")
    assert (len(first), played) == (3, 6)
    _, again, played = play_in("one")
    assert (again, played) == (first, 0)


def test_two_loops_of_one_dataset_count_only_what_they_played_themselves(play_in):
    """Every first policy has the same name; who played a block says the identity of the workspace."""
    one, first, _ = play_in("one")
    two, second, played = play_in("two")
    assert played == 6 and not {batch.id for batch in first} & {batch.id for batch in second}
    for space, own in ((one, first), (two, second)):
        assert [batch.id for batch in collections(own_batches(space), "p")] == [batch.id for batch in own]
    assert len(two.store.batches()) == 6, "but both may learn from all"


def test_a_block_that_other_weights_of_the_same_name_played_is_refused(play_in):
    play_in("one")
    with pytest.raises(DatasetError, match="was played by other weights of p, but must be p's"):
        play_in("one", weight=1.0)


def test_blocks_from_before_identities_are_whose_records_they_have(play_in, make_space):
    """Played by somebody's round 1: the workspace with the record of that round takes them for its own."""
    one, batches, _ = play_in("one")
    episodes = [episode for batch in batches for episode in one.store.episodes(batch)]
    origin = {"policy": "p", "stage": "collect", "horizon": SCHEMA.horizon}
    old = one.store.append(
        episodes, batch_id="r001-collect-00000", source="collection", round=1, origin=origin
    )
    for name, ended in (("upgraded", True), ("new", False)):
        space = make_space(name)
        object.__setattr__(space, "store", space.open_store())
        if ended:
            put(space, 1, "collect")
        assert (old in own_batches(space)) is ended
    _, own, played = play_in("new")
    assert played == 6 and old not in own


def test_the_commands_go_to_the_bucket_or_say_why_not(make_space, tmp_path):
    space = make_space("one")
    space.make_store(SCHEMA).append([make_episode(5, 0)], batch_id="a", source="demonstration")
    done = subprocess.run(
        [PACLOOP, "dataset", "ls", "--json", "-w", space.folder], capture_output=True, text=True, check=True
    )
    assert [batch["id"] for batch in json.loads(done.stdout)] == ["a"]
    wrong = make_space("wrong", "s3://nowhere/x").folder
    done = subprocess.run(
        [PACLOOP, "dataset", "ls", "-w", wrong], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pacloop: s3://nowhere/x/schemas cannot be listed: there is no such bucket\n"


def test_without_a_url_the_dataset_is_the_folder(space):
    assert type(space.store) is EpisodeStore
    assert space.dataset == str(space.store.folder) == str(space.folder / "dataset")


def test_another_horizon_counts_in_the_very_run_that_records_it(space):
    _ = space.store
    again = Workspace.open(space.folder)
    schema = replace(again.task.schema, horizon=again.task.schema.horizon + 30)
    vars(again)["task"] = replace(again.task, schema=schema)
    assert again.store.schema.horizon == schema.horizon - 30, (
        "looked at before the lease, nothing is recorded"
    )
    again.make_store(schema)
    assert again.store.schema.horizon == schema.horizon


def test_who_opens_a_dataset_lists_its_schemas_once(make_space, s3):
    make_space("one").make_store(make_space("one").task.schema)
    s3.requests.clear()
    assert make_space("two").store
    lists = [path for method, path in s3.requests if method == "GET" and path.rstrip("/") == "/robots"]
    assert len(lists) == 2, "of the schemas, and of the changes of the facts"
