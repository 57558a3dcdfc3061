"""What a comparison of two policies ended with, as it stands on record."""

from typing import Literal

from ..statistics.paired import Pairing
from .records import Interval, Part, Record, Timed

Decision = Literal["promoted", "rejected", "undecided", "better"]
"""`better` is what a comparison by hand says where the gate would have promoted."""
Kind = Literal["rates", "pairs", "scores"]
Arm = Literal["collection", "fresh", "paired"]


class AtStep(Part):
    """How well Q tells success at one step of the episode; see `learner/critic_check.py`."""

    step: int
    auc: float
    pairs: int


class Bin(Part):
    """A bin of equally many steps: mean Q and mean discounted return."""

    q: float
    returned: float
    steps: int


class CriticFigures(Part):
    """What a critic is worth on episodes that its learner has not read.

    Attributes:
      auc: chance that Q is larger in a success than in a failure at the same step; None without both.
      by_step: the same by step.
      error: mean distance of Q from the return that followed.
      curve: the reliability curve.
    """

    episodes: int
    auc: float | None
    by_step: tuple[AtStep, ...]
    error: float
    curve: tuple[Bin, ...]

    def sentence(self) -> str:
        """Both figures."""
        auc = "has both outcomes at no step" if self.auc is None else f"tells success at {self.auc:.2f}"
        return f"on {self.episodes} episodes kept out of learning it {auc} and is off by {self.error:.3f}"


class CriticChecked(Timed):
    """The candidate's critic on episodes kept out of learning; None where none are."""

    STAGE = "critic"
    policy: str
    figures: CriticFigures | None


class Answer(Record):
    """What a person said to a promotion that waits; `none` where nobody answered in time.

    `when` is an ISO time, UTC.
    """

    STAGE = "answer"
    decision: Literal["approve", "reject", "none"]
    by: str
    reason: str
    when: str


class Guarded(Part):
    """What a look found of a guard.

    Attributes:
      champion, candidate: mean, in `unit`; None without values.
      champion_n, candidate_n: episodes behind it.
      allowed: the worst mean a candidate may have at the champion's.
      evidence: log wealth of the bet that the candidate keeps it.
      boundary: what it must exceed.
      state: `kept`, `broken`, or `open` while neither is shown.
    """

    name: str
    unit: str
    champion: float | None
    candidate: float | None
    champion_n: int
    candidate_n: int
    allowed: float | None
    evidence: float
    boundary: float
    state: Literal["kept", "open", "broken"]

    @property
    def worse(self) -> bool:
        """Whether the candidate's mean is worse than allowed, shown or not."""
        if self.state == "broken":
            return True
        if self.champion is None or self.candidate is None or self.allowed is None:
            return False
        return (self.candidate - self.allowed) * (self.allowed - self.champion) > 0

    def sentence(self) -> str:
        """The two means."""
        if self.champion is None or self.candidate is None:
            return f"{self.name} is not known of both policies"
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"{self.name} {self.candidate:.3g}{unit} against {self.champion:.3g}{unit}, "
            f"{self.allowed:.3g}{unit} allowed"
        )


class Verdict(Timed):
    """What the gate decided, and on what.

    Attributes:
      decision: see `Decision`; only `promoted` changes the champion.
      reason: one sentence.
      champion, candidate: their ids.
      champion_successes: of `champion_n` episodes: all that it collected, or its arm in this gate. Where
        scores lie between 0 and 1, their sum.
      candidate_successes: of `candidate_n` episodes; likewise.
      champion_interval, candidate_interval: 95 % Wilson intervals of the rates; the stopping rule makes the
        candidate's a little optimistic after a promotion.
      evidence: at the last look: Z of the test of rates, log wealth of that of scores, minus the log of
        the p-value of that of pairs.
      boundary: what it had to exceed there.
      level: chance of a wrong promotion that this round was given.
      episodes_saved: candidate episodes below the cap that were not needed.
      margin: by how much the candidate had to be better; negative: by how much it was allowed to be worse.
      champion_arm: how the champion's episodes came to be.
      task: where both were compared; "" for the run's own.
      guards: what the last look found of each.
      others: the verdict on each further task that was played.
      pairing: where arms were paired, what that was worth.
      alarm: the champion's, as it stood then.
      critic: the candidate's critic on episodes kept out of learning.
      own_critic: the same on its own episodes in this gate.
      remarks: what makes the comparison worth less than its numbers say.
      asked: when a person was asked to approve, an ISO time, UTC; None where nobody was.
      approval: what that person said.
    """

    STAGE = "gate"
    decision: Decision
    reason: str
    champion: str
    candidate: str
    champion_successes: float
    champion_n: int
    candidate_successes: float = 0
    candidate_n: int = 0
    champion_interval: Interval
    candidate_interval: Interval = (0.0, 1.0)
    evidence: float = 0.0
    boundary: float
    level: float
    episodes_saved: int
    margin: float = 0.0
    test: Kind = "rates"
    champion_arm: Arm = "collection"
    task: str = ""
    guards: tuple[Guarded, ...] = ()
    others: "tuple[Verdict, ...]" = ()
    pairing: Pairing | None = None
    alarm: str | None = None
    critic: CriticFigures | None = None
    own_critic: CriticFigures | None = None
    remarks: tuple[str, ...] = ()
    asked: str | None = None
    approval: Answer | None = None

    @property
    def candidate_rate(self) -> float:
        """Mean score of the candidate; 0 where it was never played."""
        return self.candidate_successes / max(self.candidate_n, 1)

    @property
    def champion_rate(self) -> float:
        """Mean score of the champion; 0 without episodes."""
        return self.champion_successes / max(self.champion_n, 1)

    @property
    def episodes(self) -> int:
        """Episodes that were played for it: both arms where the champion played too."""
        return self.candidate_n + (self.champion_n if self.champion_arm != "collection" else 0)
