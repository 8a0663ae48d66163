"""The catalog that the settings name: read before anything is made, so that a mistake in it is told at once."""

from __future__ import annotations

from pathlib import Path

from bucketry.marketplace.domain import catalog as catalogs
from bucketry.serve.engine_settings import default_engine
from bucketry.serve.errors import SettingsError
from bucketry.serve.settings import Settings


def read_catalog(settings: Settings) -> catalogs.Catalog:
    """The catalog file of the settings, or the default one. SettingsError names the place of what is wrong in it."""
    path, engine = settings.catalog.file, default_engine(settings.engines)
    known = ", ".join(sorted(settings.engines))
    if not path:
        try:
            return catalogs.default(engine)
        except catalogs.CatalogError:
            raise SettingsError(
                f"There are several engines ({known}), so plans have to name theirs: give a [catalog] file, or call "
                "the engine of the default catalog `embedded`."
            ) from None
    try:
        catalog = catalogs.parse(Path(path).read_bytes(), engine)
    except OSError as problem:
        raise SettingsError(f"[catalog] file {path} can't be read: {problem.strerror}.") from None
    except catalogs.CatalogError as problem:
        raise SettingsError(f"[catalog] file {path}: {problem}") from None
    if unknown := sorted(catalog.engine_names() - set(settings.engines)):
        raise SettingsError(f"[catalog] file {path}: there is no engine {unknown[0]!r}; this server has {known}.")
    return catalog
