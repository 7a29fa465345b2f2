"""Paper trading as a person runs it, on a recorded exchange: each trade is stored once, whatever dies on the way."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from app.home import Home
from app.status import read_supervision
from core.model.canonical import from_json
from core.model.generated import TradeEvent
from core.model.trade import Trade
from core.settings import Settings
from core.store import Store, frames, open_store, quarantine, trades
from feedback.logger import trade_of
from market.live_log import DEPTH, QUOTE, TRADE, read_segment, segment_paths
from tests.installation import Installation

BINARY = Settings().engine.binary
PLAYER = BINARY.with_name("play_capture")
CAPTURE = Path("ticks", "raw_binance_spot_btcusdt_20240808.gz")
SPEED = 4
END_WITHIN_S = 20.0
N_TRADES = 3
"""So many more are waited for after each kill."""


class Exchange:
    """A recorded session of an exchange, played on a loopback port as if it happened now."""

    def __init__(self, capture: Path) -> None:
        command = [str(PLAYER), str(capture), "--speed", str(SPEED), "--streams", "3", "--until-stdin-closes"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.address: dict[str, Any] = json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Paper(Installation):
    """One that trades on paper."""

    def __init__(self, folder: Path, exchange: Exchange) -> None:
        feed = {
            "venue": "binance_spot",
            "symbols": ["BTCUSDT"],
            "streams": {"trades": True, "quotes": True, "depth": False, "candles": "1m"},
            "ws_url": exchange.address["ws_url"],
            "rest_url": exchange.address["rest_url"],
        }
        instance = {
            "instance_id": "mm-1",
            "strategy": "market_making",
            "symbols": [],
            "capital_share": 0.4,
            "driver": "quotes",
            "params": {"spread_threshold": 2.0},
        }
        market = {"feeds": [feed], "warmup_days": 1, "segment_minutes": 1}
        settings = folder / "settings.yaml"
        settings.write_text(yaml.safe_dump({"market": market, "instances": [instance]}), encoding="utf-8")
        super().__init__(folder / "h", "--mode", "paper", XCRACK_SETTINGS=str(settings))
        self.files = Home(self.home)
        self.store: Store | None = None

    def ask(self, *arguments: str) -> dict[str, Any]:
        """Run another command of this installation, and return the JSON that it prints."""
        done = self.call(*arguments)
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def pid(self, process: str) -> int | None:
        """Return the process id of a child as the supervisor last wrote it down."""
        supervision = read_supervision(self.files)
        children = supervision.children if supervision is not None else ()
        return next((child.pid for child in children if child.name == process), None)

    def kill(self, process: str) -> None:
        """As `kill -9`; return when the supervisor has started it again."""
        before = self.pid(process)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        self.wait_for(f"new {process}", lambda: self.pid(process) != before)

    def n_stored(self) -> int:
        """Return how many trades the database holds."""
        if not self.files.supervision.exists():
            return 0
        if self.store is None:
            self.store = open_store(f"sqlite:///{self.home / 'xcrack.db'}")
        with self.store.session() as session:
            return trades.count(session)

    def end(self) -> None:
        """Kill whatever runs."""
        super().end()
        if self.store is not None:
            self.store.dispose()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    data = os.environ.get("XCRACK_DATA_DIR")
    if data is None:
        pytest.skip("XCRACK_DATA_DIR is not set: no recorded session to trade on")
    if not PLAYER.is_file():
        pytest.fail(f"{PLAYER} is missing: make engine builds it")
    exchange = Exchange(Path(data) / CAPTURE)
    yield exchange
    exchange.close()


@pytest.fixture
def paper(tmp_path: Path, exchange: Exchange) -> Iterator[Paper]:
    paper = Paper(tmp_path, exchange)
    yield paper
    paper.end()


def test_kills_on_the_way_lose_no_trade_double_none_and_do_not_stop_the_archive(paper: Paper) -> None:
    paper.wait_for("first trades", lambda: paper.n_stored() >= N_TRADES)
    [feed] = paper.ask("status", "--json")["engine"]["feeds"]
    assert (feed["symbol"], feed["venue"], feed["state"]) == ("BTCUSDT", "binance_spot", "live")

    for process in ("engine", "worker"):
        before = paper.n_stored()
        paper.kill(process)
        paper.wait_for(f"trades after the {process} came back", lambda n=before: paper.n_stored() >= n + N_TRADES)

    paper.wait_for("archived segment", lambda: list(archived(paper.files)))
    paper.ask("engine", "halt", "--by", "test", "--reason", "enough seen")
    paper.wait_for("end of what is owed", lambda: nothing_is_owed(paper))
    paper.up.send_signal(signal.SIGINT)
    assert paper.up.wait(END_WITHIN_S) == 0
    require_the_journals_trades(paper)
    require_the_logs_events(paper.files)


def nothing_is_owed(paper: Paper) -> bool:
    """Whether the halted engine has had every message acknowledged."""
    told = paper.ask("engine", "status")
    return bool(told["state"] == "halted" and told["acked_seq"] == told["sent_seq"] > 0)


def require_the_journals_trades(paper: Paper) -> None:
    """Compare what the database holds with what the journal alone says was traded, value by value."""
    command = [str(BINARY), "journal", "replay", "--config", str(paper.files.engine_config), "--messages"]
    replayed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    told = [json.loads(line) for line in replayed if line.startswith('{"body"')]
    assert [one["seq"] for one in told] == list(range(1, len(told) + 1))
    events = [from_json(json.dumps(one["body"]).encode(), TradeEvent) for one in told if one["kind"] == "trade_event"]
    assert paper.store is not None
    with paper.store.session() as session:
        received = frames.received_seq(session, "engine-1")
        stored = [trades.get(session, event.trade_id) for event in events]
        live = [event for event in events if event.mode == "live"]
        assert (trades.count(session), quarantine.latest(session, 1)) == (len(live), [])
    assert received == len(told)
    assert len(live) >= 3 * N_TRADES
    assert [as_told(event, trade) for event, trade in zip(events, stored, strict=True)] == stored


def as_told(event: TradeEvent, stored: Trade) -> Trade:
    """Return the trade that the event makes, with what the worker looked up beside it."""
    return trade_of(event, stored.conditions.sentiment, stored.krw_per_usd, stored.krw_rate_stale)


def archived(home: Home) -> Iterator[Path]:
    """Yield the segments of the market log that are in the archive."""
    for path in segment_paths(home.engine / "market"):
        if path.with_suffix(".archived").exists():
            yield path


def require_the_logs_events(home: Home) -> None:
    """Compare prints and quotes of each archived segment with the archive, row by row."""
    for path in archived(home):
        segment = read_segment(path)
        for kind, name in ((TRADE, "trades"), (QUOTE, "quotes"), (DEPTH, "depth")):
            rows = segment.rows[segment.rows["kind"] == kind]
            files = list((home.path / "ticks" / name).glob(f"*/{segment.number:08}.parquet"))
            assert len(files) == (1 if len(rows) else 0), f"{name} of segment {segment.number}"
            if files:
                at_ns = pq.read_table(files[0]).column("at_ns").to_pylist()
                assert at_ns == rows["v"][:, 0].tolist()
