"""Every table. Keys that name content are text; the chained tables carry `prev_sha256` and `sha256`."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from core.store.types import DayText, DecimalText, JsonText, UtcTime

metadata = MetaData()


def _id(name: str) -> Column[str]:
    return Column(name, String(80), primary_key=True)


def _ref(name: str, index: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, String(80), index=index, nullable=nullable)


# --- what the engine did ---------------------------------------------------------------------------------------------
trade = Table(
    "trade",
    metadata,
    _id("trade_id"),
    _ref("instance_id", index=True),
    _ref("strategy"),
    _ref("mode"),
    _ref("symbol"),
    Column("params_version", Integer, nullable=False),
    Column("closed_at", UtcTime, nullable=False, index=True),
    Column("closed_on", DayText, nullable=False, index=True),
    Column("net_pnl_usd", DecimalText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
signal = Table(
    "signal",
    metadata,
    _id("signal_id"),
    _ref("instance_id", index=True),
    _ref("symbol"),
    Column("at", UtcTime, nullable=False, index=True),
    _ref("outcome"),
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
    _id("advice_id"),
    Column("asked_at", UtcTime, nullable=False, index=True),
    Column("approve", Boolean, nullable=False),
    Column("detail", JsonText, nullable=False),
)
engine_state = Table(
    "engine_state",
    metadata,
    _id("engine_id"),
    _ref("state"),
    Column("at", UtcTime, nullable=False),
    Column("heard_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
)

# --- the bridge ------------------------------------------------------------------------------------------------------
bridge_outbound = Table(
    "bridge_outbound",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    _ref("kind"),
    Column("body", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("acked_at", UtcTime),
    sqlite_autoincrement=True,
)
bridge_inbound = Table(
    "bridge_inbound",
    metadata,
    _id("engine_id"),
    Column("received_seq", Integer, nullable=False),
    Column("reached_at", UtcTime),
)
dead_letter = Table(
    "dead_letter",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    _ref("channel"),
    _ref("kind"),
    Column("body", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# --- the world -------------------------------------------------------------------------------------------------------
market_context = Table(
    "market_context",
    metadata,
    _id("context_id"),
    Column("at", UtcTime, nullable=False, index=True),
    Column("detail", JsonText, nullable=False),
)
observation = Table(
    "observation",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("observed_at", UtcTime, primary_key=True),
    Column("value", Float, nullable=False),
    _ref("source"),
    Column("fetched_at", UtcTime, nullable=False),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    _ref("source", index=True),
    _ref("symbol"),
    _ref("reason"),
    Column("detail", JsonText, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# --- learning --------------------------------------------------------------------------------------------------------
dataset = Table(
    "dataset",
    metadata,
    _id("dataset_id"),
    Column("on", DayText, nullable=False, index=True),
    _ref("sha256"),
    Column("detail", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
prompt = Table(
    "prompt",
    metadata,
    _id("sha256"),
    _ref("name"),
    Column("version", Integer, nullable=False),
    _ref("language"),
    Column("text", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
llm_call = Table(
    "llm_call",
    metadata,
    _id("call_id"),
    _ref("task"),
    _ref("status"),
    _ref("prompt_sha256", index=True),
    Column("started_at", UtcTime, nullable=False, index=True),
    Column("reserved_usd", DecimalText, nullable=False),
    Column("cost_usd", DecimalText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
analysis = Table(
    "analysis",
    metadata,
    _id("analysis_id"),
    _ref("task"),
    Column("on", DayText, nullable=False, index=True),
    _ref("source"),
    Column("detail", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
forecast = Table(
    "forecast",
    metadata,
    _id("forecast_id"),
    Column("for_on", DayText, nullable=False, index=True),
    _ref("instance_id"),
    Column("detail", JsonText, nullable=False),
)
pattern = Table(
    "pattern",
    metadata,
    _id("pattern_id"),
    _ref("state"),
    Column("last_seen_on", DayText, nullable=False),
    Column("detail", JsonText, nullable=False),
)
feedback_note = Table(
    "feedback_note",
    metadata,
    _id("note_id"),
    _ref("author"),
    Column("at", UtcTime, nullable=False, index=True),
    _ref("target_kind"),
    _ref("target_id", index=True),
    Column("detail", JsonText, nullable=False),
)

# --- proposals and deployments ---------------------------------------------------------------------------------------
proposal = Table(
    "proposal",
    metadata,
    _id("proposal_id"),
    _ref("analysis_id", index=True),
    _ref("instance_id", index=True),
    _ref("strategy"),
    _ref("state", index=True),
    _ref("source"),
    Column("content_sha256", String(64), nullable=False, index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
)
ledger = Table(
    "ledger",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    _ref("kind", index=True),
    _ref("strategy", index=True),
    _ref("proposal_id", index=True, nullable=True),
    Column("payload", Text, nullable=False),
    Column("prev_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
)
backtest_run = Table(
    "backtest_run",
    metadata,
    _id("backtest_id"),
    _ref("proposal_id", index=True),
    _ref("window"),
    _ref("params_sha256"),
    Column("detail", JsonText, nullable=False),
    Column("at", UtcTime, nullable=False),
)
verdict = Table(
    "verdict",
    metadata,
    _id("verdict_id"),
    _ref("proposal_id", index=True),
    _ref("stage"),
    _ref("outcome"),
    Column("detail", JsonText, nullable=False),
    Column("decided_at", UtcTime, nullable=False),
)
param_version = Table(
    "param_version",
    metadata,
    Column("instance_id", String(80), primary_key=True),
    Column("version", Integer, primary_key=True),
    _ref("strategy"),
    Column("params", JsonText, nullable=False),
    _ref("sha256"),
    _ref("origin"),
    Column("created_at", UtcTime, nullable=False),
    Column("active", Boolean, nullable=False),
)
deployment = Table(
    "deployment",
    metadata,
    _id("deployment_id"),
    _ref("proposal_id", index=True, nullable=True),
    _ref("instance_id", index=True),
    Column("version", Integer, nullable=False),
    _ref("state", index=True),
    Column("created_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
    UniqueConstraint("instance_id", "version"),
)

# --- durable work ----------------------------------------------------------------------------------------------------
job_run = Table(
    "job_run",
    metadata,
    _id("run_id"),
    _ref("job"),
    Column("scheduled_for", UtcTime, nullable=False),
    _ref("state", index=True),
    _ref("lease_owner", nullable=True),
    Column("fencing_token", Integer, nullable=False),
    Column("lease_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("late", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    UniqueConstraint("job", "scheduled_for"),
)
job_step = Table(
    "job_step",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("step", String(80), primary_key=True),
    _ref("input_sha256"),
    Column("output", Text, nullable=False),
    Column("done_at", UtcTime, nullable=False),
)
lease = Table(
    "lease",
    metadata,
    _id("name"),
    _ref("owner"),
    Column("fencing_token", Integer, nullable=False),
    Column("until", UtcTime, nullable=False),
)
notification = Table(
    "notification",
    metadata,
    _id("notification_id"),
    _ref("kind"),
    _ref("severity"),
    Column("text", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("sent_at", UtcTime),
    Column("attempts", Integer, nullable=False),
)
report = Table(
    "report",
    metadata,
    _id("report_id"),
    _ref("kind"),
    Column("on", DayText, nullable=False),
    _ref("language"),
    Column("markdown", Text, nullable=False),
    Column("html", Text, nullable=False),
    _ref("sha256"),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("kind", "on", "language"),
)
alert = Table(
    "alert",
    metadata,
    _id("alert_id"),
    _ref("kind", index=True),
    _ref("severity"),
    _ref("subject"),
    Column("message", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("raised_at", UtcTime, nullable=False),
    Column("resolved_at", UtcTime),
)
request = Table(
    "request",
    metadata,
    _id("request_id"),
    _ref("kind"),
    _ref("subject_id"),
    _ref("by"),
    _ref("via"),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    _ref("state", index=True),
    Column("result", Text, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    _ref("actor"),
    _ref("action"),
    _ref("subject", index=True),
    Column("payload", Text, nullable=False),
    Column("prev_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
)
api_key = Table(
    "api_key",
    metadata,
    _id("key_id"),
    _ref("name"),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("scopes", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("last_used_at", UtcTime),
)
idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("scope", String(80), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
setting_fact = Table(
    "setting_fact",
    metadata,
    _id("name"),
    Column("value", JsonText, nullable=False),
    Column("at", UtcTime, nullable=False),
)
Index("ix_llm_call_month", llm_call.c.started_at, llm_call.c.status)
