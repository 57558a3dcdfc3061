from pacloop.datasets import EpisodeStore
from pacloop.datasets.store.quarantine import Quarantined, read_quarantine, write_quarantine

ENTRIES = [Quarantined("a.hdf5, demo_3", ("has no action", "reward is not finite at step 0"))]


def test_a_record_is_written_once_and_read_back(tmp_path, schema):
    store = EpisodeStore.create(tmp_path, schema)
    assert read_quarantine(store) == []
    name = write_quarantine(store, ENTRIES, {"path": "a.hdf5", "when": "2026-11-21", "by": "anna"})
    assert write_quarantine(store, ENTRIES, {"path": "a.hdf5", "when": "2026-11-22", "by": "bob"}) == name
    write_quarantine(store, ENTRIES, {"path": "b.hdf5", "when": "2026-11-20"})
    second, first = read_quarantine(store)
    assert (first["id"], first["by"], first["when"]) == (name, "anna", "2026-11-21")
    assert first["entries"] == [
        {"where": "a.hdf5, demo_3", "reasons": ["has no action", "reward is not finite at step 0"]}
    ]
    assert second["path"] == "b.hdf5"
