"""What became of the orders that the advisor was asked about, as if each had been let through in full.

An order that went ahead is told by its own trade, scaled to the whole quantity. One that did not, by a simulated
companion of its instance that ran the parameters in force when the question was asked and decided the same at the same
moment: same exit rules, same costs, no advisor. Where none did, by the bars: the move from the decision over an hour,
less a round trip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from core.errors import UnknownName
from core.model.advice import AdviceOutcome, AdviceRecord, SettlementMethod
from core.model.proposal import WAS_IN_FORCE, Deployment, ParamVersion
from core.model.slots import is_slot, live_id
from core.model.trade import Trade
from core.settings_sections import CostSettings
from core.store import Session, advice, deployments, param_versions, trades
from feedback.advisor.calibration import Calibration, Settled, fit_calibration
from feedback.missed import HORIZON, round_trip_bps
from market.bars import BarArchive

COMPANION_PATIENCE = timedelta(days=1)
"""So long a companion's trade may stay open before the bars tell instead."""
OWN_PATIENCE = timedelta(days=7)
"""So long an order's own trade may stay open."""
GIVEN_UP = timedelta(days=30)
"""What could not be told by then never will be: no bar, no trade."""
LOOK_BACK = timedelta(days=180)
"""As far back as answers teach what a model's yes is worth."""


@dataclass(frozen=True, slots=True)
class _History:
    """Versions of one instance and their deployments, oldest first."""

    versions: tuple[ParamVersion, ...]
    deployments: tuple[Deployment, ...]

    def sha256_at(self, at: datetime) -> str | None:
        """Return the hash of the parameters that ran at `at`; None where that cannot be told.

        The engine takes an update between its being sent and its acknowledgement, and which side of it a question fell
        on is not stored: two hashes are possible then.
        """
        if not self.versions:
            return None
        shas = {version.version: version.sha256 for version in self.versions}
        sent = [each for each in self.deployments if each.pushed_at is not None and each.pushed_at <= at]
        taken = [
            (each.acked_at, each.version)
            for each in sent
            if each.state in WAS_IN_FORCE and each.acked_at is not None and each.acked_at <= at
        ]
        # The first version is deployed by nobody.
        settled = shas[max(taken)[1]] if taken else self.versions[0].sha256
        under_way = [
            each
            for each in sent
            if each.state == "pushed" or (each.state in WAS_IN_FORCE and (each.acked_at is None or each.acked_at > at))
        ]
        return settled if all(shas[each.version] == settled for each in under_way) else None


