"""Rollouts on Ray: whole episodes by seed, whatever dies on the way.

Each collector is a Ray actor with environments of its own, stepped in lockstep. Weights arrive as
one shared object; an episode leaves its actor as soon as it ends. Every wait has a deadline: an actor
that dies or falls silent is replaced, and the seeds it had not finished are run again. Finished
episodes are kept, and no seed is counted twice.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...datasets import Episode
from ...datasets.errors import PacloopError
from ...learner.checkpoint import PolicyRecord, build_policy
from ...learner.policy import Policy
from ..registry import find_task
from ..task import SeededEnvironment, Task
from .ray_connection import connect, proxies, use_proxies
from .rollout import PolicyError, rollout

POLL_SEC = 1.0
START_SEC = 300.0
"""An actor that has not started after so long is replaced; on a busy machine imports take minutes."""
FAILURES_ALLOWED = 3
"""Failures an actor, with no episode between them, after which the cause is taken to be permanent."""


class CollectError(PacloopError):
    """Episodes cannot be had: the environment or the policy fails every time."""


class Collector:
    """The actor: environments of one task, and the policy it was last sent."""

    def __init__(self, task: str, environments: int, driver_proxies: Mapping[str, str | None]) -> None:
        """Make the environments, with its driver's proxies; one torch thread: actors share the cores."""
        import torch

        use_proxies(driver_proxies)
        torch.set_num_threads(1)
        self._count = environments
        self._tasks: dict[str, tuple[Task, list[SeededEnvironment]]] = {}
        self._policy: tuple[PolicyRecord, Policy] | None = None
        self._task(task)

    def run(self, record: PolicyRecord, weights: bytes, seeds: Sequence[int], task: str) -> Iterator[Episode]:
        """Yield one episode of `task` for each seed, as they end."""
        played, environments = self._task(task)
        if self._policy is None or self._policy[0] != record:  # the same weights may act in several ways
            self._policy = record, build_policy(record, weights)
        yield from rollout(
            played,
            self._policy[1],
            seeds,
            environments=environments,
            policy_id=record.id,
            history=record.network.history,
        )

    def _task(self, name: str) -> tuple[Task, list[SeededEnvironment]]:
        """A task and its environments, made when it is first asked for."""
        if name not in self._tasks:
            task = find_task(name)
            self._tasks[name] = task, [task.make() for _ in range(self._count)]
        return self._tasks[name]


@dataclass
class _Share:
    """Seeds given to one actor, and what is still missing of them."""

    actor: int
    missing: set[int]
    last_heard_sec: float = field(default_factory=time.monotonic)


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
    ) -> Iterator[Episode]:
        """Yield exactly one episode for each of `seeds`, which must differ, in the order in which they end.

        They are of the pool's own task, or of another `task` whose steps look the same. Raises PolicyError
        where the policy cannot act, CollectError where the task fails whatever is tried.
        """
        import ray

        shared, actors = ray.put(weights), range(len(self._actors))
        waiting = deque(given for actor in actors if (given := list(seeds[actor :: len(actors)])))
        running: dict[Any, _Share] = {}
        idle, failures = set(actors), 0
        try:
            while waiting or running:
                while waiting and idle:
                    actor, given = idle.pop(), waiting.popleft()
                    stream = self._actors[actor].run.remote(record, shared, given, task or self._task)
                    running[stream] = _Share(actor, set(given))
                for stream, episode in self._ready(running):
                    share = running[stream]
                    if episode is not None:
                        failures, share.last_heard_sec = 0, time.monotonic()
                        if episode.seed in share.missing:
                            share.missing.discard(episode.seed)
                            yield episode
                        continue
                    del running[stream]
                    idle.add(share.actor)
                    if share.missing:
                        failures += 1
                        self._replace(share.actor, failures)
                        waiting.append(sorted(share.missing))
        finally:
            for share in running.values():  # left early: what still runs must not be heard later
                self._respawn(share.actor)

    def _ready(self, running: Mapping[Any, _Share]) -> Iterator[tuple[Any, Episode | None]]:
        """The streams to attend to now, each with its next episode, or None where it ended or is overdue."""
        import ray

        ray.wait(list(running), timeout=POLL_SEC)
        ready, _ = ray.wait(list(running), num_returns=len(running), timeout=0)
        overdue = [stream for stream in running if stream not in ready and self._overdue(running[stream])]
        for stream in ready:
            yield stream, self._next(stream)
        for stream in overdue:
            yield stream, None

    def _spawn(self, number: int) -> None:
        import ray

        remote: Any = ray.remote(num_cpus=1, max_restarts=0)(Collector)
        actor = remote.remote(self._task, self._environments, proxies())
        self._actors[number], self._starting[number] = actor, actor.__ray_ready__.remote()

    def _respawn(self, actor: int) -> None:
        import ray

        ray.kill(self._actors[actor])
        self._spawn(actor)

    def _replace(self, actor: int, failures: int) -> None:
        if failures > FAILURES_ALLOWED * len(self._actors):
            raise CollectError(
                f"collectors of {self._task} failed {failures} times in a row without an episode; "
                f"see the log for the last cause, or raise [collect] deadline_sec ({self._deadline_sec:g} s)"
            )
        self.replaced += 1
        self._respawn(actor)

    def _overdue(self, share: _Share) -> bool:
        """Whether an actor is silent for too long; the time it takes to start is no silence."""
        import ray

        now = time.monotonic()
        if share.actor in self._starting:
            if not ray.wait([self._starting[share.actor]], timeout=0)[0]:
                return now - share.last_heard_sec > START_SEC
            del self._starting[share.actor]
            share.last_heard_sec = now
        return now - share.last_heard_sec > self._deadline_sec

    def _next(self, stream: Any) -> Episode | None:
        """The next episode of a stream; None where it ended or its actor died."""
        import ray
        from ray import exceptions

        try:
            episode: Any = ray.get(next(stream), timeout=self._deadline_sec)
            return episode
        except StopIteration:
            return None
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, PolicyError):
                raise error.cause from error
            raise CollectError(f"a collector of {self._task} failed: {error.cause}") from error
        except (exceptions.RayActorError, exceptions.GetTimeoutError, exceptions.ObjectLostError):
            return None
