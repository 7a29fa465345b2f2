"""Create the tables of watched models: the state of each watch, what was found, and the trainings asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "model_watch",
        sa.Column("model_id", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model_id", name="pk_model_watch"),
    )
    op.create_table(
        "model_drift",
        sa.Column("model_id", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("onset", sa.String(27), nullable=False),
        sa.Column("found_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model_id", "kind", "onset", name="pk_model_drift"),
    )
    op.create_index("ix_model_drift_found_at", "model_drift", ["found_at"])
    op.create_table(
        "retraining",
        sa.Column("request_id", sa.String(80), nullable=False),
        sa.Column("slot", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_retraining"),
    )
    op.create_index("ix_retraining_slot", "retraining", ["slot"])
