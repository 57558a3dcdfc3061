"""Ways to damage a file or a folder of episodes, each a function of a random generator."""

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HUGE = (0, -1, 2**31, 2**40, 2**62, 1e308, float("inf"))


def corrupt(path: Path, rng: random.Random) -> str:
    """Damage what is at `path` in a random way; what was done."""
    files = sorted(file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    victim = rng.choice(files)
    inside = INSIDE.get(victim.suffix, INSIDE[".tfrecord"] if ".tfrecord" in victim.name else None)
    ways = [*ANYWHERE, *([inside] * len(ANYWHERE) if inside else [])]
    way = rng.choice(ways)
    return f"{way.__name__} {way(victim, rng)} in {victim.name}"


def truncate(path: Path, rng: random.Random) -> str:
    data = path.read_bytes()
    kept = rng.choice([0, 1, rng.randrange(len(data) + 1), max(0, len(data) - rng.randrange(1, 64))])
    path.write_bytes(data[:kept])
    return f"to {kept} of {len(data)} bytes"


def flip(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    bits = rng.choice([1, 2, 8, 64])
    for _ in range(bits if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"{bits} bits"


def overwrite(path: Path, rng: random.Random) -> str:
    data = bytearray(path.read_bytes())
    start, size = rng.randrange(len(data) + 1), rng.choice([1, 4, 8, 64, 512])
    filling = rng.choice([b"\0", b"\xff", b"\x7f"]) * size if rng.random() < 0.7 else rng.randbytes(size)
    data[start : start + size] = filling
    path.write_bytes(data)
    return f"{size} bytes at {start}"


def cut_out(path: Path, rng: random.Random) -> str:
    data = path.read_bytes()
    start, size = rng.randrange(len(data) + 1), rng.choice([1, 8, 100, 4096])
    path.write_bytes(data[:start] + data[start + size :])
    return f"{size} bytes at {start}"


def replace(path: Path, rng: random.Random) -> str:
    size = rng.choice([1, 100, 10_000])
    path.write_bytes(path.read_bytes()[: rng.choice([0, 8])] + rng.randbytes(size))
    return f"all by {size} random bytes"


def remove(path: Path, _rng: random.Random) -> str:
    path.unlink()
    return "it"


def inside_json(path: Path, rng: random.Random) -> str:
    data = json.loads(path.read_text())
    spots = list(_spots(data))
    holder, key = rng.choice(spots)
    before = holder[key]
    if rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = rng.choice(
            [*HUGE, None, "", "../../etc", "os.system", [], {}, True, "a" * 10_000, -0.5]
        )
    path.write_text(json.dumps(data))
    return f"{key}: {str(before)[:40]}"


def _spots(data: Any):
    for key in data if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], dict | list):
            yield from _spots(data[key])


def inside_hdf5(path: Path, rng: random.Random) -> str:
    import h5py

    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        member: Any = file[name]
        if isinstance(member, h5py.Group):
            key = rng.choice([*member.attrs, "num_samples", "total_steps", "seed"])
            member.attrs[key] = rng.choice([-1, 2**40, "x", [], 1.5])
            return f"attribute {key} of {name}"
        values = _damaged(np.asarray(member), rng)
        del file[name]
        if values is None:
            shape = rng.choice([(2**40,), (2**31, 2**20), (10**6, 10**6), (2**62,), (0,)])
            file.create_dataset(name, shape=shape, dtype="f4", chunks=True if 0 not in shape else None)
        elif rng.random() < 0.1:
            file[name] = h5py.ExternalLink("/etc/passwd", "/")
        else:
            file[name] = values
        return f"dataset {name}"


def inside_npz(path: Path, rng: random.Random) -> str:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = rng.choice(list(arrays))
    values = _damaged(arrays[name], rng)
    if rng.random() < 0.1:
        arrays[f"x{name}"] = arrays.pop(name)
    elif values is not None:
        arrays[name] = values
    np.savez_compressed(path, **arrays)
    if values is None:
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rng.choice([2**33, 2**62])},), }}"
        claim = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.npy", claim + bytes(2**20 * rng.choice([1, 32])))
    return f"array {name}"


