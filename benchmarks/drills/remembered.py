"""Learner runs that are taken once, for drills that play one round hundreds of times.

A run is a function of its identity (`learner/training/state.py`), also where it is killed, as the learner's
tests show. A run whose identity is remembered writes what it wrote then, and ends in the same weights.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from pacloop.learner.config import IDENTITY, METRICS  # pyright: ignore[reportMissingImports]
from pacloop.learner.training import run as runs  # pyright: ignore[reportMissingImports]
from pacloop.learner.training import state  # pyright: ignore[reportMissingImports]


def remember(memory: Path) -> None:
    """Have learner runs of this process kept in a folder, and taken from there."""
    whole = runs._Run.finish  # pyright: ignore[reportPrivateUsage]

    def finish(self: Any, progress: Any) -> None:
        if not state.has_state(self.folder):
            self._save()
        kept = memory / hashlib.sha256((self.folder / IDENTITY).read_bytes()).hexdigest()[:16]
        if self.networks.step or not (kept / "whole").exists():
            whole(self, progress)
            kept.mkdir(parents=True, exist_ok=True)
            state.save_state(kept, self.networks)
            (kept / METRICS).write_bytes((self.folder / METRICS).read_bytes())
            (kept / "whole").touch()
            return
        for line in (kept / METRICS).read_text().splitlines():
            self.figures = json.loads(line)
            state.append_figures(self.folder, self.figures.pop("step"), self.figures)
        state._restore(load_file(kept / state.STATE), self.networks)  # pyright: ignore[reportPrivateUsage]

    runs._Run.finish = finish  # pyright: ignore[reportPrivateUsage]
