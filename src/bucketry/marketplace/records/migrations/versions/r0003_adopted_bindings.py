"""Bindings that another broker made: what their identities are called."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bucketry.marketplace.records.tables import TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("bindings", sa.Column("identity", TEXT, nullable=False, server_default=""))
