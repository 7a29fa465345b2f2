"""Made-up rows for the scorecard: proposals of any arm with the aftermath a test wants, and days beside a twin."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from core.model.aftermath import HORIZONS_DAYS, Aftermath, AftermathOutcome
from core.model.canonical import sha256_of
from core.model.scorecard import TwinDay
from core.settings_sections import GateSettings
from core.store import Session, aftermaths, ledger
from feedback.scorecard_facts import Registered, ScorecardFacts
from strategies.gate.aftermath import aftermath_id
from strategies.gate.budget import budget_after
from strategies.gate.honesty import HonestyFacts

NOTHING_KNOWN = HonestyFacts("", (), ())


def scorecard_facts(now: datetime, followed: Sequence[Aftermath] = (), **over: object) -> ScorecardFacts:
    """Return facts in which exactly the proposals of `followed` were registered, unless `over` says otherwise."""
    known = {each.proposal_id: registered(each.proposal_id, each.source, each.registered_at) for each in followed}
    fields = {
        "as_of": now,
        "registered": tuple(known.values()),
        "aftermaths": tuple(followed),
        "honesty": NOTHING_KNOWN,
        "promoted_ids": (),
        "spent_levels": (),
        "budget": budget_after([], [], now, GateSettings()),
        "twin_days": (),
        "pattern_weeks": (),
    }
    return ScorecardFacts(**{**fields, **over})  # type: ignore[arg-type]


def registered(
    proposal_id: str, source: str, at: datetime, adopted: bool = False, rolled_back: bool = False
) -> Registered:
    """Return a registered proposal."""
    return Registered(proposal_id, source, at, adopted, rolled_back)


def followed(
    source: str,
    at: datetime,
    outcome: AftermathOutcome = "better",
    days: int = 30,
    prompt: str = "",
    n: int = 0,
    proposal_id: str = "",
) -> Aftermath:
    """Return the aftermath of a proposal of `source` registered at `at`; `n` tells several of one time apart."""
    name = proposal_id or f"{source}-{at:%Y%m%d%H}-{n}"
    mean = {"better": 1.0, "worse": -1.0}.get(outcome)
    return Aftermath(
        aftermath_id=f"{name}-{days}",
        proposal_id=name,
        horizon_days=days,
        instance_id="mm-1",
        strategy="market_making",
        source=source,
        prompt=prompt,
        registered_at=at,
        start_at=at,
        end_at=at + timedelta(days=days),
        outcome=outcome,
        reason="",
        n_days=days,
        n_changed_trades=50,
        mean_usd=mean,
        daily_ir=None if mean is None else 0.1 * mean,
        promised_usd=None,
        promised_ir=None,
        judged_at=at + timedelta(days=days),
    )


def twin_days(
    first_on: date, differences: Sequence[float], name: str = "mm-1", capital: float = 1000.0
) -> list[TwinDay]:
    """Return days on which the live instance made so much more than its twin, in USD."""
    return [
        TwinDay(name, first_on + timedelta(days=k), 5.0 + value, 5.0, capital) for k, value in enumerate(differences)
    ]


def keep_followed(session: Session, month: Aftermath) -> None:
    """Store both aftermaths of a proposal the way the gate does, with its registration and rows on the ledger."""
    at, name = month.registered_at, month.proposal_id
    ledger.append(session, at, "preregistration", "m", name, {"content_sha256": "c", "source": month.source})
    for days in HORIZONS_DAYS:
        one = replace(month, aftermath_id=aftermath_id(name, days), horizon_days=days)
        aftermaths.add(session, one)
        kept = {"aftermath_id": one.aftermath_id, "sha256": sha256_of(one)}
        ledger.append(session, at, "aftermath", "m", name, kept)
