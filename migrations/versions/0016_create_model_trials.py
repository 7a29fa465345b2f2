"""Create the table of trials: models that are compared in shadow with the one that serves."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "model_trial",
        sa.Column("slot", sa.String(80), nullable=False),
        sa.Column("challenger", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("slot", "challenger", name="pk_model_trial"),
    )
