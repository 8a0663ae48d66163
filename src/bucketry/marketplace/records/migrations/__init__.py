"""Schema versions of the marketplace's state, as Alembic runs them."""
