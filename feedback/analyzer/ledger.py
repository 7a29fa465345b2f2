"""The cost ledger: money is reserved before a call and settled after it, so that the cap holds to the cent.

A call that ends without a usage figure (a timeout, a cut connection, a crash) costs what was reserved for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from decimal import Decimal

from core.clock import KST, Clock, kst_day_bounds
from core.model.analysis import LlmCall, RenderedPrompt, Task
from core.model.canonical import short_id
from core.store import Session, Store, audit, llm_calls, prompts
from feedback.analyzer.breaker import BATCH, N_LOOKED_AT, find_spike
from feedback.analyzer.prices import PriceTable, Tokens

WEEKLY: frozenset[Task] = frozenset(("patterns", "programs"))
WEEKLY_SHARE = Decimal("0.8")
"""Of the monthly cap: the rest is kept for the daily study."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What was spent, reservations included, in USD, and the caps."""

    month_usd: Decimal
    month_cap_usd: Decimal
    day_usd: Decimal
    day_cap_usd: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call. `tokens` None means that the server gave no usage figure."""

    status: str
    text: str = ""
    error: str = ""
    resolved_model: str = ""
    tokens: Tokens | None = None
    is_free: bool = False
    """The server refused before it did any work."""
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class CostLedger:
    """Reserves and settles calls of one provider under a monthly and a daily cap. Safe for concurrent callers."""

    store: Store
    clock: Clock
    prices: PriceTable
    monthly_cap_usd: Decimal
    daily_cap_usd: Decimal
    spike_multiple: float = 5.0

    def reserve(
        self,
        task: Task,
        provider: str,
        model: str,
        prompt: RenderedPrompt,
        input_bytes: int,
        max_tokens: int,
        keep_prompt: bool = True,
    ) -> LlmCall:
        """Return the call with status `reserved`; `over_budget` when its ceiling does not fit under a cap, or
        `breaker_open` when a call of the task was far dearer than usual within the last 24 hours.

        No token is shorter than a byte, so `input_bytes` is an upper bound for the input tokens. The caller that does
        not have the prompt kept must keep what it was made of.
        """
        at = self.clock.now()
        ceiling = self.prices.ceiling_usd(model, input_bytes, max_tokens, at)
        with self.store.session() as session:
            llm_calls.lock_budget(session)
            if keep_prompt:
                prompts.add(session, prompt, at)
            spending = self.spending(session, at)
            status, error = self._judge(session, task, spending, ceiling, at)
            attempt = llm_calls.count_attempts(session, prompt.sha256) + 1
            call = LlmCall(
                call_id=short_id("call", prompt.sha256, attempt),
                task=task,
                provider=provider,
                model=model,
                resolved_model="",
                prompt_sha256=prompt.sha256,
                attempt=attempt,
                status=status,
                input_tokens=0,
                cached_tokens=0,
                output_tokens=0,
                reserved_usd=ceiling,
                cost_usd=Decimal(0),
                started_at=at,
                latency_ms=0.0,
                response_text="",
                error=error,
            )
            llm_calls.reserve(session, call)
        return call

    def _judge(
        self, session: Session, task: Task, spending: Spending, ceiling: Decimal, at: datetime
    ) -> tuple[str, str]:
        """Return the status that a call of this ceiling begins with, and why it may not be made."""
        month_cap = self.monthly_cap_usd * (WEEKLY_SHARE if task in WEEKLY else 1)
        if spending.month_usd + ceiling > month_cap or spending.day_usd + ceiling > self.daily_cap_usd:
            return "over_budget", _say_over(replace(spending, month_cap_usd=month_cap), ceiling)
        paid = llm_calls.latest_paid(session, task, N_LOOKED_AT) if task in BATCH else []
        spike = find_spike(paid, at, self.spike_multiple)
        if spike is None:
            return "reserved", ""
        return "breaker_open", (
            f"{spike.call_id} cost {spike.cost_usd:.4f} USD, the median before it is {spike.median_usd:.4f} USD; no "
            f"further call of {task} until {spike.until:%Y-%m-%d %H:%M} UTC"
        )

    def settle(self, call: LlmCall, outcome: Outcome) -> LlmCall:
        """Return the call as settled; a call that was settled before keeps its first outcome."""
        tokens = outcome.tokens or Tokens(0, 0, 0)
        if outcome.is_free:
            cost = Decimal(0)
        elif outcome.tokens is None:
            cost = call.reserved_usd
        else:
            cost = self.prices.cost_usd(call.model, tokens, call.started_at)
        settled = replace(
            call,
            status=outcome.status,
            resolved_model=outcome.resolved_model,
            input_tokens=tokens.input_tokens,
            cached_tokens=tokens.cached_tokens,
            output_tokens=tokens.output_tokens,
            cost_usd=cost,
            latency_ms=outcome.latency_ms,
            response_text=outcome.text,
            error=outcome.error,
        )
        with self.store.session() as session:
            return settled if llm_calls.settle(session, settled) else llm_calls.get(session, call.call_id)

    def recall(self, prompt: RenderedPrompt) -> list[LlmCall]:
        """Return the calls up to a good answer to this very prompt, already paid for; empty when there is none.

        Calls of the prompt left reserved belong to a caller that died: they are settled at their reservation.
        """
        with self.store.session() as session:
            for call in llm_calls.left_reserved(session, prompt.sha256):
                error = "its caller ended before the answer was settled"
                gone = replace(call, status="interrupted", cost_usd=call.reserved_usd, error=error)
                llm_calls.settle(session, gone)
            calls = llm_calls.for_prompt(session, prompt.sha256)
        good = [n for n, call in enumerate(calls) if call.status == "ok"]
        return calls[: good[-1] + 1] if good else []

    def note(self, action: str, subject: str, payload: Mapping[str, object]) -> None:
        """Append a row to the audit chain about what was refused in an answer."""
        with self.store.session() as session:
            audit.append(session, self.clock.now(), "analyzer", action, subject, payload)

    def spending(self, session: Session, at: datetime) -> Spending:
        """Return what the KST month and the KST day of `at` have cost so far."""
        local = at.astimezone(KST)
        first = datetime.combine(local.date().replace(day=1), time(0), KST)
        following = datetime.combine((first + timedelta(days=32)).date().replace(day=1), time(0), KST)
        day_start, day_end = kst_day_bounds(local.date())
        return Spending(
            month_usd=llm_calls.spent_between(session, first, following),
            month_cap_usd=self.monthly_cap_usd,
            day_usd=llm_calls.spent_between(session, day_start, day_end),
            day_cap_usd=self.daily_cap_usd,
        )


def _say_over(spending: Spending, ceiling: Decimal) -> str:
    return (
        f"a call of up to {ceiling:.4f} USD does not fit: {spending.day_usd:.4f} of {spending.day_cap_usd} USD spent "
        f"today, {spending.month_usd:.4f} of {spending.month_cap_usd} USD this month; a model without a known price is "
        "counted as the dearest one, its price can be given in analyzer.prices_file"
    )
