"""A schema as TFDS features, and an episode as the tf.Example that TFDS would write, without TensorFlow."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...records.episode import Episode
from ...records.schema import Field, Schema
from ..steps import pngs, rlds_steps

NUMBER_OF_NOBODY = -1
"""What `round` and `seed` say where nobody knows; `policy` is "" then."""


def tfds_features(schema: Schema) -> Any:
    """The `FeaturesDict` of an episode: `steps`, a dataset as RLDS means it, and `episode_metadata`.

    Flat observation names joined by `/` become nested features. Raises DatasetError, naming the
    observation, where they cannot.
    """
    from tensorflow_datasets import features as tfds

    text, number = tfds.Text(), tfds.Scalar(np.int64)
    scalar, flag = tfds.Scalar(np.float32), tfds.Scalar(np.bool_)
    steps = {
        "observation": nested({name: _feature(field) for name, field in schema.observation.items()}),
        "action": _feature(schema.action),
        "reward": scalar,
        "discount": scalar,
        "is_first": flag,
        "is_last": flag,
        "is_terminal": flag,
    }
    metadata = dict.fromkeys(("id", "batch", "source", "policy", "instruction", "info"), text)
    metadata |= {"round": number, "seed": number, "score": _feature(Field((), "float64"))}
    return tfds.FeaturesDict({"steps": tfds.Dataset(steps), "episode_metadata": metadata})


def encoder(schema: Schema) -> Callable[[Episode, Mapping[str, Any]], bytes]:
    """A function from an episode and its facts to the bytes of its tf.Example."""
    from tensorflow_datasets.core.example_serializer import ExampleSerializer

    fields = {f"observation/{name}": field for name, field in schema.observation.items()}
    fields["action"] = schema.action
    serializer = ExampleSerializer(tfds_features(schema).get_serialized_info())

    def encode(episode: Episode, known: Mapping[str, Any]) -> bytes:
        steps = rlds_steps(episode)
        steps |= {name: _stored(steps[name], field) for name, field in fields.items()}
        example = serializer.get_tf_example({"steps": nested(steps), "episode_metadata": _metadata(known)})
        # a map's order is otherwise left to chance, and equal episodes should be equal files
        return example.SerializeToString(deterministic=True)

    return encode


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """A tree from names joined by `/`. Raises DatasetError where a name is a leaf and a branch at once."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *branches, leaf = name.split("/")
        at = tree
        for branch in branches:
            at = at.setdefault(branch, {})
            if not isinstance(at, dict):
                raise DatasetError(f"observation {name} cannot be nested: {branch} is a field itself")
        if leaf in at or not all([*branches, leaf]):
            raise DatasetError(f"observation {name} cannot be nested: a part is empty or has fields in it")
        at[leaf] = value
    return tree


def _feature(field: Field) -> Any:
    from tensorflow_datasets import features as tfds

    if field.is_image:
        return tfds.Image(shape=field.shape, dtype=np.uint8, encoding_format="png")
    if field.is_text:
        return tfds.Tensor(shape=field.shape, dtype=np.str_)
    encoding = "bytes" if _as_bytes(field) else "none"
    return tfds.Tensor(shape=field.shape, dtype=np.dtype(field.dtype), encoding=encoding)


def _as_bytes(field: Field) -> bool:
    # tf.Example has no doubles: as a list of floats half of their digits would be lost.
    return field.dtype == "float64"


def _stored(steps: np.ndarray, field: Field) -> np.ndarray:
    """The steps of a field, `[T+1, ...]`, as its feature keeps them."""
    if field.is_image:
        return pngs(steps)
    if _as_bytes(field):
        rows = np.empty(len(steps), object)
        rows[:] = [step.tobytes() for step in steps]
        return rows
    return steps


def _metadata(known: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: NUMBER_OF_NOBODY if known[name] is None else known[name] for name in ("round", "seed")}
    score = np.float64(known["score"]).tobytes()
    return {**known, **numbers, "policy": known["policy"] or "", "score": score}
