"""Create the table of weekly searches."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "weekly_search",
        sa.Column("search_id", sa.String(80), nullable=False),
        sa.Column("on", sa.String(10), nullable=False),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("search_id", name="pk_weekly_search"),
    )
    op.create_index("ix_weekly_search_on", "weekly_search", ["on"])
