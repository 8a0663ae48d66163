"""Which store an embedded engine is: a second server on the same records has another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bucketry.marketplace.records.tables import TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "engine_places",
        sa.Column("engine", TEXT, nullable=False),
        sa.Column("place", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("engine", name="pk_engine_places"),
    )
