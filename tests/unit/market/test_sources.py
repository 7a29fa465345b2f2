import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.clock import VirtualClock
from core.errors import BadInput
from core.model.market import ContextField
from core.settings import Settings, load_settings
from market.bars import BarArchive
from market.candles import MINUTE_MS
from market.collector import Collector, build_sources
from market.sources.reading import EXTERNAL, Reading
from market.sources.recorded import Recorded
from market.synthetic import write_context
from tests.candle_factory import START, walk

AT = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _world(at: datetime = AT) -> dict[str, object]:
    recent = _seconds(at - timedelta(minutes=5))
    chart = {"chart": {"result": [{"meta": {"regularMarketPrice": 104.5, "regularMarketTime": recent}}]}}
    nasdaq = {"chart": {"result": [{"meta": {"regularMarketPrice": 17_250.0, "regularMarketTime": recent}}]}}
    return {
        "/fng/": {"data": [{"value": "73", "timestamp": str(_seconds(at - timedelta(hours=12)))}]},
        "/api/v3/global": {"data": {"market_cap_percentage": {"btc": 54.2}, "updated_at": recent}},
        "/v8/finance/chart/^IXIC": nasdaq,
        "/v8/finance/chart/DX-Y.NYB": chart,
        "/v6/latest/USD": {"time_last_update_unix": recent, "rates": {"KRW": 1391.5}},
        "/arc/outboundfeeds/rss/": _feed(at, "Bitcoin surges", "Exchange hacked, funds stolen", "SEC approves ETF"),
        "/api/v1/mining/difficulty-adjustments/3m": [
            [_seconds(at + timedelta(days=1)), 900_002, 9e13, 1.1],
            [_seconds(at - timedelta(days=3)), 900_001, 8e13, 1.01],
        ],
    }


def _feed(at: datetime, *titles: str) -> str:
    when = (at - timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S +0000")
    items = "".join(f"<item><title>{title}</title><pubDate>{when}</pubDate></item>" for title in titles)
    return f'<?xml version="1.0" encoding="UTF-8"?><rss><channel>{items}</channel></rss>'


def _serve(world: dict[str, object]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        body = world.get(request.url.path)
        if callable(body):
            return body(request)  # type: ignore[no-any-return]
        if body is None:
            return httpx.Response(404)
        return httpx.Response(200, text=body if isinstance(body, str) else json.dumps(body))

    return httpx.MockTransport(answer)


def _paper(**sources: object) -> Settings:
    return load_settings({}, {"mode": "paper", "sources": sources})


def _collect(
    tmp_path: Path, transport: httpx.MockTransport, at: datetime = AT, settings: Settings | None = None
) -> tuple[dict[str, ContextField], Reading]:
    sources = build_sources(settings or _paper(), transport)
    archive = BarArchive(tmp_path / "bars", VirtualClock(at))
    reading = Collector(sources, archive, deadline_s=5).collect(at, ())
    return {field.name: field for field in reading.fields}, reading


def test_every_source_answers_with_value_source_and_age(tmp_path: Path) -> None:
    fields, reading = _collect(tmp_path, _serve(_world()))
    assert tuple(fields) == tuple(quantity.name for quantity in EXTERNAL)
    values = {name: field.value for name, field in fields.items() if field.freshness == "fresh"}
    assert values == {
        "btc_dominance_pct": 54.2,
        "fear_greed": 73.0,
        "nasdaq": 17_250.0,
        "dollar_index": 104.5,
        "usd_krw": 1391.5,
        "news_sentiment": pytest.approx((1 - 1 + 1) / 3),
        "mining_difficulty": 8e13,
    }
    assert fields["usd_krw"].age_s == 300
    assert fields["exchange_flow_btc"].reason == "sources.exchange_flow_url is not set"
    assert len(reading.headlines) == 3


def test_number_feeds_give_flows_and_whale_moves(tmp_path: Path) -> None:
    world = _world() | {"/flow": {"value": -1200.5, "observed_at": AT.isoformat()}}
    world["/whales"] = {"value": 12, "observed_at": "2026-02-10T09:00:00"}
    settings = _paper(exchange_flow_url="http://feed.test/flow", whale_moves_url="http://feed.test/whales")
    fields, _ = _collect(tmp_path, _serve(world), settings=settings)
    assert fields["exchange_flow_btc"].value == -1200.5
    assert "timezone" in fields["whale_moves"].reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: httpx.Response(500), "answered 500"),
        (lambda _: httpx.Response(200, text="<html>blocked</html>"), "unknown form"),
        (lambda _: httpx.Response(200, json={"data": []}), "unknown form: data"),
        (lambda _: httpx.Response(200, json={"data": [{"value": "1e9", "timestamp": "1"}]}), "outside 0 to 100"),
        (lambda _: httpx.Response(200, content=b'{"data":[{"value":NaN,"timestamp":1}]}'), "unknown form"),
        (lambda _: httpx.Response(200, content=b" " * 1_000_001), "more than 1000000 bytes"),
        (lambda _: httpx.Response(200, content=b"x", headers={"content-encoding": "br"}), "compressed"),
        (lambda _: httpx.Response(302, headers={"location": "http://169.254.169.254/"}), "another host"),
        (lambda _: httpx.Response(302, headers={"location": "/fng/"}), "redirects more than 3 times"),
        (lambda r: (_ for _ in ()).throw(httpx.ConnectError("refused", request=r)), "ConnectError"),
        (lambda _: 1 / 0, "failed: ZeroDivisionError"),
    ],
)
def test_a_source_that_fails_is_missing_with_the_reason_and_stops_no_other(
    tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response], reason: str
) -> None:
    fields, _ = _collect(tmp_path, _serve(_world() | {"/fng/": answer}))
    failed = fields["fear_greed"]
    assert (failed.value, failed.freshness, failed.observed_at) == (None, "missing", None)
    assert failed.source == "fear_greed"
    assert reason in failed.reason
    assert fields["usd_krw"].freshness == "fresh"


