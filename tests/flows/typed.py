"""The command line as a user types it, for tests; and settings with which a round takes seconds."""

import base64
import os
import socket
import subprocess
import sys
from pathlib import Path

from pacloop.flows.environment import kept_string

PACLOOP = str(Path(sys.executable).with_name("pacloop"))
SMALL = {
    "collect": {"episodes": 8, "environments": 4, "actors": 1},
    "learn": {"clone_steps": 20, "improve_steps": 20, "minimum_steps": 20, "maximum_steps": 20},
    "act": {"trial_actions": [2], "trial_episodes": 4},
    "gate": {"cap": 8, "block": 4},
    "improve": {"baseline_episodes": 4, "evaluation_episodes": 4, "rounds": 1},
}


def small(**sections):
    """SMALL, with the settings that are given in the place of its own."""
    return {name: SMALL.get(name, {}) | sections.get(name, {}) for name in SMALL | sections}


def free_port():
    """One that nobody listened on a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def shown_to(url):
    """What a request to a server that `pacloop serve` started has in its header `Authorization`."""
    return "Basic " + base64.b64encode(kept_string(url).encode()).decode()


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
