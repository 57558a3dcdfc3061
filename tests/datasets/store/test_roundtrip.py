"""Arbitrary schemas and episodes through append, the files, and back: as episodes and as transitions."""

import json
import tempfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import recordings

from pacloop.datasets import DatasetError, EpisodeStore, Field, Replay


@settings(max_examples=60, deadline=None)
@given(recorded=recordings(), history=st.integers(1, 3), n_step=st.integers(1, 4))
def test_any_schema_round_trips(build, recorded, history, n_step):
    schema, episodes = recorded
    with tempfile.TemporaryDirectory() as folder:
        store = EpisodeStore.create(folder, schema)
        batch = store.append(episodes, batch_id="a", source="intervention")
        store = EpisodeStore.open(folder)
        assert store.schema == schema
        assert store.schema.fingerprint() == schema.fingerprint()
        assert all(build.same(a, b) for a, b in zip(episodes, store.episodes(batch), strict=True))
        for index, episode in enumerate(episodes):
            assert build.same(episode, store.episode(f"a/{index}"))
        assert store.verify() == []
        assert store.append(episodes, batch_id="a", source="intervention") == batch, "the digest is the same"
        check_replay(store, schema, episodes, history=history, n_step=n_step)


def check_replay(store, schema, episodes, *, history, n_step):
    def open_replay():
        return Replay(
            store,
            store.snapshot(),
            n_step=n_step,
            discount=1.0,
            time_limit_is_terminal=True,
            history=history,
        )

    places = [(episode, t) for episode in episodes for t in range(episode.length)]
    if not places:
        with pytest.raises(DatasetError, match="no step to learn from"):
            open_replay()
        return
    replay = open_replay()
    assert (replay.rows, replay.episodes) == (len(places), len(episodes))
    found = replay.at(np.arange(replay.rows))
    names = [name for name, field in schema.observation.items() if not field.is_text]
    assert set(found.observation) == set(found.next_observation) == set(names)
    for row, (episode, t) in enumerate(places):
        assert (found.action[row] == episode.action[t]).all()
        for at, windows in (
            (t, found.observation),
            (min(t + n_step, episode.length), found.next_observation),
        ):
            steps = np.maximum(np.arange(at - history + 1, at + 1), 0)
            for name in names:
                wanted = episode.observation[name][steps]
                assert windows[name].dtype == wanted.dtype
                assert np.array_equal(windows[name][row], wanted)


# Text.


@pytest.fixture
def told(tmp_path, build):
    """A store with text, and what makes an episode of it."""
    schema = build.schema(observation={"hint/en": Field((), "str"), "arm": Field((1,))})

    def episode(*words, dtype=object):
        arm = np.zeros((len(words), 1), np.float32)
        hints = np.array(words, dtype)
        return build.episode(len(words) - 1, schema=schema, observation={"hint/en": hints, "arm": arm})

    return EpisodeStore.create(tmp_path / "dataset", schema), episode


def test_text_is_an_arrow_column_of_large_strings(told):
    store, episode = told
    store.append([episode("up", "naïve 🤖\0", dtype=str)], batch_id="a", source="collection")
    table = pa.ipc.open_file(store.folder / "batches" / "a" / "steps.arrow").read_all()
    assert table.column("observation/hint/en").type == pa.large_string()
    hints = store.episode("a/0").observation["hint/en"]
    assert hints.dtype == object
    assert not hints.flags.writeable


def test_the_digest_covers_text(told):
    store, episode = told
    first = store.append([episode("up", "down")], batch_id="a", source="collection")
    assert store.append([episode("up", "down", dtype=str)], batch_id="a", source="collection") == first
    for other in (("up", "Down"), ("u", "pdown"), ("up", "down ")):
        with pytest.raises(DatasetError, match="already committed, with other content"):
            store.append([episode(*other)], batch_id="a", source="collection")


def test_changed_text_is_found(told):
    store, episode = told
    store.append([episode("up", "down")], batch_id="a", source="collection")
    folder = store.folder / "batches" / "a"
    path, manifest = folder / "steps.arrow", folder / "batch.json"
    path.write_bytes(path.read_bytes().replace(b"updown", b"updawn"))
    data = json.loads(manifest.read_text())
    assert "steps.arrow was changed" in store.verify()[0]
    from pacloop.datasets.files import digest_of

    data["digests"]["steps.arrow"] = digest_of(path)
    manifest.write_text(json.dumps(data))
    assert "the content does not fit its digest" in EpisodeStore.open(store.folder).verify()[0]


def test_text_cannot_be_an_action(tmp_path, build):
    with pytest.raises(DatasetError, match="action is str, but must be a number"):
        EpisodeStore.create(tmp_path / "d", build.schema(action=Field((2,), "str")))
    assert Field((), "<U5") == Field((), "str")


def test_a_batch_of_empty_episodes(tmp_path, build, schema):
    store = EpisodeStore.create(tmp_path / "dataset", schema)
    batch = store.append([build.episode(0), build.episode(0, 1)], batch_id="a", source="intervention")
    assert (batch.episodes, batch.steps) == (2, 0)
    table = pa.ipc.open_file(store.folder / "batches" / "a" / "steps.arrow").read_all()
    for flag, wanted in (("is_first", True), ("is_last", True), ("is_terminal", False)):
        assert table.column(flag).to_pylist() == [wanted] * 2
    store.append([build.episode(3)], batch_id="b", source="intervention")
    replay = Replay(store, store.snapshot(), n_step=2, discount=0.9, time_limit_is_terminal=True)
    assert (replay.rows, replay.episodes) == (3, 3)
