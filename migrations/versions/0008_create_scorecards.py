"""Create the table of scorecards: one a day, because checking every row of the ledger takes too long for a page."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "scorecard",
        sa.Column("on", sa.String(10), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("on", name="pk_scorecard"),
    )
