"""The one door: an episode from outside becomes an `Episode` of our schema, or a list of reasons why not.

Taken as they are or cast where nothing is lost: floats to the schema's float, whole numbers to it where
it holds them exactly, narrower or wider integers where the values fit, 0 and 1 to bool, dimensions of
size 1 added or dropped. Refused: NaN and infinity, floats for integers or images, numbers too large,
text for numbers, any other shape, actions beyond their bounds, episodes that are empty, longer than the
horizon, at another control rate, or whose flags contradict each other.

Where the file does not say whether the environment ended an episode, it did exactly if the score is 1.
Where it has no rewards, the last one is the score and all others are 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import DatasetError
from ..records.episode import Episode, beyond_bounds, check_episode, is_success
from ..records.schema import Field, Schema
from .mapping import Piece, field_of
from .readers.raw import RawEpisode
from .scoring import Scored, Scores

SAME_RATE = 0.01
"""Control rates that differ by less than this share are one."""


def validate(raw: RawEpisode, schema: Schema, pieces: Sequence[Piece], scores: Scores) -> Episode | list[str]:
    """The episode in our schema, or every reason that speaks against it, each without the place."""
    reasons: list[str] = []
    action = _tried(reasons, lambda: _action(field_of(raw, "action", pieces), schema))
    steps = None if action is None else len(action)
    if action is not None:
        reasons += _length_faults(len(action), schema)
        reasons += _bound_faults(action, schema)
    observation = {}
    for name, field in schema.observation.items():
        rows = None if steps is None else steps + 1
        values = _tried(
            reasons,
            lambda n=name, f=field, r=rows: _fitted(f"observation {n}", field_of(raw, n, pieces), f, r),
        )
        if values is not None:
            observation[name] = values
    reasons += _rate_faults(raw, schema)
    if reasons or action is None or not steps:
        return reasons or ["has no action"]
    reward = _tried(reasons, lambda: _reward(raw, pieces, len(action)))
    discount = _tried(reasons, lambda: _discount(raw, len(action)))
    if reasons:
        return reasons
    told = replace(raw, reward=reward, discount=discount)
    scored = _tried(reasons, lambda: scores(told, observation, action))
    if scored is None:
        return reasons
    return _tried(reasons, lambda: _episode(told, schema, observation, action, scored)) or reasons


def scale_hint(low: float, high: float, minimum: float, maximum: float) -> str:
    """What numbers in [low, high] look like where those in [minimum, maximum] were wanted, or ""."""
    wanted = f"rescale them to [{minimum:g}, {maximum:g}]"
    if minimum < 0 <= low and high <= 1 and (low, high) != (0, 0):
        return f"they look scaled to [0, 1]: {wanted}"
    if low >= 0 and 1 < high <= 255 and float(low).is_integer() and float(high).is_integer():
        return f"they look scaled to 0..255: {wanted}"
    if 10 < max(-low, high) <= 100.5:
        return f"they look scaled to -100..100, or like degrees: {wanted}"
    if 10 < max(-low, high) <= 360.5:
        return f"they look like degrees: {wanted}"
    return ""


def _tried(reasons: list[str], make: Callable):
    """What `make` returns; None, and its reason noted, where it refuses."""
    try:
        return make()
    except DatasetError as error:
        reasons.append(str(error))
        return None


def _action(values: np.ndarray, schema: Schema) -> np.ndarray:
    values = values[:, None] if values.ndim == 1 and schema.action.shape == (1,) else values
    return _fitted("action", values, schema.action, None)


def _fitted(name: str, values: np.ndarray, field: Field, rows: int | None) -> np.ndarray:
    if values.ndim == 0:
        raise DatasetError(f"{name} is one value, but must have one for each step")
    values = _shaped(name, values, field)
    if rows is not None and len(values) != rows:
        raise DatasetError(f"{name} has {len(values)} rows, but must have {rows}, one more than actions")
    cast = _text(name, values) if field.is_text else _cast(name, values, field.numpy)
    if cast.dtype.kind == "f" and not np.isfinite(cast).all():
        first = np.argwhere(~np.isfinite(cast))[0]
        which = f", number {int(first[1])}" if cast.ndim == 2 else ""
        raise DatasetError(f"{name} is not finite at step {int(first[0])}{which}")
    return cast


def _shaped(name: str, values: np.ndarray, field: Field) -> np.ndarray:
    found = values.shape[1:]
    if found == field.shape:
        return values
    if [n for n in found if n != 1] == [n for n in field.shape if n != 1]:
        return values.reshape(len(values), *field.shape)
    hint = ""
    if len(found) == len(field.shape) == 3 and (*found[1:], found[0]) == field.shape:
        hint = "; it has its channels first: put them last"
    elif len(found) == 1 and len(field.shape) == 1 and found[0] > field.shape[0]:
        hint = f"; --map takes a piece: theirs[0:{field.shape[0]}]=ours"
    raise DatasetError(f"{name} has shape {found} a step, but must have {field.shape}{hint}")


def _cast(name: str, values: np.ndarray, wanted: np.dtype) -> np.ndarray:
    if values.dtype == wanted:
        return values
    wrong = f"{name} is {values.dtype}, but must be {wanted}"
    if values.dtype.kind not in "fiub" or wanted.kind not in "fiub":
        raise DatasetError(wrong)
    if values.dtype.kind == "f" and wanted.kind != "f":
        scaled = values.size and np.nanmin(values) >= 0 and np.nanmax(values) <= 1
        hint = "; an image scaled to [0, 1] must be multiplied by 255 and rounded"
        raise DatasetError(wrong + (hint if wanted == np.uint8 and scaled else ""))
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(wanted)
    if values.dtype.kind == "f":
        lost = np.isfinite(values) & ~np.isfinite(cast)
    else:
        lost = cast.astype(np.float64 if wanted.kind == "f" else values.dtype) != values
    if lost.any():
        raise DatasetError(f"{wrong}, which cannot hold its value {values[lost][0]}")
    return cast


def _text(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "OSU":
        raise DatasetError(f"{name} is {values.dtype}, but must be text")
    flat = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.reshape(-1)]
    return np.array(flat, object).reshape(values.shape)


def _length_faults(steps: int, schema: Schema) -> list[str]:
    if steps == 0:
        return ["has no action"]
    if steps > schema.horizon:
        return [f"has {steps} actions, more than the horizon of {schema.horizon}"]
    return []


def _bound_faults(action: np.ndarray, schema: Schema) -> list[str]:
    faults = beyond_bounds(action, schema)
    if not len(faults):
        return []
    first = int(faults[0])
    low, high = schema.action_minimum[first], schema.action_maximum[first]
    hint = scale_hint(float(action.min()), float(action.max()), low, high)
    found = action[:, first]
    return [
        f"action {first} lies in [{found.min():g}, {found.max():g}], outside its bounds [{low:g}, {high:g}]"
        + (f"; {hint}" if hint else "")
    ]


def _rate_faults(raw: RawEpisode, schema: Schema) -> list[str]:
    hz = raw.control_hz
    if hz is None or abs(hz - schema.control_hz) <= SAME_RATE * schema.control_hz:
        return []
    return [f"has a control rate of {hz:g} Hz, but must have {schema.control_hz:g} Hz"]


def _reward(raw: RawEpisode, pieces: Sequence[Piece], steps: int) -> np.ndarray | None:
    if raw.reward is None and not any(piece.ours == "reward" for piece in pieces):
        return None
    values = field_of(raw, "reward", pieces)
    values = values[:steps] if values.ndim and len(values) == steps + 1 else values
    if values.size != steps:
        raise DatasetError(
            f"reward has shape {values.shape}, but must have one number for each of {steps} actions"
        )
    return _fitted("reward", values.reshape(steps), Field((), "float32"), None)


def _discount(raw: RawEpisode, steps: int) -> np.ndarray | None:
    if raw.discount is None:
        return None
    if raw.discount.size != steps:
        raise DatasetError(
            f"discount has shape {raw.discount.shape}, but must have one number for each of {steps} actions"
        )
    discount = _fitted("discount", raw.discount.reshape(steps), Field((), "float32"), None)
    if (early := np.flatnonzero(discount[:-1] == 0)).size:
        raise DatasetError(f"discount is 0 at step {early[0]}, before the last of {steps}")
    if raw.terminal is False and discount[-1] == 0:
        raise DatasetError("is not terminal, but its last discount is 0")
    return discount


def _ended(raw: RawEpisode, scored: Scored) -> bool:
    """Whether the environment ended the episode: by its flag, the simulator, the discount, the score."""
    for told in (raw.terminal, scored.terminal):
        if told is not None:
            return told
    return float(raw.discount[-1]) == 0.0 if raw.discount is not None else is_success(scored.score)


def _episode(
    raw: RawEpisode,
    schema: Schema,
    observation: dict[str, np.ndarray],
    action: np.ndarray,
    scored: Scored,
) -> Episode:
    steps = len(action)
    reward = raw.reward if raw.reward is not None else scored.reward
    if reward is None:
        reward = np.zeros(steps, np.float32)
        reward[-1] = scored.score
    discount = np.ones(steps, np.float32) if raw.discount is None else raw.discount.copy()
    if _ended(raw, scored):
        discount[-1] = 0.0
    if raw.seed is not None and not -(2**63) <= raw.seed < 2**63:
        raise DatasetError(f"seed is {raw.seed}, but must fit 64 bits")
    episode = Episode(
        observation=observation,
        action=action,
        reward=reward,
        discount=discount,
        score=scored.score,
        seed=raw.seed,
        policy=None,
        instruction=raw.instruction.encode("utf-8", "replace").decode(),
        info=dict(raw.info) | dict(scored.info or {}),
    )
    check_episode(episode, schema)
    return episode
