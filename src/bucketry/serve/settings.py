"""Settings of a server: `bucketry.toml`, then `BUCKETRY_SECTION__KEY` of the environment, then flags; the later wins.

An unknown key or a wrong value is refused by its name, never guessed. Each setting has its default and its
meaning here, and nowhere else; the page docs/settings.md is checked against these classes.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from bucketry.serve.database_url import check_database_url
from bucketry.serve.engine_settings import ENGINES, EngineSettings, put_engine_variable, read_engines
from bucketry.serve.errors import SettingsError

ENVIRONMENT_PREFIX = "BUCKETRY_"
_TRUTHS = {"true": True, "false": False}
Ownership = Literal["ObjectWriter", "BucketOwnerPreferred", "BucketOwnerEnforced"]


class Server(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[server]`: where it listens and what it calls itself."""

    s3_listen: str = "127.0.0.1:9000"
    website_listen: str = "127.0.0.1:9001"
    api_listen: str = "127.0.0.1:8080"
    workers: int = 0  # 0: one a core
    s3_url: str = ""  # what credentials name; "": made of s3_listen
    website_domain: str = "localhost"
    region: str = "us-east-1"
    tls_certificate: str = ""
    tls_key: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class Broker(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[broker]`: the credentials of the Open Service Broker API; made at the first start where not given."""

    username: str = "broker"
    password_file: str = ""


class Store(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[store]`: the embedded engine."""

    default_object_ownership: Ownership = "BucketOwnerEnforced"
    garbage_seconds: int = 20
    lifecycle_day_seconds: int = 86_400
    access_log_seconds: int = 300
    customer_keys_over_http: bool = False


class Notifications(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[notifications]`: where events of buckets are sent."""

    webhook_url: str = ""
    webhook_secret_file: str = ""


class Secrets(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[secrets]`: where the master key comes from, where not from master.key in the data folder."""

    master_key_file: str = ""
    master_key_command: str = ""


class Catalog(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[catalog]`: the services and plans to offer, where not the four of the default catalog."""

    file: str = ""


class Database(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[database]`: where the marketplace's records are."""

    url: str = ""  # "": SQLite in the data folder

    def __repr__(self) -> str:
        return f"Database(url={'…' if self.url else ''!r})"  # it holds a password


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All of `bucketry.toml`."""

    server: Server = msgspec.field(default_factory=Server)
    database: Database = msgspec.field(default_factory=Database)
    broker: Broker = msgspec.field(default_factory=Broker)
    store: Store = msgspec.field(default_factory=Store)
    catalog: Catalog = msgspec.field(default_factory=Catalog)
    notifications: Notifications = msgspec.field(default_factory=Notifications)
    engines: dict[str, EngineSettings] = msgspec.field(default_factory=lambda: read_engines({}, "Settings"))
    secrets: Secrets = msgspec.field(default_factory=Secrets)

    @property
    def worker_count(self) -> int:
        """How many store workers to run."""
        return self.server.workers or _cores()


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "database": Database,
    "broker": Broker,
    "store": Store,
    "catalog": Catalog,
    "notifications": Notifications,
    "secrets": Secrets,
}


def load(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Settings:
    """Read the file (None: there is none), the environment and flags (`{"server.region": "…"}`) into Settings.

    Raises SettingsError with the name of the file or variable, the key and what it may be.
    """
    document = _read(path) if path else {}
    for name, text in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX) and "__" in name:
            section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            if section == ENGINES:
                put_engine_variable(document, name, key, text)
                continue
            _put(document, section, key, _as_wanted(section, key, text), f"the variable {name}")
    for dotted, value in (flags or {}).items():
        if value is not None:
            section, _, key = dotted.partition(".")
            _put(document, section, key, value, f"the flag --{key.replace('_', '-')}")
    tables = document.pop(ENGINES, {})
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as problem:
        raise SettingsError(_explain(str(problem), path)) from None
    _check(settings)
    origin = f"Settings of {path}" if path else "Settings"
    return msgspec.structs.replace(settings, engines=read_engines(tables, origin))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"There is no settings file {path}. Give another with --config, or leave it out.") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"The settings file {path} can't be read: {problem}.") from None
    except tomllib.TOMLDecodeError as problem:
        raise SettingsError(f"The settings file {path} is not valid TOML: {problem}.") from None


def _put(document: dict[str, Any], section: str, key: str, value: object, origin: str) -> None:
    if section not in SECTIONS:
        known = f"{_names(SECTIONS)}, {ENGINES}.NAME"
        raise SettingsError(f"{origin} names a section [{section}], which does not exist; use {known}.")
    if key not in SECTIONS[section].__struct_fields__:
        known = _names(SECTIONS[section].__struct_fields__)
        raise SettingsError(f"{origin} names a setting {key}, which [{section}] does not have; it has {known}.")
    table = document.setdefault(section, {})
    if isinstance(table, dict):
        table[key] = value


def _as_wanted(section: str, key: str, text: str) -> object:
    """The text of a variable as the number or truth that the setting takes; as it is where it is none."""
    kinds = (
        {field.name: field.type for field in msgspec.structs.fields(SECTIONS[section])} if section in SECTIONS else {}
    )
    if kinds.get(key) is bool:
        return _TRUTHS.get(text.lower(), text)
    return int(text) if kinds.get(key) is int and text.isdecimal() else text


def _names(names: Mapping[str, object] | tuple[str, ...]) -> str:
    return ", ".join(names)


def _explain(problem: str, path: Path | None) -> str:
    """msgspec's message, in words of a settings file: `… - at `$.server.workers`` becomes `[server] workers: …`."""
    text, _, place = problem.partition(" - at `$")
    parts = place.rstrip("`").lstrip(".").split(".") if place else []
    where = f"[{parts[0]}] {parts[1]}" if len(parts) == 2 else f"[{parts[0]}]" if parts and parts[0] else "top level"
    text = text.replace("Object contains unknown field", "there is no setting").replace("`", "'")
    known = ""
    if "there is no setting" in text:
        names: Any = SECTIONS[parts[0]].__struct_fields__ if parts and parts[0] in SECTIONS else tuple(SECTIONS)
        known = f"; there are {_names(names)}{'' if parts and parts[0] else f', {ENGINES}.NAME'}"
    return f"Settings{f' of {path}' if path else ''}: {where}: {text}{known}."


def _check(settings: Settings) -> None:
    server = settings.server
    for key in ("s3_listen", "website_listen", "api_listen"):
        split_address(getattr(server, key), f"[server] {key}")
    if server.workers < 0 or server.workers > 256:
        raise SettingsError("[server] workers must be between 1 and 256, or 0 for one a core.")
    if settings.store.garbage_seconds < 1:
        raise SettingsError("[store] garbage_seconds must be 1 or more.")
    if settings.store.access_log_seconds < 1:
        raise SettingsError("[store] access_log_seconds must be 1 or more.")
    if not 1 <= settings.store.lifecycle_day_seconds <= 86_400:
        raise SettingsError("[store] lifecycle_day_seconds must be between 1 and 86400, which is a day.")
    if bool(server.tls_certificate) != bool(server.tls_key):
        raise SettingsError("[server] tls_certificate and tls_key go together: give both or neither.")
    if settings.notifications.webhook_url and not settings.notifications.webhook_url.startswith(
        ("http://", "https://")
    ):
        raise SettingsError("[notifications] webhook_url must begin with http:// or https://.")
    webhook_secret(settings)
    check_database_url(settings.database.url)
    if server.s3_url and not server.s3_url.startswith(("http://", "https://")):
        raise SettingsError(f"[server] s3_url must begin with http:// or https://, it is {server.s3_url!r}.")
    if not server.region or not all(c.isalnum() or c == "-" for c in server.region):
        raise SettingsError(f"[server] region must be letters, digits and hyphens, it is {server.region!r}.")


def webhook_secret(settings: Settings) -> bytes:
    """The secret that signs events; b"" where none is set. SettingsError where its file is of no use."""
    path = settings.notifications.webhook_secret_file
    if not path:
        return b""
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as problem:
        raise SettingsError(f"[notifications] webhook_secret_file {path} can't be read: {problem}.") from None
    if len(secret) < 16:
        raise SettingsError(f"[notifications] webhook_secret_file {path} must hold at least 16 characters.")
    return secret


def split_address(address: str, name: str) -> tuple[str, int]:
    """`HOST:PORT` (IPv6 in brackets) as host and port; port 0 lets the system choose."""
    host, separator, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f"{name} must be HOST:PORT, such as 127.0.0.1:9000; it is {address!r}.")
    return host, int(port)
