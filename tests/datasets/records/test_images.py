import math
import struct

import numpy as np
import pyarrow as pa
import pytest

from pacloop.datasets import DatasetError, EpisodeStore, Field, Replay
from pacloop.datasets.records import images
from pacloop.datasets.store import tables
from pacloop.datasets.store.tables import read_steps


@pytest.fixture
def store(tmp_path, build):
    """Two batches of episodes with a colour and a grey camera, and one too small to be worth a file."""
    cameras = {"front": Field((24, 20, 3), "uint8"), "depth": Field((32, 40, 1), "uint8")}
    schema = build.schema(observation={**cameras, "tiny": Field((4, 4, 3), "uint8"), "arm": Field((2,))})
    store = EpisodeStore.create(tmp_path / "dataset", schema)
    for i, steps in enumerate((5, 3)):
        made = [build.episode(steps, seed, schema=schema) for seed in (2 * i, 2 * i + 1)]
        store.append(made, batch_id=f"b{i}", source="collection")
    return store


def table(store, batch):
    return pa.ipc.open_file(store.folder / "batches" / batch / "steps.arrow").read_all()


def test_each_image_is_encoded_by_itself_as_documented(store, build):
    found = table(store, "b0")
    for name, shape in (("front", (24, 20, 3)), ("depth", (32, 40, 1))):
        column = found.column(f"observation/{name}")
        assert column.type == pa.large_binary()
        raw = column[1].as_py()
        assert struct.unpack_from("<4s3I", raw) == (b"rows", *shape)
        rows = pa.decompress(raw[16:], decompressed_size=math.prod(shape), codec="zstd", asbytes=True)
        words = np.frombuffer(rows, "<u4" if name == "front" else "<u8").reshape(shape[0], -1)
        decoded = words.cumsum(axis=0, dtype=words.dtype).view(np.uint8).reshape(shape)
        assert np.array_equal(decoded, build.episode(5, 0, schema=store.schema).observation[name][1])
    assert found.column("observation/tiny").type == pa.fixed_shape_tensor(pa.uint8(), (4, 4, 3))
    (episode, _) = store.episodes("b0")
    assert build.same(episode, build.episode(5, 0, schema=store.schema))
    assert not episode.observation["front"].flags.writeable


def test_an_image_that_would_not_come_back_is_not_committed(store, build, monkeypatch):
    compressed = images._compressed
    monkeypatch.setattr(images, "_compressed", lambda image: compressed(image ^ 1))
    with pytest.raises(DatasetError, match="image 0 is not the same any more"):
        store.append([build.episode(schema=store.schema)], batch_id="a", source="collection")
    assert not store.holds("a")


def test_smooth_images_take_less_room(store, build):
    smooth = np.broadcast_to(np.arange(24, dtype=np.uint8)[:, None, None], (41, 24, 20, 3))
    random = build.episode(40, schema=store.schema)
    episode = build.episode(
        40, schema=store.schema, observation={**random.observation, "front": np.ascontiguousarray(smooth)}
    )
    store.append([episode], batch_id="smooth", source="collection")
    column = table(store, "smooth").column("observation/front")
    assert sum(len(file.as_py()) for file in column) < smooth.size / 4


def test_one_episode_is_decoded_alone(store, monkeypatch):
    decoded = []
    image = images.EncodedImages._image

    def counted(self, row, found):
        decoded.append(row)
        return image(self, row, found)

    monkeypatch.setattr(images.EncodedImages, "_image", counted)
    store.episode("b0/1")
    assert sorted(decoded) == sorted([*range(6, 12)] * 2), "two cameras"


