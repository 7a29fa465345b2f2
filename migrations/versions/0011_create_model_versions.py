"""Create the tables of trained models: their versions, of which one a slot is active, and what became of each."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column("model_id", sa.String(80), nullable=False),
        sa.Column("slot", sa.String(80), nullable=False),
        sa.Column("status", sa.String(80), nullable=False),
        sa.Column("active_slot", sa.String(80)),
        sa.Column("created_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model_id", name="pk_model_version"),
        sa.UniqueConstraint("active_slot", name="uq_model_version_active_slot"),
    )
    op.create_index("ix_model_version_slot", "model_version", ["slot"])
    op.create_index("ix_model_version_status", "model_version", ["status"])
    op.create_table(
        "model_event",
        sa.Column("model_id", sa.String(80), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model_id", "number", name="pk_model_event"),
    )