def test_one_index_may_fail_without_the_other(tmp_path: Path) -> None:
    world = _world()
    del world["/v8/finance/chart/^IXIC"]
    fields, _ = _collect(tmp_path, _serve(world))
    assert (fields["nasdaq"].freshness, fields["dollar_index"].freshness) == ("missing", "fresh")


def test_nothing_observed_later_enters(tmp_path: Path) -> None:
    fields, reading = _collect(tmp_path, _serve(_world(AT + timedelta(days=4))))
    assert all(field.value is None for field in fields.values())
    assert reading.headlines == ()


def test_an_old_number_is_stale_and_says_how_old_it_may_be(tmp_path: Path) -> None:
    old = {"time_last_update_unix": _seconds(AT - timedelta(hours=97)), "rates": {"KRW": 1391.5}}
    fields, _ = _collect(tmp_path, _serve(_world() | {"/v6/latest/USD": old}))
    assert (fields["usd_krw"].freshness, fields["usd_krw"].value) == ("stale", 1391.5)
    assert fields["usd_krw"].reason == "older than 96 hours"


def test_an_empty_address_switches_a_source_off(tmp_path: Path) -> None:
    fields, _ = _collect(tmp_path, _serve(_world()), settings=_paper(news_url="", indices_url=""))
    assert fields["nasdaq"].reason == "sources.indices_url is not set"
    assert fields["news_sentiment"].freshness == "missing"


def test_a_demo_asks_no_network(tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"asked for {request.url}")

    fields, _ = _collect(tmp_path, httpx.MockTransport(refuse), settings=load_settings({}, {"mode": "demo"}))
    assert {field.freshness for field in fields.values()} == {"missing"}
    assert fields["fear_greed"].reason == "no recorded context is configured (sources.file)"


def test_a_source_that_never_answers_is_cut_off_by_the_deadline(tmp_path: Path) -> None:
    class Silent:
        name = "silent"
        quantities = EXTERNAL[:1]

        async def fetch(self, at: datetime) -> Reading:
            await asyncio.Event().wait()
            raise AssertionError

    archive = BarArchive(tmp_path / "bars", VirtualClock(AT))
    reading = Collector((Silent(),), archive, deadline_s=0.01).collect(AT, ())
    assert reading.fields[0].reason == "no answer within 0.01 s"


def test_a_source_that_looks_ahead_is_stopped_by_the_collector(tmp_path: Path) -> None:
    class Leaky:
        name = "leaky"
        quantities = EXTERNAL[:1]

        async def fetch(self, at: datetime) -> Reading:
            later = at + timedelta(seconds=1)
            return Reading((ContextField("btc_dominance_pct", 50.0, "%", "leaky", later, -1.0, "fresh"),))

    archive = BarArchive(tmp_path / "bars", VirtualClock(AT))
    field = Collector((Leaky(),), archive, deadline_s=1).collect(AT, ()).fields[0]
    assert (field.value, field.freshness, field.reason) == (None, "missing", "observed after the time asked for")


