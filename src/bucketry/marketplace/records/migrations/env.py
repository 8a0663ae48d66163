"""Alembic's entry: runs the migrations on the connection that database.migrate() hands over."""

from __future__ import annotations

from alembic import context

from bucketry.marketplace.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
)
with context.begin_transaction():
    context.run_migrations()
