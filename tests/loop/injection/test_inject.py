"""Injection as a whole: what goes in is in the dataset, once, or the reason why not is on record."""

import resource
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from foreign import SCHEMA, WRITERS, make_episode, write_npz, write_pacloop, write_robomimic

from pacloop.datasets import DatasetError, EpisodeStore, Replay
from pacloop.datasets.errors import PacloopError
from pacloop.datasets.exports.lerobot.export import export_lerobot
from pacloop.datasets.exports.parquet import export_parquet
from pacloop.datasets.exports.tfds.rlds import export_rlds
from pacloop.datasets.store.quarantine import read_quarantine
from pacloop.loop.episodes.seeds import episode_seeds
from pacloop.loop.injection import inject as room
from pacloop.loop.injection.inject import Request, inject
from pacloop.loop.progress import silent
from pacloop.loop.workspace.config import parse_config
from pacloop.loop.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def episodes():
    return [make_episode(steps, seed, float(seed % 2)) for seed, steps in enumerate((5, 9, 1))]


@pytest.fixture
def store(space):
    return EpisodeStore.create(space.folder / "dataset", SCHEMA)


EXPORTS = (export_rlds, export_lerobot, export_parquet)


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


LOSSLESS = [name for name in WRITERS if not name.startswith("lerobot")]


@pytest.mark.parametrize("writer", LOSSLESS)
def test_what_other_libraries_wrote_is_in_the_dataset(space, store, tmp_path, episodes, writer):
    path = WRITERS[writer](tmp_path / "theirs", episodes, SCHEMA)
    outcome = inject(space, Request(path, note="why", by="anna"), silent)
    assert (outcome.found, outcome.accepted, outcome.successes) == (3, 3, 1)
    batch = store.batch(outcome.batches[0])
    assert batch.source == "demonstration"
    wanted = {"format": writer.split("-")[0], "note": "why", "by": "anna", "accepted": 3, "found": 3}
    assert wanted.items() <= batch.origin.items()
    found = sorted(store.episodes(batch), key=lambda episode: [1, 2, 0][episode.length % 3])
    for mine, theirs in zip(sorted(found, key=lambda e: e.length), sorted(episodes, key=lambda e: e.length)):
        assert all(
            np.array_equal(mine.observation[name], theirs.observation[name]) for name in SCHEMA.observation
        )
        for name in ("action", "reward", "discount", "score"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name))
    assert store.verify() == []


def test_injecting_twice_adds_nothing(space, store, tmp_path, episodes):
    path = write_npz(tmp_path / "n", episodes, SCHEMA)
    inject(space, Request(path), silent)
    before = content(space.folder)
    again = inject(space, Request(path), silent)
    assert (again.accepted, again.duplicates, again.batches, again.written) == (0, 3, [], False)
    other = inject(space, Request(write_robomimic(tmp_path / "r", episodes, SCHEMA)), silent)
    assert other.duplicates == 3, "the same episodes in another format are the same episodes"
    assert content(space.folder) == before


@pytest.mark.parametrize("export", EXPORTS)
def test_what_was_exported_is_known_when_it_comes_back(space, store, tmp_path, episodes, export):
    """And goes into another workspace whole, whatever the format: discounts, scores, seeds, ends."""
    inject(space, Request(write_npz(tmp_path / "n", episodes, SCHEMA)), silent)
    path = export(store, tmp_path / "out").path
    again = inject(space, Request(path), silent)
    assert (again.accepted, again.duplicates, again.quarantined) == (0, 3, [])
    other = Workspace.create(tmp_path / "other", parse_config({}, "test"))
    there = EpisodeStore.create(other.folder / "dataset", SCHEMA)
    assert inject(other, Request(path), silent).accepted == 3
    ours, theirs = (sorted(s.iter_rows(), key=lambda row: row.length) for s in (store, there))
    for mine, yours in zip(ours, theirs, strict=True):
        assert (mine.digest, mine.score, mine.seed) == (yours.digest, yours.score, yours.seed)
        was, now = store.episode(mine.id), there.episode(yours.id)
        assert np.array_equal(was.discount, now.discount) and was.ended(40) == now.ended(40)


