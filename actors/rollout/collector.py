"""Rollouts on Ray: whole episodes by seed, whatever dies on the way.

Each collector is a Ray actor with environments of its own, stepped in lockstep. Weights arrive as
one shared object; an episode leaves its actor as soon as it ends. Every wait has a deadline: an actor
that dies or falls silent is replaced, and the seeds it had not finished are run again. Finished
episodes are kept, and no seed is counted twice. What failed is tried again in a fresh actor: `shares.py`.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...datasets import Episode
from ...datasets.errors import PacloopError
from ...learner.checkpoint import PolicyRecord, build_policy
from ...learner.policy import Policy
from ..registry import TaskError, find_task
from ..task import SeededEnvironment, Task
from .ray_connection import connect, proxies, use_proxies
from .rollout import PolicyError, outcomes
from .shares import Share, Shares
from .slot import Failure, MakeError, copied, make_environment, one_line

POLL_SEC = 1.0
START_SEC = 300.0
"""An actor that has not started after so long is replaced; on a busy machine imports take minutes."""
FAILURES_ALLOWED = 3
"""Starts of an actor that may fail, with no episode between them; then the cause is taken to be permanent."""


class CollectError(PacloopError):
    """Episodes cannot be had: no collector can be started, or too many episodes fail."""


class Collector:
    """The actor: environments of one task, and the policy it was last sent."""

    def __init__(self, task: str, environments: int, driver_proxies: Mapping[str, str | None]) -> None:
        """Make the environments, with its driver's proxies; one torch thread: actors share the cores."""
        import torch

        use_proxies(driver_proxies)
        torch.set_num_threads(1)
        self._count = environments
        self._tasks: dict[str, tuple[Task, list[SeededEnvironment | None]]] = {}
        self._policy: tuple[PolicyRecord, Policy] | None = None
        self._error: PacloopError | None = None
        try:
            self._task(task)
        except PacloopError as error:  # `run` can say so, and this cannot
            self._error = error

    def run(
        self, record: PolicyRecord, weights: bytes, seeds: Sequence[int], task: str
    ) -> Iterator[Episode | Failure]:
        """Yield the outcome of each seed, an episode of `task` or why there is none, as they end."""
        if self._error:
            raise self._error
        played, environments = self._task(task)
        if self._policy is None or self._policy[0] != record:  # the same weights may act in several ways
            self._policy = record, build_policy(record, weights)
        yield from outcomes(
            played,
            self._policy[1],
            seeds,
            environments=environments,
            policy_id=record.id,
            history=record.network.history,
        )

    def start(self, seed: int, task: str) -> dict[str, np.ndarray]:
        """The first observation of the episode of a seed, in an environment that is there already."""
        played, environments = self._task(task)
        environment = make_environment(played) if environments[0] is None else environments[0]
        environments[0] = environment
        return copied(played.schema, played.begin(environment, seed).observation)

    def _task(self, name: str) -> tuple[Task, list[SeededEnvironment | None]]:
        """A task and its environments, made when it is first asked for."""
        if name not in self._tasks:
            task = find_task(name)
            self._tasks[name] = task, [make_environment(task) for _ in range(self._count)]
        return self._tasks[name]


@dataclass
class _Stream:
    """What an actor gives, outcome by outcome."""

    outcomes: Any
    actor: int
    share: Share
    last_heard_sec: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class _End:
    """A stream that gives nothing more: why, if something is missing, and whether no seed can be to blame."""

    reason: str
    blameless: bool = False


