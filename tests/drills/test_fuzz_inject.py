"""The fuzzer, on few files: none may end in anything but a sentence, a quarantine entry or a batch."""


def test_damaged_files_end_well(drill):
    assert "| all | 40 |" in drill("fuzz_inject.py", "--files", "40", "--seed", "1")
