"""A workspace whose dataset is in a bucket: the stages and the commands go there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typed import PACLOOP

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import SCHEMA, make_episode, write_npz

from pacloop.datasets import EpisodeStore
from pacloop.loop.episodes.play import Play, play
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
    assert sorted(path.name for path in one.folder.iterdir()) == ["cache", "pacloop.toml", "rlds", "rounds"]


def test_blocks_played_into_the_bucket_are_found_again(make_space, tmp_path):
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

    wanted = Play("collect", "p", "collection", "collection", round=1, episodes=6, block=2)
    seen = []
    for name in ("one", "two"):
        space = make_space(name)
        object.__setattr__(space, "store", space.make_store(SCHEMA))
        record = PolicyRecord("p", SCHEMA, PacConfig(), Acting("sample", 1, 0.05), {"round": 0}, {})
        write_policy(space.policy_folder("p"), record, {"w": torch.zeros(1)})
        seen.append(list(play(space, Pool, wanted, silent)))
    assert seen[0] == seen[1]
    assert (len(seen[0]), Pool.played) == (3, 6)


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
