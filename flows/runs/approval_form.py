"""A promotion that waits for a person, as a form on its round's page in Prefect.

The round's run is `Paused` meanwhile, and its button *Resume* opens the form. Prefect is one door of two:
where its API is away, the question goes on waiting for an answer from a terminal, and the form is shown
once the API is back.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.input import RunInput, keyset_from_paused_state
from prefect.runtime import flow_run
from prefect.states import Paused, Running
from pydantic import Field, ValidationError

from ...datasets.errors import PacloopError
from ...loop.errors import Withdrawn
from ...loop.stages.approval import Look
from ...loop.stages.question import Question, make_answer
from ...loop.workspace.verdict import Answer
from ...loop.workspace.workspace import Workspace
from ..environment import user
from ..pages.round import approval_page


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
    opened = _Form(UUID(flow_run.get_id()), question, approval_page(space, question))
    yield opened.look
    opened.close()


class _Form:
    """One question on a run's page, put again where the run was resumed without an answer."""

    def __init__(self, run: UUID, question: Question, page: str) -> None:
        self._run, self._question, self._page = run, question, page
        self._pauses, self._keyset = 0, None

    def look(self) -> Answer | None:
        """The answer; None while there is none, also while the API is away."""
        try:
            with get_client(sync_client=True) as client:
                return self._look(client)
        except PacloopError:
            raise
        except Exception:
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
            return self._answer() or self._pause(client)
        return None

    def _answer(self) -> Answer | None:
        with suppress(ValidationError):
            if self._keyset is not None:
                word = Word.load(self._keyset, self._run)
                return make_answer(word.decision, by=word.who or user(), reason=word.reason)  # pyright: ignore[reportAttributeAccessIssue]
        return None

    def _pause(self, client: SyncPrefectClient) -> None:
        self._pauses += 1
        state = Paused(pause_key=f"approval-{self._pauses}", message="waits for approval")
        keyset = keyset_from_paused_state(state)
        state.state_details.run_input_keyset = {**keyset}  # pyright: ignore[reportAttributeAccessIssue]
        Word.with_initial_data(description=self._page).save(keyset, self._run)
        if client.set_flow_run_state(self._run, state).status == SetStateStatus.ACCEPT:
            self._keyset = keyset
