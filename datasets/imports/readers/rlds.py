"""RLDS: any TFDS directory whose examples are episodes with a dataset of `steps`.

As RLDS means it, an episode of T actions has T+1 steps, and the last one carries only an observation.
Recorders that wrote a reward into the last step meant it as a step like the others: there the last
action counts, its observation is repeated after it, and `info` says so.

Every split is read, in the order of its shards. Observations may be nested (their names are joined by
`/`), images are decoded, other encoded features too. TensorFlow reads and decodes, after the
descriptions were parsed as TFDS does: features are of its own classes, shards lie in the folder.
"""

import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .decode import attempt, complete, last_flag, last_number, open_image, text, whole_file
from .origin import exported_info
from .raw import RawEpisode, ReadOptions, Unreadable, natural

INSTRUCTIONS = ("language_instruction", "instruction", "natural_language_instruction")
RATES = ("control_hz", "control_frequency")
CLASS = re.compile(
    r"tensorflow_datasets\.core\.features\.(audio_feature\.Audio|bounding_boxes\.BBoxFeature|"
    r"class_label_feature\.ClassLabel|dataset_feature\.Dataset|feature\.Tensor|features_dict\.FeaturesDict|"
    r"image_feature\.Image|labeled_image\.LabeledImage|scalar\.Scalar|sequence_feature\.Sequence|"
    r"tensor_feature\.Tensor|text_feature\.Text|top_level_feature\.TopLevelFeature|"
    r"translation_feature\.Translation(VariableLanguages)?|video_feature\.Video)"
)
VARIABLE = re.compile(r"\{[A-Z_]+\}")


def episodes(path: Path, options: ReadOptions) -> Iterator[RawEpisode | Unreadable]:
    """The episodes of every split. Raises DatasetError where the directory is no RLDS, or is cut short."""
    folder = _version_folder(path)
    with whole_file(folder / "features.json", "TFDS's features"):
        _check_features(_described(folder), folder / "features.json", options)
    files = [file for file in folder.iterdir() if ".tfrecord" in file.name]
    if count(path) and not files:
        raise DatasetError(f"{folder} has no .tfrecord file: it is empty, cut short, or not kept as TFRecord")
    with whole_file(folder, "a TFDS directory"):
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(str(folder))
        features: Any = builder.info.features
    if features is None or "steps" not in features or not hasattr(features["steps"], "feature"):
        raise DatasetError(f"{folder} is TFDS but not RLDS: its examples have no dataset of steps")
    leaves, facts = dict(_flat(features["steps"].feature)), dict(builder.info.metadata or {})
    for split in sorted(builder.info.splits):
        for number, example in enumerate(_examples(builder, split, folder)):
            where = f"{split}, episode {number}"
            yield attempt(where, _episode, example, leaves, facts | {"split": split}, options)


def count(path: Path) -> int:
    """How many episodes the description counts. Raises DatasetError where it has no splits."""
    file = _version_folder(path) / "dataset_info.json"
    read_json(file)  # says what is wrong with it in our words
    with whole_file(file, "TFDS's description"):
        from tensorflow_datasets.core.dataset_info import read_from_json

        info = read_from_json(file)
    if not info.splits:
        raise DatasetError(f"{file} has no splits")
    # TFDS makes the names of the shards of these, and would follow them out of the folder.
    templates = [VARIABLE.sub("", split.filepath_template) for split in info.splits]
    names = [info.name, info.file_format, *(split.name for split in info.splits), *templates]
    if outside := next((name for name in names if set(name) & set("/{}")), None):
        raise DatasetError(f"{file} names shards in another folder, {outside!r}, which is not followed")
    return sum(sum(split.shard_lengths) for split in info.splits)


def _version_folder(path: Path) -> Path:
    """The folder with `features.json`: `path` or one below. Raises DatasetError for none or several."""
    for below in ("", "*/", "*/*/"):
        folders = [file.parent for file in path.glob(f"{below}features.json")]
        if len(folders) > 1:
            names = ", ".join(sorted((str(folder.relative_to(path)) for folder in folders), key=natural))
            raise DatasetError(f"{path} holds several TFDS datasets, name one of {names}")
        if folders:
            return folders[0]
    raise DatasetError(f"{path} is no TFDS directory: features.json is missing")


def _described(folder: Path) -> Any:
    """`features.json` as the message that TFDS makes of it. Raises DatasetError for its old form."""
    from google.protobuf import json_format
    from tensorflow_datasets.core.proto import feature_pb2

    value: Any = read_json(folder / "features.json")
    if "type" in value:
        raise DatasetError(f"{folder / 'features.json'} is of an old TFDS: write it with a newer one")
    messages: Any = feature_pb2
    return json_format.ParseDict(value, messages.Feature())


def _check_features(message: Any, path: Path, options: ReadOptions) -> None:
    """Raise DatasetError where `features.json` names a class, or claims a size, that TFDS must not see."""
    for field, value in message.ListFields():
        if field.name == "python_class_name" and not CLASS.fullmatch(value):
            # TFDS imports whatever module a feature's class is said to be in.
            raise DatasetError(f"{path} names the class {value!r}, which is none of TFDS's")
        if field.name in ("json_feature", "lazy_decode"):
            # The first is parsed once more, and names classes again; the second runs ffmpeg.
            raise DatasetError(f"{path} has {field.name}, which is not read")
        if field.name in ("dimensions", "length"):
            # TensorFlow makes room for a fixed size before it looks at a record, and may never return.
            step_bytes, sizes = (1024, [value]) if field.name == "length" else (1, value)
            shape = (step_bytes, *(max(size, 1) for size in sizes))
            options.check_size(f"{path}, {field.name}", shape, np.uint8)
        elif field.message_type:
            for member in value.values() if field.name == "features" else [value]:
                _check_features(member, path, options)


