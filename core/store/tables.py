"""The tables of trading, learning and change; durable work has its own in `work_tables`.

Keys that name content are text; the chained tables carry `prev_sha256` and `sha256`.
"""

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from core.store.types import DayText, DecimalText, JsonText, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)


def identifier(name: str) -> Column[str]:
    """Return the column of a primary key that names content."""
    return Column(name, String(80), primary_key=True)


def reference(name: str, index: bool = False, nullable: bool = False) -> Column[str]:
    """Return the column of a name or of another row's key."""
    return Column(name, String(80), index=index, nullable=nullable)


# --- what the engine did ---------------------------------------------------------------------------------------------
trade = Table(
    "trade",
    metadata,
    identifier("trade_id"),
    reference("instance_id", index=True),
    reference("strategy"),
    reference("mode"),
    reference("symbol"),
    Column("params_version", Integer, nullable=False),
    Column("closed_at", UtcTime, nullable=False, index=True),
    Column("closed_on", DayText, nullable=False, index=True),
    Column("net_pnl_usd", DecimalText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
signal = Table(
    "signal",
    metadata,
    identifier("signal_id"),
    reference("instance_id", index=True),
    reference("symbol"),
    Column("at", UtcTime, nullable=False, index=True),
    reference("outcome"),
    Column("detail", JsonText, nullable=False),
)
equity_mark = Table(
    "equity_mark",
    metadata,
    Column("instance_id", String(80), primary_key=True),
    Column("at", UtcTime, primary_key=True),
    Column("equity_usd", DecimalText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
advice = Table(
    "advice",
    metadata,
    identifier("advice_id"),
    Column("asked_at", UtcTime, nullable=False, index=True),
    Column("approve", Boolean, nullable=False),
    Column("detail", JsonText, nullable=False),
)
advice_outcome = Table(
    "advice_outcome",
    metadata,
    identifier("advice_id"),
    Column("asked_at", UtcTime, nullable=False, index=True),
    Column("detail", JsonText, nullable=False),
)
advice_note = Table("advice_note", metadata, identifier("advice_id"), Column("detail", JsonText, nullable=False))
performance_feedback = Table(
    "performance_feedback",
    metadata,
    identifier("feedback_id"),
    reference("instance_id", index=True),
    reference("prediction_id", index=True),
    reference("outcome"),
    Column("at", UtcTime, nullable=False, index=True),
    Column("detail", JsonText, nullable=False),
)
engine_state = Table(
    "engine_state",
    metadata,
    identifier("engine_id"),
    reference("state"),
    Column("at", UtcTime, nullable=False),
    Column("heard_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
)

# --- the bridge ------------------------------------------------------------------------------------------------------
bridge_outbound = Table(
    "bridge_outbound",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    reference("kind"),
    Column("body", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("acked_at", UtcTime),
    sqlite_autoincrement=True,
)
bridge_inbound = Table(
    "bridge_inbound",
    metadata,
    identifier("engine_id"),
    Column("received_seq", Integer, nullable=False),
    Column("reached_at", UtcTime),
)
dead_letter = Table(
    "dead_letter",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    reference("channel"),
    reference("kind"),
    Column("body", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# --- the world -------------------------------------------------------------------------------------------------------
market_context = Table(
    "market_context",
    metadata,
    identifier("context_id"),
    Column("at", UtcTime, nullable=False, index=True),
    Column("detail", JsonText, nullable=False),
)
observation = Table(
    "observation",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("observed_at", UtcTime, primary_key=True),
    Column("value", Float, nullable=False),
    reference("source"),
    Column("fetched_at", UtcTime, nullable=False),
)
news_reading = Table(
    "news_reading",
    metadata,
    identifier("item_id"),
    Column("at", UtcTime, nullable=False, index=True),
    reference("reader"),
    Column("detail", JsonText, nullable=False),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    reference("source", index=True),
    reference("symbol"),
    reference("reason"),
    Column("detail", JsonText, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# --- learning --------------------------------------------------------------------------------------------------------
dataset = Table(
    "dataset",
    metadata,
    identifier("dataset_id"),
    Column("on", DayText, nullable=False, index=True),
    reference("sha256"),
    Column("detail", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
prompt = Table(
    "prompt",
    metadata,
    identifier("sha256"),
    reference("name"),
    Column("version", Integer, nullable=False),
    reference("language"),
    Column("text", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
llm_call = Table(
    "llm_call",
    metadata,
    identifier("call_id"),
    reference("task"),
    reference("status"),
    reference("prompt_sha256", index=True),
    Column("started_at", UtcTime, nullable=False, index=True),
    Column("reserved_usd", DecimalText, nullable=False),
    Column("cost_usd", DecimalText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
Index("ix_llm_call_month", llm_call.c.started_at, llm_call.c.status)
analysis = Table(
    "analysis",
    metadata,
    identifier("analysis_id"),
    reference("task"),
    Column("on", DayText, nullable=False, index=True),
    reference("source"),
    Column("detail", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
forecast = Table(
    "forecast",
    metadata,
    identifier("forecast_id"),
    Column("for_on", DayText, nullable=False, index=True),
    reference("instance_id"),
    Column("detail", JsonText, nullable=False),
)
pattern = Table(
    "pattern",
    metadata,
    identifier("pattern_id"),
    reference("state"),
    Column("last_seen_on", DayText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
twin_day = Table(
    "twin_day",
    metadata,
    Column("instance_id", String(80), primary_key=True),
    Column("on", DayText, primary_key=True),
    Column("detail", JsonText, nullable=False),
)
scorecard = Table(
    "scorecard",
    metadata,
    Column("on", DayText, primary_key=True),
    Column("detail", JsonText, nullable=False),
)
pattern_week = Table(
    "pattern_week",
    metadata,
    Column("week_on", DayText, primary_key=True),
    Column("detail", JsonText, nullable=False),
)
feedback_note = Table(
    "feedback_note",
    metadata,
    identifier("note_id"),
    reference("author"),
    Column("at", UtcTime, nullable=False, index=True),
    reference("target_kind"),
    reference("target_id", index=True),
    Column("detail", JsonText, nullable=False),
)

# --- proposals and deployments ---------------------------------------------------------------------------------------
proposal = Table(
    "proposal",
    metadata,
    identifier("proposal_id"),
    reference("analysis_id", index=True),
    reference("instance_id", index=True),
    reference("strategy"),
    reference("state", index=True),
    reference("source"),
    Column("content_sha256", String(64), nullable=False, index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
)
ledger = Table(
    "ledger",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    reference("kind", index=True),
    reference("strategy", index=True),
    reference("proposal_id", index=True, nullable=True),
    Column("payload", Text, nullable=False),
    Column("prev_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
)
backtest_run = Table(
    "backtest_run",
    metadata,
    identifier("backtest_id"),
    reference("proposal_id", index=True),
    reference("window"),
    reference("params_sha256"),
    Column("detail", JsonText, nullable=False),
    Column("at", UtcTime, nullable=False),
)
verdict = Table(
    "verdict",
    metadata,
    identifier("verdict_id"),
    reference("proposal_id", index=True),
    reference("stage"),
    reference("outcome"),
    Column("detail", JsonText, nullable=False),
    Column("decided_at", UtcTime, nullable=False),
)
aftermath = Table(
    "aftermath",
    metadata,
    identifier("aftermath_id"),
    reference("proposal_id", index=True),
    Column("horizon_days", Integer, nullable=False),
    Column("registered_at", UtcTime, nullable=False, index=True),
    Column("detail", JsonText, nullable=False),
)
param_version = Table(
    "param_version",
    metadata,
    Column("instance_id", String(80), primary_key=True),
    Column("version", Integer, primary_key=True),
    reference("strategy"),
    Column("params", JsonText, nullable=False),
    reference("sha256"),
    reference("origin"),
    Column("created_at", UtcTime, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("rules", Text),
)
deployment = Table(
    "deployment",
    metadata,
    identifier("deployment_id"),
    reference("proposal_id", index=True, nullable=True),
    reference("instance_id", index=True),
    Column("version", Integer, nullable=False),
    reference("state", index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
    UniqueConstraint("instance_id", "version"),
)

canary = Table(
    "canary",
    metadata,
    identifier("canary_id"),
    reference("proposal_id", index=True),
    reference("instance_id", index=True),
    reference("stage", index=True),
    Column("started_on", DayText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
canary_day = Table(
    "canary_day",
    metadata,
    Column("canary_id", String(80), primary_key=True),
    Column("on", DayText, primary_key=True),
    Column("detail", JsonText, nullable=False),
)
canary_decision = Table(
    "canary_decision",
    metadata,
    Column("canary_id", String(80), primary_key=True),
    Column("on", DayText, primary_key=True),
    Column("detail", JsonText, nullable=False),
)

weekly_search = Table(
    "weekly_search",
    metadata,
    identifier("search_id"),
    Column("on", DayText, nullable=False, index=True),
    reference("instance_id"),
    Column("detail", JsonText, nullable=False),
)

# --- what people read ------------------------------------------------------------------------------------------------

report = Table(
    "report",
    metadata,
    identifier("report_id"),
    reference("kind"),
    Column("on", DayText, nullable=False),
    reference("language"),
    Column("markdown", Text, nullable=False),
    Column("html", Text, nullable=False),
    reference("sha256"),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("kind", "on", "language"),
)
alert = Table(
    "alert",
    metadata,
    identifier("alert_id"),
    reference("kind", index=True),
    reference("severity"),
    reference("subject"),
    Column("message", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("raised_at", UtcTime, nullable=False),
    Column("resolved_at", UtcTime),
)
