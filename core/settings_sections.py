"""What the settings may say, section by section: names, bounds, defaults. Read and merged by `core.settings`."""

from datetime import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

MIN_SCHEDULE_DAYS = 7
"""No boundary can be calibrated for a shorter way to the whole capital."""
PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Section(BaseModel):
    """A group of settings: immutable, and an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreSettings(Section):
    """Where things are kept."""

    url: str = ""
    """SQLAlchemy URL; empty means SQLite at `<home>/xcrack.db`."""
    busy_timeout_ms: Annotated[int, Field(ge=100, le=60_000)] = 2_000


class BridgeTlsSettings(Section):
    """PEM files of one side of mutual TLS: who signs the other side, own certificate, own key."""

    ca_file: Path
    cert_file: Path
    key_file: Path


class BridgeSettings(Section):
    """Where the worker listens for the engine."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8765
    listen: tuple[str, ...] = ()
    """Further addresses: tcp, ws or redis on this machine, tcps or wss with `tls` anywhere."""
    dial: str = ""
    """Which of `listen` the engine of `xcrack up` dials; empty means the WebSocket at `host` and `port`."""
    tls: BridgeTlsSettings | None = None
    """The worker's files."""
    engine_tls: BridgeTlsSettings | None = None
    """The engine's files, where it dials wss or tcps."""

    @model_validator(mode="after")
    def _someone_listens_where_the_engine_dials(self) -> "BridgeSettings":
        if self.dial and self.dial not in self.listen:
            raise ValueError("dial must be one of the addresses in listen")
        return self


