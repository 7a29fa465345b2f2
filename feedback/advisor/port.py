"""Who may be asked about an order beside the rules: one question, one probability, one deadline."""

from dataclasses import dataclass
from typing import Protocol

from core.model.advice import FailureReason
from core.model.analysis import RenderedPrompt


@dataclass(frozen=True, slots=True)
class Question:
    """One rendered question; its answer is yes or no."""

    advice_id: str
    prompt: RenderedPrompt


@dataclass(frozen=True, slots=True)
class Decided:
    """An answer. `p_yes` is the backend's own number; what it is worth is found on settled trades."""

    p_yes: float
    source: str
    """`llm:<model>`; what was settled for one source says nothing of another."""
    is_bare: bool = False
    """The backend said a word and no number, so `p_yes` is 1 or 0."""
    call_ids: tuple[str, ...] = ()


class NoDecision(Exception):
    """There is no answer. `reason` chooses the cell of the policy."""

    def __init__(self, reason: FailureReason, detail: str = "", call_ids: tuple[str, ...] = ()) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: FailureReason = reason
        self.detail = detail
        self.call_ids = call_ids


class Decider(Protocol):
    """A backend."""

    async def decide(self, question: Question, until: float) -> Decided:
        """Return the answer before `until`, in seconds of the running loop's clock. Raises NoDecision."""
        ...
