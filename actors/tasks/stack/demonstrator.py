"""A scripted, clumsy demonstrator for `pacloop/stack`: it sees what a policy sees, and errs like a person.

It goes through eight phases (above, descend, close, lift, carry, lower, open, retreat), steering by
the observation alone. What goes wrong is drawn once an episode, from the episode's seed, by name. It
never looks back: a cube that was missed or dropped is carried on as if it were there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import atan2, cos, hypot, inf, pi, sin
from typing import Any

import numpy as np

from .mistakes import Mistakes, draw_mistakes
from .physics import CUBE, STEP_LENGTH, STEP_YAW

LAG = 0.05  # seconds the hand trails its command, which is about position + LAG * velocity
GAIN = 0.7  # share of the way to the goal that one action covers
OPEN, CLOSED = 1.0, -1.0

HOVER = 0.07  # metres above red, before descending
CARRY_HEIGHT = 0.075  # metres above blue at which red travels: clear of it by 3.5 cm
RETREAT = 0.13  # metres above red, at the end
NEAR, ALIGNED = 0.005, 0.06  # metres and radians that count as arrived
TOUCHDOWN = 0.002  # metres above blue's top at which red is let go
CLOSING, OPENING = 7, 5  # control steps the gripper is given
PATIENCE = 30  # control steps after which a phase is given up and the next begins
PAUSE = (3, 10)  # control steps
NOISE_MEMORY = 0.5  # correlation of the action noise from one step to the next


@dataclass(frozen=True)
class Scene:
    """Where things are, in metres from the table's centre, as read from one observation."""

    hand: np.ndarray
    velocity: np.ndarray
    red: np.ndarray
    blue: np.ndarray
    turn: float  # radians from the hand's yaw to the nearest grasp of red

    @classmethod
    def read(cls, observation: Mapping[str, np.ndarray]) -> "Scene":
        """Undo the observation's relative coordinates."""
        hand = observation["hand"][:3].astype(np.float64)
        red = hand + observation["red"][:3]
        turn = atan2(observation["red"][3], observation["red"][4]) / 4.0
        return cls(
            hand, observation["hand_velocity"].astype(np.float64), red, red - observation["stack"][:3], turn
        )


@dataclass(frozen=True)
class Demonstrator:
    """The actor that a rollout runs: a script for each episode, with mistakes of its own.

    An episode is a function of its seed and `mistakes` alone. What went wrong is in its info as `mistakes`.
    """

    mistakes: Mistakes

    def begin(self, random: np.random.Generator) -> "Script":
        """The script of an episode; all its draws are from `random`."""
        return Script(draw_mistakes(self.mistakes, random), random)

    def act(self, observation: Mapping[str, np.ndarray], memories: "Sequence[Script]") -> np.ndarray:
        """Observation fields `[B, H, ...]`, of which only the last is looked at, to actions `[B, 5]`."""
        latest = {name: values[:, -1] for name, values in observation.items()}
        seen = ({name: values[row] for name, values in latest.items()} for row in range(len(memories)))
        return np.stack([script.act(scene) for script, scene in zip(memories, seen)])

    def info(self, memory: "Script") -> dict[str, Any]:
        """The mistakes by name, with their strength."""
        return {"mistakes": memory.mistakes}