class EngineSettings(Section):
    """How the engine is started."""

    binary: Path = PROJECT_ROOT / "rust_engine" / "target" / "release" / "xcrack-engine"
    advice_deadline_ms: Annotated[int, Field(ge=50, le=10_000)] = 950
    dead_man_s: Annotated[float, Field(ge=1, le=86_400)] | None = None
    metrics_listen: Annotated[str, Field(pattern=r"^(\S+:)?[0-9]{1,5}$")] | None = None
    """A port, or host:port."""

    @field_validator("metrics_listen", mode="before")
    @classmethod
    def _a_port_is_a_number_in_yaml(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class StreamSettings(Section):
    """What is subscribed for every symbol of a feed."""

    trades: bool = True
    quotes: bool = True
    depth: bool = False
    candles: Literal["1m", "3m", "5m", "15m", "30m", "1h", "4h", "1d"] = "1m"


class FeedSettings(Section):
    """Public data of one market, for paper and live trading."""

    venue: Literal["binance_spot", "binance_usdm", "bybit_spot", "bybit_linear"]
    symbols: Annotated[tuple[str, ...], Field(min_length=1)]
    """The exchange's names. A name that an earlier feed has too gets this venue's name added."""
    streams: StreamSettings = StreamSettings()
    ws_url: str = ""
    """Instead of the exchange's WebSocket."""
    rest_url: str = ""
    """Instead of the exchange's REST address."""


class FeeTierSettings(Section):
    """Fees of fills in basis points of notional, from a traded volume of the account on."""

    from_notional: Annotated[Decimal, Field(gt=0)]
    """Notional traded in the 30 full UTC days before, in quote currency (USD)."""
    maker_fee_bps: Annotated[float, Field(ge=-10, le=1000)]
    taker_fee_bps: Annotated[float, Field(ge=0, le=1000)]


class MarketSettings(Section):
    """The market of `xcrack up --mode paper`, and how the simulated venue fills on it."""

    feeds: Annotated[tuple[FeedSettings, ...], Field(min_length=1)] = (
        FeedSettings(venue="binance_spot", symbols=("BTCUSDT", "ETHUSDT")),
    )
    warmup_days: Annotated[int, Field(ge=1, le=1000)] = 3
    """Candles fetched before the first start."""
    stale_after_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Without any change for this long a symbol's data are stale, and nothing is opened on them."""
    venue_model: Literal["auto", "book", "bars"] = "auto"
    """auto: by book where prints and quotes are streamed, else by bars."""
    order_latency_ms: Annotated[float, Field(ge=0, le=10_000)] = 50.0
    queue_power: Annotated[float, Field(gt=0, le=10)] | None = None
    """Exponent of the probability queue; none is the risk-averse queue."""
    fee_tiers: tuple[FeeTierSettings, ...] = ()
    """Ascending; below the first one, and where there is none, `costs` hold."""
    max_messages_per_s: Annotated[int, Field(ge=1, le=2**32 - 1)] | None = None
    """Orders and cancels that the simulated exchange takes within a second of its clock; none is no bound."""
    reject_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of orders, never of cancels, that the simulated exchange refuses for reasons of its own."""
    reject_seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    """Decides which orders those are."""
    tick_days: Annotated[int, Field(ge=1)] = 30
    """How long prints, quotes and books stay in the archive."""
    segment_minutes: Annotated[int, Field(ge=1, le=10_080)] = 60
    """Age at which the engine closes a segment of its market log, so that it can be archived."""
    retain: Literal["keep", "until_archived"] = "keep"
    """Which closed segments stay: all, so that another build of the engine can start; or what archive or start need."""

    @property
    def fills_by_book(self) -> bool:
        """Whether orders fill by prints, quotes and a place in the queue, else by candles."""
        if self.venue_model != "auto":
            return self.venue_model == "book"
        return all(feed.streams.trades and (feed.streams.quotes or feed.streams.depth) for feed in self.feeds)

    @field_validator("fee_tiers")
    @classmethod
    def _tiers_ascend(cls, tiers: tuple[FeeTierSettings, ...]) -> tuple[FeeTierSettings, ...]:
        if any(later.from_notional <= earlier.from_notional for earlier, later in pairwise(tiers)):
            raise ValueError("fee_tiers must ascend by from_notional")
        return tiers

    @model_validator(mode="after")
    def _only_a_book_venue_refuses(self) -> "MarketSettings":
        if self.fills_by_book:
            return self
        if self.reject_rate > 0 or self.max_messages_per_s is not None:
            name = "reject_rate" if self.reject_rate > 0 else "max_messages_per_s"
            raise ValueError(
                f"{name} needs a venue that fills by book: venue_model book, or auto with prints and quotes"
            )
        return self


class CostSettings(Section):
    """Costs of the simulated venue and of every backtest, in basis points of notional."""

    maker_fee_bps: Annotated[float, Field(ge=-10, le=1000)] = 2.0
    taker_fee_bps: Annotated[float, Field(ge=0, le=1000)] = 5.0
    slippage_bps: Annotated[float, Field(ge=0, le=1000)] = 2.0

    @property
    def round_trip_bps(self) -> float:
        """Fees and slippage of getting in and out at the market."""
        return 2 * (self.taker_fee_bps + self.slippage_bps)


class RiskSettings(Section):
    """The engine's hard limits, in quote currency (USD)."""

    capital_usd: Annotated[Decimal, Field(gt=0)] = Decimal(20_000)
    max_order_notional_usd: Annotated[Decimal, Field(gt=0)] = Decimal(10_000)
    max_position_notional_usd: Annotated[Decimal, Field(gt=0)] = Decimal(12_000)
    max_gross_notional_usd: Annotated[Decimal, Field(gt=0)] = Decimal(60_000)
    price_collar_bps: Annotated[float, Field(gt=0, le=10_000)] = 500.0
    max_order_qty: dict[str, Annotated[Decimal, Field(gt=0)]] = {}
    max_messages_per_s: Annotated[int, Field(ge=1)] | None = None
    max_repeats: Annotated[int, Field(ge=1)] | None = None
    repeat_window_ms: Annotated[int, Field(ge=1, le=86_400_000)] = 10_000
    duplicate_window_ms: Annotated[int, Field(ge=1, le=86_400_000)] | None = None
    max_daily_loss_usd: Annotated[Decimal, Field(gt=0)] | None = None
    max_drawdown_pct: Annotated[float, Field(gt=0, le=100)] | None = None
    reduce_at_pct: Annotated[float, Field(gt=0, le=100)] = 80.0
    flatten_on_halt: bool = False


class InstanceSettings(Section):
    """One strategy to run from the first start on; later changes come by deployments only."""

    instance_id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    strategy: str
    symbols: tuple[str, ...] = ()
    """Empty means every symbol of the feed."""
    capital_share: Annotated[float, Field(gt=0, le=1)]
    params: dict[str, float] = {}
    """What differs from the strategy's defaults."""
    driver: Literal["bars", "trades", "quotes", "book"] = "bars"
    """Which events of the market it decides on."""
    rules: Path | None = None
    """JSON file with the first rule set of strategy `rules`, which proposals change; no other strategy has one."""


class AnalyzerSettings(Section):
    """The LLM. Without a key, or over budget, the rule analyzer takes over."""

    provider: Literal["deepseek", "openai", "ollama", "vllm", "llamacpp", "lmstudio", "openrouter"] = "deepseek"
    base_url: str = ""
    """Empty means the provider's own."""
    model: str = ""
    """Empty means the provider's default."""
    api_key: SecretStr = SecretStr("")
    """Also read from DEEPSEEK_API_KEY."""
    timeout_s: Annotated[float, Field(gt=0, le=900)] = 180.0
    monthly_cap_usd: Annotated[Decimal, Field(ge=0)] = Decimal(100)
    daily_cap_usd: Annotated[Decimal, Field(ge=0)] = Decimal(5)
    max_output_tokens: Annotated[int, Field(ge=256, le=64_000)] = 8_000
    prices_file: Path | None = None
    """YAML that overrides the bundled price table."""
    max_news_influence_pct: Annotated[float, Field(ge=0, le=100)] = 2.0
    """How far news may move a parameter, in percent of its range; what it would move further waits for a person."""
    spike_multiple: Annotated[float, Field(ge=2)] = 5.0
    """A call that costs more than so many times the median of its task stops further calls of the task for a day."""


class GateSettings(Section):
    """Error budget and windows; a change is a ledger row."""

    alpha_quarter: Annotated[float, Field(gt=0, le=0.5)] = 0.10
    tests_per_quarter: Annotated[int, Field(ge=1, le=92)] = 13
    sealed_days: Annotated[int, Field(ge=365)] = 730
    min_sealed_days: Annotated[int, Field(ge=365)] = 365
    seen_days: Annotated[int, Field(ge=60)] = 180
    embargo_days: Annotated[int, Field(ge=1)] = 5
    min_changed_trades: Annotated[int, Field(ge=1)] = 30
    cost_multiple: Annotated[float, Field(ge=1)] = 1.5
    plateau_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_step_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    cooldown_days: Annotated[int, Field(ge=0)] = 3
    queue_days: Annotated[int, Field(ge=1)] = 28
    require_approval: bool = False
    shadow_days: Annotated[int, Field(ge=1)] = 14
    """Whole days beside the incumbent before the first money."""
    canary_shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1)] = (0.1, 0.25, 0.5, 1)
    """Shares of the instance's capital, rising to the whole of it."""
    canary_step_days: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (30, 20, 20, 20)
    """Whole days at each share; the last are the first at the whole capital, still under the boundary."""
    canary_max_days: Annotated[int, Field(ge=1)] = 174
    """Days from the start within which the whole capital must be reached: 84 of the schedule, 90 of patience."""
    watch_days: Annotated[int, Field(ge=1)] = 90
    """Whole days at the whole capital beside the old parameters, until a change is confirmed."""
    false_rollbacks: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of harmless changes that may be taken back over the days of shadow and steps."""
    drift_days: Annotated[float, Field(gt=1)] = 365.0
    """Threshold of the drift detectors: about the days between two false alarms."""

    @model_validator(mode="after")
    def _the_schedule_rises_to_the_whole_capital(self) -> "GateSettings":
        shares, days = self.canary_shares, self.canary_step_days
        if shares[-1] != 1 or any(later <= earlier for earlier, later in pairwise(shares)):
            raise ValueError("canary_shares must rise from step to step and end at 1")
        if len(days) != len(shares):
            raise ValueError("canary_step_days needs one number for each of canary_shares")
        if self.shadow_days + sum(days) < MIN_SCHEDULE_DAYS:
            raise ValueError(f"shadow_days and canary_step_days must make at least {MIN_SCHEDULE_DAYS} days together")
        needed = self.shadow_days + sum(days[:-1])
        if self.canary_max_days < needed:
            raise ValueError(f"canary_max_days must be at least the {needed} days that shadow_days and the steps need")
        return self


class SearchSettings(Section):
    """The search for better parameters: what it may spend, and on whose ideas."""

    backtests_per_instance: Annotated[int, Field(ge=0, le=10_000)] = 60
    """Of one search; 0 means no search."""
    llm_share: Annotated[float, Field(ge=0, le=1)] = 1 / 3
    """Largest share of them that ideas of an analyzer may use."""
    placebo_share: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of proposals beside which a random change is tried."""
    fresh_days: Annotated[int, Field(ge=60)] = 60
    """The latest seen days: kept from the search, and its finds must gain on them."""


