"""Operations that go on after they were answered, rotation of bindings, versions of maintenance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instances", sa.Column("operation_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("instances", sa.Column("maintenance_version", sa.Text(), nullable=False, server_default=""))
    op.add_column("instances", sa.Column("pending", sa.Text(), nullable=True))
    op.add_column("bindings", sa.Column("operation_id", sa.Text(), nullable=False, server_default=""))
    op.add_column("bindings", sa.Column("predecessor_guid", sa.Text(), nullable=True))
    op.create_table(
        "ended_operations",
        sa.Column("instance_guid", sa.Text(), nullable=False),
        sa.Column("binding_guid", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance_guid", "binding_guid", name="pk_ended_operations"),
    )
    op.create_index("ix_ended_operations_ended_ms", "ended_operations", ["ended_ms"])
