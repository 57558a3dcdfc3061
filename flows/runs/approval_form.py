"""A promotion that waits for a person, as a form on its round's page in Prefect.

The round's run is `Paused` meanwhile, and its button *Resume* opens the form. Prefect is one door of two:
where its API is away, the question goes on waiting for an answer from a terminal, and the form is shown
once the API is back. What was filled in belongs to the question, not to the run: where a kill ended the run
first, the next one that asks the same takes it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName, FlowRunFilterTags
from prefect.client.schemas.sorting import FlowRunSort
from prefect.input import RunInput, keyset_from_paused_state
from prefect.runtime import flow_run
from prefect.states import Paused, Running
from pydantic import Field, ValidationError

from ...loop.errors import Withdrawn
from ...loop.stages.approval import Look
from ...loop.stages.question import Question, make_answer
from ...loop.stages.question import question as open_question
from ...loop.workspace.verdict import Answer
from ...loop.workspace.workspace import Workspace
from ..pages.publishing import workspace_tag
from ..pages.render import cell
from ..pages.round import approval_page
from ..terminal import sentence
from .fallback import failure, is_away
from .forms import ON_A_FORM

MOST_RUNS = 20
"""Runs of a round, the latest, on whose pages an answer is looked for: each but the last was killed."""
MOST_INPUTS = 600
"""Of a run: three each time that it is paused."""


class Word(RunInput):
    """Whether the candidate becomes the champion."""

    decision: Literal["approve", "reject"] = Field(
        description="Put the candidate in force, or keep the champion."
    )
    reason: str = Field(min_length=1, description="Why; it is kept on record.")
    who: str = Field(default="", description="Your name; it is kept on record.")


@contextmanager
def form(space: Workspace, question: Question) -> Iterator[Look]:
    """Pause the current run while inside, with the figures and a form. Looking gives what was filled in.

    Looking raises Withdrawn where somebody cancelled the run instead.
    """
    opened = _Form(UUID(flow_run.get_id()), space, question)
    yield opened.look
    opened.close()


class _Form:
    """One question on a run's page, put again where the run was resumed without an answer."""

    def __init__(self, run: UUID, space: Workspace, question: Question) -> None:
        self._run, self._space, self._question = run, space, question
        digest = hashlib.sha256(question.judged.model_dump_json().encode()).hexdigest()
        self._key = f"approval-{digest[:12]}"
        self._pauses, self._fault = 0, ""

    def look(self) -> Answer | None:
        """The answer; None while there is none, or Prefect does not show the form, which is said once."""
        try:
            with get_client(sync_client=True) as client:
                return self._look(client)
        except Exception as error:
            fault = failure(error)
            if fault and fault != self._fault:
                what = "is away" if is_away(error) else "does not show the form"
                print(f"Prefect {what} ({fault}): {self._question.sentence()}", flush=True)
            elif not fault:
                raise
            self._fault = fault
            return None

    def close(self) -> None:
        """Let the run go on where it was answered elsewhere."""
        with suppress(Exception), get_client(sync_client=True) as client:
            state = client.read_flow_run(self._run).state
            if state and state.is_paused():
                client.set_flow_run_state(self._run, Running())

    def _look(self, client: SyncPrefectClient) -> Answer | None:
        state = client.read_flow_run(self._run).state
        if state and (state.is_cancelled() or state.is_cancelling()):
            raise Withdrawn(
                f"round {self._question.round} was cancelled while {self._question.judged.candidate} "
                "waited for approval; the next run asks again"
            )
        if state and state.is_running():
            if (given := self._answer(client)) or not open_question(self._space):
                return given
            self._pause(client)
        return None

    def _page(self) -> str:
        """The figures; where they cannot be shown, the question alone."""
        try:
            return approval_page(self._space, self._question)
        except Exception as error:
            return f"{self._question.sentence()}\n\nNo figures can be shown: {cell(sentence(error))}"

    def _answer(self, client: SyncPrefectClient) -> Answer | None:
        """What was filled in first for this question, on the page of this run or of one before it."""
        runs = [self._run] if self._pauses else [self._run, *self._earlier(client)]
        answers: list[Answer] = []
        for run in runs:
            for given in client.filter_flow_run_input(run, f"paused-{self._key}", MOST_INPUTS, set()):
                with suppress(ValidationError):
                    word = Word.model_validate_json(given.value)
                    answer = make_answer(word.decision, by=word.who or ON_A_FORM, reason=word.reason)
                    when = given.created and given.created.astimezone(UTC).isoformat(timespec="seconds")
                    answers.append(answer.model_copy(update={"when": when or answer.when}))
        return min(answers, key=lambda answer: answer.when, default=None)

    def _earlier(self, client: SyncPrefectClient) -> list[UUID]:
        """Runs of this round of this workspace: it is the newest, so no other round's name begins so."""
        ours = FlowRunFilter(
            tags=FlowRunFilterTags(all_=[workspace_tag(self._space)]),
            name=FlowRunFilterName(like_=f"round {self._question.round}"),
        )
        latest = FlowRunSort.START_TIME_DESC
        return [run.id for run in client.read_flow_runs(flow_run_filter=ours, sort=latest, limit=MOST_RUNS)]

    def _pause(self, client: SyncPrefectClient) -> None:
        self._pauses += 1
        state = Paused(pause_key=f"{self._key}-{self._pauses}", message="waits for approval")
        keyset = keyset_from_paused_state(state)
        state.state_details.run_input_keyset = {**keyset}  # pyright: ignore[reportAttributeAccessIssue]
        Word.with_initial_data(description=self._page()).save(keyset, self._run)
        client.set_flow_run_state(self._run, state)
