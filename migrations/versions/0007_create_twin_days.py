"""Create the table of days beside the do-nothing twin."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "twin_day",
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("on", sa.String(10), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("instance_id", "on", name="pk_twin_day"),
    )
