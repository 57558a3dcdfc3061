"""What came from outside on start states that a run plays itself is not learned from, whoever injected it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import SCHEMA, make_episode, write_npz

from pacloop.datasets import EpisodeStore
from pacloop.loop.episodes.seeds import episode_seeds
from pacloop.loop.errors import LoopError
from pacloop.loop.injection.inject import Request, inject
from pacloop.loop.progress import silent
from pacloop.loop.stages.append import append
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture
def theirs(tmp_path):
    """A dataset with a gate of run 0, one of run 5, and a demonstration."""
    about = (("gate", 0), ("gate", 0), ("gate", 5), ("demonstration", 0))
    seeds = [
        episode_seeds(purpose, run=run, round=1, count=k + 1)[-1] for k, (purpose, run) in enumerate(about)
    ]
    episodes = [replace(make_episode(5 + k, k, 1.0), seed=seed) for k, seed in enumerate(seeds)]
    store = EpisodeStore.create(tmp_path / "theirs", SCHEMA)
    store.append(episodes, batch_id="r001-gate-00000", source="evaluation", round=1)
    return store


def learned_from(space, notes):
    """The rows that a first round pins."""
    vars(space)["store"] = space.open_store()  # the task's own schema is another
    pinned = append(space, 1, lambda *words: notes.append(words[-1]))
    return [row.id for row in space.store.counted_rows(pinned.snapshot)]


def test_what_another_injected_into_a_shared_dataset_is_left_out(s3, theirs, tmp_path):
    dataset = {"url": f"s3://robots/{tmp_path.name}"}
    ann, ben = (
        Workspace.create(tmp_path / name, parse_config({"seed": seed, "dataset": dataset}, "test"))
        for name, seed in (("ann", 1), ("ben", 0))
    )
    ann.make_store(SCHEMA)
    (batch,) = inject(ann, Request(theirs.folder), silent).batches
    assert ann.open_store().batch(batch).origin["runs_of_seeds"] == [0, 5]
    notes = []
    assert learned_from(ben, notes) == [f"{batch}/2", f"{batch}/3"]
    assert notes[0].endswith(", without 2 episodes from outside on this run's start states")
    for index in (2, 3):
        ben.store.exclude(f"{batch}/{index}", reason="so that nothing is left", by="ben")
    with pytest.raises(LoopError, match="no demonstrations"):
        append(ben, 2, lambda *words: notes.append(words[-1]))
    assert ", without 2 episodes" in notes[-1]


def test_no_row_of_a_batch_without_seeds_of_the_run_is_read(theirs, tmp_path):
    space = Workspace.create(tmp_path / "space", parse_config({"seed": 1}, "test"))
    EpisodeStore.create(space.folder / "dataset", SCHEMA)
    (batch,) = inject(space, Request(theirs.folder), silent).batches
    (space.folder / "dataset" / "batches" / batch / "episodes.arrow").unlink()
    vars(space)["store"] = space.open_store()
    assert append(space, 1, silent).snapshot.batch_ids == (batch,)


@pytest.mark.parametrize("old", (False, True))
def test_what_was_injected_before_the_seed_was_changed_is_left_out(theirs, tmp_path, old):
    """Also where the batch is of an older pacloop and does not say of which runs the seeds are."""
    space = Workspace.create(tmp_path / "space", parse_config({"seed": 1}, "test"))
    store = EpisodeStore.create(space.folder / "dataset", SCHEMA)
    if old:
        store.append(theirs.episodes("r001-gate-00000"), batch_id="inject-old", source="demonstration")
    else:
        inject(space, Request(theirs.folder), silent)
    store.append([make_episode(3, 9)], batch_id="other", source="demonstration")
    (batch, _) = store.batches()
    file = space.folder / "pacloop.toml"
    file.write_text(file.read_text().replace("seed = 1", "seed = 0"))
    changed = Workspace.open(space.folder)
    assert changed.config.seed == 0
    assert learned_from(changed, []) == [f"{batch.id}/2", f"{batch.id}/3", "other/0"]


def test_what_the_run_played_and_somebody_mended_is_learned_from(tmp_path):
    space = Workspace.create(tmp_path / "space", parse_config({}, "test"))
    store = EpisodeStore.create(space.folder / "dataset", SCHEMA)
    seed = episode_seeds("gate", run=0, round=1, count=1)[0]
    played = [replace(make_episode(5, 0, 0.0), seed=seed)]
    known = {"source": "evaluation", "round": 1, "origin": {"stage": "gate", "workspace": space.id}}
    store.append(played, batch_id="r001-gate-00000", **known)
    store.exclude("r001-gate-00000", reason="it did succeed", by="anna")
    (batch,) = inject(space, Request(write_npz(tmp_path / "n", played, SCHEMA), score="1"), silent).batches
    assert learned_from(space, []) == [f"{batch}/0"]
