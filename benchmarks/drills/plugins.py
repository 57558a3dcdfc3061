"""Packages that offer a task and make a mistake in it, each a sentence's cause and nobody's traceback.

A package is one module, `plug`, with an entry point for `plug/reach`. Its text is the sound one, `reach` of
the tests under another name, with what stands here.
"""

import importlib
import sys
from pathlib import Path

TASK = "plug/reach"
SOUND = """
from dataclasses import replace
import math
import reach
from pacloop.datasets import Field, Schema
from pacloop.actors.task import Task

class Reach(reach.Reach):
    pass

def schema(**changes):
    return replace(reach.task().schema, **({"task": "plug/reach"} | changes))

def offer(**changes):
    return replace(reach.task(), **({"schema": schema(), "make": Reach} | changes))

def task():
    return offer()
"""
POINTS = {
    "a module that is missing": "nowhere:task",
    "a function that is missing": "plug:tusk",
    "a module in the place of a function": "plug",
    "no entry point's form": "plug task",
    "a value that is no function": "plug:math.pi",
    "a class": "plug:Reach",
    "nothing": "",
}
MODULES = {
    "raises when it is imported": "raise RuntimeError('two\\nlines')",
    "ends when it is imported": "raise SystemExit(7)",
    "is no Python": "def (",
    "imports what is missing": "import no_such_simulator",
    "imports itself": "import plug; plug.task()",
    "raises": "def task(): raise ValueError('no')",
    "ends": "import sys\ndef task(): sys.exit()",
    "wants an argument": "def task(name): return offer()",
    "gives nothing": "def task(): pass",
    "gives a generator": "def task(): yield offer()",
    "gives the class": "def task(): return Task",
    "gives a schema": "def task(): return schema()",
    "gives another task": "def task(): return offer(schema=schema(task='other'))",
}
SCHEMAS = (
    *("horizon=0", "horizon=-3", "horizon='x'", "horizon=2**70", "horizon=math.nan", "horizon=math.inf"),
    *("control_hz=0", "control_hz=-1", "control_hz=math.nan", "control_hz='fast'", "task=3", "task=None"),
    *("action=Field(())", "action=Field((2, 2))", "action=Field((0,))", "action=Field((3,))", "action=None"),
    *("action=Field((2,), 'complex64')", "action=Field((2,), 'object')", "action=Field((2,), 'float13')"),
    *("action=Field((2,), 'int8')", "action=Field((2,), 'str')", "action=Field((2,), 'bool')"),
    *(
        "action_minimum=(1, 1)",
        "action_minimum=(2, 2)",
        "action_minimum=(math.nan, 0)",
        "action_minimum=None",
    ),
    *("action_maximum=(1,)", "action_maximum=('a', 'b')", "action_maximum=(math.inf, 1)", "instruction=3"),
    *("observation={}", "observation=None", "observation={'arm': 4}", "observation={3: Field((4,))}"),
    *(
        "observation={'arm': Field((5,))}",
        "observation={'arm': Field((-4,))}",
        "observation={'': Field((4,))}",
    ),
    *("observation={'arm': Field((4,), 'object')}", "observation={'arm': Field((4,), 'complex64')}"),
    *(
        "observation={'arm': Field((0,))}",
        "observation={'a\\nb': Field((4,))}",
        "observation={'arm': Field('4')}",
    ),
)
FACTS = (
    *("make=None", "make='x'", "make=lambda: None", "make=lambda: 1 / 0", "make=lambda x: x"),
    *(
        "score=None",
        "score=lambda r: 2.0",
        "score=lambda r: 'x'",
        "score=lambda r: 1 / 0",
        "score=lambda r: r",
    ),
    *("score=lambda r: math.nan", "score=lambda r: None", "schema=None", "seed_limit='x'", "seed_limit=0"),
    *("seed_limit=-1", "seed_limit=1.5", "seed_limit=None", "time_limit_is_terminal='no'"),
)
METHODS = (
    *("seed = None", "reset = None", "step = None", "close = None", "_observe = None"),
    *(
        "def seed(self): pass",
        "def reset(self): pass",
        "def reset(self): return 3",
        "def step(self, a): pass",
    ),
    *("def step(self, a): raise OSError('cable\\nout')", "def _observe(self): return [1, 2]"),
    *("def _observe(self): return None", "def _observe(self): return {'arm': 'x', 'clock': 0}"),
    *("def _observe(self): return {'arm': [math.nan] * 4, 'clock': 0}", "def measures(self): return 3"),
    *("def measures(self): return {'x': 'y'}", "def measures(self): 1 / 0", "def close(self): 1 / 0"),
    *("def measures(self): return {3: 1.0}", "def measures(self): return {'x': math.nan}"),
)


def cases() -> dict[str, tuple[str, str]]:
    """Entry point and module's text of each package by what is wrong with it."""
    made = {f"entry point: {name}": (point, SOUND) for name, point in POINTS.items()}
    made |= {f"module: {name}": ("plug:task", SOUND + text) for name, text in MODULES.items()}
    for kind, changes in (("schema", SCHEMAS), ("task", FACTS)):
        for change in changes:
            offer = f"schema=schema({change})" if kind == "schema" else change
            made[f"{kind}: {change}"] = ("plug:task", f"{SOUND}\ndef task(): return offer({offer})\n")
    for change in METHODS:
        made[f"environment: {change}"] = ("plug:task", SOUND.replace("    pass", f"    {change}", 1))
    return made


def install(folder: Path, point: str, text: str) -> None:
    """Make `folder`, which stands on the path, hold this package and no other."""
    facts = folder / "plug-1.0.dist-info"
    facts.mkdir(parents=True, exist_ok=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[pacloop.tasks]\n{TASK} = {point}\n")
    (folder / "plug.py").write_text(text)
    sys.modules.pop("plug", None)
    sys.dont_write_bytecode = True  # two texts of one second would share it
    importlib.invalidate_caches()