def test_a_demonstration_that_was_interrupted_keeps_its_bootstrap(space, store, tmp_path):
    """The time limit is terminal for the critic, at the horizon of 40 steps; 15 of them were recorded."""
    whole, stopped = (make_episode(steps, steps, 0.0) for steps in (40, 15))
    for episode in (whole, stopped):
        episode.discount[-1] = 1.0
    inject(space, Request(write_npz(tmp_path / "n", [whole, stopped], SCHEMA), score="0"), silent)
    assert [row.length for row in store.iter_rows()] == [40, 15]
    replay = Replay(store, store.snapshot(), n_step=1, discount=0.5, time_limit_is_terminal=True)
    found = replay.at(np.arange(55)).bootstrap_discount
    assert found.tolist() == [0.5] * 39 + [0.0] + [0.5] * 15


@pytest.mark.parametrize("export", (None, *EXPORTS))
def test_what_the_run_plays_itself_is_not_learned_from(space, store, tmp_path, episodes, export):
    """Another run with the same seed played its gate from the start states on which this one's will be."""
    about = (("gate", 0), ("gate", 1), ("demonstration", 0))
    seeds = [episode_seeds(purpose, run=run, round=1, count=1)[0] for purpose, run in about]
    played = [replace(episode, seed=seed) for episode, seed in zip(episodes, seeds, strict=True)]
    other = Workspace.create(tmp_path / "other", parse_config({"seed": 1}, "test"))
    theirs = EpisodeStore.create(other.folder / "dataset", SCHEMA)
    theirs.append(played, batch_id="r001-gate-00000", source="evaluation", round=1)
    path = export(theirs, tmp_path / "out").path if export else theirs.folder
    outcome = inject(space, Request(path), silent)
    assert (outcome.accepted, [row.seed for row in store.iter_rows()]) == (2, seeds[1:])
    assert [entry.reasons for entry in outcome.quarantined] == [
        (
            f"has seed {seeds[0]}, from which this run, of seed 0, plays itself: begin a workspace with "
            "another --seed",
        )
    ]


def test_what_the_run_has_played_can_be_mended(space, store, tmp_path, episodes):
    played = [replace(episodes[0], seed=episode_seeds("collection", run=0, round=1, count=1)[0], score=0.0)]
    store.append(played, batch_id="r001-collect-00000", source="collection", round=1)
    path = write_npz(tmp_path / "n", played, SCHEMA)
    assert inject(space, Request(path, score="1"), silent).duplicates == 1
    store.exclude("r001-collect-00000", reason="it did succeed", by="anna")
    outcome = inject(space, Request(path, score="1"), silent)
    assert (outcome.accepted, outcome.quarantined) == (1, [])


@pytest.mark.parametrize("export", (None, *EXPORTS))
@pytest.mark.parametrize("source", ("collection", "evaluation", "intervention"))
def test_what_was_excluded_does_not_come_back_through_an_export_or_a_copy(
    space, store, tmp_path, episodes, export, source
):
    store.append(episodes, batch_id="ours", source=source, round=3)
    if export:
        path = export(store, tmp_path / "out").path
    else:
        path = shutil.copytree(space.folder, tmp_path / "copy")
    store.exclude("ours", reason="the camera hung", by="ann")
    outcome = inject(space, Request(path), silent)
    assert (outcome.accepted, outcome.duplicates, outcome.quarantined) == (0, 3, [])
    assert outcome.remarks == [
        "3 that are present already are excluded: pacloop dataset include brings them back"
    ]
    if source != "intervention":
        other = Workspace.create(tmp_path / "other", parse_config({}, "test"))
        theirs = EpisodeStore.create(other.folder / "dataset", SCHEMA)
        assert inject(other, Request(path), silent).accepted == 3
        assert inject(space, Request(theirs.folder), silent).duplicates == 3, (
            "nor by way of another workspace"
        )
    assert inject(space, Request(path, score="0.5"), silent).accepted == 3, "mended"


@pytest.mark.parametrize("source", ["demonstration", "intervention"])
@pytest.mark.parametrize("played", ["demonstration", "collection"])
def test_what_was_injected_and_excluded_does_not_come_back_by_the_same_path(
    space, store, tmp_path, episodes, played, source
):
    other = Workspace.create(tmp_path / "other", parse_config({"seed": 1}, "test"))
    theirs = EpisodeStore.create(other.folder / "dataset", SCHEMA)
    theirs.append(episodes, batch_id="theirs", source=played)
    request = Request(theirs.folder, source=source)
    (batch,) = inject(space, request, silent).batches
    store.exclude(f"{batch}/1", reason="hit the table", by="ann")
    assert inject(space, request, silent).accepted == 0
    theirs.append([make_episode(5, 11)], batch_id="more", source=played)
    assert inject(space, request, silent).accepted == 1, "only what is new"


