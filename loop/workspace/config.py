"""`pacloop.toml`: everything a run may be told, with its bounds and what it means.

A file names only what it wants changed. Unknown names, values out of bounds and files of a newer
version are refused by name.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ...datasets.errors import DatasetError
from ...datasets.files import named_errors, parse_model
from ...datasets.objects import check_url
from ..errors import LoopError

VERSION = 1

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Margin = Annotated[float, Field(ge=0, lt=1)]
Part = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Episodes = Annotated[int, Field(ge=1, le=2**24)]
"""As many as there are seeds."""
Actions = Annotated[int, Field(ge=1, le=64)]
"""Each number of them has 2**16 seeds of its own in the race."""


def _setting(default: Any, description: str, example: Any = None) -> Any:
    """A setting with its default and what it means; one that is empty by default with an example."""
    return Field(default=default, description=description, examples=[example] if example else None)


def _at_most_one(shares: dict[str, float]) -> dict[str, float]:
    if (total := sum(shares.values())) > 1 + 1e-9:
        raise ValueError(f"its shares add up to {total:g}, more than 1")
    return shares


SourceShares = Annotated[
    dict[Literal["demonstration", "collection", "evaluation", "intervention"], Part],
    AfterValidator(_at_most_one),
]
BucketUrl = Annotated[str, AfterValidator(lambda url: url and check_url(url))]
TaskShares = Annotated[dict[str, Part], AfterValidator(_at_most_one)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def _in_order(self, lesser: str, greater: str) -> Self:
        """Itself. Raises ValueError, naming both settings, where the first is above the second."""
        if (low := getattr(self, lesser)) > (high := getattr(self, greater)):
            raise ValueError(f"{lesser} is {low}, but must be at most {greater}, which is {high}")
        return self


class Collect(_Section):
    """How episodes are made."""

    episodes: Episodes = _setting(3000, "episodes of the champion a round")
    actors: Count = _setting(2, "Ray actors, each with one CPU")
    environments: Count = _setting(25, "environments that an actor steps in lockstep")
    deadline_sec: Positive = _setting(120.0, "silence after which an actor is replaced")
    failures: Part = _setting(
        0.1, "share of a block's episodes that may fail to be played before the run stops; one always may"
    )

    @property
    def parallel(self) -> int:
        """Episodes that are played at once."""
        return self.actors * self.environments


class Learn(_Section):
    """How a candidate is learned; the symbols are PAC's."""

    size: Literal["pac-nano"] = _setting("pac-nano", "size of a new network")
    clone_steps: Count = _setting(3500, "gradient steps of cloning on the demonstrations, round 0")
    clone_rate: Positive = _setting(2e-3, "learning rate of the cloning run")
    improve_steps: Count = _setting(2000, "gradient steps of PAC on the demonstrations, round 0")
    start: Literal["latest", "champion", "pretrained"] = _setting(
        "latest",
        "whose weights a round goes on from: the last candidate that was not rejected or rolled back, "
        "the champion, or the first policy",
    )
    samples_per_row: Positive = _setting(
        8.0, "samples the learner draws for each row its start has not learned from"
    )
    minimum_steps: Count = _setting(5000, "fewest gradient steps of a round")
    maximum_steps: Count = _setting(8000, "most gradient steps of a round")
    batch_size: Count = _setting(256, "transitions in a batch")
    rate: Positive = _setting(1e-3, "learning rate of PAC")
    alpha: Part = _setting(0.75, "cloning (1) against improvement (0)")
    eta: Positive = _setting(0.03, "temperature of the improvement, in units of the return")
    beta: Positive = _setting(1.0, "weight of the critic's loss")
    n_step: Count = _setting(20, "steps of real reward before the critic takes over")
    discount: Annotated[float, Field(gt=0, le=1)] = _setting(0.99, "gamma")
    threads: Count = _setting(1, "torch threads of each of the learner's two threads")
    held_out: Annotated[float, Field(ge=0, le=0.5)] = _setting(
        0.05,
        "share of a collection's blocks that no learner reads, on which its critic is checked: "
        "every 20th; 0: none",
    )
    mixture: SourceShares = _setting(
        {},
        "share of each source in what the learner draws; those not named divide the rest by their steps",
        {"demonstration": 0.25},
    )
    task_mixture: TaskShares = _setting(
        {}, "the same by task, which is an episode's instruction", {"stack the red cube": 0.5}
    )

    @model_validator(mode="after")
    def _steps(self) -> Self:
        return self._in_order("minimum_steps", "maximum_steps")


class Act(_Section):
    """How policies pick actions."""

    mode: Literal["q_guided", "sample", "mode"] = _setting("q_guided", "see docs/rounds.md")
    actions: Actions = _setting(4, "actions that q_guided draws, of which the critic picks one")
    floor: Margin = _setting(0.05, "bins less likely than this share are not drawn")
    trial_actions: list[Actions] = _setting(
        [2, 4, 8, 16], "numbers of actions that a q_guided candidate is tried with; 1 is sample; []: no race"
    )
    trial_episodes: Annotated[Count, Field(le=1000)] = _setting(
        50, "episodes of each in the trial's first lap"
    )


class MeasureGuard(_Section):
    """How a measure of the environment is guarded, of which less is better."""

    margin: Share = Field(description="share by which its mean may be higher than the champion's")
    limit: Positive = Field(description="from where on it does not matter how much more it is")


