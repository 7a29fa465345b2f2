"""Create the table of predictions and their outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "prediction",
        sa.Column("prediction_id", sa.String(80), nullable=False),
        sa.Column("symbol", sa.String(80), nullable=False),
        sa.Column("interval", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("due_at", sa.String(27), nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("is_sent", sa.Boolean, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("prediction_id", name="pk_prediction"),
    )
    op.create_index("ix_prediction_at", "prediction", ["at"])
    op.create_index("ix_prediction_symbol", "prediction", ["symbol", "interval", "at"])
    op.create_index("ix_prediction_is_open", "prediction", ["is_open", "symbol", "due_at"])
