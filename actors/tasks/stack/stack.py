"""The tasks `pacloop/stack` and `pacloop/stack-wide`: put the red cube on the blue one, held by friction.

The reward is 0, and 1 in the step that completes the stack, which ends the episode; 120 steps at 20 Hz cut
it off otherwise. In `pacloop/stack-wide` the cubes start anywhere in 1.7 times the area; nothing else
differs. `physics.py` says what an action does.
"""

from functools import partial
from math import hypot

import dm_env
import mujoco
import numpy as np
from dm_env import specs

from ....datasets import Field, Schema
from ...rendering.camera import make_renderer
from ...task import Task
from .physics import STATE, Physics

NAME = "pacloop/stack"
CONTROL_HZ = 20
HORIZON = 120  # control steps

START_CUBES = {NAME: (0.13, 0.09), "pacloop/stack-wide": (0.165, 0.12)}  # metres either side of the centre
START_APART = 0.085  # metres between the cubes' centres, at least
START_HAND = (0.10, 0.07)  # metres either side of the centre, x and y
START_HEIGHT = (0.12, 0.19)  # metres, of the point between the fingertips
START_YAW = 0.6  # radians either side

HELD = 3  # control steps in a row that the cubes must be seen stacked

IMAGE = 64  # pixels, the side of an observed image


def task(images: bool = False, name: str = NAME) -> Task:
    """The task, with an `image` `[64, 64, 3]` uint8 beside the 27 scalars where `images` is set."""
    fields = {name: Field((size,)) for name, size in STATE.items()}
    if images:
        fields["image"] = Field((IMAGE, IMAGE, 3), "uint8")
    schema = Schema(
        task=name,
        observation=fields,
        action=Field((5,)),
        action_minimum=(-1.0,) * 5,
        action_maximum=(1.0,) * 5,
        control_hz=CONTROL_HZ,
        horizon=HORIZON,
    )
    make = partial(StackEnvironment, images=images, cubes=START_CUBES[name])
    return Task(schema, make, score, time_limit_is_terminal=True, seed_limit=2**63, replayable=True)


def score(rewards: np.ndarray) -> float:
    """1 where the stack was completed, 0 where it was not. `rewards`: `[T]`."""
    return float(np.max(rewards, initial=0.0) >= 1.0)


class StackEnvironment(dm_env.Environment):
    """See the module. The start of an episode is a function of its seed alone.

    Args:
      images: whether observations hold an `image`, `[64, 64, 3]` uint8.
      cubes: metres either side of the centre within which a cube starts, x and y.
    """

    def __init__(self, *, images: bool = False, cubes: tuple[float, float] = START_CUBES[NAME]):
        self.physics = Physics()
        """The scene, for tests and tools; a policy sees only the observation."""
        self._images, self._cubes = images, cubes
        self._next_seed: int | None = None
        self._steps: int | None = None  # None: the next `step` starts an episode
        self._held = 0
        self._force = 0.0
        self._renderers: dict[tuple[int, int, bool], mujoco.Renderer] = {}

    def seed(self, seed: int) -> None:
        """Make the next `reset` start the episode of this seed, 0 or more; it holds for one episode."""
        self._next_seed = int(seed)

    def reset(self) -> dm_env.TimeStep:
        """Start the episode of the seed that `seed` was given, else any."""
        seed, self._next_seed = self._next_seed, None
        self.physics.place(*_start(np.random.default_rng(seed), self._cubes))
        self._steps = self._held = 0
        self._force = 0.0
        return dm_env.restart(self._observation())

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """Act; components beyond [-1, 1] are clipped. Raises ValueError for any that is not finite.

        After a LAST step, and on a fresh environment, the action is ignored and an episode starts.
        """
        if self._steps is None:
            return self.reset()
        self.physics.advance(_checked(action))
        self._steps += 1
        self._force = max(self._force, self.physics.contact_force())
        self._held = self._held + 1 if self.physics.stacked() else 0
        observation = self._observation()
        if self._held >= HELD:
            self._steps = None
            return dm_env.termination(reward=1.0, observation=observation)
        if self._steps >= HORIZON:
            self._steps = None
            return dm_env.truncation(reward=0.0, observation=observation, discount=1.0)
        return dm_env.transition(reward=0.0, observation=observation, discount=1.0)

    def observation_spec(self) -> dict[str, specs.Array]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The groups of `STATE` in their order, and `image` where images were asked for."""
        spec = {name: specs.Array((size,), np.float32, name) for name, size in STATE.items()}
        if self._images:
            spec["image"] = specs.BoundedArray((IMAGE, IMAGE, 3), np.uint8, 0, 255, "image")
        return spec

    def action_spec(self) -> specs.BoundedArray:  # pyright: ignore[reportIncompatibleMethodOverride]
        """`(dx, dy, dz, dyaw, grip)`, each in [-1, 1]."""
        return specs.BoundedArray((5,), np.float32, -1.0, 1.0, "action")

    def measures(self) -> dict[str, float]:
        """`contact_force`, newtons: the largest on a finger at the end of any control step of the episode."""
        return {"contact_force": round(self._force, 3)}

    def render(self, width: int = 640, height: int = 480, camera: str = "front") -> np.ndarray:
        """A picture for people, `[height, width, 3]` uint8; cameras are front, side and top."""
        return self._picture(camera, width, height, fine=True)

    def close(self) -> None:
        """Give the rendering contexts back; the environment can be used on."""
        while self._renderers:
            self._renderers.popitem()[1].close()

    def _observation(self) -> dict[str, np.ndarray]:
        observation = self.physics.observe(1.0 - (self._steps or 0) / HORIZON)
        if self._images:
            observation["image"] = self._picture("front", IMAGE, IMAGE, fine=False)
        return observation

    def _picture(self, camera: str, width: int, height: int, *, fine: bool) -> np.ndarray:
        key = width, height, fine
        if key not in self._renderers:
            self._renderers[key] = make_renderer(self.physics.model, width, height, fine=fine)
        # The bodies' drawn poses trail the state by the last physics step: 4 ms, which nobody sees.
        self._renderers[key].update_scene(self.physics.data, camera)
        return self._renderers[key].render()


def _checked(action: np.ndarray) -> list[float]:
    """The action within [-1, 1], as numbers."""
    action = np.asarray(action, dtype=np.float64)
    if action.shape != (5,):
        raise ValueError(f"the action of {NAME} has shape (5,), but this one has {action.shape}.")
    numbers = action.tolist()
    if not np.isfinite(action).all():
        raise ValueError(f"the action of {NAME} must be finite, but this one is {numbers}.")
    return [min(max(number, -1.0), 1.0) for number in numbers]


def _start(
    random: np.random.Generator, cubes: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where an episode begins: hand `[x, y, z, yaw]`, red and blue `[x, y, yaw]`."""
    low, high = [-cubes[0], -cubes[1], -np.pi], [cubes[0], cubes[1], np.pi]
    while True:
        red, blue = random.uniform(low, high), random.uniform(low, high)
        if hypot(*(red - blue)[:2]) >= START_APART:
            break
    x, y = START_HAND
    hand = random.uniform([-x, -y, START_HEIGHT[0], -START_YAW], [x, y, START_HEIGHT[1], START_YAW])
    return hand, red, blue
