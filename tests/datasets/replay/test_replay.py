import json
from dataclasses import replace

import numpy as np
import pytest

from pacloop.datasets import DatasetError, EpisodeStore, Field, Replay, Snapshot
from pacloop.datasets.replay import replay


def rewards(*values):
    return np.array(values, np.float32)


@pytest.fixture
def schema(build):
    return build.schema(observation={"clock": Field((1,)), "episode": Field((), "int32")})


@pytest.fixture
def store(tmp_path, build, schema):
    """Three episodes in two batches; the observation tells step and episode."""

    def episode(number, values, terminal):
        steps = len(values)
        observation = {
            "clock": np.arange(steps + 1, dtype=np.float32)[:, None],
            "episode": np.full(steps + 1, number, np.int32),
        }
        action = np.full((steps, 2), number / 10, np.float32)
        facts = {"observation": observation, "action": action, "reward": values, "info": {"ended": "horizon"}}
        return build.episode(steps, terminal=terminal, schema=schema, **facts)

    store = EpisodeStore.create(tmp_path / "dataset", schema)
    cut, ended = episode(0, rewards(1, 2, 3, 4), False), episode(1, rewards(1, 0, 5), True)
    store.append([cut, ended], batch_id="demo", source="demonstration")
    store.append([episode(2, rewards(7), False)], batch_id="r1", source="collection")
    return store


ENDS = ("interrupted", "horizon", "terminal")


def open_replay(store, **changes):
    facts = {"n_step": 3, "discount": 0.5, "time_limit_is_terminal": False}
    return Replay(store, store.snapshot(), **(facts | changes))


def steps_of(sample):
    """Which of the store's eight steps were drawn."""
    first = np.array([0, 4, 7])[sample.observation["episode"][:, -1]]
    return first + sample.observation["clock"][:, -1, 0].astype(int)


def test_the_range_of_the_returns_by_hand(store):
    # 1+2/2+3/4+4/8, 2+3/2+4/4, 3+4/2, 4; 1+0+5/4, 5/2, 5; 7
    assert open_replay(store).returns == (2.25, 7.0)
    assert open_replay(store, discount=1.0).returns == (4.0, 10.0)
    store.exclude("demo/0", reason="too good", by="test")
    assert open_replay(store, discount=1.0).returns == (5.0, 7.0)


def test_the_range_of_the_returns_is_computed_once_for_who_asks(store, monkeypatch):
    calls = []
    monkeypatch.setattr(replay, "return_range", lambda *_: calls.append(0) or (0.0, 1.0))
    opened = open_replay(store)
    opened.sample(4, np.random.default_rng(0))
    assert calls == []
    assert opened.returns == opened.returns == (0.0, 1.0)
    assert len(calls) == 1


def test_replays_of_one_identity_are_the_same(store):
    identity = open_replay(store).identity
    assert open_replay(store).identity == identity == json.loads(json.dumps(identity))
    others = [{"n_step": 2}, {"history": 2}, {"mixture": {"demonstration": 1.0}}, {"discount": 0.9}]
    for change in others:
        assert open_replay(store, **change).identity != identity
    longer = EpisodeStore.create(store.folder, replace(store.schema, horizon=2 * store.schema.horizon))
    assert open_replay(longer).identity != identity, "another time limit cut off what does not say"
    store.exclude("demo/0", reason="too good", by="test")
    assert open_replay(store).identity != identity


def test_n_step_returns_by_hand(store):
    replay = open_replay(store)
    assert (replay.rows, replay.episodes) == (8, 3)
    all_rows = replay.at(np.arange(8))
    # cut: 1+2/2+3/4, 2+3/2+4/4, 3+4/2, 4; ended: 1+0+5/4, 5/2, 5; the lone step: 7
    assert all_rows.n_step_return.tolist() == [2.75, 4.5, 5.0, 4.0, 2.25, 2.5, 5.0, 7.0]
    assert all_rows.bootstrap_discount.tolist() == [0.125, 0.125, 0.25, 0.5, 0.0, 0.0, 0.0, 0.5]
    assert all_rows.next_observation["clock"][:, 0, 0].tolist() == [3, 4, 4, 4, 3, 3, 3, 1]
    assert all_rows.observation["clock"][:, 0, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 0]
    assert all_rows.observation["episode"][:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 2]
    assert all_rows.next_observation["episode"][:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 2]
    assert np.allclose(all_rows.action[:, 1], np.array([0, 0, 0, 0, 1, 1, 1, 2]) / 10)
    assert all_rows.n_step_return.dtype == all_rows.bootstrap_discount.dtype == np.float32