def inside_parquet(path: Path, rng: random.Random) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    name = rng.choice(table.column_names)
    index, way = table.column_names.index(name), rng.randrange(6)
    if way == 0:
        table = table.drop_columns([name])
    elif way == 1:
        table = table.rename_columns({name: f"x{name}"})
    elif way == 2:
        table = table.set_column(index, name, pa.nulls(len(table), table.schema.field(name).type))
    elif way == 3:
        table = table.slice(rng.randrange(len(table)))
    elif way == 4:
        rows = rng.choice([["x"] * len(table), [[1.0] * 10**5] * len(table), [2**60] * len(table)])
        table = table.set_column(index, name, pa.array(rows))
    else:
        values = [rng.choice([float("nan"), -1.0, 1e30, float("inf")])] * len(table)
        table = table.set_column(index, name, pa.array(values))
    pq.write_table(table, path)
    return f"column {name}, way {way}"


def inside_arrow(path: Path, rng: random.Random) -> str:
    import pyarrow as pa

    with pa.ipc.open_file(pa.py_buffer(path.read_bytes())) as reader:
        table = reader.read_all()
    name = rng.choice(table.column_names)
    if rng.random() < 0.5:
        table = table.drop_columns([name])
    else:
        odd = rng.choice([pa.nulls(len(table)), pa.array(["x"] * len(table)), pa.array([1e30] * len(table))])
        table = table.set_column(table.column_names.index(name), name, odd)
    with path.open("wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.slice(0, rng.choice([len(table), len(table) // 2, 0])))
    return f"column {name}"


def inside_tfrecord(path: Path, rng: random.Random) -> str:
    """Examples that are whole as records and wrong as episodes."""
    import tensorflow as tf

    records = [bytes(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    index = rng.randrange(len(records))
    example: Any = tf.train.Example.FromString(records[index])
    name = rng.choice(sorted(example.features.feature))
    feature = example.features.feature[name]
    kind = feature.WhichOneof("kind")
    values = getattr(feature, kind).value if kind else []
    way = rng.randrange(5)
    if way == 0 or not values:
        del example.features.feature[name]
    elif way == 1:
        del values[rng.randrange(len(values)) :]
    elif way == 2:
        values.extend(list(values)[: rng.randrange(1, 50)])
    elif way == 3:
        odd = {"float_list": [float("nan"), 1e30], "int64_list": [-1, 2**62], "bytes_list": [b"", b"\x89PNG"]}
        values[rng.randrange(len(values))] = rng.choice(odd[kind])
    else:
        feature.bytes_list.value.append(b"x")
    records[index] = example.SerializeToString()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return f"feature {name}, way {way}"


def _damaged(values: np.ndarray, rng: random.Random) -> np.ndarray | None:
    """Another array in the place of this one; None for one that claims to be huge."""
    way = rng.randrange(9)
    if way == 0:
        return None
    if way == 1 and values.dtype.kind == "f" and values.size:
        flat = values.copy().reshape(-1)
        flat[rng.randrange(len(flat))] = rng.choice([np.nan, np.inf, -np.inf])
        return flat.reshape(values.shape)
    if way == 2:
        return values[: rng.randrange(len(values) + 1)] if values.ndim else np.zeros(3)
    if way == 3:
        return values[..., :-1] if values.ndim > 1 else values.reshape(1, -1)
    if way == 4:
        return np.full(values.shape, b"text")
    if way == 5:
        return np.zeros(values.shape, rng.choice(["c8", "i8", "u1", "f2", "?", ">f4"]))
    if way == 6:
        return np.full(values.shape, rng.choice([127.0, 1e30, -90.0]))
    if way == 7:
        return np.zeros(())
    return np.zeros((0, *values.shape[1:]))


ANYWHERE: list[Callable[[Path, random.Random], str]] = [truncate, flip, overwrite, cut_out, replace, remove]
INSIDE: dict[str, Callable[[Path, random.Random], str]] = {
    ".json": inside_json,
    ".hdf5": inside_hdf5,
    ".npz": inside_npz,
    ".parquet": inside_parquet,
    ".arrow": inside_arrow,
    ".tfrecord": inside_tfrecord,
}