@dataclass(frozen=True, slots=True)
class SettleRoom:
    """What settling needs beside the store."""

    costs: CostSettings
    archive: BarArchive

    def settle(self, session: Session, now: datetime) -> list[AdviceOutcome]:
        """Return what can be told at `now` and was not told before. Writes nothing."""
        open_ones = advice.unsettled(session, now - GIVEN_UP, now - HORIZON)
        # What was never sound, or never gated, says nothing of anybody's judgement.
        open_ones = [record for record in open_ones if record.size_class in ("medium", "large")]
        if not open_ones:
            return []
        first_at = min(record.asked_at for record in open_ones)
        closed = trades.between(session, first_at, now)
        own = _by_advice(closed)
        companions = _by_decision(closed)
        histories = {name: _load_history(session, name) for name in {record.instance_id for record in open_ones}}
        told = (
            self._settle_one(
                record,
                own.get(record.advice_id, []),
                companions.get(_decision(record), []),
                histories[record.instance_id].sha256_at(record.asked_at),
                now,
            )
            for record in open_ones
        )
        return [outcome for outcome in told if outcome is not None]

    def _settle_one(
        self,
        record: AdviceRecord,
        own: Sequence[Trade],
        companions: Sequence[Trade],
        sha256: str | None,
        now: datetime,
    ) -> AdviceOutcome | None:
        age = now - record.asked_at
        went_ahead = record.approve and not record.is_late
        if went_ahead:
            if own:
                return _outcome(record, now, "trade", _scaled(own, record.qty), own[0].trade_id)
            if age < OWN_PATIENCE:
                return None
            return _outcome(record, now, "unfilled", Decimal(0), "")
        same = [trade for trade in companions if trade.params_sha256 == sha256]
        if same:
            return _outcome(record, now, "slot", _scaled(same[:1], record.qty), same[0].trade_id)
        if age < COMPANION_PATIENCE:
            return None
        return self._by_bars(record, now)

    def _by_bars(self, record: AdviceRecord, now: datetime) -> AdviceOutcome | None:
        """Return what the decision's price and the last close within the horizon tell; None without a bar."""
        horizon = max(HORIZON, timedelta(milliseconds=self.archive.interval_ms))
        try:
            closes = self.archive.candles(record.symbol, record.asked_at, record.asked_at + horizon).close
        except UnknownName:
            return None
        if len(closes) == 0:
            return None
        sign = 1 if record.side == "buy" else -1
        decided_at_price = float(record.notional_usd / record.qty)
        net_bps = sign * (float(closes[-1]) / decided_at_price - 1) * 1e4 - round_trip_bps(self.costs)
        made = record.notional_usd * Decimal(str(round(net_bps, 6))) / 10_000
        return _outcome(record, now, "bars", made, "")


def load_calibrations(session: Session, now: datetime) -> dict[str, Calibration]:
    """Return what settled answers of each model teach, by source."""
    start_at = now - LOOK_BACK
    outcomes = advice.outcomes_between(session, start_at, now)
    settled: dict[str, list[Settled]] = {}
    for record in advice.between(session, start_at, now):
        outcome = outcomes.get(record.advice_id)
        if record.p_yes is None or outcome is None or outcome.method == "unfilled":
            continue
        was_good = outcome.full_usd > 0
        settled.setdefault(record.source, []).append(Settled(record.p_yes, record.is_bare, was_good))
    return {source: fit_calibration(answers) for source, answers in settled.items()}


def _by_advice(closed: Sequence[Trade]) -> dict[str, list[Trade]]:
    found: dict[str, list[Trade]] = {}
    for trade in closed:
        if trade.advice_id is not None:
            found.setdefault(trade.advice_id, []).append(trade)
    return found


def _by_decision(closed: Sequence[Trade]) -> dict[tuple[str, str, str, datetime], list[Trade]]:
    found: dict[tuple[str, str, str, datetime], list[Trade]] = {}
    for trade in closed:
        if is_slot(trade.instance_id) and trade.mode in ("shadow", "twin"):
            key = (live_id(trade.instance_id), trade.symbol, trade.side, trade.entry.decided_at)
            found.setdefault(key, []).append(trade)
    return found


def _decision(record: AdviceRecord) -> tuple[str, str, str, datetime]:
    return live_id(record.instance_id), record.symbol, record.side, record.asked_at


def _load_history(session: Session, instance_id: str) -> "_History":
    versions = param_versions.history(session, instance_id)
    return _History(tuple(versions), tuple(deployments.of_instance(session, instance_id)))


def _scaled(made: Sequence[Trade], qty: Decimal) -> Decimal:
    """Return what the trades would have made of the whole quantity, impact left out."""
    traded = sum((trade.qty for trade in made), Decimal(0))
    return sum((trade.net_pnl_usd for trade in made), Decimal(0)) * qty / traded


def _outcome(
    record: AdviceRecord, now: datetime, method: SettlementMethod, full_usd: Decimal, evidence: str
) -> AdviceOutcome:
    return AdviceOutcome(
        advice_id=record.advice_id,
        asked_at=record.asked_at,
        settled_at=now,
        method=method,
        full_usd=full_usd.quantize(Decimal("1e-8")),
        evidence=evidence,
    )