def test_a_time_limit_may_be_terminal(store):
    replay = open_replay(store, time_limit_is_terminal=True)
    found = replay.at(np.arange(8))
    assert found.bootstrap_discount.tolist() == [0.125, 0, 0, 0, 0, 0, 0, 0]
    assert found.n_step_return.tolist() == [2.75, 4.5, 5.0, 4.0, 2.25, 2.5, 5.0, 7.0]


def test_what_was_interrupted_keeps_its_bootstrap(tmp_path, build):
    """Two or three of eight steps were recorded; the time limit is terminal, but it never came."""
    schema = build.schema(horizon=8)
    ends = [(8, False, {}), (2, False, {}), *((3, end == "terminal", {"ended": end}) for end in ENDS)]
    episodes = [build.episode(n, terminal=last, schema=schema, info=info) for n, last, info in ends]
    assert [episode.ended(8) for episode in episodes] == ["horizon", "interrupted", *ENDS]
    store = EpisodeStore.create(tmp_path / "d", schema)
    store.append(episodes[:1], batch_id="collected", source="collection")
    store.append(episodes[1:], batch_id="injected", source="demonstration")
    found = open_replay(store, n_step=2, time_limit_is_terminal=True).at(np.arange(19)).bootstrap_discount
    cut, went_on = [0.25, 0, 0], [0.25, 0.25, 0.5]
    assert found.tolist() == [0.25] * 6 + [0, 0] + [0.25, 0.5] + went_on + cut + cut
    store.exclude("injected/1", reason="x", by="me")
    found = open_replay(store, n_step=2, time_limit_is_terminal=True).at(np.arange(16)).bootstrap_discount
    assert found.tolist() == [0.25] * 6 + [0, 0] + [0.25, 0.5] + cut + cut


def test_one_step_and_more_steps_than_there_are(store):
    one = open_replay(store, n_step=1).at(np.arange(8))
    assert one.n_step_return.tolist() == [1, 2, 3, 4, 1, 0, 5, 7]
    assert one.bootstrap_discount.tolist() == [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.5]
    far = open_replay(store, n_step=10**9, discount=1.0).at(np.arange(8))
    assert far.n_step_return.tolist() == [10, 9, 7, 4, 6, 5, 5, 7]


def test_the_environments_discounts_count(store, build, schema):
    episode = build.episode(3, terminal=False, schema=schema, reward=rewards(1, 1, 1))
    discount = rewards(0.5, 1.0, 0.5)
    episode = build.episode(3, schema=schema, reward=rewards(1, 1, 1), discount=discount)
    store.append([episode], batch_id="soft", source="intervention")
    replay = Replay(
        store, store.snapshot(batches=["soft"]), n_step=2, discount=0.5, time_limit_is_terminal=False
    )
    found = replay.at(np.arange(3))
    assert found.n_step_return.tolist() == [1.25, 1.5, 1.0]
    assert found.bootstrap_discount.tolist() == [0.125, 0.125, 0.25]


def test_history_repeats_the_first_observation(store):
    found = open_replay(store, history=3).at(np.array([0, 1, 3, 4, 7]))
    assert found.observation["clock"][..., 0].tolist() == [
        [0, 0, 0],
        [0, 0, 1],
        [1, 2, 3],
        [0, 0, 0],
        [0, 0, 0],
    ]
    assert found.next_observation["clock"][..., 0].tolist() == [
        [1, 2, 3],
        [2, 3, 4],
        [2, 3, 4],
        [1, 2, 3],
        [0, 0, 1],
    ]
    assert (found.observation["episode"] == np.array([0, 0, 0, 1, 2])[:, None]).all()