class ScaleSettings(Section):
    """Where work that comes in many independent pieces is done."""

    ray_address: Annotated[str, Field(pattern=r"^([^\s/:]+:[0-9]{1,5})?$")] = ""
    """Host and port of a Ray cluster's head; empty means on this machine."""


class ScheduleSettings(Section):
    """When the cycles run, in KST."""

    daily_at: time = time(0, 5)
    weekly_at: time = time(0, 30)
    """On Sundays."""
    monitor_minutes: Annotated[int, Field(ge=1, le=1440)] = 5
    daily_catch_up_hours: Annotated[int, Field(ge=1)] = 36
    weekly_catch_up_days: Annotated[int, Field(ge=1)] = 8

    @field_validator("daily_at", "weekly_at", mode="before")
    @classmethod
    def _quoted(cls, value: Any) -> Any:
        # YAML reads a bare 12:30 as the number 750, which would become twelve and a half minutes past midnight.
        if isinstance(value, (int, float)):
            raise ValueError("write the time in quotes, such as '12:30'")
        return value


class AlertSettings(Section):
    """Thresholds of the monitor."""

    latency_ms: Annotated[float, Field(gt=0)] = 100.0
    min_success_pct: Annotated[float, Field(ge=0, le=100)] = 80.0
    cpu_pct: Annotated[float, Field(gt=0, le=100)] = 80.0
    memory_pct: Annotated[float, Field(gt=0, le=100)] = 80.0
    max_errors: Annotated[int, Field(ge=0)] = 10
    drawdown_pct: Annotated[float, Field(gt=0, le=100)] = 10.0
    silence_s: Annotated[int, Field(ge=5)] = 120
    cooldown_s: Annotated[int, Field(ge=0)] = 300


