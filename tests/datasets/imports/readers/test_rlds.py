import json

import numpy as np
import pytest
from foreign import SCHEMA, make_episode, rlds_steps, write_rlds, write_rlds_writer

from pacloop.datasets import DatasetError
from pacloop.datasets.imports.readers.raw import RawEpisode, ReadOptions, Unreadable
from pacloop.datasets.imports.readers.rlds import episodes as read


@pytest.fixture(scope="module")
def folder(tmp_path_factory, episodes):
    return write_rlds(tmp_path_factory.mktemp("rlds"), episodes, SCHEMA)


@pytest.fixture
def copy(folder, tmp_path):
    import shutil

    return shutil.copytree(folder, tmp_path / "1.0.0")


def test_what_tfds_wrote_comes_back(folder, episodes, options, agree):
    found = sorted(read(folder, options), key=lambda raw: raw.seed)  # TFDS shuffles what it writes
    agree(found, episodes)
    assert all(np.array_equal(raw.discount, e.discount) for raw, e in zip(found, episodes))
    assert {raw.instruction for raw in found} == {"stack the cubes"}
    assert found[0].where.startswith("train, episode ")


@pytest.fixture(scope="module")
def packed(tmp_path_factory, episodes):
    return write_rlds_writer(tmp_path_factory.mktemp("rlds") / "recorded", episodes, SCHEMA)


def test_what_rlds_itself_wrote_comes_back(packed, episodes, options, agree):
    found = list(read(packed, options))
    agree(found, episodes)
    assert [(raw.seed, raw.instruction) for raw in found] == [(e.seed, "stack the cubes") for e in episodes]


def test_what_unpacks_to_too_much_is_not_unpacked(packed, tmp_path, options):
    import shutil
    import zlib

    import tensorflow as tf

    from pacloop.datasets.exports.tfds.rlds import write_records

    folder = shutil.copytree(packed, tmp_path / "recorded")
    (file,) = folder.glob("*.tfrecord*")
    examples = [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    hand = examples[1].features.feature["steps/observation/hand"].bytes_list
    hand.value[0] = zlib.compress(bytes(2**22))
    with file.open("wb") as out:
        write_records(out, [example.SerializeToString() for example in examples])
    found = list(read(folder, ReadOptions({"hand"}, 2**21)))
    assert [type(raw) for raw in found] == [RawEpisode, Unreadable, RawEpisode]
    assert found[1].reason == "observation/hand unpacks to more than the 2 MiB a field may take"


def test_jpeg_is_decoded_as_stock_tfds_does(tmp_path, episodes, options):
    import tensorflow_datasets as tfds

    folder = write_rlds(tmp_path, episodes, SCHEMA, image_format="jpeg")
    stock = tfds.builder_from_directory(str(folder)).as_dataset(split="train")
    for theirs, ours in zip(tfds.as_numpy(stock), read(folder, options), strict=True):
        steps = [step["observation"]["image"] for step in theirs["steps"]]
        assert np.array_equal(np.stack(steps), ours.observation["image"])


def test_only_what_is_wanted_is_read(folder):
    found = next(read(folder, ReadOptions({"hand"})))
    assert list(found.observation) == ["hand"]
    assert set(found.unread) == {"arm/joints", "image"}


def test_a_reward_in_the_last_step_makes_it_a_step_like_the_others(tmp_path, monkeypatch, options):
    episode = make_episode(4, seed=0)

    def steps(of):
        *before, last = rlds_steps(of)
        yield from before
        yield last | {"reward": 1.0}

    monkeypatch.setattr("foreign.rlds_steps", steps)
    found = next(read(write_rlds(tmp_path, [episode], SCHEMA), options))
    assert len(found.action) == len(found.reward) == 5
    assert found.reward[-1] == 1
    assert np.array_equal(found.observation["hand"][:5], episode.observation["hand"])
    assert found.info["last_observation"] == "repeated"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_last": lambda t, n: False}, "is cut short"),
        ({"is_last": lambda t, n: t >= 2}, "is_last is set at step 2, before the last of 5"),
        ({"is_first": lambda t, n: t in (0, 3)}, "is_first is not set at the first step alone"),
        ({"is_terminal": lambda t, n: t in (1, n)}, "is_terminal is set at step 1, before the last of 5"),
    ],
)
def test_flags_that_contradict_each_other(tmp_path, monkeypatch, options, change, reason):
    def steps(of):
        for t, step in enumerate(rlds_steps(of)):
            yield step | {name: flag(t, of.length) for name, flag in change.items()}

    monkeypatch.setattr("foreign.rlds_steps", steps)
    (found,) = read(write_rlds(tmp_path, [make_episode(4, seed=0)], SCHEMA), options)
    assert isinstance(found, Unreadable)
    assert reason in found.reason


