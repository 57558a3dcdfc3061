"""The same episodes in every format that pacloop reads, written by the formats' own libraries.

Used by the tests of the readers and by the fuzzer. `WRITERS[name](path, episodes, schema)` returns what
to inject.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pacloop.datasets import Episode, EpisodeStore, Field, Schema  # pyright: ignore[reportMissingImports]

SCHEMA = Schema(
    task="pacloop/stack",
    observation={"hand": Field((3,)), "arm/joints": Field((4,)), "image": Field((32, 32, 3), "uint8")},
    action=Field((2,)),
    action_minimum=(-1.0, -1.0),
    action_maximum=(1.0, 1.0),
    control_hz=20.0,
    horizon=40,
)


def make_episode(steps: int, seed: int, score: float = 1.0, schema: Schema = SCHEMA) -> Episode:
    rng = np.random.default_rng(seed)
    observation = {}
    for name, field in schema.observation.items():
        shape = (steps + 1, *field.shape)
        observation[name] = (
            smooth(steps + 1, seed) if len(shape) == 4 else rng.normal(size=shape).astype("f4")
        )
    reward, discount = np.zeros(steps, np.float32), np.ones(steps, np.float32)
    reward[-1], discount[-1] = score, 1.0 - score
    action = rng.uniform(-1, 1, (steps, *schema.action.shape)).astype(np.float32)
    return Episode(observation, action, reward, discount, score, seed=seed, instruction="stack the cubes")


def smooth(frames: int, seed: int) -> np.ndarray:
    """Pictures `[frames, 32, 32, 3]` that video keeps nearly as they are; each differs from the next."""
    ramp = np.arange(32)
    plane = 4 * ramp[:, None] + 2 * ramp[None, :]
    moving = (plane[None] + 3 * np.arange(frames)[:, None, None] + 17 * seed) % 200
    return np.repeat(moving[..., None], 3, axis=3).astype(np.uint8)


def nested(observation: Mapping[str, Any]) -> dict[str, Any]:
    """Flat names as nested dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in observation.items():
        *groups, last = name.split("/")
        inner = tree
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return tree


