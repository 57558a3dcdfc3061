"""RLDS: any TFDS directory whose examples are episodes with a dataset of `steps`.

As RLDS means it, an episode of T actions has T+1 steps, and the last one carries only an observation.
Recorders that wrote a reward into the last step meant it as a step like the others: there the last
action counts, its observation is repeated after it, and `info` says so.

Every split is read, in the order of its shards. Observations may be nested (their names are joined by
`/`), images are decoded, other encoded features too. TensorFlow reads and decodes; the classes that
`features.json` names are looked up in `tensorflow_datasets` only.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...files import read_json
from .raw import RawEpisode, Unreadable, Wants, attempt, check_flags, flat_name, natural, text, whole_file

FLAGS = ("is_first", "is_last", "is_terminal")
INSTRUCTIONS = ("language_instruction", "instruction", "natural_language_instruction")
RATES = ("control_hz", "control_frequency")
CLASS = re.compile(r"tensorflow_datasets\.[a-z0-9_.]+\.[A-Za-z0-9_]+")


def episodes(path: Path, wants: Wants) -> Iterator[RawEpisode | Unreadable]:
    """The episodes of every split. Raises DatasetError where the directory is no RLDS, or is cut short."""
    folder = version_folder(path)
    with whole_file(folder / "features.json", "TFDS's features"):
        _check_features(read_json(folder / "features.json"), folder / "features.json", wants)
    _check_shards(folder, read_json(folder / "dataset_info.json"))
    with whole_file(folder, "a TFDS directory"):
        import tensorflow_datasets as tfds

        builder = tfds.builder_from_directory(str(folder))
        features: Any = builder.info.features
    if features is None or "steps" not in features or not hasattr(features["steps"], "feature"):
        raise DatasetError(f"{folder} is TFDS but not RLDS: its examples have no dataset of steps")
    leaves = dict(_flat(features["steps"].feature))
    hz = _fact(builder.info.metadata or {}, RATES, float)
    for split in sorted(builder.info.splits):
        for number, example in enumerate(_examples(builder, split, folder)):
            where = f"{split}, episode {number}"
            raw = attempt(where, lambda e=example, w=where: _episode(e, leaves, w, wants))
            told = isinstance(raw, Unreadable) or raw.control_hz is not None
            yield raw if told else replace(raw, control_hz=hz)


def version_folder(path: Path) -> Path:
    """The folder with `features.json`: `path` or one below. Raises DatasetError for none or several."""
    if (path / "features.json").exists():
        return path
    found = sorted((file.parent for file in path.glob("*/features.json")), key=lambda f: natural(f.name))
    found = found or sorted(file.parent for file in path.glob("*/*/features.json"))
    if len(found) != 1:
        names = ", ".join(str(folder.relative_to(path)) for folder in found)
        raise DatasetError(
            f"{path} holds several TFDS datasets, name one of {names}"
            if found
            else f"{path} is no TFDS directory: features.json is missing"
        )
    return found[0]


def _check_features(value: Any, path: Path, wants: Wants) -> None:
    """Raise DatasetError where `features.json` names a class, or claims a size, that TFDS must not see."""
    members: Any = value.items() if isinstance(value, Mapping) else ((None, member) for member in value)
    for key, member in members:
        if isinstance(member, Mapping | list) and key != "dimensions":
            _check_features(member, path, wants)
        elif key in ("pythonClassName", "type") and not CLASS.fullmatch(str(member)):
            # TFDS imports whatever module a feature's class is said to be in.
            raise DatasetError(f"{path} names the class {member!r}, which is none of TFDS's")
        elif key in ("dimensions", "length"):
            # TensorFlow makes room for a fixed size before it looks at a record, and may never return.
            given: Any = member if isinstance(member, list) else [member]
            sizes = [int(size) for size in given]
            step_bytes = 1024 if key == "length" else 1
            wants.check_size(f"{path}, {key}", (step_bytes, *(max(size, 1) for size in sizes)), np.uint8)


def _check_shards(folder: Path, info: Any) -> None:
    splits = info.get("splits") if isinstance(info, Mapping) else None
    if not isinstance(splits, list) or not splits:
        raise DatasetError(f"{folder / 'dataset_info.json'} has no splits")
    files = [file for file in folder.iterdir() if ".tfrecord" in file.name]
    if any(isinstance(split, Mapping) and split.get("shardLengths") for split in splits) and not files:
        raise DatasetError(f"{folder} has no .tfrecord file: it is empty, cut short, or not kept as TFRecord")


def _examples(builder: Any, split: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Examples as numpy, their steps still encoded: `[T+1]` of each feature."""
    import tensorflow_datasets as tfds

    wanted, found = builder.info.splits[split].num_examples, 0
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
    if found != wanted:
        raise DatasetError(
            f"{folder} counts {wanted} episodes in {split}, but holds {found}: it was cut short"
        )


