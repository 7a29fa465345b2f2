"""A small world for the gate: a seeded market in memory, one instance, and proposals to change it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from core.clock import VirtualClock, from_ns, to_ns
from core.errors import BadInput
from core.model.canonical import short_id
from core.model.proposal import Edit, ExpectedEffect, ParamVersion, Proposal
from core.native import Bars, validate_params
from core.settings_sections import CostSettings, GateSettings
from core.store import Session, Store, param_versions
from strategies.gate import Gate
from strategies.schema import default_params

INSTANCE = "mm-1"
CAPITAL_USD = Decimal(40_000)


@dataclass(frozen=True, slots=True)
class MemoryBars:
    """Bars held in memory, read only up to the clock."""

    bars: Bars | None
    clock: VirtualClock

    def symbols(self) -> tuple[str, ...]:
        return self.bars.symbols if self.bars is not None else ()

    def span(self, symbols: Sequence[str] | None = None) -> tuple[datetime, datetime]:
        if self.bars is None:
            raise BadInput("the archive is empty")
        return from_ns(int(self.bars.opened_at_ns[0])), min(from_ns(int(self.bars.closed_at_ns[-1])), self.clock.now())

    def load(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> Bars:
        if self.bars is None or end_at > self.clock.now():
            raise BadInput("the future is not known")
        closed = self.bars.closed_at_ns
        wanted = (closed > to_ns(start_at)) & (closed <= to_ns(end_at))
        names = ("symbol", "opened_at_ns", "closed_at_ns", "open", "high", "low", "close", "volume")
        return replace(self.bars, **{name: getattr(self.bars, name)[wanted] for name in names})


def make_gate(store: Store, clock: VirtualClock, bars: Bars | None, **settings) -> Gate:
    return Gate(
        store=store,
        clock=clock,
        settings=GateSettings(**settings),
        costs=CostSettings(),
        capital={INSTANCE: CAPITAL_USD},
        symbols={INSTANCE: ()},
        archive=MemoryBars(bars, clock),
    )


def initial_version(
    session: Session,
    at: datetime,
    strategy: str = "market_making",
    instance_id: str = INSTANCE,
    rules: str | None = None,
    **params: float,
) -> ParamVersion:
    values = {**default_params(strategy), **params}
    sha256 = validate_params(strategy, values, rules)
    version = ParamVersion(instance_id, strategy, 1, values, sha256, "initial", at, True, rules)
    param_versions.add(session, version)
    return version


def make_proposal(base: ParamVersion, at: datetime, rules: str | None = None, **edits: float) -> Proposal:
    return Proposal(
        proposal_id=short_id("proposal", base.instance_id, base.version, sorted(edits.items()), at, rules),
        analysis_id="analysis-1",
        instance_id=base.instance_id,
        strategy=base.strategy,
        base_version=base.version,
        base_sha256=base.sha256,
        base_params=base.params,
        edits=tuple(Edit(name, value) for name, value in edits.items()),
        rationale="because",
        expected_effect=ExpectedEffect("daily_pnl_usd", "up", 5.0, 14),
        confidence=0.6,
        source="rule",
        created_at=at,
        state="pending",
        base_rules=base.rules,
        rules=rules,
    )
