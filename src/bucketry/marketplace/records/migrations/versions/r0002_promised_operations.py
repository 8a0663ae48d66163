"""Operations that go on after they were answered, rotation of bindings, versions of maintenance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bucketry.marketplace.records.tables import TEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instances", sa.Column("operation_id", TEXT, nullable=False, server_default=""))
    op.add_column("instances", sa.Column("maintenance_version", TEXT, nullable=False, server_default=""))
    op.add_column("instances", sa.Column("pending", TEXT, nullable=True))
    op.add_column("bindings", sa.Column("operation_id", TEXT, nullable=False, server_default=""))
    op.add_column("bindings", sa.Column("predecessor_guid", TEXT, nullable=True))
    op.create_table(
        "ended_operations",
        sa.Column("instance_guid", TEXT, nullable=False),
        sa.Column("binding_guid", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_guid", "binding_guid", name="pk_ended_operations"),
    )
    op.create_index("ix_ended_operations_ended_ms", "ended_operations", ["ended_ms"])
