"""Create the tables of what became of proposals, and of how many patterns changed in a week."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "aftermath",
        sa.Column("aftermath_id", sa.String(80), nullable=False),
        sa.Column("proposal_id", sa.String(80), nullable=False),
        sa.Column("horizon_days", sa.Integer, nullable=False),
        sa.Column("registered_at", sa.String(27), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("aftermath_id", name="pk_aftermath"),
    )
    op.create_index("ix_aftermath_proposal_id", "aftermath", ["proposal_id"])
    op.create_index("ix_aftermath_registered_at", "aftermath", ["registered_at"])
    op.create_table(
        "pattern_week",
        sa.Column("week_on", sa.String(10), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("week_on", name="pk_pattern_week"),
    )
