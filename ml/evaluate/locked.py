"""What is written down before it counts: every configuration that was tried, and each opening of the locked period."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.errors import Refused
from core.model.canonical import sha256_of
from core.store import Session, ledger
from ml.models.protocol import Expert

TRIAL = "ml_trial"
OPENED = "ml_locked_opened"
LEDGER_NAME = "ml"
"""What stands in the ledger where other rows have a strategy."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is predicted from what: trials of the same subject add up."""

    symbol: str
    interval_ms: int
    task: str
    """Name and horizon in bars."""


def recipes_of(experts: Sequence[Expert], schema_sha256: str, protocol: str) -> tuple[str, ...]:
    """Return a hash of each recipe as it stands, and one of their mixture; equal recipes have equal hashes."""
    single = [sha256_of({"recipe": repr(expert), "schema": schema_sha256, "protocol": protocol}) for expert in experts]
    return (*single, sha256_of({"mixture": sorted(single)}))


def save_trials(session: Session, at: datetime, subject: Subject, recipes: Sequence[str], data_sha256: str) -> int:
    """Append a row for this run, and return how many recipes the subject was ever judged with, these included."""
    ledger.append(
        session, at, TRIAL, LEDGER_NAME, None,
        {
            "symbol": subject.symbol,
            "interval_ms": subject.interval_ms,
            "task": subject.task,
            "recipes": list(recipes),
            "data_sha256": data_sha256,
        },
    )  # fmt: skip
    wanted = (subject.symbol, subject.interval_ms, subject.task)
    tried: set[str] = set()
    for row in ledger.rows(session, TRIAL, LEDGER_NAME):
        found = json.loads(row.payload)
        if (found["symbol"], found["interval_ms"], found["task"]) == wanted:
            tried.update(found["recipes"])
    return len(tried)


def open_locked(session: Session, at: datetime, release: str, symbol: str, interval_ms: int, data_sha256: str) -> None:
    """Write down that the locked period of a symbol is opened for a release; it must be committed before it is read.

    Raises Refused where this release has opened it before, on whatever file: a second look would be tuning.
    """
    for row in ledger.rows(session, OPENED, LEDGER_NAME):
        found = json.loads(row.payload)
        if (found["release"], found["symbol"], found["interval_ms"]) == (release, symbol, interval_ms):
            raise Refused(
                f"release {release} opened the locked period of {symbol} on {row.at:%Y-%m-%d %H:%M} UTC",
                "It is judged once a release; the next release may open it again",
            )
    ledger.append(
        session, at, OPENED, LEDGER_NAME, None,
        {"release": release, "symbol": symbol, "interval_ms": interval_ms, "data_sha256": data_sha256},
    )  # fmt: skip