def test_prices_come_from_candles_closed_by_then(tmp_path: Path) -> None:
    candles = walk(4 * 48)
    at = START + timedelta(hours=30)
    archive = BarArchive(tmp_path / "bars", VirtualClock(START + timedelta(days=30)))
    archive.write("BTCUSDT", 15 * MINUTE_MS, candles, "test")
    reading = Collector((), archive, deadline_s=1).collect(at, ("BTCUSDT", "ETHUSDT"))
    fields = {field.name: field for field in reading.fields}
    assert fields["close_usd:BTCUSDT"].value == candles.close[119]
    assert fields["return_24h_bps:BTCUSDT"].value == pytest.approx((candles.close[119] / candles.close[23] - 1) * 1e4)
    volume = (candles.volume[24:120] * candles.close[24:120]).sum()
    assert fields["volume_24h_usd:BTCUSDT"].value == pytest.approx(volume)
    assert fields["volatility_24h_bps:BTCUSDT"].value == pytest.approx(0.002 * 96**0.5 * 1e4, rel=0.25)
    assert fields["close_usd:BTCUSDT"].freshness == "fresh"
    assert fields["close_usd:ETHUSDT"].reason == "no candles of this symbol"


def test_prices_go_stale_when_no_candle_follows(tmp_path: Path) -> None:
    archive = BarArchive(tmp_path / "bars", VirtualClock(START + timedelta(days=30)))
    archive.write("BTCUSDT", 15 * MINUTE_MS, walk(96), "test")
    reading = Collector((), archive, deadline_s=1).collect(START + timedelta(hours=27), ("BTCUSDT",))
    assert reading.fields[0].freshness == "stale"


def _recorded(path: Path, at: datetime) -> dict[str, ContextField]:
    return {field.name: field for field in asyncio.run(Recorded(path).fetch(at)).fields}


def test_a_dated_row_is_known_only_when_its_day_has_ended(tmp_path: Path) -> None:
    table = pa.table({"date": ["2026-02-08", "2026-02-09"], "fear_greed": [10.0, 20.0], "dxy": [100.0, None]})
    pq.write_table(table, tmp_path / "daily.parquet")
    midnight = datetime(2026, 2, 10, tzinfo=UTC)
    assert _recorded(tmp_path / "daily.parquet", midnight - timedelta(seconds=1))["fear_greed"].value == 10.0
    known = _recorded(tmp_path, midnight)
    assert known["fear_greed"].value == 20.0
    assert (known["dollar_index"].value, known["dollar_index"].age_s) == (100.0, 86_400.0)
    assert known["usd_krw"].freshness == "missing"
    first = _recorded(tmp_path, datetime(2026, 2, 8, tzinfo=UTC))["fear_greed"]
    assert (first.freshness, first.reason) == ("missing", "recorded only later")


def test_synthetic_context_is_seeded_and_says_that_it_is_synthetic(tmp_path: Path) -> None:
    write_context(tmp_path / "a.parquet", 7, START, 30)
    write_context(tmp_path / "b.parquet", 7, START, 30)
    write_context(tmp_path / "c.parquet", 8, START, 30)
    first, again, other = (_recorded(tmp_path / f"{name}.parquet", AT) for name in "abc")
    assert first == again != other
    assert {field.source for field in first.values()} == {"synthetic"}
    assert {field.freshness for field in first.values()} == {"fresh"}


def test_a_recorded_file_that_is_absent_or_without_times_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="absent.parquet"):
        _recorded(tmp_path / "absent.parquet", AT)
    pq.write_table(pa.table({"fear_greed": [1.0]}), tmp_path / "timeless.parquet")
    with pytest.raises(BadInput, match="no column known_at_ms, date or ts"):
        _recorded(tmp_path / "timeless.parquet", AT)


def test_the_recorded_world_of_2022_is_read_as_it_was_known(data_dir: Path) -> None:
    at = datetime(2022, 3, 9, 15, 0, tzinfo=UTC)
    reading = asyncio.run(Recorded(data_dir / "context").fetch(at))
    fields = {field.name: field for field in reading.fields}
    table = pq.read_table(data_dir / "context" / "daily_context.parquet").to_pylist()
    day_before = next(row for row in table if row["date"] == "2022-03-08")
    assert fields["fear_greed"].value == day_before["fear_greed"]
    assert fields["mining_difficulty"].value == day_before["difficulty"]
    assert 35 < fields["btc_dominance_pct"].value < 50
    assert -1 <= fields["news_sentiment"].value <= 1
    assert reading.headlines
    assert all(at - timedelta(hours=24) < headline.at <= at for headline in reading.headlines)
