"""Create the table of headlines as a reader turned them into numbers."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "news_reading",
        sa.Column("item_id", sa.String(80), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("reader", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("item_id", name="pk_news_reading"),
    )
    op.create_index("ix_news_reading_at", "news_reading", ["at"])
