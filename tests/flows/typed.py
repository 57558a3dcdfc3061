"""The command line as a user types it, for tests."""

import os
import subprocess
import sys
from pathlib import Path

PACLOOP = str(Path(sys.executable).with_name("pacloop"))


def pacloop(*words, cwd, **environment):
    """Run a command to its end."""
    return subprocess.run(
        [PACLOOP, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=280,
        env=os.environ | environment,
    )


def refused(*words, cwd, **environment):
    """The one sentence of a refusal: exit 2, nothing else on stderr."""
    done = pacloop(*words, cwd=cwd, **environment)
    assert done.returncode == 2, (done.stdout, done.stderr)
    (line,) = done.stderr.strip().splitlines()
    return line
