"""What is known of each episode without its steps, and the digests that tell episodes and batches apart.

They are BLAKE3, the fastest of the cryptographic ones, since they pin what a policy learned from. A file's
digest (files.py) only finds damage: XXH3, which is faster still.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from blake3 import blake3

from ..errors import DatasetError
from ..files import canonical
from .batch import Batch
from .episode import Episode, check_layout, check_text, check_values, is_success
from .images import EncodedImages
from .schema import Schema

T = TypeVar("T")

Column = np.ndarray | EncodedImages
"""A column of `steps.arrow` as it is read."""

_TEXT = "OSU"
"""Kinds of dtype that hold text."""


@dataclass(frozen=True)
class EpisodeRow:
    """What is known of an episode without its steps.

    What is not named here is as in `Episode`.

    Attributes:
      id: `<batch id>/<index within the batch>`: never a position in the dataset.
      offset: row of its first step in the batch's `steps.arrow`.
      length: T, the number of actions; the episode takes `length + 1` rows.
      round: the round its batch was made in, or None.
      terminal: whether the environment ended it; False where a time limit cut it off.
      info: further facts, as canonical JSON.
      digest: of what happened in it, as `episode_digest` gives it: equal for equal episodes only.
    """

    id: str
    offset: int
    length: int
    score: float
    seed: int | None
    policy: str | None
    round: int | None
    instruction: str
    terminal: bool
    info: str
    digest: str


def counts(episodes: Iterable[Episode | EpisodeRow]) -> dict[str, Any]:
    """What a manifest counts of its episodes: `episodes`, `steps`, `successes` and `score_sum`."""
    episodes = list(episodes)
    return {
        "episodes": len(episodes),
        "steps": sum(episode.length for episode in episodes),
        "successes": sum(bool(is_success(episode.score)) for episode in episodes),
        "score_sum": sum(float(episode.score) for episode in episodes),
    }


def check_layouts(batch_id: str, episodes: Sequence[Episode], schema: Schema) -> None:
    """Raise DatasetError, naming episode and field, where anything but the numbers does not fit `schema`."""
    _each(batch_id, episodes, lambda episode, _: check_layout(episode, schema))


def check_numbers(
    batch_id: str, episodes: Sequence[Episode], columns: Mapping[str, np.ndarray], schema: Schema
) -> None:
    """Raise DatasetError, naming episode and field, where a number is not finite or out of its bounds.

    Looks at the columns that the episodes became, all at once, and at each episode only where these leave a
    doubt: their last rows hold 0, which may be out of the action's bounds.
    """
    observation = {name: column for name, column in columns.items() if name.startswith("observation/")}
    arrays = (columns[name] for name in ("action", "reward", "discount"))
    try:
        check_values(Episode(observation, *arrays, score=0.0), schema)
    except DatasetError:
        _each(batch_id, episodes, lambda episode, _: check_values(episode, schema))


def episode_rows(batch_id: str, episodes: Sequence[Episode], round: int | None) -> list[EpisodeRow]:
    """A row for each episode, in order. Raises DatasetError, naming it, where a fact cannot be kept."""
    offsets = [0, *accumulate(episode.length + 1 for episode in episodes)]
    return _each(batch_id, episodes, partial(_episode_row, batch_id, round, offsets))


def content_digest(batch: Batch, rows: Sequence[EpisodeRow], discount: np.ndarray) -> str:
    """BLAKE3 of what a batch says, whatever the version of Arrow that wrote it: what a snapshot pins.

    That is its schema, source and round, and the episodes: the digests in `rows` cover all of their steps but
    the discounts, which are that column, `[N]`, of `steps.arrow`.
    """
    header = {"schema": batch.schema, "source": batch.source, "round": batch.round}
    facts = [
        [row.length, row.score, row.seed, row.policy, row.instruction, row.info, row.digest] for row in rows
    ]
    digest = blake3(canonical("batch", [header, facts]).encode())
    for row in rows:
        digest.update(_bytes(discount[row.offset : row.offset + row.length]))
    return digest.hexdigest()


def episode_digest(episode: Episode) -> str:
    """BLAKE3 over observations, action and reward: what tells whether an episode is already present.

    Score, seed, policy and the like are what somebody says about it, and do not count.
    """
    digest = blake3()
    arrays = {f"observation/{name}": value for name, value in episode.observation.items()}
    for name, value in sorted((arrays | {"action": episode.action, "reward": episode.reward}).items()):
        kind = "text" if value.dtype.kind in _TEXT else value.dtype.str
        digest.update(f"{name} {kind} {value.shape}".encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def _bytes(array: np.ndarray) -> bytes | memoryview:
    if array.dtype.kind in _TEXT:  # an object's bytes are its address
        return json.dumps(array.tolist(), default=repr).encode()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _each(batch_id: str, episodes: Sequence[Episode], look: Callable[[Episode, int], T]) -> list[T]:
    """What `look` makes of each episode and its index; its errors name the episode."""
    results = []
    for index, episode in enumerate(episodes):
        try:
            results.append(look(episode, index))
        except DatasetError as error:
            raise DatasetError(f"batch {batch_id}, episode {index}: {error}") from None
    return results


def _int64(name: str, value: Any) -> int | None:
    """`value` as an integer, or None. Raises DatasetError where it is no whole number of 64 bits."""
    if value is None:
        return None
    if not isinstance(value, int | np.integer) or not -(2**63) <= value < 2**63:
        raise DatasetError(f"{name} is {value!r:.50}, but must be a whole number, and must fit 64 bits")
    return int(value)


def _episode_row(
    batch_id: str, round: int | None, offsets: Sequence[int], episode: Episode, index: int
) -> EpisodeRow:
    return EpisodeRow(
        id=f"{batch_id}/{index}",
        offset=offsets[index],
        length=episode.length,
        score=float(episode.score),
        seed=_int64("seed", episode.seed),
        policy=None if episode.policy is None else check_text("policy", episode.policy),
        round=_int64("round", round),
        instruction=check_text("instruction", episode.instruction),
        terminal=episode.is_terminal,
        info=canonical("info", dict(episode.info)),
        digest=episode_digest(episode),
    )
