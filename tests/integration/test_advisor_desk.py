"""Questions that are answered outside of their transaction: once, by the deadline, whatever is killed between."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.errors import StoreUnavailable
from core.model.advice import AdviceOutcome, AdviceRecord, PendingAdvice
from core.model.generated import AdviceAnswer, Message
from core.model.trade import Conditions
from core.settings_advisor import AdvisorSettings
from core.store import Session, Store, advice, signals
from feedback.advisor import AdviceDesk, RealTimeAIAdvisor
from feedback.advisor.port import Decided, NoDecision, Question
from tests import factories
from tests.advisor_world import fresh_rate
from tests.factories import NOON
from tests.virtual_loop import InlineExecutor, run_virtual


class LoopClock:
    """The clock of the house, driven by the loop of virtual time."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> Any:
        loop = _loop()
        passed = timedelta(0) if loop is None else timedelta(seconds=loop.time() - 1000.0)
        return NOON + passed + self.ahead

    def monotonic(self) -> float:
        return self.now().timestamp()


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@dataclass
class Model:
    """A decider that takes `seconds` and then says `says`."""

    says: Decided | NoDecision | Exception = field(default_factory=lambda: Decided(0.9, "llm:m"))
    seconds: float = 0.3
    asked: list[Question] = field(default_factory=list)

    async def decide(self, question: Question, until: float) -> Decided:
        self.asked.append(question)
        try:
            async with asyncio.timeout_at(until):
                await asyncio.sleep(self.seconds)
        except TimeoutError:
            raise NoDecision("timeout") from None
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Model"]:
        yield self


@dataclass
class Office:
    """An advisor with its desk, and what was sent to the engine."""

    store: Store
    clock: LoopClock
    model: Model
    sent: list[tuple[float, AdviceAnswer]] = field(default_factory=list)
    explained: list[AdviceRecord] = field(default_factory=list)
    settings: AdvisorSettings = field(default_factory=AdvisorSettings)
    break_send: bool = False

    def __post_init__(self) -> None:
        self.plain = RealTimeAIAdvisor(self.clock, self.settings, fresh_rate, self.send)
        self.desk = AdviceDesk(
            self.store, self.clock, self.plain, self.model.open, InlineExecutor(), self.explained.append
        )
        self.advisor = replace(self.plain, desk=self.desk)

    def send(self, session: Session, message: Message) -> int:
        assert isinstance(message, AdviceAnswer)
        if self.break_send:
            raise RuntimeError("killed")
        loop = _loop()
        self.sent.append((0.0 if loop is None else round(loop.time() - 1000, 3), message))
        return len(self.sent)

    def take(self, **over: Any) -> AdviceRecord | None:
        """Take a question as the bridge does."""
        with self.store.session() as session:
            return self.advisor.answer(session, factories.advice_request(**over))

    def record(self, advice_id: str = "momentum-1-a1") -> AdviceRecord | None:
        with self.store.session() as session:
            return advice.find(session, advice_id)

    def pending(self) -> list[PendingAdvice]:
        with self.store.session() as session:
            return advice.all_pending(session)


@pytest.fixture
def office(store: Store) -> Office:
    return Office(store, LoopClock(), Model())


def answered(office: Office) -> tuple[bool, float, str, str]:
    record = office.record()
    assert record is not None and office.pending() == []
    [(_, message)] = office.sent
    assert (message.approve, message.size_factor) == (record.approve, record.size_factor)
    return record.approve, record.size_factor, record.reason, record.source


def work(office: Office, **over: Any) -> None:
    async def run() -> None:
        async with office.desk.running():
            assert office.take(**over) is None
            assert office.sent == [], "the transaction that takes a question does not wait for its answer"
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await office.desk.idle()

    run_virtual(run())


def test_a_question_is_a_row_first_and_answered_and_gone_afterwards(office: Office) -> None:
    work(office)
    assert answered(office) == (True, 1.0, "llm_yes", "llm:m")
    record = office.record()
    assert record is not None
    assert (record.latency_ms, record.p_yes, record.p_good, record.failure) == (300.0, 0.9, 0.9, None)
    assert office.sent[0][0] == 0.3


