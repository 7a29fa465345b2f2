"""A few days of somebody's candles and nothing before them: the loop runs, and says that it cannot tell yet."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.store import open_store, proposals, reports, verdicts
from tests.candle_factory import walk
from tests.demo_runs import run_cli

DAYS = 3


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("replay")
    files = []
    for n, symbol in enumerate(("BTCUSDT", "ETHUSDT")):
        candles = walk(96 * (DAYS + 1), datetime(2026, 2, 4, 15, 0, tzinfo=UTC), price=60_000.0 / (1 + 19 * n), seed=n)
        columns = dict(zip(("open", "high", "low", "close", "volume"), candles.values().T, strict=True))
        files.append(folder / f"somewhere_15m_{symbol}.parquet")
        pq.write_table(pa.table({"ts": candles.opened_at_ms, **columns}), files[-1])
    done = run_cli(folder, "replay", "--bars", *map(str, files), "--home", str(folder / "home"), "--json")
    assert done.returncode == 0, done.stderr
    return folder / "home", json.loads(done.stdout)


def test_the_object_counts_bars_and_reports_too(replayed: tuple[Path, dict]) -> None:
    _, summary = replayed
    assert list(summary) == [
        "seed", "simulated_days", "trades", "proposals", "deployments", "rollbacks", "report_sha256", "wall_s", "bars",
        "daily_reports", "weekly_reports",
    ]  # fmt: skip
    assert summary["daily_reports"] == summary["simulated_days"] >= DAYS
    assert summary["bars"] >= 2 * 96 * DAYS
    assert summary["trades"] > 0


def test_without_history_every_proposal_is_inconclusive_and_the_report_says_why(replayed: tuple[Path, dict]) -> None:
    home, summary = replayed
    counts = summary["proposals"]
    assert counts["inconclusive"] >= 1
    assert counts["accepted"] == counts["queued"] == summary["deployments"] == 0
    store = open_store(f"sqlite:///{home / 'xcrack.db'}")
    with store.session() as session:
        held = proposals.in_state(session, "inconclusive")
        last = [verdicts.for_proposal(session, proposal.proposal_id)[-1] for proposal in held]
        text = "\n".join(r.markdown for r in reports.list(session, 100) if r.language == "en")
    store.dispose()
    assert {verdict.outcome for verdict in last} == {"inconclusive"}
    assert all("60 are needed" in verdict.deciding for verdict in last)
    assert "too few to tell" in text and "60 are needed" in text