def _episode(example: Mapping[str, Any], leaves: Mapping[str, Any], where: str, wants: Wants) -> RawEpisode:
    steps = dict(_flat(example["steps"]))
    for flag in FLAGS[:2]:
        if flag not in steps:
            raise DatasetError(f"steps have no {flag}")
    check_flags("is_last", steps["is_last"])
    total = len(steps["is_last"])
    if total and not steps["is_last"][-1]:
        raise DatasetError(f"the last of {total} steps is not is_last: the episode is cut short")
    if total and (not steps["is_first"][0] or steps["is_first"][1:].any()):
        raise DatasetError("is_first is not set at the first step alone")
    full, count = _last_step_counts(steps), max(total - 1, 0)
    count += full
    observed = {key: flat_name(key) for key in steps if key.split("/")[0] == "observation"}
    read = {key: name for key, name in observed.items() if wants.reads(name)}
    observation = {name: _decoded(steps[key], leaves[key], wants, key) for key, name in read.items()}
    if full:
        observation = {name: np.concatenate([value, value[-1:]]) for name, value in observation.items()}
    metadata = {key: value for key, value in _flat(example) if not key.startswith("steps/")}
    others = {key: value for key, value in (metadata | steps).items() if key not in observed}
    said = (
        text(value)
        for key, value in (*steps.items(), *metadata.items())
        if key.split("/")[-1] in INSTRUCTIONS
    )
    return RawEpisode(
        where=where,
        observation=observation,
        action=_decoded(steps["action"], leaves["action"], wants, "action")[:count]
        if "action" in steps
        else None,
        reward=steps["reward"][:count] if "reward" in steps else None,
        discount=steps["discount"][:count] if "discount" in steps else None,
        terminal=bool(steps["is_terminal"][-1]) if total and "is_terminal" in steps else None,
        score=_fact(metadata, ("score", "success"), float),
        seed=_seed(metadata),
        control_hz=_fact(metadata, RATES, float),
        instruction=next(filter(None, said), ""),
        columns={key: value for key, value in others.items() if wants.reads_column(flat_name(key))},
        unread=tuple(name for key, name in observed.items() if key not in read),
        info={"split": where.split(",")[0]} | ({"last_observation": "repeated"} if full else {}),
    )


def _last_step_counts(steps: Mapping[str, np.ndarray]) -> bool:
    reward = steps.get("reward")
    if reward is None or not len(reward) or reward.dtype.kind not in "fiu":
        return False
    return bool(np.isfinite(reward[-1]).all() and np.any(reward[-1] != 0))


def _decoded(values: np.ndarray, feature: Any, wants: Wants, name: str) -> np.ndarray:
    """Encoded steps as `[T+1, ...]` numbers; numbers come as they are."""
    if values.dtype != object or np.dtype(feature.np_dtype).kind in "OSU":
        wants.check_size(name, values.shape, np.uint8 if values.dtype == object else values.dtype)
        return values
    claimed = [1 if n is None else n for n in feature.shape]
    wants.check_size(name, (len(values), *claimed), feature.np_dtype)
    if hasattr(feature, "use_colormap"):
        _check_pictures(values, wants, name)
    else:
        _check_packed(values, wants, name)
    return np.stack([np.asarray(feature.decode_example(value)) for value in values])


def _check_pictures(values: np.ndarray, wants: Wants, name: str) -> None:
    import io

    from PIL import Image

    for data in values:
        with Image.open(io.BytesIO(data)) as image:
            wants.check_size(name, (len(values), image.height, image.width, 4), np.uint8)


def _check_packed(values: np.ndarray, wants: Wants, name: str) -> None:
    """Raise DatasetError where zlib would make more of some bytes than a field may take."""
    for data in values:
        with suppress(zlib.error):  # TFDS packs only where a feature says so
            if len(zlib.decompressobj().decompress(data, wants.limit_bytes + 1)) > wants.limit_bytes:
                raise DatasetError(
                    f"{name} unpacks to more than the {wants.limit_bytes / 2**20:.0f} MiB a field may take"
                )


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key in tree:
        value = tree[key]
        if isinstance(value, Mapping) or (hasattr(value, "keys") and not hasattr(value, "feature")):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _seed(metadata: Mapping[str, Any]) -> int | None:
    """Exports write -1 where nobody knows the seed: TFDS has no missing numbers."""
    seed = _fact(metadata, ("seed",), int)
    return None if seed is None or seed < 0 else seed


def _fact(metadata: Mapping[str, Any], names: tuple[str, ...], kind: Any) -> Any:
    for key, value in metadata.items():
        if key.split("/")[-1] in names and np.size(value) == 1 and np.asarray(value).dtype.kind in "fiub":
            return kind(np.asarray(value).reshape(()))
    return None


def count(path: Path) -> int:
    """How many episodes the description counts."""
    info = read_json(version_folder(path) / "dataset_info.json")
    splits = info.get("splits") if isinstance(info, Mapping) else None
    with whole_file(path, "a TFDS directory"):
        return sum(int(n) for split in splits or () for n in split.get("shardLengths", ()))
