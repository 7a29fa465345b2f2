"""Create the tables of open questions to the advisor, of what became of its answers, and of its reasons."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "advice_question",
        sa.Column("advice_id", sa.String(80), nullable=False),
        sa.Column("deadline_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("advice_id", name="pk_advice_question"),
    )
    op.create_table(
        "advice_outcome",
        sa.Column("advice_id", sa.String(80), nullable=False),
        sa.Column("asked_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("advice_id", name="pk_advice_outcome"),
    )
    op.create_index("ix_advice_outcome_asked_at", "advice_outcome", ["asked_at"])
    op.create_table(
        "advice_note",
        sa.Column("advice_id", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("advice_id", name="pk_advice_note"),
    )
