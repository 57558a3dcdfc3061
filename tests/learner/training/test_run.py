"""A learner run: the loss falls, and whatever interrupts it, the weights and figures are the same."""

import json
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pacloop.datasets import DatasetError
from pacloop.learner.config import LearnConfig, PacConfig
from pacloop.learner.training import run as train
from pacloop.learner.training.run import DivergedError, learn, result_of

EVERY = 10  # steps between two reports
NETWORK = PacConfig(width=8, latents=2, action_bins=5, value_bins=5)
CONFIG = LearnConfig(
    steps=3 * EVERY,
    batch_size=16,
    learning_rate=3e-3,
    warmup_steps=5,
    improvement_actions=3,
    n_step=1,
    target_rate=0.1,
)


@pytest.fixture(scope="module", autouse=True)
def frequent_reports():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "REPORT_EVERY_STEPS", EVERY)
        yield


@pytest.fixture(scope="module")
def replay(tmp_path_factory, build):
    return build.guesses(tmp_path_factory.mktemp("guesses"), 200)


@pytest.fixture(scope="module")
def run(replay, build):
    """A run in a folder, with what a test wants changed."""

    def run(folder, *, config=CONFIG, replay=replay, seed=5, **more):
        return learn(
            replay, schema=build.guess, network=NETWORK, config=config, seed=seed, folder=folder, **more
        )

    return run


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return run(folder), lines(folder)


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def same(learned, other):
    (weights, _), (others, _) = learned, other
    return set(weights) == set(others) and all(torch.equal(weights[name], others[name]) for name in weights)


def without_rates(figures):
    return {name: value for name, value in figures.items() if not name.endswith("_per_sec")}


class Interrupting:
    """A replay during whose n-th sample the process receives SIGINT."""

    def __init__(self, replay, at):
        self.replay, self.left, self.identity = replay, at, replay.identity

    def sample(self, *arguments):
        self.left -= 1
        if self.left == 0:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return self.replay.sample(*arguments)


def test_the_loss_falls_and_progress_is_told(run, tmp_path):
    told = []
    _, figures = run(
        tmp_path,
        config=replace(CONFIG, steps=8 * EVERY),
        progress=lambda step, figures: told.append((step, dict(figures))),
    )
    assert [step for step, _ in told] == [EVERY * k for k in range(1, 9)]
    assert told[-1][1]["critic"] < 0.9 * told[0][1]["critic"]
    assert figures == told[-1][1]
    assert told[0][1]["samples_per_sec"] == pytest.approx(CONFIG.batch_size * told[0][1]["steps_per_sec"])


def test_a_run_is_a_function_of_its_seed(run, whole, tmp_path):
    assert same(run(tmp_path / "again"), whole[0])
    assert not same(run(tmp_path / "other", seed=6), whole[0])


@pytest.mark.parametrize("moments", [[3], [12, 2, 1, 5]])
def test_interrupts_change_nothing(run, whole, replay, tmp_path, moments):
    for moment in moments:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, replay=Interrupting(replay, moment))
    assert same(run(tmp_path), whole[0])
    assert list(map(without_rates, lines(tmp_path))) == list(map(without_rates, whole[1]))


@pytest.mark.parametrize("step", [EVERY, 2 * EVERY])
def test_a_kill_after_a_save_changes_nothing(run, whole, tmp_path, step):
    class Killed(BaseException):
        pass

    def kill(done, _):
        if done == step:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, config=replace(CONFIG, save_every_sec=0.0), progress=kill)
    # The kill came after the line of this step and before its save, and tore the next line.
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2')
    resumed = run(tmp_path, config=replace(CONFIG, save_every_sec=0.0))
    assert same(resumed, whole[0])
    assert [line["step"] for line in lines(tmp_path)] == [EVERY * k for k in (1, 2, 3)]
    assert list(map(without_rates, lines(tmp_path))) == list(map(without_rates, whole[1]))


def test_a_state_that_is_broken_is_named_and_odd_figures_go(run, whole, tmp_path):
    def interrupt(done, _):
        if done == EVERY:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=interrupt)
    (tmp_path / "metrics.jsonl").write_bytes(b'[1]\n{"step": "x"}\n3\n\xac\n')
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=r"state\.safetensors is broken .*: remove it, to learn anew"):
        run(tmp_path)
    state.unlink()
    assert same(run(tmp_path), whole[0])


def test_an_interrupt_after_the_last_step_leaves_nothing_to_do(run, whole, replay, tmp_path):
    def interrupt(done, _):
        if done == CONFIG.steps:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=interrupt)
    learned = run(tmp_path)
    assert same(learned, whole[0])
    assert without_rates({"step": CONFIG.steps, **learned[1]}) == without_rates(whole[1][-1])


@pytest.mark.parametrize("change", [{"seed": 6}, {"config": replace(CONFIG, eta=0.1)}])
def test_the_state_of_another_run_is_thrown_away(run, replay, whole, tmp_path, change):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replay=Interrupting(replay, 14), **change)
    assert lines(tmp_path)[0]["step"] == EVERY
    assert same(run(tmp_path), whole[0])
    assert list(map(without_rates, lines(tmp_path))) == list(map(without_rates, whole[1]))