def write_rlds(path: Path, episodes: Sequence[Episode], schema: Schema, image_format: str = "png") -> Path:
    """With TFDS's own recipe for RLDS datasets: `tfds.rlds.rlds_base`."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.rlds import rlds_base

    def feature(field: Field) -> Any:
        if field.dtype == "uint8" and len(field.shape) == 3:
            return tfds.features.Image(shape=field.shape, encoding_format=image_format)
        return tfds.features.Tensor(shape=field.shape, dtype=np.dtype(field.dtype))

    config = rlds_base.DatasetConfig(
        name="small",
        observation_info=nested({name: feature(field) for name, field in schema.observation.items()}),
        action_info=feature(schema.action),
        reward_info=np.float32,  # pyright: ignore[reportArgumentType]
        discount_info=np.float32,  # pyright: ignore[reportArgumentType]
        step_metadata_info={"language_instruction": tfds.features.Text()},
        episode_metadata_info={"seed": np.int64},  # pyright: ignore[reportArgumentType]
    )

    class Foreign(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            return rlds_base.build_info(config, self)

        def _split_generators(self, _manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for number, episode in enumerate(episodes):
                yield number, {"steps": list(rlds_steps(episode)), "seed": episode.seed}

    builder = Foreign(data_dir=str(path))
    tfds.disable_progress_bar()
    builder.download_and_prepare()
    return Path(builder.data_dir)


def write_rlds_writer(path: Path, episodes: Sequence[Episode], schema: Schema) -> Path:
    """With rlds's own recipe: features from the data's spec, `EpisodeWriter` for the files.

    It keeps arrays packed by zlib, pictures too.
    """
    import tensorflow as tf
    from rlds.tfds import episode_writer, generate_config_from_spec

    kinds: dict[str, Any] = {"reward": np.float32, "discount": np.float32}
    kinds |= dict.fromkeys(("is_first", "is_last", "is_terminal"), np.bool_)
    kinds |= {"language_instruction": tf.string}
    array: Any = tf.TensorSpec
    step = {name: array((), kind) for name, kind in kinds.items()}
    step["action"] = array(schema.action.shape, schema.action.dtype)
    step["observation"] = nested({n: array(f.shape, f.dtype) for n, f in schema.observation.items()})
    spec: Any = {"steps": tf.data.DatasetSpec(step), "seed": array((), np.int64)}
    path.mkdir(parents=True)
    writer = episode_writer.EpisodeWriter(str(path), generate_config_from_spec(spec, "recorded"))
    for episode in episodes:
        writer.add_episode({"steps": list(rlds_steps(episode)), "seed": episode.seed})
    writer.close()
    return path


def rlds_steps(episode: Episode) -> Any:
    last = episode.length
    zero = {"action": np.zeros_like(episode.action[0]), "reward": 0.0, "discount": 0.0}
    for t in range(last + 1):
        yield {
            "observation": nested({name: value[t] for name, value in episode.observation.items()}),
            "is_first": t == 0,
            "is_last": t == last,
            "is_terminal": t == last and episode.is_terminal,
            "language_instruction": episode.instruction,
            **(
                {key: getattr(episode, key)[t] for key in ("action", "reward", "discount")}
                if t < last
                else zero
            ),
        }


def write_robomimic(path: Path, episodes: Sequence[Episode], schema: Schema, next_obs: bool = True) -> Path:
    """With h5py, in the layout that robomimic documents."""
    import h5py

    path.mkdir(parents=True, exist_ok=True)
    with h5py.File(path / "demo.hdf5", "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(episode.length for episode in episodes)
        arguments = {"control_freq": schema.control_hz}
        data.attrs["env_args"] = json.dumps({"env_name": "Stack", "type": 1, "env_kwargs": arguments})
        for number, episode in enumerate(episodes):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = episode.length
            demo.create_dataset("actions", data=episode.action.astype(np.float64))
            demo.create_dataset("rewards", data=episode.reward.astype(np.float64))
            done = np.zeros(episode.length, np.int64)
            done[-1] = episode.is_terminal
            demo.create_dataset("dones", data=done)
            for name, value in episode.observation.items():
                demo.create_dataset(f"obs/{name}", data=value[:-1], compression="gzip")
                if next_obs:
                    demo.create_dataset(f"next_obs/{name}", data=value[1:], compression="gzip")
    return path / "demo.hdf5"


def write_minari(
    path: Path, episodes: Sequence[Episode], schema: Schema, data_format: str = "hdf5", jpeg: bool = False
) -> Path:
    """With Minari's own storage."""
    from gymnasium import spaces
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_storage import MinariStorage

    def space(tree: Any) -> Any:
        if isinstance(tree, dict):
            return spaces.Dict({key: space(value) for key, value in tree.items()})
        kind = np.dtype(tree.dtype).type
        return spaces.Box(
            0 if kind is np.uint8 else -np.inf, 255 if kind is np.uint8 else np.inf, tree.shape, kind
        )

    (path / "data").mkdir(parents=True)
    action = spaces.Box(
        np.array(schema.action_minimum, np.float32), np.array(schema.action_maximum, np.float32)
    )
    storage = MinariStorage.new(
        path / "data",
        space(nested(schema.observation)),
        action,
        data_format=data_format,
        jpeg_encoding=jpeg,
    )
    for episode in episodes:
        last = np.arange(episode.length) == episode.length - 1
        buffer = EpisodeBuffer(
            seed=episode.seed,
            observations=nested(episode.observation),
            actions=episode.action,  # pyright: ignore[reportArgumentType]
            rewards=episode.reward,  # pyright: ignore[reportArgumentType]
            terminations=last & episode.is_terminal,  # pyright: ignore[reportArgumentType]
            truncations=last & (not episode.is_terminal),  # pyright: ignore[reportArgumentType]
        )
        storage.update_episodes([buffer])
    return path


def write_npz(path: Path, episodes: Sequence[Episode], schema: Schema) -> Path:
    """With `np.savez_compressed`, a file an episode."""
    path.mkdir(parents=True)
    for number, episode in enumerate(episodes):
        arrays = {f"observation/{name}": value for name, value in episode.observation.items()}
        facts = {"instruction": episode.instruction, "seed": episode.seed, "control_hz": schema.control_hz}
        arrays |= {"action": episode.action, "reward": episode.reward, "terminal": episode.is_terminal}
        np.savez_compressed(path / f"episode_{number}.npz", **arrays, **facts)
    return path


def write_pacloop(path: Path, episodes: Sequence[Episode], schema: Schema) -> Path:
    """With pacloop's own store."""
    store = EpisodeStore.create(path, schema)
    store.append(episodes, batch_id="theirs", source="collection", round=3)
    return path