class CollectorPool:
    """A fixed number of collectors on Ray, to be closed. Ray is started on this machine where no address is
    configured, and only what was started here is stopped again.
    """

    def __init__(self, task: str, *, actors: int, environments: int, deadline_sec: float = 120.0) -> None:
        """Start Ray and the actors.

        Args:
          task: its name.
          actors: Ray actors, each with one CPU.
          environments: of each actor, stepped in lockstep.
          deadline_sec: an actor from which no episode came for so long is replaced.
        """
        self._started = connect(cpus=actors)
        self._task, self._environments, self._deadline_sec = task, environments, deadline_sec
        self._actors: list[Any] = [None] * actors
        self._starting: dict[int, Any] = {}
        for actor in range(actors):
            self._spawn(actor)
        self._not_started = 0
        self.replaced = 0
        """Actors replaced so far."""

    def close(self) -> None:
        """Stop the actors, and Ray if this pool started it."""
        import ray

        for actor in self._actors:
            ray.kill(actor)
        self._actors = []
        if self._started:
            ray.shutdown()

    def run(
        self, record: PolicyRecord, weights: bytes, seeds: Sequence[int], task: str = ""
    ) -> Iterator[Episode | Failure]:
        """Yield exactly one outcome for each of `seeds`, which must differ, in the order in which they end.

        Episodes are of the pool's own task, or of another `task` whose steps look the same; a seed that
        failed twice has a Failure. Raises PolicyError where the policy cannot act, TaskError where a
        collector's machine lacks the task, CollectError where no collector can be started.
        """
        import ray

        shared, name = ray.put(weights), task or self._task
        shares = Shares(seeds, actors=len(self._actors), environments=self._environments)
        running, idle = list[_Stream](), set(range(len(self._actors)))
        try:
            while shares.waiting or running:
                while shares.waiting and idle:
                    actor, share = idle.pop(), shares.waiting.popleft()
                    given = self._actors[actor].run.remote(record, shared, list(share.missing), name)
                    running.append(_Stream(given, actor, share))
                for stream, heard in self._ready(running):
                    if isinstance(heard, _End):
                        running.remove(stream)
                        outcome = self._end(shares, stream, heard, name)
                        idle.add(stream.actor)
                    else:
                        self._not_started, stream.last_heard_sec = 0, time.monotonic()
                        outcome = shares.hear(stream.share, heard)
                    if outcome:
                        yield outcome
        finally:
            for stream in running:  # left early: what still runs must not be heard later
                self._respawn(stream.actor)

    def start(self, seed: int) -> dict[str, np.ndarray] | None:
        """The first observation of the episode of a seed; None where it cannot be had."""
        import ray
        from ray import exceptions

        try:
            found: Any = ray.get(self._actors[0].start.remote(seed, self._task), timeout=self._deadline_sec)
            return found
        except exceptions.RayError:
            self._respawn(0)
            return None

    def _end(self, shares: Shares, stream: _Stream, end: _End, task: str) -> Failure | None:
        """Replace the actor where something went wrong; the failure that is certain now."""
        share = stream.share
        if share.missing or share.again:
            self.replaced += 1
            self._respawn(stream.actor)
        if share.missing and end.blameless:
            self._not_started += 1
            if self._not_started > FAILURES_ALLOWED * len(self._actors):
                raise CollectError(f"no collector of {task} can be started: {end.reason}")
        return shares.end(share, task, end.reason, blameless=end.blameless)

    def _ready(self, running: Sequence[_Stream]) -> Iterator[tuple[_Stream, Episode | Failure | _End]]:
        """The streams to attend to now, each with its next outcome or its end."""
        import ray

        streams = {stream.outcomes: stream for stream in running}
        ray.wait(list(streams), timeout=POLL_SEC)
        ready, _ = ray.wait(list(streams), num_returns=len(streams), timeout=0)
        late = [stream for key, stream in streams.items() if key not in ready and self._overdue(stream)]
        for key in ready:
            yield streams[key], self._next(key, streams[key].actor)
        for stream in late:
            yield stream, self._silent(stream.actor)

    def _spawn(self, number: int) -> None:
        import ray

        remote: Any = ray.remote(num_cpus=1, max_restarts=0)(Collector)
        actor = remote.remote(self._task, self._environments, proxies())
        self._actors[number], self._starting[number] = actor, actor.__ray_ready__.remote()

    def _respawn(self, actor: int) -> None:
        import ray

        ray.kill(self._actors[actor])
        self._spawn(actor)

    def _overdue(self, stream: _Stream) -> bool:
        """Whether an actor is silent for too long; the time it takes to start is no silence."""
        now = time.monotonic()
        if stream.actor in self._starting:
            if not self._has_started(stream.actor):
                return now - stream.last_heard_sec > START_SEC
            stream.last_heard_sec = now
        return now - stream.last_heard_sec > self._deadline_sec

    def _has_started(self, actor: int) -> bool:
        import ray
        from ray import exceptions

        try:
            if actor in self._starting:
                ray.get(self._starting[actor], timeout=0)
                del self._starting[actor]
            return True
        except (exceptions.RayError, TimeoutError):
            return False

    def _silent(self, actor: int) -> _End:
        if not self._has_started(actor):
            return _End(f"it has not begun to work within {START_SEC:g} s", blameless=True)
        return _End(f"no episode ended within {self._deadline_sec:g} s ([collect] deadline_sec)")

    def _next(self, stream: Any, actor: int) -> Episode | Failure | _End:
        """The next outcome of a stream, or its end."""
        import ray
        from ray import exceptions

        try:
            outcome: Any = ray.get(next(stream), timeout=self._deadline_sec)
            return outcome
        except StopIteration:
            return _End("its actor ended early")
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, PolicyError | TaskError):
                raise error.cause from error
            return _End(one_line(error.cause), blameless=isinstance(error.cause, MakeError))
        except exceptions.GetTimeoutError:
            return self._silent(actor)
        except exceptions.RayError as error:
            if not self._has_started(actor):
                return _End(one_line(error), blameless=True)
            return _End("the process that played it died")