def test_mapped_and_copied_columns_give_the_same_sample(store):
    few, many = open_replay(store, ram_limit=0, history=2), open_replay(store, history=2)
    left, right = (replay.sample(64, np.random.default_rng(3)) for replay in (few, many))
    for name in ("observation", "next_observation"):
        for key, column in getattr(left, name).items():
            assert (column == getattr(right, name)[key]).all()
    assert (left.action == right.action).all()


def test_sampling_is_uniform_and_reproducible(store):
    replay = open_replay(store)
    again = open_replay(store)
    rows = steps_of(replay.sample(8000, np.random.default_rng(0)))
    assert (rows == steps_of(again.sample(8000, np.random.default_rng(0)))).all()
    counts = np.bincount(rows, minlength=8)
    assert counts.min() > 850
    assert counts.max() < 1150


def test_a_mixture_draws_each_source_in_its_share(store):
    shares = {"demonstration": 1, "collection": 3}
    replay, again = open_replay(store, mixture=shares), open_replay(store, mixture=shares)
    rows = steps_of(replay.sample(8000, np.random.default_rng(0)))
    assert (rows == steps_of(again.sample(8000, np.random.default_rng(0)))).all()
    counts = np.bincount(rows, minlength=8)
    assert abs(counts[7] - 6000) < 150, "the only step of the collection"
    assert counts[:7].min() > 220 and counts[:7].max() < 350
    only = open_replay(store, mixture={"collection": 0.1, "demonstration": 0.0})
    assert set(steps_of(only.sample(100, np.random.default_rng(0)))) == {7}


@pytest.mark.parametrize(
    ("mixture", "sentence"),
    [
        ({"dreams": 1.0}, "source is 'dreams'"),
        ({"collection": -1.0}, "the share of collection is -1.0, but must be 0 or more"),
        ({"collection": float("nan")}, "the share of collection is nan"),
        ({"evaluation": 1.0}, "the snapshot has no step of it"),
        ({"collection": 0.0}, "must not all be 0"),
        ({}, "must not all be 0"),
    ],
)
def test_a_mixture_that_cannot_be_drawn_is_refused(store, mixture, sentence):
    with pytest.raises(DatasetError, match=sentence):
        open_replay(store, mixture=mixture)


def test_what_a_generator_draws_never_changes(store):
    """A learner that goes on after an update must see the batches it would have seen."""
    rows = steps_of(open_replay(store).sample(12, np.random.default_rng([3, 7])))
    assert rows.tolist() == np.random.default_rng([3, 7]).integers(8, size=12).tolist()


def test_samples_may_be_written_to(store):
    sample = open_replay(store).sample(4, np.random.default_rng(0))
    for array in (*sample.observation.values(), *sample.next_observation.values(), sample.action):
        array += 1


def test_bad_requests_are_refused(store):
    with pytest.raises(DatasetError, match="n_step 0"):
        open_replay(store, n_step=0)
    with pytest.raises(DatasetError, match="history 0"):
        open_replay(store, history=0)
    with pytest.raises(DatasetError, match="no batches"):
        Replay(store, store.snapshot(batches=[]), n_step=1, discount=0.9, time_limit_is_terminal=True)
    forged = Snapshot(store.snapshot().schema, (("demo", "0" * 64),))
    with pytest.raises(DatasetError, match="batch demo has digest"):
        Replay(store, forged, n_step=1, discount=0.9, time_limit_is_terminal=True)


def test_many_batches(tmp_path, build, schema):
    store = EpisodeStore.create(tmp_path / "many", schema)
    for i in range(40):
        store.append([build.episode(1 + i % 7, i, schema=schema)], batch_id=f"b{i}", source="collection")
    mapped, copied = open_replay(store, ram_limit=0), open_replay(store)
    left, right = (replay.at(np.arange(replay.rows)) for replay in (mapped, copied))
    episodes = [episode for batch in store.batches() for episode in store.episodes(batch)]
    assert (left.action == np.concatenate([episode.action for episode in episodes])).all()
    assert (left.action == right.action).all()
    assert (left.next_observation["clock"] == right.next_observation["clock"]).all()