def test_terminal_without_a_discount_of_its_own(tmp_path, monkeypatch, options):
    """Recorders that know no discount write 1 everywhere, also into the step that ends an episode."""

    def steps(of):
        for t, step in enumerate(rlds_steps(of)):
            yield step | {"discount": 1.0, "is_terminal": t == of.length}

    monkeypatch.setattr("foreign.rlds_steps", steps)
    (found,) = read(write_rlds(tmp_path, [make_episode(4, seed=0)], SCHEMA), options)
    assert (found.terminal, found.discount) == (True, None)


def test_a_half_downloaded_shard(copy, options):
    (shard,) = copy.glob("*.tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="cannot be read as a TFDS directory"):
        list(read(copy, options))
    shard.unlink()
    with pytest.raises(DatasetError, match=r"has no \.tfrecord file"):
        list(read(copy, options))


HIDDEN = {"type": "os.core.X", "content": {}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pythonClassName": "os.core.X"}, r"names the class 'os\.core\.X', which is none of TFDS's"),
        ({"python_class_name": "os.core.X"}, r"names the class 'os\.core\.X', which is none of TFDS's"),
        ({"pythonClassName": "tensorflow_datasets.scripts.X"}, "which is none of TFDS's"),
        ({"json_feature": {"json": json.dumps({"q": HIDDEN})}}, "has json_feature, which is not read"),
        ({"jsonFeature": {"json": json.dumps({"q": HIDDEN})}}, "has json_feature, which is not read"),
        ({"audio": {"lazyDecode": True}}, "has lazy_decode, which is not read"),
        ({"audio": {"shape": {"dimensions": ["-1", str(2**40)]}}}, "dimensions of shape"),
        ({"sequence": {"length": str(2**40)}}, "length of shape"),
        (HIDDEN, "cannot be read as TFDS's features"),
    ],
)
def test_no_class_outside_tfds_is_looked_up_and_no_size_believed(copy, options, change, says):
    description = json.loads((copy / "features.json").read_text())
    feature = description["featuresDict"]["features"]["steps"]["sequence"]["feature"]
    feature.clear()
    feature.update(change)
    (copy / "features.json").write_text(json.dumps(description))
    with pytest.raises(DatasetError, match=says):
        list(read(copy, options))


def test_the_old_form_of_tfds_is_refused(copy, options):
    (copy / "features.json").write_text(json.dumps(HIDDEN))
    with pytest.raises(DatasetError, match=r"features\.json is of an old TFDS"):
        list(read(copy, options))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../train"),
        ("filepathTemplate", "../{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}"),
        ("filepath_template", "../{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}"),
        ("filepathTemplate", "..{SPLIT.join.__text_signature__[17]}x"),
        ("filepathTemplate", "{SPLIT:>2000000000}"),
    ],
)
def test_shards_elsewhere_are_not_followed(copy, options, key, value):
    info = next(copy.rglob("dataset_info.json"))
    description = json.loads(info.read_text())
    split = description["splits"][0]
    if key != "name":
        split.pop("filepathTemplate")
    split[key] = value
    info.write_text(json.dumps(description))
    with pytest.raises(DatasetError, match="names shards in another folder"):
        list(read(copy, options))


def test_tfds_that_is_not_rlds(copy, options):
    data = json.loads((copy / "features.json").read_text())
    features = data["featuresDict"]["features"]
    features["frames"] = features.pop("steps")
    (copy / "features.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match="is TFDS but not RLDS"):
        list(read(copy, options))
