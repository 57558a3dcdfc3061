"""The physics of the stacking tasks: where things are, where the hand must go, what a policy sees.

A Cartesian hand (x, y, z, yaw) with a parallel gripper stands over two free 4 cm cubes. An action
`[5]` in [-1, 1] is `(dx, dy, dz, dyaw, grip)`: up to 1.5 cm and 0.15 rad a step, added to a commanded
pose that stays near the measured one, and the gripper's opening itself.
"""

# mujoco's names come from extension modules without stubs.
# pyright: reportAttributeAccessIssue=false

from itertools import accumulate
from math import atan2, cos, hypot, sin
from pathlib import Path

import mujoco
import numpy as np

PHYSICS_STEPS = 12  # a control step, of 1/240 s each (stack.xml)

STEP_LENGTH = 0.015  # metres the commanded position moves in a control step, at most
STEP_YAW = 0.15  # radians
LEASH = (0.03, 0.03, 0.03, 0.3)  # how far the commanded pose may lie from the measured one
OPENING = 0.09  # metres between the fingers, fully open
CUBE = 0.04  # metres, edge
TOUCHING = 0.05  # newtons

OFF_AXIS = 0.022  # metres, success: red's centre from blue's axis, at most
OFF_HEIGHT = 0.01  # metres, success: red from the stacked height, and blue from the table's, at most
UPRIGHT = 0.98  # success: cosine of a cube's tilt, at least
AT_REST = (0.02, 0.5)  # m/s and rad/s, success: red's speed, at most
RELEASED = 0.055  # metres, success: the gripper's opening, at least
CLEAR = 0.08  # metres, success: the hand above red, at least

STATE = {"hand": 7, "hand_velocity": 3, "red": 6, "red_velocity": 3, "stack": 5, "contact": 3}
"""Scalars by observation group.

`hand`: position (3), sin and cos of twice its yaw, opening, commanded opening. `hand_velocity`: m/s.
`red`: position relative to the hand (3), sin and cos of four times its yaw relative to the hand's (a
cube looks the same every quarter turn), uprightness. `red_velocity`: m/s. `stack`: red's position
relative to blue (3), blue's height and uprightness. `contact`: left finger, right finger, time left.
Lengths in metres; contacts are 0 or 1; time left runs from 1 to 0.
"""


class Physics:
    """The scene. Knows nothing of episodes.

    `qpos` is hand x, y, z, yaw; two fingers; red's and blue's position and quaternion.
    """

    def __init__(self):
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
            target = command[axis] + step * action[axis]
            target = min(max(target, measured - LEASH[axis]), measured + LEASH[axis])
            command[axis] = min(max(target, lowest), highest)
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
        ends = zip(STATE.items(), accumulate(STATE.values()))
        return {name: flat[end - size : end] for (name, size), end in ends}

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