class Script:
    """What the demonstrator does in one episode, and how far it is."""

    def __init__(self, mistakes: Mapping[str, float], random: np.random.Generator):
        """`mistakes` as `draw_mistakes` gives them; `random` for directions, pauses and noise."""
        self.mistakes = mistakes
        self._random = random
        self._grasp_offset = _offset(mistakes.get("grasp_offset", 0.0), random)
        self._place_offset = _offset(mistakes.get("place_offset", 0.0), random)
        self._release = TOUCHDOWN + mistakes.get("high_release", 0.0)
        self._speed = mistakes.get("speed", 1.0)
        self._noise_scale = mistakes.get("noise", 0.0)
        self._noise = random.normal(size=4)
        self._slack = STEP_LENGTH * self._noise_scale  # metres: a shaking hand is content with less
        self._phases: list[Callable[[Scene], bool]] = [
            self._above,
            self._descend,
            self._close,
            self._lift,
            self._carry,
            self._lower,
            self._open,
            self._retreat,
        ]
        self._phase = 0
        self._in_phase = 0  # control steps
        self._carried = 0  # control steps since carrying began
        self._paused = 0  # control steps left to stand still
        self._goal = np.zeros(3)
        self._grip = OPEN

    def act(self, observation: Mapping[str, np.ndarray]) -> np.ndarray:
        """The next action, `[5]` float32, at one observation."""
        scene = Scene.read(observation)
        action = np.zeros(5, np.float32)
        if self._standing_still():
            action[4] = self._grip
            return action
        self._advance(scene)
        commanded = scene.hand + LAG * scene.velocity
        error = np.append((self._goal - commanded) / STEP_LENGTH, self._turn / STEP_YAW)
        arm = np.clip(GAIN * error, -self._speed, self._speed)
        draw = self._random.normal(size=4)
        self._noise = NOISE_MEMORY * self._noise + (1.0 - NOISE_MEMORY**2) ** 0.5 * draw
        action[:4] = np.clip(arm + self._noise_scale * self._noise, -1.0, 1.0)
        action[4] = self._grip
        return action

    def _standing_still(self) -> bool:
        if self._paused == 0 and self._random.random() < self.mistakes.get("pauses", 0.0):
            self._paused = int(self._random.integers(*PAUSE))
        self._paused = max(self._paused - 1, 0)
        return self._paused > 0

    def _advance(self, scene: Scene) -> None:
        """Set goal, turn and grip for this step, and go on to the next phase where this one is done."""
        self._turn = 0.0
        done = self._phases[self._phase](scene)
        self._in_phase += 1
        carrying = self._phases[self._phase] in (self._carry, self._lower)
        self._carried += carrying
        if carrying and self._carried > self.mistakes.get("early_drop", inf):
            self._grip = OPEN
        last = self._phase == len(self._phases) - 1
        if not last and (done or self._in_phase > PATIENCE):
            self._phase += 1
            self._in_phase = 0

    def _arrived(self, scene: Scene, near: float = NEAR) -> bool:
        return float(np.abs(self._goal - scene.hand).max()) < near + self._slack

    def _above(self, scene: Scene) -> bool:
        self._turn = scene.turn
        self._goal = scene.red + self._grasp_offset + (0.0, 0.0, HOVER)
        level = abs(self._goal[2] - scene.hand[2]) < 3 * NEAR
        beside = hypot(*(self._goal - scene.hand)[:2])
        return level and abs(scene.turn) < ALIGNED and beside < NEAR + self._slack

    def _descend(self, scene: Scene) -> bool:
        self._turn = scene.turn
        self._goal = scene.red + self._grasp_offset
        return self._arrived(scene)

    def _close(self, scene: Scene) -> bool:
        self._grip = CLOSED
        return self._in_phase >= CLOSING

    def _lift(self, scene: Scene) -> bool:
        self._goal[2] = scene.blue[2] + CARRY_HEIGHT
        return self._arrived(scene, 3 * NEAR)

    def _carry(self, scene: Scene) -> bool:
        self._goal[:2] = self._place(scene)
        return self._arrived(scene)

    def _lower(self, scene: Scene) -> bool:
        self._goal[:2] = self._place(scene)
        held_at = np.clip(scene.hand[2] - scene.red[2], -CUBE / 2, CUBE / 2)
        self._goal[2] = scene.blue[2] + CUBE + self._release + held_at
        return self._arrived(scene, TOUCHDOWN)

    def _open(self, scene: Scene) -> bool:
        self._grip = OPEN
        return self._in_phase >= OPENING

    def _retreat(self, scene: Scene) -> bool:
        self._goal[2] = scene.blue[2] + CUBE + RETREAT
        return False

    def _place(self, scene: Scene) -> np.ndarray:
        """Where the hand must be, `[2]`, for red to be over blue: red may sit off the fingers' centre."""
        held_at = np.clip((scene.hand - scene.red)[:2], -CUBE / 2, CUBE / 2)
        return (scene.blue + self._place_offset)[:2] + held_at


def _offset(length: float, random: np.random.Generator) -> np.ndarray:
    """A level displacement of `length` metres in a random direction."""
    angle = random.uniform(-pi, pi)
    return np.array([length * cos(angle), length * sin(angle), 0.0])
