"""The one door: an episode from outside becomes an `Episode` of our schema, or a list of reasons why not.

Taken as they are or cast where nothing is lost: floats to the schema's float, whole numbers to it where
it holds them exactly, narrower or wider integers where the values fit, 0 and 1 to bool, dimensions of
size 1 added or dropped. Refused: NaN and infinity, floats for integers or images, numbers too large,
text for numbers, any other shape, actions beyond their bounds, episodes that are empty, longer than the
horizon, at another control rate, or whose flags contradict each other.

Where the file does not say whether the environment ended an episode, it did exactly if the score is 1.
Where it has no rewards, the last one is the score and all others are 0. What the environment did not end,
and what no time limit is said to have cut off, was interrupted if it is shorter than the horizon.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..errors import DatasetError
from ..records.episode import Episode, beyond_bounds, check_episode, is_success
from ..records.schema import Field, Schema
from .fit import fit
from .mapping import Piece, field_of
from .readers.decode import text
from .readers.raw import RawEpisode
from .scoring import Scorer

SAME_RATE = 0.01
"""Control rates that differ by less than this share are one."""


def validate(raw: RawEpisode, schema: Schema, pieces: Sequence[Piece], scorer: Scorer) -> Episode | list[str]:
    """The episode in our schema, or every reason that speaks against it, each without the place."""
    reasons: list[str] = []
    action, observation = None, {}
    with _noting(reasons):
        action = fit("action", field_of(raw, "action", pieces), schema.action)
        reasons += _action_faults(action, schema)
    rows = None if action is None else len(action) + 1
    for name, field in schema.observation.items():
        with _noting(reasons):
            observation[name] = fit(f"observation {name}", field_of(raw, name, pieces), field, rows)
    hz = raw.control_hz
    if hz is not None and abs(hz - schema.control_hz) > SAME_RATE * schema.control_hz:
        reasons.append(f"has a control rate of {hz:g} Hz, but must have {schema.control_hz:g} Hz")
    if action is None or reasons:
        return reasons
    with _noting(reasons):
        raw = replace(raw, reward=_reward(raw, pieces, len(action)))
    with _noting(reasons):
        raw = replace(raw, discount=_discount(raw, len(action)))
    with _noting(reasons):
        return reasons or _episode(raw, schema, observation, action, scorer)
    return reasons


def scale_hint(low: float, high: float, minimum: float, maximum: float) -> str:
    """What numbers in [low, high] look like where they must lie in [minimum, maximum], or ""."""
    advice = f"rescale them to [{minimum:g}, {maximum:g}]"
    if minimum < 0 <= low and high <= 1 and (low, high) != (0, 0):
        return f"they look scaled to [0, 1]: {advice}"
    if low >= 0 and 1 < high <= 255 and float(low).is_integer() and float(high).is_integer():
        return f"they look scaled to 0..255: {advice}"
    if 10 < (largest := max(-low, high)) <= 360.5:
        looks = "scaled to -100..100, or like degrees" if largest <= 100.5 else "like degrees"
        return f"they look {looks}: {advice}"
    return ""


@contextmanager
def _noting(reasons: list[str]) -> Iterator[None]:
    try:
        yield
    except DatasetError as error:
        reasons.append(str(error))


def _action_faults(action: np.ndarray, schema: Schema) -> list[str]:
    """What is wrong with the number of actions and with their values."""
    steps, reasons = len(action), []
    if steps == 0:
        reasons.append("has no action")
    elif steps > schema.horizon:
        reasons.append(f"has {steps} actions, more than the horizon of {schema.horizon}")
    for dimension in beyond_bounds(action, schema)[:1].tolist():
        low, high = schema.action_minimum[dimension], schema.action_maximum[dimension]
        hint = scale_hint(float(action.min()), float(action.max()), low, high)
        values = action[:, dimension]
        lies = f"action {dimension} lies in [{values.min():g}, {values.max():g}]"
        reasons.append(f"{lies}, outside its bounds [{low:g}, {high:g}]" + (f"; {hint}" if hint else ""))
    return reasons


def _reward(raw: RawEpisode, pieces: Sequence[Piece], steps: int) -> np.ndarray | None:
    if raw.reward is None and not any(piece.ours == "reward" for piece in pieces):
        return None
    values = field_of(raw, "reward", pieces)
    values = values[:steps] if values.ndim and len(values) == steps + 1 else values
    return _one_per_action("reward", values, steps)


def _discount(raw: RawEpisode, steps: int) -> np.ndarray | None:
    if raw.discount is None:
        return None
    discount = _one_per_action("discount", raw.discount, steps)
    if (early := np.flatnonzero(discount[:-1] == 0)).size:
        raise DatasetError(f"discount is 0 at step {early[0]}, before the last of {steps}")
    if raw.terminal is False and discount[-1] == 0:
        raise DatasetError("is not terminal, but its last discount is 0")
    if raw.terminal and discount[-1] != 0:
        raise DatasetError(f"is terminal, but its last discount is {discount[-1]:g}")
    return discount


def _one_per_action(name: str, values: np.ndarray, steps: int) -> np.ndarray:
    if values.size != steps:
        raise DatasetError(
            f"{name} has shape {values.shape}, but must have one number for each of {steps} actions"
        )
    return fit(name, values.reshape(steps), Field((), "float32"))


def _episode(
    raw: RawEpisode,
    schema: Schema,
    observation: Mapping[str, np.ndarray],
    action: np.ndarray,
    scorer: Scorer,
) -> Episode:
    score = scorer(raw, observation, action)
    reward = raw.reward if raw.reward is not None else score.reward
    if reward is None:
        reward = np.zeros(len(action), np.float32)
        reward[-1] = score.score
    discount = np.ones(len(action), np.float32) if raw.discount is None else raw.discount.copy()
    by_discount = None if raw.discount is None else discount[-1] == 0
    flags = (raw.terminal, score.terminal, by_discount, is_success(score.score))
    if next(flag for flag in flags if flag is not None):
        discount[-1] = 0.0
    if raw.seed is not None and not -(2**63) <= raw.seed < 2**63:
        raise DatasetError(f"seed is {raw.seed}, but must fit 64 bits")
    info = dict(raw.info) | dict(score.info or {})
    episode = Episode(
        observation=observation,
        action=action,
        reward=reward,
        discount=discount,
        score=score.score,
        seed=raw.seed,
        instruction=text("instruction", raw.instruction),
        info=info,
    )
    check_episode(episode, schema)
    if not episode.is_terminal:  # for the day on which the task's horizon is another one
        info["ended"] = episode.ended(schema.horizon)
    return episode