class Guards(_Section):
    """In what a candidate must be shown to be no worse, and by how much it may be; 0: not looked at."""

    time_to_success: Margin = _setting(
        0.0, "share by which its successes may take longer than the champion's"
    )
    discounted_return: Margin = _setting(0.0, "share by which its return may be lower")
    action_saturation: Margin = _setting(
        0.0, "by how much the share of its actions that are at a bound may be higher"
    )
    measures: dict[str, MeasureGuard] = _setting(
        {},
        "measures of the environment that may not rise: the share by which the mean may be higher, and the "
        "value from where on it does not matter how much more it is",
        {"contact_force": {"margin": 0.2, "limit": 60.0}},
    )


class Gate(_Section):
    """What a promotion must show."""

    level: Share = _setting(0.05, "chance that any promotion of a run is wrong")
    cap: Annotated[Count, Field(le=5000)] = _setting(1000, "most episodes of a candidate")
    block: Count = _setting(50, "candidate episodes between two looks")
    champion: Literal["collection", "fresh", "paired"] = _setting(
        "collection",
        "the champion's sample: what it collected, or played anew in step with the candidate, "
        "on seeds of its own (fresh) or the same ones (paired)",
    )
    margin: Margin = _setting(0.0, "by how much a candidate must be better")
    futility: Margin = _setting(0.0, "power that giving up early by evidence may cost; 0: none")
    alarm: Share = _setting(0.01, "chance that a champion that has not changed ever raises the alarm")
    approve: bool = _setting(False, "a person must approve each promotion")
    approve_hours: Positive = _setting(24.0, "hours after which a promotion that nobody answered is given up")
    others: dict[str, Share] = _setting(
        {}, "further tasks, and by how much success on each may be lower", {"pacloop/stack-wide": 0.05}
    )
    guards: Guards = Guards()

    @model_validator(mode="after")
    def _looks(self) -> Self:
        return self._in_order("block", "cap")


class Improve(_Section):
    """When a run is done."""

    until: Annotated[float, Field(gt=0, le=1)] = _setting(0.93, "success the champion must reach")
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = _setting(
        0.99, "how sure a fresh sample must be that it is reached, before the run stops"
    )
    rounds: Count = _setting(8, "most rounds that one run adds")
    minutes: Annotated[float, Field(ge=0)] = _setting(0.0, "no round begins after so long; 0: no limit")
    baseline_episodes: Episodes = _setting(150, "evaluation episodes of the BC baseline")
    evaluation_episodes: Episodes = _setting(300, "fresh episodes on which the last champion is measured")


class Dataset(_Section):
    """Where the episodes are kept, and what is done with them besides."""

    url: BucketUrl = _setting("", "a bucket, s3://bucket/prefix; the workspace's folder dataset where empty")
    cache_gib: Positive = _setting(20.0, "what the local copies of a bucket's files may take, in GiB")
    rlds: Literal["mirror", "off"] = _setting(
        "mirror", "keep a copy that stock TFDS reads in the folder rlds"
    )


class Config(_Section):
    """A run's whole configuration."""

    version: int = VERSION
    task: str = _setting("pacloop/stack", "name of the task")
    seed: Annotated[int, Field(ge=0, lt=2**16)] = _setting(0, "of everything random in the run")
    collect: Collect = Collect()
    learn: Learn = Learn()
    act: Act = Act()
    gate: Gate = Gate()
    improve: Improve = Improve()
    dataset: Dataset = Dataset()


def read_config(path: Path, name: str = "") -> Config:
    """Read `pacloop.toml`. Raises LoopError, naming file and field, for anything this version cannot obey,
    and DatasetError where the file cannot be read. Sentences call it `name`, where that is not the path.
    """
    name = name or str(path)
    with named_errors(name, "read"):
        raw = path.read_bytes()
    try:
        data = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise LoopError(f"{name} is not valid TOML: {error}") from None
    return parse_config(data, name)


def parse_config(data: dict[str, Any], where: str) -> Config:
    """Check plain data. Raises LoopError for the first field that is wrong."""
    try:
        return parse_model(Config, {"version": VERSION} | data, where)
    except DatasetError as error:
        raise LoopError(str(error).replace("is unknown", "is no setting of pacloop")) from None


def with_options(
    config: Config,
    *,
    rounds: int | None = None,
    until: float | None = None,
    minutes: float | None = None,
    approve: bool | None = None,
) -> Config:
    """The configuration with a command's options; what is None stays. Raises LoopError, naming the option.

    `rounds` may be 0: no round is played.
    """
    if until is not None:
        parse_config({"improve": {"until": until}}, "--until")
    options = {"rounds": rounds, "until": until, "minutes": minutes}
    improve = config.improve.model_copy(update={k: v for k, v in options.items() if v is not None})
    gate = config.gate if approve is None else config.gate.model_copy(update={"approve": approve})
    return config.model_copy(update={"improve": improve, "gate": gate})


def config_toml(config: Config) -> str:
    """The configuration as a commented TOML file."""
    return "\n".join([f"version = {config.version}", *_lines(config, skip={"version"})]) + "\n"


def _lines(section: BaseModel, name: str = "", skip: set[str] = frozenset()) -> list[str]:  # pyright: ignore[reportArgumentType]
    """A section's settings, then the sections in it, each under its full name."""
    rows, inner = [], []
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, _Section):
            title = f"{name}.{key}".lstrip(".")
            said = (type(value).__doc__ or "").rstrip(".").lower()
            inner += ["", f"[{title}]  # {said}", *_lines(value, title)]
        elif key not in skip:
            example, *_ = (value == {} and field.examples) or [value]
            line = f"{key} = {to_toml(example)}  # {field.description}"
            rows.append(f"# {line}" if value == {} else line)  # a table of that name may stand below
    return rows + inner


def to_toml(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_toml(name)} = {to_toml(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
