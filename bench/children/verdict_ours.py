"""Our side of a verdict: `python verdict_ours.py DATA.npz...` takes one proposal through the gate, with its store."""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from core.clock import VirtualClock, from_ns, to_ns
from core.model.proposal import Edit, ExpectedEffect, ParamVersion, Proposal
from core.native import Bars, validate_params
from core.settings_sections import CostSettings, GateSettings
from core.store import Store, open_store, param_versions, schema
from strategies.gate import Gate
from strategies.gate.shocks import COLUMNS
from strategies.schema import default_params

INSTANCE = "sma-1"
STRATEGY = "sma_cross"


@dataclass(frozen=True, slots=True)
class MemoryBars:
    """Bars held in memory, as the peer holds them."""

    bars: Bars

    def symbols(self) -> tuple[str, ...]:
        """Return what there is."""
        return self.bars.symbols

    def span(self, symbols: Sequence[str] | None = None) -> tuple[datetime, datetime]:
        """Return the stretch all symbols share."""
        return from_ns(int(self.bars.opened_at_ns[0])), from_ns(int(self.bars.closed_at_ns[-1]))

    def load(self, symbols: Sequence[str], start_at: datetime, end_at: datetime) -> Bars:
        """Return the bars that closed after `start_at` and at or before `end_at`."""
        first, last = np.searchsorted(self.bars.closed_at_ns, [to_ns(start_at), to_ns(end_at)], side="right")
        return replace(self.bars, **{name: getattr(self.bars, name)[first:last] for name in COLUMNS})


def load_market(paths: Sequence[str]) -> Bars:
    """Return the files' bars, symbol by symbol within each minute."""
    files = [np.load(path) for path in paths]
    n, width = len(files[0]["close"]), len(files)

    def column(name: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        return np.stack([file[name] for file in files], axis=1).ravel()

    opened = np.repeat(files[0]["opened_at_ns"], width)
    return Bars(
        symbols=tuple(f"S{k}" for k in range(width)),
        ticks=(Decimal("0.00000001"),) * width,
        lots=(Decimal("0.001"),) * width,
        symbol=np.tile(np.arange(width, dtype=np.int16), n),
        opened_at_ns=opened,
        closed_at_ns=opened + 60_000_000_000,
        open=column("open"),
        high=column("high"),
        low=column("low"),
        close=column("close"),
        volume=np.ones(n * width),
    )


def make_proposal(store: Store, at: datetime) -> Proposal:
    """Return a proposal of a slower average for the one instance there is."""
    params = {**default_params(STRATEGY), "fast": 20.0, "slow": 50.0}
    sha256 = validate_params(STRATEGY, params)
    with store.session() as session:
        param_versions.add(session, ParamVersion(INSTANCE, STRATEGY, 1, params, sha256, "initial", at, True))
    return Proposal(
        proposal_id="proposal-1",
        analysis_id="analysis-1",
        instance_id=INSTANCE,
        strategy=STRATEGY,
        base_version=1,
        base_sha256=sha256,
        base_params=params,
        edits=(Edit("fast", 25.0),),
        rationale="",
        expected_effect=ExpectedEffect("daily_pnl_usd", "up", 1.0, 14),
        confidence=0.5,
        source="rule",
        created_at=at,
        state="pending",
    )


def main() -> None:
    """Measure the verdict and print how long it took and what it was."""
    bars = load_market(sys.argv[1:])
    clock = VirtualClock(from_ns(int(bars.closed_at_ns[-1])))
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/bench.db", 2_000)
        schema.migrate(store)
        costs = CostSettings(maker_fee_bps=10.0, taker_fee_bps=10.0, slippage_bps=0.0)
        source, capital = MemoryBars(bars), {INSTANCE: Decimal(40_000)}
        gate = Gate(store, clock, GateSettings(), costs, capital, {INSTANCE: ()}, source)
        proposal = make_proposal(store, clock.now())
        with store.session() as session:
            gate.split_history(session, clock.now())
        started = time.perf_counter()
        verdict = gate.admit(proposal)
        with store.session() as session:
            gate.save_admission(session, proposal, verdict)
        screened = gate.screen(proposal)
        with store.session() as session:
            # On noise a screen refuses; the sealed test is part of the work whatever it says.
            gate.save_screen(session, proposal, replace(screened, verdict=replace(screened.verdict, outcome="queued")))
        sealed = gate.judge_sealed(proposal)
        with store.session() as session:
            gate.save_sealed(session, proposal, sealed)
        seconds = time.perf_counter() - started
        store.dispose()
    print(json.dumps({"seconds": seconds, "screen": screened.verdict.deciding, "sealed": sealed.verdict.deciding}))


main()
