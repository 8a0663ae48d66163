"""The first schema: places, instances, bindings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from bucketry.marketplace.records.tables import TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _quotas()
    _orgs()
    _spaces()
    _apps()
    _instances()
    _bindings()
    _binding_instances()


def _quotas() -> None:
    op.create_table(
        "quotas",
        sa.Column("guid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("allows_paid_plans", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("guid", name="pk_quotas"),
        sa.UniqueConstraint("name", name="uq_quotas_name"),
    )


def _orgs() -> None:
    op.create_table(
        "orgs",
        sa.Column("guid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("quota_guid", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["quota_guid"], ["quotas.guid"], name="fk_orgs_quota_guid"),
        sa.PrimaryKeyConstraint("guid", name="pk_orgs"),
        sa.UniqueConstraint("name", name="uq_orgs_name"),
    )
    op.create_index("ix_orgs_quota_guid", "orgs", ["quota_guid"])


def _spaces() -> None:
    op.create_table(
        "spaces",
        sa.Column("guid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("org_guid", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org_guid"], ["orgs.guid"], name="fk_spaces_org_guid"),
        sa.PrimaryKeyConstraint("guid", name="pk_spaces"),
        sa.UniqueConstraint("org_guid", "name", name="uq_spaces_org_guid_name"),
    )


def _apps() -> None:
    op.create_table(
        "apps",
        sa.Column("guid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("space_guid", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["space_guid"], ["spaces.guid"], name="fk_apps_space_guid"),
        sa.PrimaryKeyConstraint("guid", name="pk_apps"),
        sa.UniqueConstraint("space_guid", "name", name="uq_apps_space_guid_name"),
    )


def _instances() -> None:
    op.create_table(
        "instances",
        sa.Column("guid", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("org_guid", TEXT, nullable=False),
        sa.Column("space_guid", TEXT, nullable=False),
        sa.Column("local_space_guid", TEXT, nullable=True),
        sa.Column("service_guid", TEXT, nullable=False),
        sa.Column("plan_guid", TEXT, nullable=False),
        sa.Column("parameters", TEXT, nullable=False),
        sa.Column("tags", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("engine", TEXT, nullable=False),
        sa.Column("bucket", TEXT, nullable=False),
        sa.Column("last_type", TEXT, nullable=False),
        sa.Column("last_state", TEXT, nullable=False),
        sa.Column("last_description", TEXT, nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("holder", TEXT, nullable=True),
        sa.Column("held_until_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["local_space_guid"], ["spaces.guid"], name="fk_instances_local_space_guid"),
        sa.PrimaryKeyConstraint("guid", name="pk_instances"),
        sa.UniqueConstraint("engine", "bucket", name="uq_instances_engine_bucket"),
        sa.UniqueConstraint("local_space_guid", "name", name="uq_instances_local_space_guid_name"),
    )
    op.create_index("ix_instances_space_guid_name", "instances", ["space_guid", "name"])
    op.create_index(
        "ix_instances_unfinished",
        "instances",
        ["updated_ms"],
        sqlite_where=sa.text("state != 'ready'"),
        postgresql_where=sa.text("state != 'ready'"),
    )


def _bindings() -> None:
    op.create_table(
        "bindings",
        sa.Column("guid", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("local_key_name", TEXT, nullable=True),
        sa.Column("instance_guid", TEXT, nullable=False),
        sa.Column("app_guid", TEXT, nullable=True),
        sa.Column("local_app_guid", TEXT, nullable=True),
        sa.Column("parameters", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["instance_guid"], ["instances.guid"], name="fk_bindings_instance_guid"),
        sa.ForeignKeyConstraint(["local_app_guid"], ["apps.guid"], name="fk_bindings_local_app_guid"),
        sa.PrimaryKeyConstraint("guid", name="pk_bindings"),
        sa.UniqueConstraint("instance_guid", "local_app_guid", name="uq_bindings_instance_guid_local_app_guid"),
        sa.UniqueConstraint("instance_guid", "local_key_name", name="uq_bindings_instance_guid_local_key_name"),
    )
    op.create_index("ix_bindings_app_guid", "bindings", ["app_guid"])
    op.create_index("ix_bindings_local_app_guid", "bindings", ["local_app_guid"])
    op.create_index(
        "ix_bindings_unfinished",
        "bindings",
        ["instance_guid"],
        sqlite_where=sa.text("state != 'ready'"),
        postgresql_where=sa.text("state != 'ready'"),
    )


def _binding_instances() -> None:
    op.create_table(
        "binding_instances",
        sa.Column("binding_guid", TEXT, nullable=False),
        sa.Column("instance_guid", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["binding_guid"], ["bindings.guid"], name="fk_binding_instances_binding_guid", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["instance_guid"], ["instances.guid"], name="fk_binding_instances_instance_guid"),
        sa.PrimaryKeyConstraint("binding_guid", "instance_guid", name="pk_binding_instances"),
    )
    op.create_index("ix_binding_instances_instance_guid", "binding_instances", ["instance_guid"])
