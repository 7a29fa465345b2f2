"""Create the tables of canaries, their days and the decisions about them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "canary",
        sa.Column("canary_id", sa.String(80), nullable=False),
        sa.Column("proposal_id", sa.String(80), nullable=False),
        sa.Column("instance_id", sa.String(80), nullable=False),
        sa.Column("stage", sa.String(80), nullable=False),
        sa.Column("started_on", sa.String(10), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("canary_id", name="pk_canary"),
    )
    op.create_index("ix_canary_instance_id", "canary", ["instance_id"])
    op.create_index("ix_canary_proposal_id", "canary", ["proposal_id"])
    op.create_index("ix_canary_stage", "canary", ["stage"])
    for name in ("canary_day", "canary_decision"):
        op.create_table(
            name,
            sa.Column("canary_id", sa.String(80), nullable=False),
            sa.Column("on", sa.String(10), nullable=False),
            sa.Column("detail", sa.Text, nullable=False),
            sa.PrimaryKeyConstraint("canary_id", "on", name=f"pk_{name}"),
        )
