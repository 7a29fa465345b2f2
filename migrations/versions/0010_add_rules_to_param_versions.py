"""Add the rule set to parameter versions; the first start afterwards fills it in from the settings."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("param_version", sa.Column("rules", sa.Text))
