"""Blocks of episodes: found again, finished ones kept, failures on record, settings as at the beginning."""

from collections import Counter
from dataclasses import replace

import pytest
from recorded import episode, put

from pacloop.actors.rollout.collector import CollectError
from pacloop.actors.rollout.slot import Failure
from pacloop.datasets import EpisodeStore
from pacloop.loop.episodes import pinned
from pacloop.loop.episodes.play import Play, Session, play, tally
from pacloop.loop.episodes.sample import failures, sample_of, scores, scores_by_seed
from pacloop.loop.progress import silent
from pacloop.loop.stages.collect import collect
from pacloop.loop.views.status import read_status
from pacloop.loop.workspace.config import parse_config

SETTINGS = {"collect": {"episodes": 12, "actors": 2, "environments": 2, "failures": 0.5}}
POSITIONS = 2**24


class Collectors:
    """Plays in no time: every other episode succeeds, some seeds fail, and the process may be killed."""

    def __init__(self, space):
        self.space, self.fails, self.played, self.left = space, set(), [], 10**6

    def run(self, _record, _weights, seeds):
        for seed in reversed(seeds):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            position = seed % POSITIONS
            self.played.append(position)
            failed = position in self.fails
            yield Failure(seed, f"seed {seed}: stuck") if failed else episode(self.space, seed, position % 2)


@pytest.fixture
def world(space, put_policy, monkeypatch):
    """A workspace with a champion, its collectors, and what they say."""
    monkeypatch.setattr("pacloop.loop.episodes.journal.EVERY_SEC", 0.0)
    put_policy("r000-pac", 0)
    put(space, 1, "begin")
    space = replace(space, config=parse_config(SETTINGS, "test"))
    return space, Collectors(space)


def session(space, collectors, heard=None):
    progress = silent if heard is None else lambda *what: heard.append(what)
    return Session(space, lambda: collectors, progress)


def order(**more):
    return replace(Play("collect", "r000-pac", "collection", round=1, episodes=12, block=4), **more)


def test_finished_episodes_survive_a_kill_and_are_played_once(world):
    space, collectors = world
    collectors.left = 6
    with pytest.raises(KeyboardInterrupt):
        list(play(session(space, collectors), order()))
    assert len(space.store.batches()) == 1
    collectors.left = 10**6
    batches = list(play(session(space, collectors), order()))
    assert Counter(collectors.played) == Counter(range(12))
    assert [row.seed % POSITIONS for row in space.store.iter_rows(batches)] == list(range(12))
    assert not list((space.folder / "playing").iterdir())


def test_an_evaluation_by_hand_leaves_the_interrupted_block_of_a_round_alone(world):
    space, collectors = world
    collectors.left = 3
    with pytest.raises(KeyboardInterrupt):
        list(play(session(space, collectors), order(episodes=4)))
    collectors.left, by_hand = 3, order(name="manual0000", purpose="manual", episodes=4)
    with pytest.raises(KeyboardInterrupt):
        list(play(session(space, collectors), by_hand))
    collectors.left = 10**6
    for wanted in (by_hand, order(episodes=4)):
        list(play(session(space, collectors), wanted))
    assert Counter(collectors.played) == Counter(2 * list(range(4)))


