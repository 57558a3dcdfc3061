"""The fuzzer, on few files: none may end in anything but a sentence, a quarantine entry or a batch."""

import subprocess
import sys
from pathlib import Path


def test_damaged_files_end_well():
    script = Path(__file__).parents[1] / "benchmarks" / "fuzz_inject.py"
    words = [sys.executable, script, "--files", "40", "--seed", "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "| all | 40 |" in done.stdout
