"""The catalog that the settings name: read before anything is made, so that a mistake in it is told at once."""

from __future__ import annotations

from pathlib import Path

from bucketry.marketplace.domain import catalog as catalogs
from bucketry.serve.errors import SettingsError
from bucketry.serve.settings import Settings

EMBEDDED = "embedded"  # the name of the engine that needs no settings


def read_catalog(settings: Settings) -> catalogs.Catalog:
    """The catalog file of the settings, or the default one. SettingsError names the place of what is wrong in it."""
    path = settings.catalog.file
    if not path:
        return catalogs.default()
    try:
        catalog = catalogs.parse(Path(path).read_bytes())
    except OSError as problem:
        raise SettingsError(f"[catalog] file {path} can't be read: {problem.strerror}.") from None
    except catalogs.CatalogError as problem:
        raise SettingsError(f"[catalog] file {path}: {problem}") from None
    if unknown := sorted(catalog.engine_names() - {EMBEDDED}):
        raise SettingsError(f"[catalog] file {path}: there is no engine {unknown[0]!r}; this server has {EMBEDDED!r}.")
    return catalog