def test_duplicates_within_a_file(space, store, tmp_path, episodes):
    path = write_npz(tmp_path / "n", [*episodes, episodes[0]], SCHEMA)
    outcome = inject(space, Request(path), silent)
    assert (outcome.found, outcome.accepted, outcome.duplicates) == (4, 3, 1)


@pytest.fixture
def half_bad(tmp_path, episodes):
    """Three good episodes and two bad ones."""
    bad = make_episode(4, 7)
    bad.action[2] = 50.0
    nan = make_episode(4, 8)
    nan.observation["hand"][1, 2] = np.nan
    return write_robomimic(tmp_path / "r", [*episodes, bad, nan], SCHEMA)


def test_bad_episodes_are_quarantined_with_their_reasons(space, store, half_bad):
    outcome = inject(space, Request(half_bad, by="anna"), silent)
    assert (outcome.accepted, len(outcome.quarantined)) == (3, 2)
    (record,) = read_quarantine(store)
    assert [entry["where"] for entry in record["entries"]] == ["demo.hdf5, demo_3", "demo.hdf5, demo_4"]
    assert "outside its bounds [-1, 1]" in record["entries"][0]["reasons"][0]
    assert record["entries"][1]["reasons"] == ["observation hand is not finite at step 1, number 2"]
    assert record["by"] == "anna"
    before = content(space.folder)
    inject(space, Request(half_bad), silent)
    assert content(space.folder) == before


@pytest.mark.parametrize("options", [{"strict": True}, {"dry_run": True}])
def test_strict_and_dry_run_write_nothing(space, half_bad, options):
    EpisodeStore.create(space.folder / "dataset", SCHEMA)
    before = content(space.folder)
    outcome = inject(space, Request(half_bad, **options), silent)
    assert (outcome.accepted, len(outcome.quarantined), outcome.written) == (3, 2, False)
    assert content(space.folder) == before


def test_a_large_file_is_committed_in_parts(space, store, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "PART_BYTES", 60_000)
    many = [make_episode(6, seed) for seed in range(8)]
    path = write_npz(tmp_path / "n", many, SCHEMA)
    outcome = inject(space, Request(path), silent)
    assert len(outcome.batches) > 2
    assert [name[-5:] for name in outcome.batches] == [f"{n:05d}" for n in range(len(outcome.batches))]
    assert sum(batch.episodes for batch in store.batches()) == 8
    assert inject(space, Request(path), silent).duplicates == 8


def test_an_injection_that_was_killed_goes_on(space, store, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "PART_BYTES", 60_000)
    many = [make_episode(6, seed) for seed in range(8)]
    path = write_npz(tmp_path / "n", many, SCHEMA)

    def told(what, done, total, note):
        if what == "commit":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inject(space, Request(path), told)
    kept = sum(batch.episodes for batch in store.batches())
    assert 0 < kept < 8
    outcome = inject(space, Request(path), silent)
    assert (outcome.duplicates, outcome.accepted) == (kept, 8 - kept)
    digests = [row.digest for row in store.iter_rows()]
    assert len(digests) == len(set(digests)) == 8
    assert store.verify() == []


def test_an_interrupted_reading_leaves_nothing(space, store, tmp_path, episodes):
    path = write_npz(tmp_path / "n", episodes, SCHEMA)
    before = content(space.folder)

    def told(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inject(space, Request(path), told)
    assert content(space.folder) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"score": "high"}, "--score is 'high', but must be a number, column:NAME or replay"),
        ({"score": "3"}, "score is 3, but must lie in"),
        ({"map": "a=b"}, "--map names 'b'"),
        ({"source": "collection"}, "source is 'collection', but must be demonstration or intervention"),
        ({"format": "lerobot"}, "info.json cannot be read"),
    ],
)
def test_a_request_that_cannot_be_obeyed(space, store, tmp_path, episodes, options, says):
    path = write_npz(tmp_path / "n", episodes, SCHEMA)
    before = content(space.folder)
    with pytest.raises(PacloopError, match=says):
        inject(space, Request(path, **options), silent)
    assert content(space.folder) == before


def test_a_file_that_is_cut_short_at_its_end_adds_nothing(space, store, tmp_path, episodes):
    import h5py

    path = write_robomimic(tmp_path / "r", episodes, SCHEMA)
    with h5py.File(path, "a") as file:
        file["data"].attrs["total"] = 999
    before = content(space.folder)
    with pytest.raises(DatasetError, match="it was cut short"):
        inject(space, Request(path), silent)
    assert content(space.folder) == before