def test_interrupted_as_the_journal_has_written_it_is_that_interrupt(world, monkeypatch):
    space, collectors = world
    whole = EpisodeStore.append

    def interrupted(*arguments, **more):
        whole(*arguments, **more)
        monkeypatch.setattr(EpisodeStore, "append", whole)
        raise KeyboardInterrupt

    monkeypatch.setattr(EpisodeStore, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(play(session(space, collectors), order(episodes=4)))
    list(play(session(space, collectors), order(episodes=4)))
    assert Counter(collectors.played) == Counter(range(4))


def test_a_damaged_journal_is_thrown_away_and_another_begins_anew(world):
    space, collectors = world
    for damaged in (True, False):
        collectors.left = 3
        with pytest.raises(KeyboardInterrupt):
            list(play(session(space, collectors), order(episodes=4)))
        if damaged:
            newest = max(space.folder.glob("playing/rounds/*/batches/*/steps.arrow"))
            newest.write_bytes(b"")
    collectors.left, collectors.played = 10**6, []
    list(play(session(space, collectors), order(episodes=4)))
    assert len(collectors.played) == 1, "what the second interrupt left counts"


@pytest.mark.parametrize("change", ["weights", "acting", "seeds"])
def test_a_journal_about_something_else_is_not_read(world, put_policy, change):
    space, collectors = world
    collectors.left = 3
    with pytest.raises(KeyboardInterrupt):
        list(play(session(space, collectors), order()))
    collectors.left, wanted = 10**6, order()
    if change == "weights":
        path = space.policy_folder("r000-pac") / "weights.safetensors"
        path.write_bytes(path.read_bytes().replace(b"\0\0\0\0", b"\0\0\0\1"))
    elif change == "acting":
        from pacloop.learner.policy import Acting

        wanted = order(acting=Acting("sample", 1, 0.05))
    else:
        wanted = order(first=100)
    list(play(session(space, collectors), wanted))
    assert len(collectors.played) == 3 + 12


def test_what_could_not_be_played_is_on_record_and_helps_nobody(world):
    space, collectors = world
    collectors.fails = {1, 6}
    counts = tally(session(space, collectors), order())
    assert (counts["episodes"], counts["failed"], counts["successes"]) == (10, 2, 5)
    assert Counter(collectors.played) == Counter(range(12))
    first, second, _ = space.store.batches()
    assert [failure.reason for failure in failures(first)] == [f"seed {failures(first)[0].seed}: stuck"]
    assert scores_by_seed(space, first, "", 1.0).tolist() == [0, 1, 0, 1], "a champion's success"
    assert scores_by_seed(space, second, "", 0.0).tolist() == [0, 1, 0, 1], "a candidate's failure"
    assert scores(space, [first]).sum() == 1 and scores(space, [first], 1.0).sum() == 2
    assert sample_of([first, second]).failed == 2
    last = failures(second)[0]
    show = f"pacloop dataset show {second.id} -w {space.place}"
    told = f"2 episodes could not be played; the last: {last.reason} ({show})"
    assert read_status(space).failed == told and told in read_status(space).summary().splitlines()
    again = tally(session(space, None), order())
    assert {**again, "seconds": 0} == {**counts, "seconds": 0}, "found again without collectors"


def test_a_block_of_which_nothing_could_be_played_goes_on_with_the_seeds_after_it(world):
    space, collectors = world
    collectors.fails = {2}
    batches = list(play(session(space, collectors), order(episodes=5, block=1)))
    assert [batch.episodes for batch in batches] == [1, 1, 1, 1]
    assert [len(failures(batch)) for batch in batches] == [0, 0, 1, 0]
    assert collectors.played == list(range(5))


def test_too_many_failures_stop_the_run_and_cost_nothing_that_was_played(world):
    space, collectors = world
    collectors.fails = {1, 2, 3}
    stopped = r"3 of 4 episodes of collect could not be played, .* failures = 0.5 allows; .*seed \d+: stuck"
    with pytest.raises(CollectError, match=stopped):
        list(play(session(space, collectors), order(episodes=4)))
    collectors.fails = set()
    list(play(session(space, collectors), order(episodes=4)))
    assert Counter(collectors.played)[0] == 1


def collected(space, collectors, settings, heard):
    other = replace(space, config=parse_config({"collect": {**SETTINGS["collect"], **settings}}, "test"))
    return collect(session(other, collectors, heard), 1)


def interrupted_collection(space, collectors):
    """What was heard of a collection that was interrupted after six episodes; the next one is not."""
    collectors.left, heard = 6, []
    with pytest.raises(KeyboardInterrupt):
        collected(space, collectors, {}, heard)
    collectors.left = 10**6
    return heard


@pytest.mark.parametrize("settings", [{"actors": 1}, {"actors": 4}, {"episodes": 400, "environments": 1}])
def test_settings_edited_while_a_stage_was_interrupted_count_from_the_next_one(world, settings):
    space, collectors = world
    heard = interrupted_collection(space, collectors)
    record = collected(space, collectors, settings, heard)
    assert (record.episodes, len(space.store.batches())) == (12, 3)
    assert Counter(collectors.played) == Counter(range(12))
    name, value = next(iter(settings.items()))
    (said,) = [note for *_, note in heard if note.startswith("goes on")]
    assert f"[collect] {name} = {SETTINGS['collect'][name]} (now {value})" in said


def test_a_setting_that_is_pinned_no_more_is_that_of_the_beginning(world, monkeypatch):
    space, collectors = world
    heard = interrupted_collection(space, collectors)
    monkeypatch.setattr(pinned, "PINNED", {"collect": {"actors"}})
    assert collected(space, collectors, {"episodes": 400}, heard).episodes == 12
    assert any("[collect] episodes = 12 (now 400)" in note for *_, note in heard)


def test_blocks_of_another_size_leave_no_seed_out_and_play_none_twice(world):
    """Also without a record of the beginning: where a block begins follows from those before it."""
    space, collectors = world
    collectors.left = 4
    with pytest.raises(KeyboardInterrupt):
        list(play(session(space, collectors), order()))
    collectors.left = 10**6
    list(play(session(space, collectors), order(block=3)))
    assert Counter(collectors.played) == Counter(range(12))
