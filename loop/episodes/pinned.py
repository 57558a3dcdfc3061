"""What a stage is about stays as it was when the stage began, whatever becomes of the settings meanwhile.

A stage that plays episodes first records the settings that its sample depends on, as `begin-<stage>.json`.
One that was interrupted goes on with these: blocks, seeds and the gate's test are those of its beginning.
Settings edited meanwhile count from the next stage, and so does a first score between 0 and 1, which asks for
another kind of test. How the work is done (deadlines, how many failures are borne, who must approve) is no
part of that.
"""

from dataclasses import replace
from typing import Any

from ..workspace.config import Config, parse_config
from ..workspace.records import Settings
from .order import Session
from .sample import all_binary

PINNED: dict[str, Any] = {
    "seed": True,
    "collect": {"episodes", "actors", "environments"},
    "learn": {"discount"},
    "act": {"trial_actions", "trial_episodes"},
    "gate": {"level", "cap", "block", "champion", "margin", "futility", "others", "guards"},
    "improve": {"baseline_episodes", "evaluation_episodes"},
}


def pinned(session: Session, number: int, stage: str, name: str = "") -> Session:
    """The session with the settings that a stage of a round began with, which may be now.

    They are recorded in the round, or as the file `name`.
    """
    return _pinned(session, number, stage, name, None)[0]


def pinned_comparison(session: Session, number: int, stage: str, name: str = "") -> tuple[Session, bool]:
    """The same, and whether every score that a policy had had when the stage began was 0 or 1."""
    return _pinned(session, number, stage, name, all_binary(session.space))


def _pinned(
    session: Session, number: int, stage: str, name: str, binary: bool | None
) -> tuple[Session, bool]:
    space, name = session.space, name or f"rounds/{number:03d}/begin-{stage}.json"
    about = space.config.model_dump(include=PINNED)
    begun = space.read_record(Settings, name)
    if begun is None:
        space.write_json(name, Settings(settings=about, binary=binary).model_dump())
        return session, bool(binary)
    then = parse_config(begun.settings, f"{space.place}/{name}")
    if changed := _difference(begun.settings, space.config.model_dump()):  # of all: it may pin fewer by now
        session.progress(stage, 0, 0, f"goes on as it began: {changed}")
    session = replace(session, space=space.with_config(_merged(space.config, then, begun.settings)))
    return session, bool(binary if begun.binary is None else begun.binary)


def _merged(now: Config, then: Config, names: dict[str, Any]) -> Config:
    """Settings as they are now, a command's options included, with those of the beginning in their place."""
    sections: dict[str, Any] = {}
    for name, inner in names.items():
        value = getattr(then, name)
        if isinstance(inner, dict):
            value = getattr(now, name).model_copy(update={field: getattr(value, field) for field in inner})
        sections[name] = value
    return now.model_copy(update=sections)


def _difference(begun: dict[str, Any], now: dict[str, Any]) -> str:
    """The settings that differ, each with both values."""
    parts = []
    for section, value in begun.items():
        values = value if isinstance(value, dict) else {"": value}
        current = now[section] if isinstance(value, dict) else {"": now[section]}
        for name in values:
            if values[name] != current[name]:
                title = f"[{section}] {name}" if name else section
                parts.append(f"{title} = {values[name]} (now {current[name]})")
    return ", ".join(parts)
