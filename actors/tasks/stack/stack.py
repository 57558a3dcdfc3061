"""The tasks `pacloop/stack` and `pacloop/stack-wide`: put the red cube on the blue one, held by friction.

A Cartesian hand (x, y, z, yaw) with a parallel gripper stands over two free 4 cm cubes. An action
`[5]` in [-1, 1] is `(dx, dy, dz, dyaw, grip)`: up to 1.5 cm and 0.15 rad a step, added to a commanded
pose that stays near the measured one, and the gripper's opening itself. The reward is 0, and 1 in the
step that completes the stack, which ends the episode; 120 steps at 20 Hz cut it off otherwise. In
`pacloop/stack-wide` the cubes start anywhere in 1.7 times the area; nothing else differs.
"""

# mujoco's names come from extension modules without stubs.
# pyright: reportAttributeAccessIssue=false

from functools import partial
from math import atan2, cos, hypot, sin
from pathlib import Path

import dm_env
import mujoco
import numpy as np
from dm_env import specs

from ....datasets import Field, Schema
from ...rendering.camera import Camera
from ...task import Task

NAME = "pacloop/stack"
CONTROL_HZ = 20
HORIZON = 120  # control steps
PHYSICS_STEPS = 12  # a control step, of 1/240 s each (stack.xml)

STEP_LENGTH = 0.015  # metres the commanded position moves in a control step, at most
STEP_YAW = 0.15  # radians
LEASH = (0.03, 0.03, 0.03, 0.3)  # how far the commanded pose may lie from the measured one
OPENING = 0.09  # metres between the fingers, fully open
CUBE = 0.04  # metres, edge

START_CUBES = {NAME: (0.13, 0.09), "pacloop/stack-wide": (0.165, 0.12)}  # metres either side of the centre
START_APART = 0.085  # metres between the cubes' centres, at least
START_HAND = (0.10, 0.07)  # metres either side of the centre, x and y
START_HEIGHT = (0.12, 0.19)  # metres, of the point between the fingertips
START_YAW = 0.6  # radians either side

OFF_AXIS = 0.022  # metres, success: red's centre from blue's axis, at most
OFF_HEIGHT = 0.01  # metres, success: red from the stacked height, and blue from the table's, at most
UPRIGHT = 0.98  # success: cosine of a cube's tilt, at least
AT_REST = (0.02, 0.5)  # m/s and rad/s, success: red's speed, at most
RELEASED = 0.055  # metres, success: the gripper's opening, at least
CLEAR = 0.08  # metres, success: the hand above red, at least
HELD = 3  # control steps in a row that all of this must hold

IMAGE = 64  # pixels, the side of an observed image
TOUCHING = 0.05  # newtons
FORCE_LIMIT = 60.0  # newtons, a finger's contact force beyond which it does not matter how much more

STATE = {"hand": 7, "hand_velocity": 3, "red": 6, "red_velocity": 3, "stack": 5, "contact": 3}
"""Scalars by observation group.

`hand`: position (3), sin and cos of twice its yaw, opening, commanded opening. `hand_velocity`: m/s.
`red`: position relative to the hand (3), sin and cos of four times its yaw relative to the hand's (a
cube looks the same every quarter turn), uprightness. `red_velocity`: m/s. `stack`: red's position
relative to blue (3), blue's height and uprightness. `contact`: left finger, right finger, time left.
Lengths in metres; contacts are 0 or 1; time left runs from 1 to 0.
"""


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
    return Task(schema, make, score, time_limit_is_terminal=True, contact_force_limit=FORCE_LIMIT)


def score(rewards: np.ndarray) -> float:
    """1 where the stack was completed, 0 where it was not. `rewards`: `[T]`."""
    return float(np.max(rewards, initial=0.0) >= 1.0)


