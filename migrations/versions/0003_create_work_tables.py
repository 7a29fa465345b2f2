"""Create the tables of durable work."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _create_runs()
    _create_messages()
    _create_doors()


def _create_runs() -> None:
    op.create_table(
        "job_run",
        sa.Column("run_id", sa.String(80), nullable=False),
        sa.Column("job", sa.String(80), nullable=False),
        sa.Column("scheduled_for", sa.String(27), nullable=False),
        sa.Column("state", sa.String(80), nullable=False),
        sa.Column("lease_owner", sa.String(80), nullable=True),
        sa.Column("fencing_token", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.String(27), nullable=True),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("finished_at", sa.String(27), nullable=True),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("retry_at", sa.String(27), nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_job_run"),
        sa.UniqueConstraint("job", "scheduled_for", name="uq_job_run_job_scheduled_for"),
    )
    op.create_index("ix_job_run_state", "job_run", ["state"])
    op.create_table(
        "job_step",
        sa.Column("run_id", sa.String(80), nullable=False),
        sa.Column("step", sa.String(80), nullable=False),
        sa.Column("input_sha256", sa.String(80), nullable=False),
        sa.Column("output", sa.Text, nullable=False),
        sa.Column("done_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "step", name="pk_job_step"),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("fencing_token", sa.Integer, nullable=False),
        sa.Column("until", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )


def _create_messages() -> None:
    op.create_table(
        "notification",
        sa.Column("n", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("notification_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("severity", sa.String(80), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("sent_at", sa.String(27), nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_notification"),
        sa.UniqueConstraint("notification_id", name="uq_notification_notification_id"),
    )
    op.create_index("ix_notification_created_at", "notification", ["created_at"])
    op.create_table(
        "request",
        sa.Column("request_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("subject_id", sa.String(80), nullable=False),
        sa.Column("by", sa.String(80), nullable=False),
        sa.Column("via", sa.String(80), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("state", sa.String(80), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_request"),
    )
    op.create_index("ix_request_state", "request", ["state"])
    op.create_table(
        "audit",
        sa.Column("n", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("action", sa.String(80), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])


def _create_doors() -> None:
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.String(80), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("expires_at", sa.String(27), nullable=True),
        sa.Column("revoked_at", sa.String(27), nullable=True),
        sa.Column("last_used_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_key"),
        sa.UniqueConstraint("sha256", name="uq_api_key_sha256"),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("scope", sa.String(80), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name="pk_idempotency_key"),
    )
    op.create_table(
        "setting_fact",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting_fact"),
    )