def _examples(builder: Any, split: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Examples as numpy, their steps still encoded: `[T+1]` of each feature."""
    import tensorflow_datasets as tfds

    counted, found = builder.info.splits[split].num_examples, 0
    with whole_file(folder, "a TFDS directory"):
        dataset = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={"steps": tfds.decode.SkipDecoding()},
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        for example in tfds.as_numpy(dataset):
            found += 1
            yield example
    if found != counted:
        raise DatasetError(
            f"{folder} counts {counted} episodes in {split}, but holds {found}: it was cut short"
        )


def _episode(
    where: str,
    example: Mapping[str, Any],
    leaves: Mapping[str, Any],
    facts: Mapping[str, Any],
    options: ReadOptions,
) -> RawEpisode:
    """An episode from its example; `facts` is what the directory says of all its episodes."""
    steps = dict(_flat(example["steps"]))
    metadata = {key: value for key, value in _flat(example) if not key.startswith("steps/")}
    actions = _count_actions(steps)

    def decoded(key: str, values: np.ndarray) -> np.ndarray:
        return _decoded(values, leaves[key], options, key)

    observed = {key: values for key, values in steps.items() if key.split("/")[0] == "observation"}
    others = {key: values for key, values in (metadata | steps).items() if key not in observed}
    observation, unread = options.select(observed.items(), decoded)
    observation, repeated = complete(observation, actions, "observation/")
    exported = {key.removeprefix("episode_metadata/"): value for key, value in metadata.items()}
    seed = _number(metadata, ("seed",), int)
    reward, discount = (steps[key][:actions] if key in steps else None for key in ("reward", "discount"))
    terminal = last_flag("is_terminal", steps.get("is_terminal"))
    if terminal and discount is not None and np.all(discount == 1):
        discount = None  # recorders write 1 where nobody discounts: it does not contradict the flag
    return RawEpisode(
        where=where,
        observation=observation,
        action=decoded("action", steps["action"])[:actions] if "action" in steps else None,
        reward=reward,
        discount=discount,
        terminal=terminal,
        score=_number(metadata, ("score", "success"), float),
        seed=None if seed is None or seed < 0 else seed,  # exports write -1: TFDS has no missing numbers
        control_hz=_number({**metadata, **facts}, RATES, float),
        instruction=next(_instructions(steps | metadata), ""),
        columns=options.select(others.items(), lambda _, values: values)[0],
        unread=unread,
        info={"split": facts["split"]} | repeated | exported_info(exported),
    )


def _instructions(values: Mapping[str, Any]) -> Iterator[str]:
    """What is not empty of the fields that may say what the robot was told."""
    for key, value in values.items():
        if key.split("/")[-1] in INSTRUCTIONS and np.asarray(value).dtype.kind in "OSU" and text(key, value):
            yield text(key, value)


def _count_actions(steps: Mapping[str, np.ndarray]) -> int:
    """T, from the flags and the last reward. Raises DatasetError where the flags contradict each other."""
    for flag in ("is_first", "is_last"):
        if flag not in steps:
            raise DatasetError(f"steps have no {flag}")
    first, last = steps["is_first"], steps["is_last"]
    if not len(last):
        return 0
    if not last_flag("is_last", last):
        raise DatasetError(f"the last of {len(last)} steps is not is_last: the episode is cut short")
    if not first[0] or first[1:].any():
        raise DatasetError("is_first is not set at the first step alone")
    final = np.asarray(steps["reward"][-1] if "reward" in steps else 0.0)
    rewarded = final.dtype.kind in "fiu" and np.isfinite(final).all() and np.any(final != 0)
    return len(last) if rewarded else len(last) - 1


def _decoded(values: np.ndarray, feature: Any, options: ReadOptions, name: str) -> np.ndarray:
    """Encoded steps as `[T+1, ...]` numbers; numbers come as they are."""
    if values.dtype != object or np.dtype(feature.np_dtype).kind in "OSU":
        options.check_size(name, values.shape, np.uint8 if values.dtype == object else values.dtype)
        return values
    claimed = [1 if n is None else n for n in feature.shape]
    options.check_size(name, (len(values), *claimed), feature.np_dtype)
    for data in values:
        if hasattr(feature, "use_colormap"):
            with open_image(data, options, name, len(values)):
                pass  # its size is checked
        else:
            _check_packed(data, options, name)
    return np.stack([np.asarray(feature.decode_example(value)) for value in values])


def _check_packed(data: bytes, options: ReadOptions, name: str) -> None:
    """Raise DatasetError where zlib would make more of some bytes than a field may take."""
    limit = options.limit_bytes
    with suppress(zlib.error):  # TFDS packs only where a feature says so
        if len(zlib.decompressobj().decompress(data, limit + 1)) > limit:
            raise DatasetError(f"{name} unpacks to more than the {limit / 2**20:.0f} MiB a field may take")


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key in tree:
        value = tree[key]
        if isinstance(value, Mapping) or (hasattr(value, "keys") and not hasattr(value, "feature")):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _number(facts: Mapping[str, Any], names: Collection[str], kind: Any) -> Any:
    """The first of some facts, by one of these names, that is one number; None where there is none."""
    for key, value in facts.items():
        if key.split("/")[-1] in names and np.size(value) == 1 and np.asarray(value).dtype.kind in "fiub":
            return last_number(key, np.asarray(value), kind)
    return None