def test_the_state_of_a_run_from_other_weights_is_thrown_away(run, replay, whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replay=Interrupting(replay, 14), start=whole[0][0])
    assert same(run(tmp_path), whole[0])


def test_what_was_restored_is_not_saved_again(run, replay, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(train, "save_state", lambda folder, networks: saved.append(networks.step))
    run(tmp_path / "whole")
    assert saved == [0]
    monkeypatch.undo()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replay=Interrupting(replay, 14))
    monkeypatch.setattr(train, "save_state", lambda folder, networks: saved.append(networks.step))
    run(tmp_path)
    assert saved == [0]


def test_a_run_starts_from_the_weights_it_is_given(run, whole, tmp_path):
    config = replace(CONFIG, steps=1, learning_rate=0.0)
    assert same(run(tmp_path, config=config, start=whole[0][0]), whole[0])


class Poisoned:
    """A replay that gives returns of NaN from its n-th sample on, `times` times."""

    def __init__(self, replay, at, times):
        self.replay, self.at, self.until, self.count = replay, at, at + times, 0
        self.identity = replay.identity

    def sample(self, *arguments):
        drawn, self.count = self.replay.sample(*arguments), self.count + 1
        if self.at < self.count <= self.until:
            drawn = replace(drawn, n_step_return=drawn.n_step_return * np.float32("nan"))
        return drawn


def all_finite(tensors):
    return all(tensor.isfinite().all() for tensor in tensors.values())


@pytest.mark.parametrize("at", [0, 14, 3 * EVERY - 1])
def test_a_run_that_diverged_goes_back_once_with_a_lower_rate(run, whole, replay, tmp_path, at):
    weights, figures = run(tmp_path, replay=Poisoned(replay, at, times=1))
    assert all_finite(weights) and not same((weights, {}), whole[0])
    assert figures["lowered_at_step"] == 0.0
    assert [line["step"] for line in lines(tmp_path)] == [EVERY, 2 * EVERY, 3 * EVERY]
    slower = run(tmp_path / "slower", config=replace(CONFIG, learning_rate=0.1 * CONFIG.learning_rate))
    assert all(torch.allclose(weights[name], slower[0][name], atol=1e-6) for name in weights)


def test_a_run_that_diverged_goes_on_from_what_it_saved_last(run, replay, tmp_path):
    config, seen = replace(CONFIG, save_every_sec=0.0), []

    def look(step, figures):
        seen.append((step, figures.get("lowered_at_step")))

    run(tmp_path, config=config, replay=Poisoned(replay, 2 * EVERY + 3, times=1), progress=look)
    (first, none), (second, _), (last, lowered) = seen
    assert (first, second, last, none) == (EVERY, 2 * EVERY, 3 * EVERY, None)
    assert 2 * EVERY <= lowered <= 2 * EVERY + 4


def test_a_run_that_diverges_again_ends_and_keeps_nothing_that_is_not_finite(run, replay, tmp_path):
    config = replace(CONFIG, save_every_sec=0.0)
    with pytest.raises(DivergedError, match=r"by step 20, also with 0.1 times .* from step 1\d on"):
        run(tmp_path, config=config, replay=Poisoned(replay, 13, times=1000))
    state = load_file(tmp_path / "state.safetensors")
    assert all_finite(state) and state["lowered"] == state["step"]
    assert [line["step"] for line in lines(tmp_path)] == [EVERY]
    with pytest.raises(DivergedError):  # again, and at once: it does not go back twice
        run(tmp_path, config=config, replay=Poisoned(replay, 0, times=1000))


def test_an_interrupt_saves_nothing_that_is_not_finite(run, replay, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replay=Interrupting(Poisoned(replay, 4, times=1000), 9))
    state = load_file(tmp_path / "state.safetensors")
    assert all_finite(state) and state["step"] == 0


def test_a_run_on_other_data_begins_anew(run, replay, whole, tmp_path):
    """The same draws, but of a replay that says it is another: a mixture that was changed meanwhile."""
    other = Interrupting(replay, 14)
    other.identity = replay.identity | {"mixture": {"demonstration": 1.0}}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replay=other)
    assert load_file(tmp_path / "state.safetensors")["step"] > 0
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, replay=Interrupting(replay, 2))
    assert load_file(tmp_path / "state.safetensors")["step"] < 3
    assert same(run(tmp_path), whole[0])


class Torn:
    """A future as an interrupt leaves it that comes while its lock changes hands."""

    def __init__(self, cause):
        self.cause = cause

    def result(self):
        try:
            raise self.cause
        except BaseException:
            raise RuntimeError("cannot release un-acquired lock")  # noqa: B904


def test_an_interrupt_of_a_lock_is_an_interrupt():
    with pytest.raises(KeyboardInterrupt):
        result_of(Torn(KeyboardInterrupt()))  # pyright: ignore[reportArgumentType]
    with pytest.raises(RuntimeError):
        result_of(Torn(ValueError()))  # pyright: ignore[reportArgumentType]
