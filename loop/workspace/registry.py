"""The champion: one pointer, replaced atomically, with its whole history in the same file.

The verdict of a round is what promotes. The newest one counts from the moment it is on record, whether or not
a kill kept it from the file; whoever writes the file next, a new round at the latest, writes it down.
"""

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ...datasets.files import json_bytes, named_errors, parse_model, read_json, write_bytes_atomically
from ..errors import LoopError
from .local_copy import CHAMPION, LocalCopy
from .records import Begun, Part, Record, round_numbers
from .verdict import Verdict

LOCK = "champion.lock"
REMOVED = "removed.json"
"""Of a policy whose weights were removed: when, and by whom."""


@dataclass(frozen=True)
class Reign:
    """One entry of the history: a policy put in force.

    Attributes:
      policy: its id.
      reason: why, in one sentence.
      by: `gate`, or who did it by hand.
      round: the round whose gate decided, or None.
      action: `first`, `promote` or `rollback`.
      after: the last round that had begun by then, in the file as far as its writer knew.
      since: ISO time, UTC.
    """

    policy: str
    reason: str
    by: str
    round: int | None
    action: str
    after: int = 0
    since: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class Removal(Part):
    """When the weights of a policy were removed, as ISO time, and by whom."""

    when: str
    by: str


class History(Record):
    """What `champion.json` holds: all reigns, oldest first, and the policies that can never have one.

    The weights of these are removed, or about to be. They stand here because what is replaced as one file
    keeps apart who puts a policy in force and who removes its weights.
    """

    history: tuple[Reign, ...]
    removed: tuple[str, ...] = ()


