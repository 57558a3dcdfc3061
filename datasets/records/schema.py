"""What one step of a task looks like, and the fingerprint that keeps unlike data apart."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DatasetError


@dataclass(frozen=True)
class Field:
    """One array of a step: its shape without the time axis, and its numpy dtype name.

    Text is `str`, of any length; its arrays hold Python's own strings (numpy's `object`).
    """

    shape: tuple[int, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Normalise, so that equal fields compare and hash equal."""
        dtype = np.dtype(self.dtype)
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
class Schema:
    """The fields of a step, the action's bounds, and the rate at which actions are taken.

    Attributes:
      task: name of the task the episodes belong to, e.g. `pacloop/stack`.
      observation: field by name; nested observations are flat names joined by `/`.
      action: the action's field, always one-dimensional: shape `(A,)`.
      action_minimum: lower bound of each action dimension, `A` numbers.
      action_maximum: upper bound of each action dimension, `A` numbers.
      control_hz: actions a second.
      horizon: the most actions an episode may have.
    """

    task: str
    observation: Mapping[str, Field]
    action: Field
    action_minimum: tuple[float, ...]
    action_maximum: tuple[float, ...]
    control_hz: float
    horizon: int

    def __post_init__(self) -> None:
        """Normalise numbers, so that equal schemas have equal fingerprints, and check the bounds."""
        object.__setattr__(self, "action_minimum", tuple(float(x) for x in self.action_minimum))
        object.__setattr__(self, "action_maximum", tuple(float(x) for x in self.action_maximum))
        object.__setattr__(self, "control_hz", float(self.control_hz))
        object.__setattr__(self, "horizon", int(self.horizon))
        if len(self.action.shape) != 1:
            raise DatasetError(f"action has shape {self.action.shape}, but must be one-dimensional")
        for name, bound in (("minimum", self.action_minimum), ("maximum", self.action_maximum)):
            if len(bound) != self.action.size:
                raise DatasetError(
                    f"action {name} has {len(bound)} numbers for {self.action.size} dimensions"
                )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` gives an equal schema back."""
        return {
            "task": self.task,
            "observation": {name: _field_json(field) for name, field in self.observation.items()},
            "action": _field_json(self.action),
            "action_minimum": list(self.action_minimum),
            "action_maximum": list(self.action_maximum),
            "control_hz": self.control_hz,
            "horizon": self.horizon,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Schema":
        """Read what `to_json` wrote. Raises DatasetError where a key is missing."""
        try:
            return cls(
                task=data["task"],
                observation={name: _field(value) for name, value in data["observation"].items()},
                action=_field(data["action"]),
                action_minimum=tuple(data["action_minimum"]),
                action_maximum=tuple(data["action_maximum"]),
                control_hz=float(data["control_hz"]),
                horizon=int(data["horizon"]),
            )
        except KeyError as missing:
            raise DatasetError(f"schema has no {missing}") from None
        except (AttributeError, TypeError) as error:
            raise DatasetError(f"schema is malformed: {error}") from None

    def fingerprint(self) -> str:
        """SHA-256 over the canonical JSON: equal for equal schemas, whatever the order of the fields."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def difference(self, other: "Schema") -> str | None:
        """The first field in which `other` differs, as a sentence without a full stop; None where equal."""
        mine, theirs = self.to_json(), other.to_json()
        for key in mine:
            if key == "observation":
                for name in sorted(mine[key] | theirs[key]):
                    found, wanted = theirs[key].get(name), mine[key].get(name)
                    if found != wanted:
                        return f"observation {name} is {found}, but must be {wanted}"
            elif mine[key] != theirs[key]:
                return f"{key} is {theirs[key]}, but must be {mine[key]}"
        return None


def _field_json(field: Field) -> dict[str, Any]:
    return {"shape": list(field.shape), "dtype": field.dtype}


def _field(data: Mapping[str, Any]) -> Field:
    return Field(tuple(data["shape"]), data["dtype"])
