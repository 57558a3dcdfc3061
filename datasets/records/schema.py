"""What one step looks like, the fingerprint that keeps unlike data apart, and the task's facts beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..files import Strict, fingerprint


@dataclass(frozen=True)
class Field(Strict):
    """One array of a step: its shape without the time axis, and its numpy dtype name.

    Text is `str`, of any length; its arrays hold Python's own strings (numpy's `object`).
    """

    shape: tuple[int, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Normalise, so that equal fields compare and hash equal. Raises DatasetError for no numpy dtype."""
        try:
            dtype = np.dtype(self.dtype)
        except TypeError:
            raise DatasetError(f"dtype is {self.dtype!r}, but must be the name of a numpy dtype") from None
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "dtype", "str" if dtype.kind == "U" else dtype.name)

    @property
    def is_text(self) -> bool:
        """Whether it holds text, which no network reads as it is."""
        return self.dtype == "str"

    @property
    def is_image(self) -> bool:
        """Whether it is a picture: uint8 `[H, W, 3]`, or `[H, W, 1]`."""
        return self.dtype == "uint8" and len(self.shape) == 3 and self.shape[2] in (1, 3)

    @property
    def numpy(self) -> np.dtype:
        """The dtype of its arrays."""
        return np.dtype(object if self.is_text else self.dtype)

    @property
    def size(self) -> int:
        """Number of scalars in one step of this field."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Facts(Strict):
    """What a task says beside the layout of its steps: as in `Schema`."""

    task: str
    horizon: int
    instruction: str = ""


@dataclass(frozen=True)
class Schema(Strict):
    """The layout of a step, the rate at which actions are taken, and the task's facts.

    The layout is all but the facts: steps of one layout can be learned from together.

    Attributes:
      task: name of the task the episodes belong to, e.g. `pacloop/stack`.
      observation: field by name; nested observations are flat names joined by `/`.
      action: the action's field, always one-dimensional: shape `(A,)`.
      action_minimum: lower bound of each of the `A` dimensions.
      action_maximum: upper bound of each, above its lower bound.
      control_hz: actions a second.
      horizon: the most actions an episode may have.
      instruction: what the robot is told, or "".
    """

    task: str
    observation: Mapping[str, Field]
    action: Field
    action_minimum: tuple[float, ...]
    action_maximum: tuple[float, ...]
    control_hz: float
    horizon: int
    instruction: str = ""

    def __post_init__(self) -> None:
        """Normalise numbers, so that equal schemas have equal fingerprints, and check the bounds."""
        object.__setattr__(self, "action_minimum", tuple(float(x) for x in self.action_minimum))
        object.__setattr__(self, "action_maximum", tuple(float(x) for x in self.action_maximum))
        object.__setattr__(self, "control_hz", float(self.control_hz))
        object.__setattr__(self, "horizon", int(self.horizon))
        if not (0 < self.control_hz < np.inf and 0 < self.horizon < 2**31):
            raise DatasetError(
                f"control_hz is {self.control_hz:g} and horizon {self.horizon}, but both must be positive"
            )
        fields = {**self.observation} if isinstance(self.observation, Mapping) else {"": None}
        for name, field in [*fields.items(), ("action", self.action)]:
            if not (name and isinstance(name, str) and isinstance(field, Field)):
                raise DatasetError(
                    f"{name!r} is {field!r:.80}, but observation and action must be fields by name"
                )
        if len(self.action.shape) != 1:
            raise DatasetError(f"action has shape {self.action.shape}, but must be one-dimensional")
        for name, bound in (("minimum", self.action_minimum), ("maximum", self.action_maximum)):
            if len(bound) != self.action.size:
                raise DatasetError(
                    f"action {name} has {len(bound)} numbers for {self.action.size} dimensions"
                )
        for index, (low, high) in enumerate(zip(self.action_minimum, self.action_maximum)):
            if not -np.inf < low < high < np.inf:
                raise DatasetError(
                    f"action_minimum is {low} in dimension {index}, and action_maximum {high}, "
                    "but both must be finite, and the first below the second"
                )

    @property
    def facts(self) -> Facts:
        """What the task says beside the layout."""
        return Facts(self.task, self.horizon, self.instruction)

    @property
    def layout(self) -> dict[str, Any]:
        """What the fingerprint covers, by name: the fields, the action's bounds, the control rate."""
        return {name: value for name, value in vars(self).items() if name not in vars(self.facts)}

    def fingerprint(self) -> str:
        """Equal for equal layouts, whatever the order of the fields."""
        return fingerprint(self.layout)

    def difference(self, other: "Schema") -> str | None:
        """The first part of the layout in which `other` differs, without a full stop; None where equal."""
        mine, theirs = _flat(self.layout), _flat(other.layout)
        for name in sorted(mine | theirs, key=lambda name: (not name.startswith("observation "), name)):
            if mine.get(name) != theirs.get(name):
                return f"{name} is {_words(theirs.get(name))}, but must be {_words(mine.get(name))}"
        return None


def _flat(layout: Mapping[str, Any]) -> dict[str, Any]:
    fields = {f"observation {name}": field for name, field in layout["observation"].items()}
    return {name: value for name, value in layout.items() if name != "observation"} | fields


def _words(value: Any) -> str:
    if isinstance(value, Field):
        return f"{value.dtype} of shape {value.shape}"
    return "missing" if value is None else str(value)