def test_names_that_differ_and_scores_from_a_column(space, store, tmp_path):
    folder = tmp_path / "n"
    folder.mkdir()
    state = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    np.savez(
        folder / "x.npz",
        **{"observation.state": state, "observation.images.front": np.zeros((4, 32, 32, 3), np.uint8)},
        actions=np.zeros((4, 2)),
        won=np.array([0, 0, 1, 0]),
    )
    names = "observation.state[0:3]=hand,observation.state[5:9]=arm/joints,observation.images.front=image"
    outcome = inject(space, Request(folder, map=names, score="column:won"), silent)
    (found,) = store.episodes(outcome.batches[0])
    assert np.array_equal(found.observation["hand"][:4], state[:, :3])
    assert np.array_equal(found.observation["arm/joints"][:4], state[:, 5:])
    assert found.score == 1
    assert found.reward.tolist() == [0, 0, 0, 1]
    assert any("control rate is not in the file" in remark for remark in outcome.remarks)
    assert any("actions" in remark for remark in outcome.remarks) is False
    assert any("last one was repeated" in remark for remark in outcome.remarks)


def test_what_was_excluded_counts_as_present_unless_it_was_mended(space, store, tmp_path, episodes):
    path = write_npz(tmp_path / "n", episodes, SCHEMA)
    (wrong,) = inject(space, Request(path, score="0"), silent).batches
    store.exclude(wrong, reason="they did succeed", by="anna")
    again = inject(space, Request(path, score="0"), silent)
    assert (again.accepted, again.duplicates, again.written) == (0, 3, False)
    assert again.remarks == [
        "3 that are present already are excluded: pacloop dataset include brings them back"
    ]
    (right,) = inject(space, Request(path, score="1"), silent).batches
    assert store.snapshot().batch_ids == (right,)
    assert store.batch(right).successes == 3
    assert inject(space, Request(path, score="0"), silent).remarks == []


def test_what_lies_beside_the_episodes_and_is_not_read_is_said(space, store, tmp_path, episodes):
    folder = write_npz(tmp_path / "n", episodes, SCHEMA)
    (folder / "more.hdf5").write_bytes(b"")
    (folder / "wrist").mkdir()
    outcome = inject(space, Request(folder), silent)
    assert outcome.accepted == 3
    assert "not read, as they are no .npz files: more.hdf5, wrist" in outcome.remarks


def test_a_full_disk_is_one_sentence_and_adds_nothing(space, store, tmp_path, episodes):
    path = write_npz(tmp_path / "n", episodes, SCHEMA)
    before = content(space.folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(DatasetError, match=r"inject-\w+-00000 cannot be written: file too large$"):
            inject(space, Request(path), silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert content(space.folder) == before
    assert inject(space, Request(path), silent).accepted == 3


def test_an_export_of_our_own_goes_in_elsewhere_as_it_was(space, store, tmp_path, episodes):
    inject(space, Request(write_npz(tmp_path / "n", episodes, SCHEMA)), silent)
    other = Workspace.create(tmp_path / "other", parse_config({}, "test"))
    theirs = EpisodeStore.create(other.folder / "dataset", SCHEMA)
    export_rlds(store, tmp_path / "out")
    outcome = inject(other, Request(tmp_path / "out"), silent)
    assert (outcome.format, outcome.accepted, outcome.remarks) == ("rlds", 3, []), "the control rate is there"
    facts = ("digest", "score", "seed", "instruction", "terminal")
    mine, others = ([[getattr(row, f) for f in facts] for row in s.iter_rows()] for s in (store, theirs))
    assert mine == others


def test_actions_that_look_scaled_are_remarked_on(space, store, tmp_path, episodes):
    halves = [make_episode(5, seed) for seed in range(2)]
    for episode in halves:
        np.abs(episode.action, out=episode.action)
    outcome = inject(space, Request(write_npz(tmp_path / "n", halves, SCHEMA)), silent)
    assert any("they look scaled to [0, 1]" in remark for remark in outcome.remarks)


def test_another_workspace(space, store, tmp_path, episodes):
    theirs = tmp_path / "theirs"
    write_pacloop(theirs / "dataset", episodes, SCHEMA)
    (theirs / "pacloop.toml").write_text("version = 1\n")
    EpisodeStore.open(theirs / "dataset").exclude("theirs/1", reason="the operator hit the table", by="ann")
    outcome = inject(space, Request(theirs, source="intervention"), silent)
    assert (outcome.format, outcome.accepted) == ("pacloop", 2)
    assert outcome.remarks == ["not read, as they are excluded there: 1 episodes"]
    assert store.batch(outcome.batches[0]).source == "intervention"