class Registry:
    """The champions of a workspace. `champion.json` always holds exactly one that is in force."""

    def __init__(self, folder: Path, copy: LocalCopy | None = None) -> None:
        """Use `<folder>/champion.json` and the policies in `<folder>/policies`.

        With the `copy` of a workspace in a bucket, `champion.json` is read there each time, and replaced
        only where it still says what was read.
        """
        self._folder = folder
        self._path = folder / CHAMPION
        self._policies = folder / "policies"
        self._copy = copy

    def history(self) -> list[Reign]:
        """All reigns, oldest first; the last one is in force. Raises DatasetError for a broken file."""
        written = list(self._written().history)
        reigns = enumerate([*written, *self._decided(written)])
        begun = {number: self._reigns_by(number) for number in round_numbers(self._folder)}
        return [replace(reign, after=_begun_by(index, reign.after, begun)) for index, reign in reigns]

    def champion(self) -> str | None:
        """Id of the policy in force; None before the first."""
        history = self.history()
        return history[-1].policy if history else None

    def returned_after(self, policy: str) -> int:
        """The last round that had begun when a policy came back into force; 0 where it never came back."""
        reigns = [reign for reign in self.history() if reign.policy == policy]
        return reigns[-1].after if len(reigns) > 1 else 0

    def changed_after(self, number: int) -> bool:
        """Whether somebody changed the champion by hand once a round had begun, even if it was put back."""
        return any(reign.round is None and reign.after >= number for reign in self.history())

    def promoted_in(self, number: int) -> bool:
        """Whether what the verdict of a round promoted came into force."""
        return any(reign.round == number for reign in self.history())

    def settle(self) -> None:
        """Write down what the newest verdict promoted, where that is not done yet."""
        with self._changing():
            pass

    def install(self, policy: str, *, reason: str, by: str, round: int | None, action: str) -> None:
        """Put a policy in force. Doing it again for the same round changes nothing.

        Nor does a `first` where somebody has put one in force by hand before it.

        Raises LoopError where there is no such policy, or somebody else puts one in force at this moment.
        """
        self.require(policy)
        with self._changing() as (history, _):
            known = ((reign.policy, reign.round, reign.by) for reign in history)
            if (policy, round, by) not in known and not (history and action == "first"):
                after = self._newest_round() if round is None else round
                history.append(Reign(policy, reason, by, round, action, after))

    def promote(self, policy: str, *, reason: str, by: str) -> None:
        """Put a policy in force by hand. Raises LoopError where it is the champion already."""
        self.require(policy)
        with self._changing() as (history, removed):
            if policy in removed:
                raise LoopError(_removed_sentence(policy))
            if history and history[-1].policy == policy:
                raise LoopError(f"{policy} is the champion already")
            history.append(Reign(policy, reason, by, None, "promote", self._newest_round()))

    def rollback(self, *, reason: str, by: str) -> tuple[str, str]:
        """Put the policy before the champion in force again; returns both ids, before and after.

        A second rollback goes one further back, not forth again. Raises LoopError where there is none.
        """
        line: list[str] = []
        with self._changing() as (history, _):
            for reign in history:
                if reign.action == "rollback":
                    line.pop()
                else:
                    line.append(reign.policy)
            if len(line) < 2:
                raise LoopError("there is no champion before this one to roll back to")
            self.require(line[-2])
            history.append(Reign(line[-2], reason, by, None, "rollback", self._newest_round()))
        return line[-1], line[-2]

    def retire(self, policies: Iterable[str]) -> set[str]:
        """Put none of these in force from now on; returns them, without those that were in force meanwhile.

        Raises LoopError where somebody else puts a policy in force at this moment.
        """
        with self._changing() as (history, removed):
            retired = set(policies) - {reign.policy for reign in history}
            removed |= retired
        return retired

    def _written(self) -> History:
        if self._copy:
            self._copy.current(CHAMPION)
        if not self._path.exists():
            return History(history=())
        return parse_model(History, read_json(self._path), self._path)

    def _newest_round(self) -> int:
        return max(round_numbers(self._folder), default=0)

    def _reigns_by(self, number: int) -> int | None:
        """How many reigns there were when a round began; None where that is not on record."""
        path = self._folder / f"rounds/{number:03d}/{Begun.STAGE}.json"
        return parse_model(Begun, read_json(path), path).reigns if path.exists() else None

    def _decided(self, written: list[Reign]) -> list[Reign]:
        """The reign that the newest verdict began, unless it is written down or its champion was replaced."""
        number = self._newest_round()
        path = self._folder / f"rounds/{number:03d}/{Verdict.STAGE}.json"
        if not path.exists() or number in {reign.round for reign in written}:
            return []
        verdict = parse_model(Verdict, read_json(path), path)
        if verdict.decision != "promoted" or (written and written[-1].policy != verdict.champion):
            return []
        by = verdict.approval.by if verdict.approval else "gate"
        since = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        return [Reign(verdict.candidate, verdict.reason, by, number, "promote", number, since)]

    @contextmanager
    def _changing(self) -> Iterator[tuple[list[Reign], set[str]]]:
        """History and removed policies, which are written down as they are left, while nobody changes them.

        Raises LoopError where somebody else has written it since it was read from the bucket.
        """
        with ExitStack() as stack:
            if not self._copy:
                file = stack.enter_context(self._path.with_name(LOCK).open("a"))
                with named_errors(file.name, "locked"):
                    fcntl.flock(file, fcntl.LOCK_EX)
            written = self._written()
            history, removed = list(written.history), set(written.removed)
            history += self._decided(history)
            yield history, removed
            changed = History(history=tuple(history), removed=tuple(sorted(removed)))
            if changed == written:
                return
            raw = json_bytes(self._path, changed.model_dump())
            if self._copy:
                self._copy.write(CHAMPION, raw)
            else:
                write_bytes_atomically(self._path, raw)

    def require(self, policy: str) -> None:
        """Raise LoopError, naming the known ones, where there is no such policy, or no weights of it."""
        if self.removed(policy):
            raise LoopError(_removed_sentence(policy))

    def removed(self, policy: str) -> Removal | None:
        """When the weights of a policy were removed, and by whom; None where they were not.

        Raises LoopError, naming the known ones, where there is no such policy.
        """
        if not (self._policies / policy / "policy.json").is_file():
            known = sorted(p.name for p in self._policies.glob("[!.]*")) if self._policies.is_dir() else []
            raise LoopError(f"there is no policy {policy!r}; known: {', '.join(known) or 'none'}")
        path = self._policies / policy / REMOVED
        return parse_model(Removal, read_json(path), path) if path.is_file() else None


def _begun_by(index: int, after: int, begun: Mapping[int, int | None]) -> int:
    """The last round that had begun by a reign of this index in the history, `after` as its writer knew.

    Each beginning says how many reigns there were: whoever began this one may not have known of it yet.
    """
    while (reigns := begun.get(after)) is not None and reigns > index:
        after -= 1
    for number, reigns in begun.items():
        if number > after and reigns is not None:
            if reigns > index:
                break
            after = number
    return after


def _removed_sentence(policy: str) -> str:
    return f"the weights of {policy} were removed by pacloop gc: it cannot act any more"
