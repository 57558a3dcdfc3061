import pytest
from foreign import SCHEMA, write_pacloop

from pacloop.datasets import DatasetError, EpisodeStore
from pacloop.datasets.imports.readers.pacloop import count
from pacloop.datasets.imports.readers.pacloop import episodes as read


def test_another_dataset_comes_back(tmp_path, episodes, options, agree):
    found = list(read(write_pacloop(tmp_path / "p", episodes, SCHEMA), options))
    agree(found, episodes)
    assert [raw.score for raw in found] == [episode.score for episode in episodes]
    origin = {"id": "theirs/1", "source": "collection", "policy": None, "round": 3}
    assert found[1].info == {"injected_from": origin}


def test_an_unsound_dataset_is_refused(tmp_path, episodes, options):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    steps = path / "batches" / "theirs" / "steps.arrow"
    steps.write_bytes(steps.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"is not sound: .*steps\.arrow was changed"):
        list(read(path, options))
    with pytest.raises(DatasetError, match="holds no dataset of pacloop"):
        list(read(tmp_path, options))


def test_what_is_excluded_there_is_left_out(tmp_path, episodes, options, agree):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    EpisodeStore.open(path).exclude("theirs/1", reason="the operator hit the table", by="ann")
    found = list(read(path, options))
    agree(found, [episodes[0], *episodes[2:]])
    assert count(path) == len(found) == len(episodes) - 1


def test_what_a_killed_writer_left_does_not_matter(tmp_path, episodes, options, agree):
    path = write_pacloop(tmp_path / "p", episodes, SCHEMA)
    (path / "batches" / ".other.elsewhere.1-00000000.tmp").mkdir()
    agree(list(read(path, options)), episodes)
