"""The tables of the marketplace's state. Races are decided here, by unique constraints and foreign keys.

`local_…` columns are set for what was ordered on this server and NULL for what foreign platforms ordered: unique
constraints and foreign keys bind the first and leave the second alone, since NULLs differ from each other.
Only types that SQLite and PostgreSQL share are used. Changing anything here needs a migration beside it.

Texts are compared byte by byte on both: in the order of a language, PostgreSQL's indexes would break with the next
version of the system's locales, and two databases would list names differently.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("guid", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False, unique=True),
    sa.Column("allows_paid_plans", sa.Boolean, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)

orgs = sa.Table(
    "orgs",
    metadata,
    sa.Column("guid", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False, unique=True),
    sa.Column("quota_guid", TEXT, sa.ForeignKey("quotas.guid"), nullable=False, index=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)

spaces = sa.Table(
    "spaces",
    metadata,
    sa.Column("guid", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("org_guid", TEXT, sa.ForeignKey("orgs.guid"), nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("org_guid", "name"),
)

apps = sa.Table(
    "apps",
    metadata,
    sa.Column("guid", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("space_guid", TEXT, sa.ForeignKey("spaces.guid"), nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("space_guid", "name"),
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("guid", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("org_guid", TEXT, nullable=False),
    sa.Column("space_guid", TEXT, nullable=False),
    sa.Column("local_space_guid", TEXT, sa.ForeignKey("spaces.guid")),
    sa.Column("service_guid", TEXT, nullable=False),
    sa.Column("plan_guid", TEXT, nullable=False),
    sa.Column("parameters", TEXT, nullable=False),  # JSON
    sa.Column("tags", TEXT, nullable=False),  # JSON
    sa.Column("state", TEXT, nullable=False),
    sa.Column("engine", TEXT, nullable=False),
    sa.Column("bucket", TEXT, nullable=False),
    sa.Column("last_type", TEXT, nullable=False),
    sa.Column("last_state", TEXT, nullable=False),
    sa.Column("last_description", TEXT, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("updated_ms", sa.BigInteger, nullable=False),
    sa.Column("holder", TEXT),  # who works on it; NULL: nobody
    sa.Column("held_until_ms", sa.BigInteger, nullable=False),
    sa.Column("operation_id", TEXT, nullable=False, server_default=""),
    sa.Column("maintenance_version", TEXT, nullable=False, server_default=""),
    sa.Column("pending", TEXT),  # JSON
    sa.UniqueConstraint("local_space_guid", "name"),
    sa.UniqueConstraint("engine", "bucket"),
    sa.Index("ix_instances_space_guid_name", "space_guid", "name"),
)
# Literals, not parameters: an index of some rows is only used where the query says the same.
UNFINISHED_INSTANCE = instances.c.state != sa.text("'ready'")
_instances_unfinished = sa.Index("ix_instances_unfinished", instances.c.updated_ms, sqlite_where=UNFINISHED_INSTANCE)

bindings = sa.Table(
    "bindings",
    metadata,
    sa.Column("guid", TEXT, primary_key=True),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("local_key_name", TEXT),
    sa.Column("instance_guid", TEXT, sa.ForeignKey("instances.guid"), nullable=False),
    sa.Column("app_guid", TEXT, index=True),
    sa.Column("local_app_guid", TEXT, sa.ForeignKey("apps.guid"), index=True),
    sa.Column("parameters", TEXT, nullable=False),  # JSON
    sa.Column("state", TEXT, nullable=False),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
    sa.Column("sealed_key", sa.LargeBinary),
    sa.Column("operation_id", TEXT, nullable=False, server_default=""),
    sa.Column("predecessor_guid", TEXT),
    sa.Column("identity", TEXT, nullable=False, server_default=""),
    sa.UniqueConstraint("instance_guid", "local_key_name"),
    sa.UniqueConstraint("instance_guid", "local_app_guid"),
)
UNFINISHED_BINDING = bindings.c.state != sa.text("'ready'")
_bindings_unfinished = sa.Index("ix_bindings_unfinished", bindings.c.instance_guid, sqlite_where=UNFINISHED_BINDING)

# Other instances whose buckets a binding reaches too.
binding_instances = sa.Table(
    "binding_instances",
    metadata,
    sa.Column("binding_guid", TEXT, sa.ForeignKey("bindings.guid", ondelete="CASCADE"), primary_key=True),
    sa.Column("instance_guid", TEXT, sa.ForeignKey("instances.guid"), primary_key=True, index=True),
    sa.Column("position", sa.Integer, nullable=False),
)

# How promised operations ended whose instance or binding is gone; binding_guid '' for those of instances.
ended_operations = sa.Table(
    "ended_operations",
    metadata,
    sa.Column("instance_guid", TEXT, primary_key=True),
    sa.Column("binding_guid", TEXT, primary_key=True),
    sa.Column("type", TEXT, nullable=False),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("description", TEXT, nullable=False),
    sa.Column("ended_ms", sa.BigInteger, nullable=False, index=True),
)

# Which store an embedded engine is, for records that several servers share.
engine_places = sa.Table(
    "engine_places",
    metadata,
    sa.Column("engine", TEXT, primary_key=True),
    sa.Column("place", TEXT, nullable=False),
)

# Where the schema's version is, as Alembic keeps it.
alembic = sa.MetaData()
alembic_version = sa.Table(
    "alembic_version",
    alembic,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def speak_postgresql() -> None:
    """Tell the indexes of some rows their condition on PostgreSQL too. Called where it is used: to name a dialect loads
    it, 50 ms and 4 MB."""
    _instances_unfinished.dialect_kwargs["postgresql_where"] = UNFINISHED_INSTANCE
    _bindings_unfinished.dialect_kwargs["postgresql_where"] = UNFINISHED_BINDING
