"""The tables of durable work: runs, leases, outboxes, requests, audit, keys, trained models and what they said."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from core.store.tables import identifier, metadata, reference
from core.store.types import JsonText, UtcTime

job_run = Table(
    "job_run",
    metadata,
    identifier("run_id"),
    reference("job"),
    Column("scheduled_for", UtcTime, nullable=False),
    reference("state", index=True),
    reference("lease_owner", nullable=True),
    Column("fencing_token", Integer, nullable=False),
    Column("lease_until", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("late", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("retry_at", UtcTime),
    Column("error", Text, nullable=False),
    UniqueConstraint("job", "scheduled_for"),
)
job_step = Table(
    "job_step",
    metadata,
    Column("run_id", String(80), primary_key=True),
    Column("step", String(80), primary_key=True),
    reference("input_sha256"),
    Column("output", Text, nullable=False),
    Column("done_at", UtcTime, nullable=False),
)
lease = Table(
    "lease",
    metadata,
    identifier("name"),
    reference("owner"),
    Column("fencing_token", Integer, nullable=False),
    Column("until", UtcTime, nullable=False),
)
advice_question = Table(
    "advice_question",
    metadata,
    identifier("advice_id"),
    Column("deadline_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
)
notification = Table(
    "notification",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("notification_id", String(80), nullable=False, unique=True),
    reference("kind"),
    reference("severity"),
    Column("text", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False, index=True),
    Column("sent_at", UtcTime),
    Column("attempts", Integer, nullable=False),
)
request = Table(
    "request",
    metadata,
    identifier("request_id"),
    reference("kind"),
    reference("subject_id"),
    reference("by"),
    reference("via"),
    Column("reason", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    reference("state", index=True),
    Column("result", Text, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    reference("actor"),
    reference("action"),
    reference("subject", index=True),
    Column("payload", Text, nullable=False),
    Column("prev_sha256", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
)
api_key = Table(
    "api_key",
    metadata,
    identifier("key_id"),
    reference("name"),
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
    identifier("name"),
    Column("value", JsonText, nullable=False),
    Column("at", UtcTime, nullable=False),
)
model_version = Table(
    "model_version",
    metadata,
    identifier("model_id"),
    reference("slot", index=True),
    reference("status", index=True),
    # The slot while the version is active, else NULL: the database itself lets no second one be.
    reference("active_slot", nullable=True),
    Column("created_at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
    UniqueConstraint("active_slot"),
)
model_event = Table(
    "model_event",
    metadata,
    Column("model_id", String(80), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("detail", JsonText, nullable=False),
)
prediction = Table(
    "prediction",
    metadata,
    identifier("prediction_id"),
    reference("symbol"),
    reference("interval"),
    Column("at", UtcTime, nullable=False, index=True),
    Column("due_at", UtcTime, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("is_sent", Boolean, nullable=False),
    Column("detail", JsonText, nullable=False),
)
Index("ix_prediction_symbol", prediction.c.symbol, prediction.c.interval, prediction.c.at)
Index("ix_prediction_is_open", prediction.c.is_open, prediction.c.symbol, prediction.c.due_at)
model_trial = Table(
    "model_trial",
    metadata,
    Column("slot", String(80), primary_key=True),
    Column("challenger", String(80), primary_key=True),
    Column("detail", JsonText, nullable=False),
)
model_watch = Table(
    "model_watch",
    metadata,
    identifier("model_id"),
    Column("detail", JsonText, nullable=False),
)
model_drift = Table(
    "model_drift",
    metadata,
    Column("model_id", String(80), primary_key=True),
    Column("kind", String(80), primary_key=True),
    Column("onset", UtcTime, primary_key=True),
    Column("found_at", UtcTime, nullable=False, index=True),
    Column("detail", JsonText, nullable=False),
)
retraining = Table(
    "retraining",
    metadata,
    identifier("request_id"),
    reference("slot", index=True),
    Column("at", UtcTime, nullable=False),
    Column("detail", JsonText, nullable=False),
)