class Physics:
    """The scene: where things are, where the hand is told to be. Knows nothing of episodes.

    `qpos` is hand x, y, z, yaw; two fingers; red's and blue's position and quaternion.
    """

    def __init__(self):
        """Compile the scene."""
        self.model = mujoco.MjModel.from_xml_path(str(Path(__file__).with_name("stack.xml")))
        self.data = mujoco.MjData(self.model)
        # Views into the simulator's own memory: an attribute of MjData costs more than reading it.
        self._qpos, self._qvel = self.data.qpos, self.data.qvel
        self._ctrl, self._touch = self.data.ctrl, self.data.sensordata
        self._range = [tuple(limits) for limits in self.model.jnt_range[:4].tolist()]

    def place(self, hand: np.ndarray, red: np.ndarray, blue: np.ndarray) -> None:
        """Start at rest: hand `[x, y, z, yaw]` with the gripper open; cubes `[x, y, yaw]` on the table."""
        mujoco.mj_resetData(self.model, self.data)
        self._qpos[:4] = hand
        self._qpos[4:6] = OPENING / 2
        for start, (x, y, yaw) in ((6, red), (13, blue)):
            self._qpos[start : start + 7] = x, y, CUBE / 2, cos(yaw / 2), 0.0, 0.0, sin(yaw / 2)
        self._ctrl[:4] = hand
        self._ctrl[4] = OPENING
        mujoco.mj_forward(self.model, self.data)

    def advance(self, action: list[float]) -> None:
        """One control step under an action within [-1, 1]."""
        command = self._ctrl.tolist()
        for axis, measured in enumerate(self._qpos[:4].tolist()):
            step = STEP_YAW if axis == 3 else STEP_LENGTH
            lowest, highest = self._range[axis]
            wanted = command[axis] + step * action[axis]
            wanted = min(max(wanted, measured - LEASH[axis]), measured + LEASH[axis])
            command[axis] = min(max(wanted, lowest), highest)
        command[4] = OPENING * (action[4] + 1.0) / 2.0
        self._ctrl[:] = command
        mujoco.mj_step(self.model, self.data, PHYSICS_STEPS)

    def observe(self, time_left: float) -> dict[str, np.ndarray]:
        """The groups of `STATE`, float32."""
        q, v = self._qpos.tolist(), self._qvel.tolist()
        left, right = self._touch.tolist()
        red_yaw, red_upright = _yaw_and_uprightness(*q[9:13])
        _, blue_upright = _yaw_and_uprightness(*q[16:20])
        x, y, z, yaw = q[:4]
        turn = 4.0 * (red_yaw - yaw)
        flat = np.array(
            [
                *(x, y, z, sin(2.0 * yaw), cos(2.0 * yaw), q[4] + q[5], self._ctrl[4]),
                *v[0:3],
                *(q[6] - x, q[7] - y, q[8] - z, sin(turn), cos(turn), red_upright),
                *v[6:9],
                *(q[6] - q[13], q[7] - q[14], q[8] - q[15], q[15], blue_upright),
                *(float(left > TOUCHING), float(right > TOUCHING), time_left),
            ],
            dtype=np.float32,
        )
        groups, start = {}, 0
        for name, size in STATE.items():
            groups[name] = flat[start : start + size]
            start += size
        return groups

    def contact_force(self) -> float:
        """Newtons on the finger that is pressed harder."""
        return max(self._touch.tolist())

    def stacked(self) -> bool:
        """Whether red stands on blue at rest, upright and let go, with the hand well above."""
        q, v = self._qpos.tolist(), self._qvel.tolist()
        if q[4] + q[5] < RELEASED or q[2] - q[8] < CLEAR or abs(q[8] - q[15] - CUBE) > OFF_HEIGHT:
            return False
        return (
            hypot(q[6] - q[13], q[7] - q[14]) <= OFF_AXIS
            and abs(q[15] - CUBE / 2) <= OFF_HEIGHT
            and min(_yaw_and_uprightness(*q[9:13])[1], _yaw_and_uprightness(*q[16:20])[1]) >= UPRIGHT
            and hypot(*v[6:9]) <= AT_REST[0]
            and hypot(*v[9:12]) <= AT_REST[1]
        )


