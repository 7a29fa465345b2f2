"""Create the tables of trading, bridge and market."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_trading()
    _create_bridge()
    _create_market()


def _create_trading() -> None:
    op.create_table(
        "trade",
        sa.Column("trade_id", sa.String(80), nullable=False),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("strategy", sa.String(80), nullable=False),
        sa.Column("mode", sa.String(80), nullable=False),
        sa.Column("symbol", sa.String(80), nullable=False),
        sa.Column("params_version", sa.Integer, nullable=False),
        sa.Column("closed_at", sa.String(27), nullable=False),
        sa.Column("closed_on", sa.String(10), nullable=False),
        sa.Column("net_pnl_usd", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("trade_id", name="pk_trade"),
    )
    op.create_index("ix_trade_closed_at", "trade", ["closed_at"])
    op.create_index("ix_trade_closed_on", "trade", ["closed_on"])
    op.create_index("ix_trade_instance_id", "trade", ["instance_id"])
    op.create_table(
        "signal",
        sa.Column("signal_id", sa.String(80), nullable=False),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("symbol", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("outcome", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signal"),
    )
    op.create_index("ix_signal_at", "signal", ["at"])
    op.create_index("ix_signal_instance_id", "signal", ["instance_id"])
    op.create_table(
        "equity_mark",
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("equity_usd", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "at", name="pk_equity_mark"),
    )
    op.create_table(
        "advice",
        sa.Column("advice_id", sa.String(80), nullable=False),
        sa.Column("asked_at", sa.String(27), nullable=False),
        sa.Column("approve", sa.Boolean, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("advice_id", name="pk_advice"),
    )
    op.create_index("ix_advice_asked_at", "advice", ["asked_at"])
    op.create_table(
        "engine_state",
        sa.Column("engine_id", sa.String(80), nullable=False),
        sa.Column("state", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("heard_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("engine_id", name="pk_engine_state"),
    )


def _create_bridge() -> None:
    op.create_table(
        "bridge_outbound",
        sa.Column("seq", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("acked_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_bridge_outbound"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "bridge_inbound",
        sa.Column("engine_id", sa.String(80), nullable=False),
        sa.Column("received_seq", sa.Integer, nullable=False),
        sa.Column("reached_at", sa.String(27), nullable=True),
        sa.PrimaryKeyConstraint("engine_id", name="pk_bridge_inbound"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("n", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("channel", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_dead_letter"),
    )


def _create_market() -> None:
    op.create_table(
        "market_context",
        sa.Column("context_id", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("context_id", name="pk_market_context"),
    )
    op.create_index("ix_market_context_at", "market_context", ["at"])
    op.create_table(
        "observation",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("observed_at", sa.String(27), nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("fetched_at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("name", "observed_at", name="pk_observation"),
    )
    op.create_table(
        "quarantine",
        sa.Column("n", sa.Integer, nullable=False, autoincrement=True),
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("symbol", sa.String(80), nullable=False),
        sa.Column("reason", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_source", "quarantine", ["source"])
