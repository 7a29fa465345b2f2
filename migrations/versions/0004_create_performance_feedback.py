"""Create the table of what became of predictions.

A trade's implementation shortfall needs no column: it is part of `trade.detail`, and an older trade has none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "performance_feedback",
        sa.Column("feedback_id", sa.String(80), nullable=False),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("prediction_id", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("feedback_id", name="pk_performance_feedback"),
    )
    op.create_index("ix_performance_feedback_at", "performance_feedback", ["at"])
    op.create_index("ix_performance_feedback_instance_id", "performance_feedback", ["instance_id"])
    op.create_index("ix_performance_feedback_prediction_id", "performance_feedback", ["prediction_id"])