def write_lerobot(
    path: Path, episodes: Sequence[Episode], schema: Schema, video: bool = True, episodes_a_file: int = 2
) -> Path:
    """With pyarrow and PyAV, in the layout that LeRobot documents for v3; pictures as video or as PNG."""
    frames = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64"}
    names = {f"observation.{name.replace('/', '.')}": name for name in schema.observation}
    features: dict[str, Any] = {
        theirs: lerobot_feature(schema.observation[ours], video) for theirs, ours in names.items()
    }
    features["action"] = {"dtype": "float32", "shape": list(schema.action.shape), "names": None}
    features["next.reward"] = {"dtype": "float32", "shape": [1], "names": None}
    flag = {"dtype": "bool", "shape": [1], "names": None}
    features |= dict.fromkeys(("next.done", "next.truncated"), flag)
    features |= {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in frames.items()}
    info = {
        "codebase_version": "v3.0",
        "fps": int(schema.control_hz),
        "total_episodes": len(episodes),
        "total_frames": sum(episode.length for episode in episodes),
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
    }
    (path / "meta").mkdir(parents=True)
    (path / "meta" / "info.json").write_text(json.dumps(info))
    told = []
    for index in range(0, len(episodes), episodes_a_file):
        group = list(enumerate(episodes))[index : index + episodes_a_file]
        told += lerobot_files(path, group, names, features, index // episodes_a_file, schema.control_hz)
    lerobot_table(path / "meta" / "episodes", 0, told)
    return path


def lerobot_feature(field: Field, video: bool) -> dict[str, Any]:
    picture = len(field.shape) == 3
    dtype = ("video" if video else "image") if picture else field.dtype
    names = ["height", "width", "channels"] if picture else None
    return {"dtype": dtype, "shape": list(field.shape), "names": names}


def lerobot_files(
    path: Path,
    group: Sequence[tuple[int, Episode]],
    names: Mapping[str, str],
    features: Mapping[str, Any],
    file_index: int,
    hz: float,
) -> list[dict[str, Any]]:
    """One data file, and one video file a camera, of some episodes; what `meta/episodes` says of them."""
    rows, told, at = [], [], 0
    pictures: dict[str, list[np.ndarray]] = {}
    for number, episode in group:
        told.append({"episode_index": number, "length": episode.length, "tasks": [episode.instruction]})
        told[-1] |= {"data/chunk_index": 0, "data/file_index": file_index}
        for theirs, ours in names.items():
            if features[theirs]["dtype"] == "video":
                pictures.setdefault(theirs, []).extend(episode.observation[ours][:-1])
                place = {"chunk_index": 0, "file_index": file_index, "from_timestamp": at / hz}
                told[-1] |= {f"videos/{theirs}/{key}": value for key, value in place.items()}
        rows += [lerobot_row(number, t, episode, names, features, hz) for t in range(episode.length)]
        at += episode.length
    lerobot_table(path / "data", file_index, rows)
    for camera, stack in pictures.items():
        write_video(path / "videos" / camera / "chunk-000" / f"file-{file_index:03d}.mp4", stack, int(hz))
    return told


def lerobot_row(
    number: int, t: int, episode: Episode, names: Mapping[str, str], features: Mapping[str, Any], hz: float
) -> dict[str, Any]:
    row: dict[str, Any] = {"action": episode.action[t].tolist()}
    for theirs, ours in names.items():
        value = episode.observation[ours][t]
        if features[theirs]["dtype"] == "image":
            row[theirs] = {"bytes": png(value), "path": f"frame-{t:06d}.png"}
        elif features[theirs]["dtype"] != "video":
            row[theirs] = value.tolist()
    last = t == episode.length - 1
    row |= {"next.reward": float(episode.reward[t]), "next.done": last}
    row |= {"next.truncated": last and not episode.is_terminal}
    return row | {"timestamp": t / hz, "frame_index": t, "episode_index": number, "index": t}


def lerobot_table(folder: Path, file_index: int, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "chunk-000" / f"file-{file_index:03d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows))
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type) and pa.types.is_floating(field.type.value_type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.list_(pa.float32())))
    pq.write_table(table, path)


def png(picture: np.ndarray) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def write_video(path: Path, pictures: Sequence[np.ndarray], fps: int) -> None:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=fps, options={"g": "2", "crf": "5"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.thread_count = "yuv444p", 1
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def write_minari_arrow(path: Path, episodes: Sequence[Episode], schema: Schema) -> Path:
    return write_minari(path, episodes, schema, "arrow")


def write_lerobot_images(path: Path, episodes: Sequence[Episode], schema: Schema) -> Path:
    return write_lerobot(path, episodes, schema, video=False)


def write_parquet(path: Path, episodes: Sequence[Episode], schema: Schema) -> Path:
    """With pacloop's own export."""
    from pacloop.datasets.exports.parquet import export_parquet  # pyright: ignore[reportMissingImports]

    write_pacloop(path.with_name(f"{path.name}-dataset"), episodes, schema)
    export_parquet(EpisodeStore.open(path.with_name(f"{path.name}-dataset")), path)
    return path


WRITERS = {
    "rlds": write_rlds,
    "robomimic": write_robomimic,
    "minari-hdf5": write_minari,
    "minari-arrow": write_minari_arrow,
    "lerobot-video": write_lerobot,
    "lerobot-images": write_lerobot_images,
    "npz": write_npz,
    "parquet": write_parquet,
    "pacloop": write_pacloop,
}