class SourceSettings(Section):
    """Where market context comes from. An empty URL switches a source off; `file` reads recorded context instead."""

    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    """For one document."""
    fear_greed_url: str = "https://api.alternative.me/fng/?limit=1"
    dominance_url: str = "https://api.coingecko.com/api/v3/global"
    indices_url: str = "https://query1.finance.yahoo.com/v8/finance/chart/{symbol}?range=5d&interval=1d"
    usd_krw_url: str = "https://open.er-api.com/v6/latest/USD"
    news_url: str = "https://www.coindesk.com/arc/outboundfeeds/rss/"
    onchain_url: str = "https://mempool.space/api"
    exchange_flow_url: str = ""
    """Answers `{"value": ..., "observed_at": ...}`: net bitcoin into exchanges a day."""
    whale_moves_url: str = ""
    """Answers `{"value": ..., "observed_at": ...}`: large transfers a day."""
    file: Path | None = None
    """A Parquet file of recorded context, or a folder of them."""


class WebSettings(Section):
    """Dashboard and API."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    secret_key: SecretStr = SecretStr("")
    """Empty means one is made and kept in `<home>/web.secret`."""
    public_read: bool = True
    """Whether dashboard pages and read routes need no key on a loopback address."""


class TelegramSettings(Section):
    """The bot. Without a token everything is kept and shown on the dashboard."""

    token: SecretStr = SecretStr("")
    allowed_ids: tuple[int, ...] = ()
    """Numeric user ids that may command."""
    chat_ids: tuple[int, ...] = ()
    """Numeric chats that get reports and alerts."""
    base_url: str = "https://api.telegram.org/bot"


class RedisSettings(Section):
    """Optional cache of the insights."""

    url: str = ""
