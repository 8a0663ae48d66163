"""`[database] url`: checked by its form, without loading what connects to it. No refusal shows the password."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from bucketry.serve.errors import SettingsError

if TYPE_CHECKING:
    from bucketry.serve.folder import DataFolder
    from bucketry.serve.settings import Settings

_FORM = "postgresql://USER:PASSWORD@HOST:PORT/NAME"
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


def records_url(folder: DataFolder, settings: Settings) -> str:
    """Where the marketplace's records are: the database of the settings, or a file of the data folder."""
    from bucketry.marketplace.records.connecting import sqlite_url  # loads SQLAlchemy

    return settings.database.url or sqlite_url(folder.marketplace_file)


def check_database_url(url: str) -> None:
    """Raises SettingsError where it is not empty and no address of a PostgreSQL database."""
    if not url:
        return
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise _refused("it must begin with postgresql://")
    if scheme.startswith("sqlite"):
        raise _refused("SQLite is used, in the data folder, where the setting is empty")
    if scheme not in _SCHEMES:
        raise _refused(f"{scheme}:// is not supported")
    try:
        parts = urlsplit(url)
        is_readable = parts.port != 0 and not _has_bare_password(parts)
    except ValueError:
        is_readable = False
    if not is_readable:
        raise _refused("its host or port can't be read; characters like / : @ ? # in the password must be quoted (%2F)")
    if len(parts.path.strip("/")) == 0 or "/" in parts.path.strip("/"):
        raise _refused("it must name one database after the host")


def _has_bare_password(parts: SplitResult) -> bool:
    """A `?` or `#` that was not quoted ends the host's part early, and the rest of the password would be shown."""
    return bool(parts.fragment) or "@" in parts.path or "@" in parts.query.partition("host=")[0]


def _refused(why: str) -> SettingsError:
    return SettingsError(f"[database] url: {why}. It must be like {_FORM}, or empty for SQLite in the data folder.")
