"""Why a model narrowed an order, in its own words: asked after the decision, kept beside it, read by people only."""

import threading
from concurrent.futures import Executor
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from core.clock import Clock
from core.log import get_logger, redact_text
from core.model.advice import AdviceNote, AdviceRecord
from core.model.canonical import canonical_json
from core.model.language import Language
from core.store import Store, advice
from feedback.analyzer.answers import AdviceReason, answer_schema, clean_text, parse_answer
from feedback.analyzer.client import LlmClient, Question
from feedback.analyzer.protocol import AnalyzerFailure
from feedback.analyzer.render import load_template, render

TEMPLATE = "realtime/reason"
MAX_WAITING = 4
"""Beyond so many a reason is not asked for: the answers are already given."""
SPARE_SHARE = Decimal("0.8")
"""Of a cap spent, the rest is kept for decisions and studies."""


@dataclass(frozen=True, slots=True)
class ReasonWriter:
    """Asks for reasons, one after the other in a thread of its own."""

    client: LlmClient
    store: Store
    clock: Clock
    language: Language
    _slots: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_WAITING))

    def offer(self, executor: Executor, record: AdviceRecord) -> bool:
        """Have the reason of an answer asked for in `executor`; False where too many wait. Never blocks."""
        if not self._slots.acquire(blocking=False):
            return False
        executor.submit(self._write_and_leave, record)
        return True

    def write(self, record: AdviceRecord) -> AdviceNote | None:
        """Ask for the reason and keep it; None where money is short or the model gave none."""
        if self._is_short():
            return None
        schema = answer_schema("advice_reason", {})
        front = load_template(TEMPLATE).front
        facts = msgspec.json.decode(record.facts)
        told = canonical_json({"answer": "stop" if not record.approve else "shrink", "facts": facts})
        question = Question(
            task="advice_reason",
            prompt=render(TEMPLATE, {"schema": canonical_json(schema), "facts": told}, self.language),
            schema=schema,
            max_tokens=front.max_tokens,
            thinking=front.thinking,
            parse=lambda text: parse_answer(text, AdviceReason),
            salvage=lambda text: parse_answer(text, AdviceReason),
        )
        try:
            answered = self.client.ask(question)
        except AnalyzerFailure as failure:
            get_logger("advisor").info("no reason of the model", advice_id=record.advice_id, reason=failure.reason)
            return None
        text = clean_text(answered.value.reason)
        note = AdviceNote(record.advice_id, text, answered.model, answered.call_ids[-1], self.clock.now())
        with self.store.session() as session:
            advice.add_note(session, note)
        return note

    def _write_and_leave(self, record: AdviceRecord) -> None:
        try:
            self.write(record)
        except Exception as error:
            # The decision stands without it; an error must not end in a future that nobody reads.
            get_logger("advisor").error("a reason was not kept", error=redact_text(repr(error)))
        finally:
            self._slots.release()

    def _is_short(self) -> bool:
        with self.store.session() as session:
            spent = self.client.ledger.spending(session, self.clock.now())
        return spent.month_usd >= SPARE_SHARE * spent.month_cap_usd or spent.day_usd >= SPARE_SHARE * spent.day_cap_usd
