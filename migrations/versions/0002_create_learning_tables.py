"""Create the tables of learning and change."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_analyses()
    _create_beliefs()
    _create_proposals()
    _create_deployments()
    _create_reports()


def _create_analyses() -> None:
    op.create_table(
        "dataset",
        sa.Column("dataset_id", sa.String(80), nullable=False),
        sa.Column("on", sa.String(10), nullable=False),
        sa.Column("sha256", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", name="pk_dataset"),
    )
    op.create_index("ix_dataset_on", "dataset", ["on"])
    op.create_table(
        "prompt",
        sa.Column("sha256", sa.String(80), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("language", sa.String(80), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_prompt"),
    )
    op.create_table(
        "llm_call",
        sa.Column("call_id", sa.String(80), nullable=False),
        sa.Column("task", sa.String(80), nullable=False),
        sa.Column("status", sa.String(80), nullable=False),
        sa.Column("prompt_sha256", sa.String(80), nullable=False),
        sa.Column("started_at", sa.String(27), nullable=False),
        sa.Column("reserved_usd", sa.String(64), nullable=False),
        sa.Column("cost_usd", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_llm_call"),
    )
    op.create_index("ix_llm_call_month", "llm_call", ["started_at", "status"])
    op.create_index("ix_llm_call_prompt_sha256", "llm_call", ["prompt_sha256"])
    op.create_index("ix_llm_call_started_at", "llm_call", ["started_at"])
    op.create_table(
        "analysis",
        sa.Column("analysis_id", sa.String(80), nullable=False),
        sa.Column("task", sa.String(80), nullable=False),
        sa.Column("on", sa.String(10), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("analysis_id", name="pk_analysis"),
    )
    op.create_index("ix_analysis_on", "analysis", ["on"])


def _create_beliefs() -> None:
    op.create_table(
        "forecast",
        sa.Column("forecast_id", sa.String(80), nullable=False),
        sa.Column("for_on", sa.String(10), nullable=False),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("forecast_id", name="pk_forecast"),
    )
    op.create_index("ix_forecast_for_on", "forecast", ["for_on"])
    op.create_table(
        "pattern",
        sa.Column("pattern_id", sa.String(80), nullable=False),
        sa.Column("state", sa.String(80), nullable=False),
        sa.Column("last_seen_on", sa.String(10), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("pattern_id", name="pk_pattern"),
    )
    op.create_table(
        "feedback_note",
        sa.Column("note_id", sa.String(80), nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("target_kind", sa.String(80), nullable=False),
        sa.Column("target_id", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("note_id", name="pk_feedback_note"),
    )
    op.create_index("ix_feedback_note_at", "feedback_note", ["at"])
    op.create_index("ix_feedback_note_target_id", "feedback_note", ["target_id"])


def _create_proposals() -> None:
    op.create_table(
        "proposal",
        sa.Column("proposal_id", sa.String(80), nullable=False),
        sa.Column("analysis_id", sa.String(80), nullable=False),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("strategy", sa.String(80), nullable=False),
        sa.Column("state", sa.String(80), nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", name="pk_proposal"),
    )
    op.create_index("ix_proposal_analysis_id", "proposal", ["analysis_id"])
    op.create_index("ix_proposal_content_sha256", "proposal", ["content_sha256"])
    op.create_index("ix_proposal_instance_id", "proposal", ["instance_id"])
    op.create_index("ix_proposal_state", "proposal", ["state"])
    op.create_table(
        "ledger",
        sa.Column("n", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("strategy", sa.String(80), nullable=False),
        sa.Column("proposal_id", sa.String(80), nullable=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("prev_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_ledger"),
    )
    op.create_index("ix_ledger_kind", "ledger", ["kind"])
    op.create_index("ix_ledger_proposal_id", "ledger", ["proposal_id"])
    op.create_index("ix_ledger_strategy", "ledger", ["strategy"])
    op.create_table(
        "backtest_run",
        sa.Column("backtest_id", sa.String(80), nullable=False),
        sa.Column("proposal_id", sa.String(80), nullable=False),
        sa.Column("window", sa.String(80), nullable=False),
        sa.Column("params_sha256", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("backtest_id", name="pk_backtest_run"),
    )
    op.create_index("ix_backtest_run_proposal_id", "backtest_run", ["proposal_id"])
    op.create_table(
        "verdict",
        sa.Column("verdict_id", sa.String(80), nullable=False),
        sa.Column("proposal_id", sa.String(80), nullable=False),
        sa.Column("stage", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("decided_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("verdict_id", name="pk_verdict"),
    )
    op.create_index("ix_verdict_proposal_id", "verdict", ["proposal_id"])


def _create_deployments() -> None:
    op.create_table(
        "param_version",
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("version", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("strategy", sa.String(80), nullable=False),
        sa.Column("params", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(80), nullable=False),
        sa.Column("origin", sa.String(80), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "version", name="pk_param_version"),
    )
    op.create_table(
        "deployment",
        sa.Column("deployment_id", sa.String(80), nullable=False),
        sa.Column("proposal_id", sa.String(80), nullable=True),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(80), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", name="pk_deployment"),
        sa.UniqueConstraint("instance_id", "version", name="uq_deployment_instance_id_version"),
    )
    op.create_index("ix_deployment_instance_id", "deployment", ["instance_id"])
    op.create_index("ix_deployment_proposal_id", "deployment", ["proposal_id"])
    op.create_index("ix_deployment_state", "deployment", ["state"])


def _create_reports() -> None:
    op.create_table(
        "report",
        sa.Column("report_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("on", sa.String(10), nullable=False),
        sa.Column("language", sa.String(80), nullable=False),
        sa.Column("markdown", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(80), nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name="pk_report"),
        sa.UniqueConstraint("kind", "on", "language", name="uq_report_kind_on_language"),
    )
    op.create_table(
        "alert",
        sa.Column("alert_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("severity", sa.String(80), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("raised_at", sa.String(27), nullable=False),
        sa.Column("resolved_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alert"),
    )
    op.create_index("ix_alert_kind", "alert", ["kind"])
