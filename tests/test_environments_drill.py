"""The drill of misbehaving environments, with few episodes: none lost, none twice, none wrong."""

import re
import subprocess
import sys
from pathlib import Path


def test_every_seed_is_in_the_dataset_once_or_on_record_as_failed():
    script = Path(__file__).parents[1] / "benchmarks" / "drills" / "environments.py"
    done = subprocess.run(
        [sys.executable, script, "--episodes", "60"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert re.search(r"\| all \| 60 \| \d+ \| 0 \| 0 \| 0 \|", done.stdout)
