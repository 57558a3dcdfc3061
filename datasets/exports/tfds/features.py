"""A schema as TFDS features, and an episode as the tf.Example that TFDS would write, without TensorFlow."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...records.episode import Episode
from ...records.schema import Field, Schema
from ...store.tables import step_fields
from ..steps import FACTS, pngs, rlds_steps

NOBODY: Mapping[str, Any] = {"int64": -1, "string": ""}
"""By type: what a fact says where nobody knows it, since TFDS has no missing values."""


def tfds_features(schema: Schema) -> Any:
    """The `FeaturesDict` of an episode: `steps`, a dataset as RLDS means it, and `episode_metadata`.

    Flat observation names joined by `/` become nested features. Raises DatasetError, naming the
    observation, where they cannot.
    """
    from tensorflow_datasets import features as tfds

    scalar, flag = tfds.Scalar(np.float32), tfds.Scalar(np.bool_)
    steps = {
        "observation": nested({name: _feature(field) for name, field in schema.observation.items()}),
        "action": _feature(schema.action),
        **dict.fromkeys(("reward", "discount"), scalar),
        **dict.fromkeys(("is_first", "is_last", "is_terminal"), flag),
    }
    kinds = {"string": tfds.Text(), "int64": tfds.Scalar(np.int64), "float64": _feature(Field((), "float64"))}
    metadata = {name: kinds[kind] for name, kind in FACTS.items()}
    return tfds.FeaturesDict({"steps": tfds.Dataset(steps), "episode_metadata": metadata})


def encoder(schema: Schema) -> Callable[[Episode, Mapping[str, Any]], bytes]:
    """A function from an episode and its facts to the bytes of its tf.Example."""
    from tensorflow_datasets.core.example_serializer import ExampleSerializer

    fields = step_fields(schema)
    serializer = ExampleSerializer(tfds_features(schema).get_serialized_info())

    def encode(episode: Episode, known: Mapping[str, Any]) -> bytes:
        steps = rlds_steps(episode)
        steps |= {name: _stored(steps[name], field) for name, field in fields.items()}
        metadata = {name: NOBODY[FACTS[name]] if value is None else value for name, value in known.items()}
        metadata["score"] = np.float64(known["score"]).tobytes()
        example = serializer.get_tf_example({"steps": nested(steps), "episode_metadata": metadata})
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
    # tf.Example has no doubles: as a list of floats half of their digits would be lost.
    encoding = "bytes" if field.dtype == "float64" else "none"
    return tfds.Tensor(shape=field.shape, dtype=np.dtype(field.dtype), encoding=encoding)


def _stored(steps: np.ndarray, field: Field) -> np.ndarray:
    """The steps of a field, `[T+1, ...]`, as its feature keeps them."""
    if field.is_image:
        return pngs(steps)
    return np.array([step.tobytes() for step in steps], object) if field.dtype == "float64" else steps