@pytest.mark.parametrize("limit", [0, 2**30])
def test_a_replay_decodes(store, limit):
    replay = Replay(
        store,
        store.snapshot(),
        n_step=2,
        discount=0.9,
        time_limit_is_terminal=True,
        history=2,
        ram_limit=limit,
    )
    found = replay.at(np.arange(replay.rows))
    places = [(e, t) for batch in ("b0", "b1") for e in store.episodes(batch) for t in range(e.length)]
    for name in ("front", "depth", "tiny"):
        for row, (episode, t) in enumerate(places):
            now, later = np.maximum([t - 1, t], 0), min(t + 2, episode.length)
            assert np.array_equal(found.observation[name][row], episode.observation[name][now])
            assert np.array_equal(found.next_observation[name][row][1], episode.observation[name][later])
        found.observation[name][:] += 1  # a sample is the learner's own


def test_batches_that_were_kept_raw_are_still_read(store, build, monkeypatch):
    monkeypatch.setattr(tables, "is_encoded", lambda field: False)
    store.append([build.episode(4, 9, schema=store.schema)], batch_id="old", source="collection")
    assert table(store, "old").column("observation/front").type == pa.fixed_shape_tensor(
        pa.uint8(), (24, 20, 3)
    )
    monkeypatch.undo()
    assert build.same(store.episode("old/0"), build.episode(4, 9, schema=store.schema))
    replay = Replay(store, store.snapshot(), n_step=1, discount=0.9, time_limit_is_terminal=True, ram_limit=0)
    assert replay.at(np.arange(replay.rows)).observation["front"].shape == (replay.rows, 1, 24, 20, 3)
    assert store.verify() == []
    again = store.append([build.episode(4, 9, schema=store.schema)], batch_id="old", source="collection")
    assert again == store.batch("old"), "the digest is of the pixels, not of how they are kept"


@pytest.mark.parametrize("shape", [(40, 33, 1), (40, 17, 3), (1, 1025, 1), (1025, 1, 1), (7, 50, 3)])
def test_rows_of_any_length_come_back(shape):
    pictures = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    column = images.EncodedImages(images.encode(pictures), Field(shape, "uint8"), "x")
    assert np.array_equal(column[:], pictures)
    assert np.array_equal(
        images.EncodedImages(images.encode(pictures[:, ::-1]), Field(shape, "uint8"), "x")[:],
        pictures[:, ::-1],
    )


def test_slices_and_rows_that_are_named_twice():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3), np.uint8)
    files, field = images.encode(pictures), Field((20, 24, 3), "uint8")
    column = images.EncodedImages(files, field, "x")
    assert np.array_equal(column[1:4], pictures[1:4])
    rows = np.array([[3, 0], [0, 3]])
    assert np.array_equal(column.take(rows), pictures[rows])
    cut = pa.array([files[0].as_py()[:-9]], pa.large_binary())
    with pytest.raises(DatasetError, match="x, row 0, is no whole image"):
        images.EncodedImages(cut, field, "x")[:]


@pytest.mark.parametrize("whole", [b"", b"rows", b"rows" + bytes(12), b"nothing"])
def test_what_is_cut_short_is_no_image(whole):
    column = images.EncodedImages(pa.array([whole], pa.large_binary()), Field((24, 20, 3), "uint8"), "x")
    with pytest.raises(DatasetError, match="x, row 0, is "):
        column[0:1]


def test_a_broken_image_is_named(store):
    path = store.folder / "batches" / "b0" / "steps.arrow"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"rows", b"raws", 1))
    columns = read_steps(path, store.schema)
    with pytest.raises(
        DatasetError, match=r"steps.arrow, column observation/front, row 0, is no whole image"
    ):
        columns["observation/front"][0:1]
    with pytest.raises(DatasetError, match="row 0, is no whole image"):
        store.episode("b0/0")
    store.episode("b0/1")


def test_an_image_of_another_size_is_named(store):
    files = images.encode(np.zeros((2, 40, 40, 3), np.uint8))
    column = images.EncodedImages(files, Field((40, 41, 3), "uint8"), "x")
    with pytest.raises(DatasetError, match=r"x, row 1, is \(40, 40, 3\) pixels, but must be \(40, 41, 3\)"):
        column[1:2]
