"""What changes around a language model without anybody asking: its identity, its price, its cost. For the monitor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from core.clock import Clock
from core.model.analysis import LlmCall
from core.settings_sections import AnalyzerSettings
from core.store import Session, llm_calls, setting_facts
from feedback.alerts import Finding
from feedback.analyzer.breaker import BATCH, N_LOOKED_AT, find_spike
from feedback.analyzer.ledger import CostLedger
from feedback.analyzer.profiles import PROFILES

N_CALLS = 200
STAYS = timedelta(hours=24)
"""How long a change is told."""
WARN_SHARE = Decimal("0.8")


@dataclass(frozen=True, slots=True)
class LlmWatch:
    """Looks at the ledger of one provider. `settings.model` empty means the provider's default."""

    clock: Clock
    settings: AnalyzerSettings
    ledger: CostLedger

    def look(self, session: Session) -> Iterator[Finding]:
        """Yield what is known; nothing before the first call."""
        calls = llm_calls.latest(session, N_CALLS)
        if not calls:
            return
        yield from self._of_identity(calls)
        yield self._of_prices(session)
        yield from self._of_cost(session)

    @property
    def _model(self) -> str:
        return self.settings.model or PROFILES[self.settings.provider].default_model

    def _of_identity(self, calls: Sequence[LlmCall]) -> Iterator[Finding]:
        """Judge whether the server answers under another name than before; the alias that was asked is the same."""
        named = [call for call in calls if call.resolved_model and call.model == self._model]
        if not named:
            return
        newest = named[0].resolved_model
        before = next((call for call in named if call.resolved_model != newest), None)
        since = min(call.started_at for call in named if call.resolved_model == newest)
        is_new = before is not None and self.clock.now() - since < STAYS
        old = "" if before is None else before.resolved_model
        yield Finding("llm_model", self._model[:80], is_new, "warning", {"old": old[:80], "new": newest[:80]})

    def _of_prices(self, session: Session) -> Finding:
        """Judge whether the price table says something else than when it was first read, for a day."""
        now, name = self.clock.now(), f"llm_prices:{self.settings.provider}:{self._model}"[:80]
        found = self.ledger.prices.fingerprint(self._model, now)
        kept = setting_facts.get(session, name, list[str])
        if kept is None or kept[0] != found:
            told_until = "" if kept is None else (now + STAYS).isoformat()
            kept = [found, told_until]
            setting_facts.put(session, name, kept, now)
        is_new = now.isoformat() < kept[1]
        return Finding("llm_prices", self._model[:80], is_new, "warning", {"sha256": found[:12]})

    def _of_cost(self, session: Session) -> Iterator[Finding]:
        now = self.clock.now()
        spending = self.ledger.spending(session, now)
        share = spending.month_usd / spending.month_cap_usd if spending.month_cap_usd else Decimal(0)
        facts = {"spent": f"{spending.month_usd:.2f}", "cap": f"{spending.month_cap_usd:.2f}"}
        yield Finding("llm_budget", "month", share >= WARN_SHARE, "warning", facts)
        for task in sorted(BATCH):
            spike = find_spike(llm_calls.latest_paid(session, task, N_LOOKED_AT), now, self.settings.spike_multiple)
            told = {} if spike is None else {"cost": f"{spike.cost_usd:.4f}", "median": f"{spike.median_usd:.4f}"}
            yield Finding("llm_spike", task, spike is not None, "critical", told)