def test_a_no_of_the_model_stops_and_is_explained(office: Office) -> None:
    office.model.says = Decided(0.1, "llm:m")
    work(office)
    assert answered(office) == (False, 0.0, "llm_no", "llm:m")
    assert [record.advice_id for record in office.explained] == ["momentum-1-a1"]


@pytest.mark.parametrize(("seconds", "at"), [(5.0, 0.8), (0.79, 0.79)])
def test_nobody_waits_longer_than_the_call_may_take(office: Office, seconds: float, at: float) -> None:
    office.model.seconds = seconds
    work(office)
    assert office.sent[0][0] == at


def test_a_model_that_is_silent_leaves_a_large_order_unopened(office: Office) -> None:
    office.model.seconds = 5.0
    work(office)
    assert answered(office) == (False, 0.0, "llm_timeout", "policy")


@pytest.mark.parametrize(
    ("said", "reason"),
    [(NoDecision("breaker_open"), "llm_breaker_open"), (NoDecision("shed"), "llm_shed"),
     (NoDecision("over_budget"), "llm_over_budget"), (ValueError("defect"), "llm_error")],
)  # fmt: skip
def test_a_failure_and_even_a_defect_is_answered_by_its_cell(
    office: Office, said: NoDecision | ValueError, reason: str
) -> None:
    office.model.says = said
    work(office)
    assert answered(office)[2:] == (reason, "policy")


def test_a_medium_order_goes_ahead_by_half_where_the_market_is_calm(office: Office) -> None:
    office.model.seconds = 5.0
    with office.store.session() as session:
        for n in range(10):
            signals.add(session, factories.signal(f"s{n}", NOON, conditions=Conditions(volatility_bps=20.0)))
    work(office, notional="100", qty="1")
    assert answered(office) == (True, 0.5, "llm_timeout", "policy")
    record = office.record()
    assert record is not None and record.risk_score == pytest.approx(1 / 3)


def test_small_and_reducing_orders_and_vetoes_of_the_rules_ask_nobody_and_wait_for_nobody(office: Office) -> None:
    async def run() -> None:
        async with office.desk.running():
            for n, over in enumerate(
                ({"strength": 0.5, "notional": "10", "qty": "0.1"}, {"position": "-100"}, {"position": "100"})
            ):
                assert office.take(advice_id=f"a{n}", **over) is not None

    run_virtual(run())
    assert [message.reason for _, message in office.sent] == ["not_large", "reduces", "concentration"]
    assert office.model.asked == [] and office.pending() == []


def test_the_engines_own_patience_counts_too(office: Office) -> None:
    office.model.seconds = 5.0
    work(office, deadline_ns=factories.advice_request().at_ns + 500_000_000)
    assert office.sent[0][0] == 0.4


def test_an_answer_after_the_deadline_is_recorded_as_late_and_without_effect(office: Office) -> None:
    async def run() -> None:
        async with office.desk.running():
            office.take()
            await asyncio.sleep(0.2)
            # The database lets everybody wait, or the machine stood still.
            office.clock.ahead = timedelta(seconds=2)
            await asyncio.sleep(0.2)
            await office.desk.idle()

    run_virtual(run())
    assert answered(office) == (False, 0.0, "late", "llm:m")
    record = office.record()
    assert record is not None and record.is_late and (record.p_yes, record.failure) == (0.9, None)


def test_a_question_that_a_dead_worker_left_is_answered_by_the_next_one_as_late(store: Store) -> None:
    dead = Office(store, LoopClock(), Model())
    assert dead.take() is None  # its desk never ran: killed right after the commit
    following = Office(store, LoopClock(), Model())
    following.clock.ahead = timedelta(seconds=30)

    async def run() -> None:
        async with following.desk.running():
            assert following.pending() == []

    run_virtual(run())
    assert answered(following) == (False, 0.0, "late", "policy")
    record = following.record()
    assert record is not None and record.is_late and record.failure == "timeout"
    assert following.model.asked == []
    run_virtual(run())
    assert len(following.sent) == 1, "once"


