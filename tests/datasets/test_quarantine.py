from pacloop.datasets.quarantine import Quarantined, read_quarantine, write_quarantine

ENTRIES = [Quarantined("a.hdf5, demo_3", ("has no action", "reward is not finite at step 0"))]


def test_a_record_is_written_once_and_read_back(tmp_path):
    assert read_quarantine(tmp_path) == []
    name = write_quarantine(tmp_path, ENTRIES, {"path": "a.hdf5", "when": "2026-11-21", "by": "anna"})
    assert write_quarantine(tmp_path, ENTRIES, {"path": "a.hdf5", "when": "2026-11-22", "by": "bob"}) == name
    write_quarantine(tmp_path, ENTRIES, {"path": "b.hdf5", "when": "2026-11-20"})
    second, first = read_quarantine(tmp_path)
    assert (first["id"], first["by"], first["when"]) == (name, "anna", "2026-11-21")
    assert first["entries"] == [
        {"where": "a.hdf5, demo_3", "reasons": ["has no action", "reward is not finite at step 0"]}
    ]
    assert second["path"] == "b.hdf5"
