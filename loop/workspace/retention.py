"""What a workspace need not keep: weights that nothing asks for, states of learner runs that ended, packs.

What a policy is and came from stays, as every record and every episode does. Kept are the weights of the
champion and of all before it, of round 0, of the latest candidates, of the one that learning goes on from,
and of what an evaluation by hand is about.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from ...datasets.files import parse_model, read_json
from ...datasets.replay.pack import PACKED
from .candidates import last_candidate
from .local_copy import WEIGHTS
from .records import Asked, read_facts
from .registry import REMOVED
from .workspace import Workspace


@dataclass(frozen=True)
class Spare:
    """A file that may go: its `name` in the workspace, its size, and why nobody needs it."""

    name: str
    bytes: int
    why: str


def spare_files(space: Workspace, keep: int) -> list[Spare]:
    """What may go, where the candidates of the last `keep` rounds, at least one, stay. Changes nothing."""
    needed, last = _needed(space, keep), max(space.rounds(), default=0)
    spare = [
        Spare(name, size, "weights of a candidate that is not in use")
        for name, size in sorted(_weights(space).items())
        if (policy := name.split("/")[1]) not in needed and space.policy_json(policy).is_file()
    ]
    for number in space.rounds():
        for path in sorted(space.round_folder(number).glob("*-run/state.safetensors")):
            if number < last or space.has_record(number, path.parent.name.removesuffix("-run")):
                name = path.relative_to(space.folder).as_posix()
                spare.append(Spare(name, path.stat().st_size, "state of a learner run that has ended"))
    for path in sorted(p for room in ("dataset", "cache/*") for p in space.folder.glob(f"{room}/{PACKED}/*")):
        name = path.relative_to(space.folder).as_posix()
        spare.append(Spare(name, path.stat().st_size, "copy for the learner, which makes it again"))
    return spare


def remove_files(space: Workspace, spare: Sequence[Spare], by: str) -> list[Spare]:
    """Remove them; whoever calls holds the lease. Returns those that went: no policy that reigns by now.

    A policy says first that its weights are gone.
    """
    policies = {file.name: file.name.split("/")[1] for file in spare if file.name.endswith(WEIGHTS)}
    retired = space.registry.retire(policies.values())
    spare = [file for file in spare if policies.get(file.name) in {None, *retired}]
    when = datetime.now(UTC).isoformat(timespec="seconds")
    for file in spare:
        if file.name in policies:
            space.write_json(f"policies/{policies[file.name]}/{REMOVED}", {"when": when, "by": by})
            if space.copy:
                space.copy.bucket.delete([file.name])
        with suppress(FileNotFoundError):  # weights in a bucket are here only where somebody asked for them
            (space.folder / file.name).unlink()
    return spare


def _weights(space: Workspace) -> dict[str, int]:
    """The weights of all policies by their names in the workspace, in bytes."""
    if space.copy:
        found = space.copy.bucket.list("policies")
        return {name: meta["size"] for name, meta in found.items() if name.endswith(WEIGHTS)}
    paths = space.folder.glob(f"policies/[!.]*/{WEIGHTS}")
    return {path.relative_to(space.folder).as_posix(): path.stat().st_size for path in paths}


def _needed(space: Workspace, keep: int) -> set[str]:
    rounds = space.rounds()
    needed = {reign.policy for reign in space.registry.history()}
    for path in space.folder.glob("policies/[!.]*/policy.json"):
        number = read_facts(path).lineage.round or 0
        if number == 0 or number > max(rounds, default=0) - keep:
            needed.add(path.parent.name)
    needed |= {last_candidate(space, max(rounds, default=0) + 1) or ""}
    for path in space.folder.glob("evaluations/*.begun.json"):
        if not path.with_name(path.name.replace(".begun", "")).exists():
            asked = parse_model(Asked, read_json(path), path)
            needed |= {asked.policy, asked.against or asked.policy}
    return needed