def test_a_kill_before_the_answer_is_committed_leaves_the_question_whole(office: Office) -> None:
    class Killed(BaseException):
        pass

    def killed(session: Session, message: Message) -> int:
        raise Killed

    pending = PendingAdvice(factories.advice(size_class="large", rule_factor=1.0), NOON + timedelta(seconds=1))
    with office.store.session() as session:
        advice.add_pending(session, pending)
    for advisor in (replace(office.plain, send=killed), office.plain):
        try:
            with office.store.session() as session:
                assert advisor.close(session, pending, pending.rule)
        except Killed:
            assert office.pending() == [pending] and office.record() is None
    assert office.pending() == [] and office.record() is not None and len(office.sent) == 1
    with office.store.session() as session:
        assert not office.plain.close(session, pending, pending.rule)
    assert len(office.sent) == 1


def test_the_question_is_not_begun_when_its_transaction_is_rolled_back(office: Office) -> None:
    async def run() -> None:
        async with office.desk.running():
            with pytest.raises(RuntimeError, match="later message"), office.store.session() as session:
                office.advisor.answer(session, factories.advice_request())
                raise RuntimeError("a later message of the batch failed")
            await asyncio.sleep(0.1)
            assert office.model.asked == [] and office.pending() == []
            office.take()
            await asyncio.sleep(0.5)

    run_virtual(run())
    assert len(office.model.asked) == 1 and len(office.sent) == 1


def test_a_repeated_question_is_asked_once_while_open_and_answered_again_afterwards(office: Office) -> None:
    async def run() -> None:
        async with office.desk.running():
            office.take()
            assert office.take() is None
            await asyncio.sleep(0.5)
            assert office.take() is not None

    run_virtual(run())
    assert len(office.model.asked) == 1
    assert office.sent[0][1] == office.sent[1][1]


def test_an_answer_waits_for_a_database_that_does_not_answer(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    close, failures = RealTimeAIAdvisor.close, iter([True, True])

    def fail_twice(self: RealTimeAIAdvisor, *arguments: Any) -> bool:
        if next(failures, False):
            raise StoreUnavailable("the database is locked")
        return close(self, *arguments)

    monkeypatch.setattr(RealTimeAIAdvisor, "close", fail_twice)
    work(office)
    assert office.sent[0][0] == 0.9, "0.3 of the model, pauses of 0.1 and 0.5"


def test_what_is_under_way_is_finished_when_the_worker_stops(office: Office) -> None:
    async def run() -> None:
        async with office.desk.running():
            office.take()
            await asyncio.sleep(0.01)

    run_virtual(run())
    assert answered(office)[0] is True


def test_settled_answers_teach_what_a_number_is_worth(office: Office) -> None:
    with office.store.session() as session:
        for n in range(120):
            at = NOON - timedelta(hours=n + 2)
            record = factories.advice(f"old-{n}", at, source="llm:m", p_yes=0.9, size_class="large", rule_factor=1.0)
            advice.add(session, record)
            made = Decimal(1 if n % 4 == 0 else -1)
            advice.add_outcome(session, AdviceOutcome(f"old-{n}", at, NOON, "bars", made, ""))
    work(office)
    assert answered(office) == (False, 0.0, "llm_no", "llm:m")
    record = office.record()
    assert record is not None and (record.p_yes, record.p_good) == (0.9, 0.25)


def test_threads_of_the_bridge_hand_questions_over(store: Store) -> None:
    """The same with a real loop, a real pool and the bridge's own thread in place of virtual ones."""
    office = Office(store, LoopClock(), Model(seconds=0.0))

    async def run() -> None:
        async with office.desk.running():
            takers = [asyncio.to_thread(office.take, advice_id=f"a{n}") for n in range(6)]
            assert await asyncio.gather(*takers) == [None] * 6
            while len(office.sent) < 6:
                await asyncio.sleep(0)

    with ThreadPoolExecutor(2) as pool:
        office.desk._executor = pool
        asyncio.run(run())
    assert sorted(message.advice_id for _, message in office.sent) == [f"a{n}" for n in range(6)]
    assert office.pending() == []
