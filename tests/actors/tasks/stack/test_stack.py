"""The stacking task: dm_env's conformance, starts by seed, observation, success, errors, pictures."""

import os
import subprocess
import sys
from dataclasses import replace

import dm_env
import numpy as np
import pytest
from absl.testing import absltest
from dm_env import test_utils

from pacloop.actors.registry import find_task
from pacloop.actors.rollout.rollout import rollout
from pacloop.actors.tasks.stack.demonstrator import Demonstrator
from pacloop.actors.tasks.stack.mistakes import CLEAN
from pacloop.actors.tasks.stack.physics import CUBE, STATE
from pacloop.actors.tasks.stack.stack import (
    HELD,
    HORIZON,
    NAME,
    START_APART,
    START_CUBES,
    StackEnvironment,
    task,
)

STILL = np.array([0, 0, 0, 0, 1], np.float32)


class Conformance(test_utils.EnvironmentTestMixin, absltest.TestCase):
    def make_object_under_test(self):
        return StackEnvironment()

    def make_action_sequence(self):
        random = np.random.default_rng(0)
        for _ in range(HORIZON + 5):
            yield random.uniform(-1, 1, 5).astype(np.float32)


@pytest.fixture(scope="module")
def environment():
    environment = StackEnvironment()
    yield environment
    environment.close()


def start(environment, seed):
    environment.seed(seed)
    return environment.reset().observation


def put_stacked(environment, *, shift=0.0):
    """Red on blue, `shift` metres beside its axis, with the open hand well above."""
    environment.physics.place([0.0, 0.0, 0.2, 0.0], np.zeros(3), np.zeros(3))
    environment.physics.data.qpos[6:9] = shift, 0.0, 1.5 * CUBE


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def test_task_describes_its_environment(environment):
    described = task()
    assert described.name == NAME
    assert described.time_limit_is_terminal
    spec = environment.observation_spec()
    assert list(spec) == list(described.schema.observation) == list(STATE)
    assert sum(STATE.values()) == 27
    for name, field in described.schema.observation.items():
        assert spec[name].shape == field.shape
        assert spec[name].dtype == np.dtype(field.dtype)
        assert start(environment, 0)[name].shape == field.shape
    action = environment.action_spec()
    assert action.shape == described.schema.action.shape
    assert (action.minimum == -1).all() and (action.maximum == 1).all()
    assert described.score(np.zeros(5)) == 0.0
    assert described.score(np.array([0.0, 1.0])) == 1.0


def test_start_is_a_function_of_the_seed(environment):
    first = start(environment, 7)
    for _ in range(10):
        environment.step(-STILL)
    assert same(first, start(environment, 7))
    assert same(first, start(StackEnvironment(), 7))
    assert not same(first, start(environment, 8))


def test_trajectory_is_a_function_of_seed_and_actions(environment):
    actions = np.random.default_rng(0).uniform(-1, 1, (40, 5)).astype(np.float32)
    runs = []
    for _ in range(2):
        start(environment, 11)
        runs.append([environment.step(action).observation for action in actions])
    assert all(same(one, other) for one, other in zip(*runs))


def test_unseeded_episodes_differ(environment):
    assert not same(environment.reset().observation, environment.reset().observation)


def test_wide_differs_in_nothing_but_where_cubes_start():
    narrow, wide = find_task("pacloop/stack"), find_task("pacloop/stack-wide")
    assert wide.name == "pacloop/stack-wide"
    assert narrow.schema.difference(replace(wide.schema, task=narrow.name)) is None
    far = {}
    for task_ in (narrow, wide):
        environment = task_.make()
        starts = [start(environment, seed) for seed in range(60)]
        red = np.array([s["hand"][:2] + s["red"][:2] for s in starts])
        far[task_.name] = np.abs(red).max(0)
        assert np.array_equal(start(environment, 3)["hand"], starts[3]["hand"])
    assert np.all(far["pacloop/stack"] <= np.add(START_CUBES["pacloop/stack"], 1e-6))
    assert np.all(far["pacloop/stack-wide"] > START_CUBES["pacloop/stack"])
    assert np.all(far["pacloop/stack-wide"] <= np.add(START_CUBES["pacloop/stack-wide"], 1e-6))


def test_what_is_clean_stacks_in_the_wide_task_too_and_its_force_is_measured():
    wide = find_task("pacloop/stack-wide")
    environment = wide.make()
    (episode,) = rollout(wide, Demonstrator(CLEAN), [1], environments=[environment])
    assert episode.score == 1.0
    assert episode.info == {"mistakes": {}, **environment.measures()}
    assert 1.0 < episode.info["contact_force"] < 60.0
    environment.seed(1)
    environment.reset()
    assert environment.measures() == {"contact_force": 0.0}
    for _ in range(3):
        environment.step(STILL)
    assert environment.measures() == {"contact_force": 0.0}, "nothing is touched"


def test_seed_holds_for_one_episode(environment):
    first = start(environment, 7)
    assert not same(first, environment.reset().observation)