class StackEnvironment(dm_env.Environment):
    """See the module. The start of an episode is a function of its seed alone.

    Args:
      images: whether observations hold an `image`, `[64, 64, 3]` uint8.
      cubes: metres either side of the centre within which a cube starts, x and y.
      random: seeds the generator from which an episode that `seed` did not choose takes its seed.
    """

    def __init__(
        self,
        *,
        images: bool = False,
        cubes: tuple[float, float] = START_CUBES[NAME],
        random: int | None = None,
    ):
        """See the class."""
        self._physics = Physics()
        self._images, self._cubes = images, cubes
        self._own_seeds = np.random.default_rng(random)
        self._next_seed: int | None = None
        self._steps: int | None = None  # None: the next `step` starts an episode
        self._held = 0
        self._force = 0.0
        self._cameras: dict[tuple[str, int, int, bool], Camera] = {}

    @property
    def physics(self) -> Physics:
        """The scene, for tests and tools; a policy sees only the observation."""
        return self._physics

    def seed(self, seed: int) -> None:
        """Make the next `reset` start the episode of this seed, 0 or more; it holds for one episode."""
        self._next_seed = int(seed)

    def reset(self) -> dm_env.TimeStep:
        """Start the episode of the seed that `seed` was given, else of one the environment draws."""
        seed, self._next_seed = self._next_seed, None
        if seed is None:
            seed = int(self._own_seeds.integers(2**63))
        self._physics.place(*_start(np.random.default_rng(seed), self._cubes))
        self._steps = self._held = 0
        self._force = 0.0
        return dm_env.restart(self._observation())

    def step(self, action: np.ndarray) -> dm_env.TimeStep:
        """Act; components beyond [-1, 1] are clipped. Raises ValueError for any that is not finite.

        After a LAST step, and on a fresh environment, the action is ignored and an episode starts.
        """
        if self._steps is None:
            return self.reset()
        self._physics.advance(_checked(action))
        self._steps += 1
        self._force = max(self._force, self._physics.contact_force())
        self._held = self._held + 1 if self._physics.stacked() else 0
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

    def contact_force(self) -> float:
        """The largest force on a finger at the end of any control step of the episode so far, in newtons."""
        return self._force

    def render(self, width: int = 640, height: int = 480, camera: str = "front") -> np.ndarray:
        """A picture for people, `[height, width, 3]` uint8; cameras are front, side and top."""
        return self._picture(camera, width, height, fine=True)

    def close(self) -> None:
        """Give the rendering contexts back; the environment can be used on."""
        while self._cameras:
            self._cameras.popitem()[1].close()

    def _observation(self) -> dict[str, np.ndarray]:
        observation = self._physics.observe(1.0 - (self._steps or 0) / HORIZON)
        if self._images:
            observation["image"] = self._picture("front", IMAGE, IMAGE, fine=False)
        return observation

    def _picture(self, name: str, width: int, height: int, *, fine: bool) -> np.ndarray:
        key = name, width, height, fine
        if key not in self._cameras:
            self._cameras[key] = Camera(self._physics.model, name, width, height, fine=fine)
        # The bodies' drawn poses trail the state by the last physics step: 4 ms, which nobody sees.
        return self._cameras[key].picture(self._physics.data)


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


def _yaw_and_uprightness(w: float, x: float, y: float, z: float) -> tuple[float, float]:
    """A cube's yaw, up to quarter turns, and the cosine of its tilt, whichever face is up."""
    up = abs(2.0 * (x * z - w * y)), abs(2.0 * (y * z + w * x)), abs(1.0 - 2.0 * (x * x + y * y))
    upright = max(up)
    # The yaw is read off an axis that lies flat: the one after the axis that points up or down.
    if upright == up[2]:
        return atan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (y * y + z * z)), upright
    if upright == up[0]:
        return atan2(1.0 - 2.0 * (x * x + z * z), 2.0 * (x * y - w * z)), upright
    return atan2(2.0 * (y * z - w * x), 2.0 * (x * z + w * y)), upright