def test_cubes_rest_apart_on_the_table(environment):
    for seed in range(10):
        begun = start(environment, seed)
        for _ in range(10):
            ended = environment.step(STILL).observation
        assert np.hypot(*begun["stack"][:2]) >= START_APART - 1e-6
        np.testing.assert_allclose(begun["stack"], ended["stack"], atol=1e-3)
        np.testing.assert_allclose(ended["stack"][3], CUBE / 2, atol=1e-3)
        np.testing.assert_allclose(ended["red_velocity"], 0.0, atol=1e-3)


def test_hand_follows_actions_and_clips_them(environment):
    begun = start(environment, 1)["hand"]
    for _ in range(4):
        environment.step(np.array([0.5, 0, 0, 0, 1]))
    for _ in range(6):
        ended = environment.step(STILL).observation["hand"]
    np.testing.assert_allclose(ended[:3] - begun[:3], [0.03, 0, 0], atol=2e-3)
    start(environment, 1)
    beyond = [environment.step(np.full(5, 9.0)).observation for _ in range(5)]
    start(environment, 1)
    assert all(same(one, environment.step(np.ones(5)).observation) for one in beyond)


def test_time_left_runs_from_one_to_zero_and_the_horizon_truncates(environment):
    assert start(environment, 2)["contact"][2] == 1.0
    for count in range(1, HORIZON + 1):
        step = environment.step(STILL)
        assert step.last() == (count == HORIZON)
    assert step.observation["contact"][2] == 0.0
    assert step.discount == 1.0 and step.reward == 0.0
    assert environment.step(STILL).first()


def test_a_stack_that_is_held_ends_the_episode_with_reward_one(environment):
    start(environment, 0)
    put_stacked(environment)
    for _ in range(HELD - 1):
        step = environment.step(STILL)
        assert step.mid() and step.reward == 0.0
    step = environment.step(STILL)
    assert step.step_type is dm_env.StepType.LAST
    assert step.reward == 1.0 and step.discount == 0.0


@pytest.mark.parametrize("case", ["beside the axis", "gripper closed", "hand too low", "on the table"])
def test_what_is_not_quite_a_stack_is_no_success(environment, case):
    start(environment, 0)
    if case == "on the table":
        environment.physics.place([0, 0, 0.2, 0], np.array([0.1, 0, 0]), np.zeros(3))
    else:
        put_stacked(environment, shift=0.024 if case == "beside the axis" else 0.0)
    if case == "hand too low":
        environment.physics.data.qpos[2] = environment.physics.data.ctrl[2] = 0.11
    action = STILL * (-1 if case == "gripper closed" else 1)
    assert all(environment.step(action).mid() for _ in range(10))


def test_a_tumbled_cube_is_upright_on_any_face(environment):
    start(environment, 0)
    put_stacked(environment)
    environment.physics.data.qpos[9:13] = np.sqrt([0.5, 0.5, 0.0, 0.0])
    observed = environment.physics.observe(1.0)["red"]
    np.testing.assert_allclose(observed[3:], [0.0, 1.0, 1.0], atol=1e-6)
    assert environment.physics.stacked()


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_non_finite_actions_are_refused(environment, wrong):
    start(environment, 0)
    with pytest.raises(ValueError, match="must be finite"):
        environment.step(np.array([0, 0, wrong, 0, 0], np.float32))
    assert environment.step(STILL).mid()


def test_actions_of_another_shape_are_refused(environment):
    start(environment, 0)
    with pytest.raises(ValueError, match=r"shape \(5,\)"):
        environment.step(np.zeros(4, np.float32))


LOOK = """
import numpy as np
from pacloop.actors.tasks.stack.stack import task
described = task(images=True)
environment = described.make()
for name, spec in environment.observation_spec().items():
    assert described.schema.observation[name].shape == spec.shape, name
try:
    environment.seed(3)
    one = environment.reset().observation["image"]
except RuntimeError as error:
    raise SystemExit(f"NO BACKEND {error}")
environment.observation_spec()["image"].validate(one)
environment.seed(3)
assert np.array_equal(one, environment.reset().observation["image"])
environment.seed(4)
assert not np.array_equal(one, environment.reset().observation["image"])
assert one.std() > 10, "the picture is empty"
assert environment.render(160, 120).shape == (120, 160, 3)
environment.close()
"""


def test_images():
    """In a process of its own: a backend is chosen once a process, by pacloop where MUJOCO_GL is not set."""
    said = ""
    for backend in ("", "egl", "osmesa"):
        settings = {key: value for key, value in os.environ.items() if key != "PYOPENGL_PLATFORM"}
        settings["MUJOCO_GL"] = backend
        done = subprocess.run([sys.executable, "-c", LOOK], env=settings, capture_output=True, text=True)
        if done.returncode == 0:
            assert "Exception ignored" not in done.stderr
            return
        said += done.stderr
        assert "NO BACKEND" in done.stderr, done.stderr
    pytest.skip(f"no OpenGL backend: {said}")
