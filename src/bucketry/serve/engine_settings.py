"""`[engines.NAME]`: where buckets live. One class a kind; a key that its kind does not know is refused by name.

None configured: one embedded engine called `embedded`. A plan of the catalog names its engine; one that does not goes
to the only engine, or to the one called `embedded` where there are several.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from bucketry.marketplace.engines import aws_regions, names
from bucketry.serve.errors import SettingsError

ENGINES = "engines"
EMBEDDED = "embedded"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_IAM_PATH = re.compile(r"/(?:[\x21-\x7e]{1,510}/)?")  # IAM User Guide, "IAM identifiers"
_BOUNDARY = re.compile(r"arn:([a-z-]+):iam::(?:aws|[0-9]{12}):policy/.+")


class Secretive(msgspec.Struct, frozen=True):
    """Settings with a secret among them, which a log must not show."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class EmbeddedEngine(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="embedded"):
    """`kind = "embedded"`: this server's own store. There is at most one."""

    kind: ClassVar[str] = "embedded"
    bucket_prefix: str = "bkt-"

    def check(self, place: str) -> None:
        _check_bucket_prefix(self.bucket_prefix, place)


class CephEngine(Secretive, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="ceph"):
    """`kind = "ceph"`: a RADOS Gateway and a user of it that may use the admin API."""

    kind: ClassVar[str] = "ceph"
    endpoint: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    secret_access_key_file: str = ""
    admin_path: str = "admin"
    region: str = "us-east-1"
    bucket_prefix: str = "bkt-"
    website_domain: str = ""

    def check(self, place: str) -> None:
        _check_url(self.endpoint, f"{place} endpoint", is_needed=True)
        if not self.access_key_id:
            raise SettingsError(f"{place} access_key_id is missing: the key of the gateway's user for bucketry.")
        _check_pair(self, place)
        if not self.admin_path.strip("/"):
            raise SettingsError(f"{place} admin_path must be that of the gateway's admin API, such as admin.")
        _check_bucket_prefix(self.bucket_prefix, place)


class AwsAccount(Secretive, forbid_unknown_fields=True, frozen=True):
    """`[[engines.NAME.accounts]]`: the credentials of one of several accounts."""

    profile: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    secret_access_key_file: str = ""

    def check(self, place: str) -> None:
        if self.profile and self.access_key_id:
            raise SettingsError(f"{place} profile and access_key_id exclude each other: give one of them.")
        _check_pair(self, place)


class AwsEngine(Secretive, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="aws"):
    """`kind = "aws"`: Amazon S3 and IAM, of any public partition."""

    kind: ClassVar[str] = "aws"
    region: str = ""
    profile: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    secret_access_key_file: str = ""
    accounts: list[AwsAccount] = []
    bucket_prefix: str = "bkt-"
    iam_path: str = "/bucketry/"
    permissions_boundary: str = ""
    fips: bool = False
    endpoint: str = ""
    iam_endpoint: str = ""
    key_wait_seconds: int = 20

    def check(self, place: str) -> None:
        try:
            region = aws_regions.describe(self.region)
        except ValueError as problem:
            raise SettingsError(f"{place} region: {problem}") from None
        AwsAccount(self.profile, self.access_key_id, self.secret_access_key, self.secret_access_key_file).check(place)
        if self.accounts and (self.profile or self.access_key_id):
            raise SettingsError(f"{place} has credentials and accounts; with accounts, each has its own.")
        for number, account in enumerate(self.accounts, 1):
            account.check(f"{place} accounts, number {number}:")
            if not account.profile and not account.access_key_id:
                raise SettingsError(
                    f"{place} accounts, number {number}: give a profile, or access_key_id and its secret."
                )
        _check_bucket_prefix(self.bucket_prefix, place)
        if not _IAM_PATH.fullmatch(self.iam_path):
            raise SettingsError(f"{place} iam_path must begin and end with a slash, such as /bucketry/.")
        if self.permissions_boundary:
            found = _BOUNDARY.fullmatch(self.permissions_boundary)
            if not found or found[1] != region.partition:
                example = f"arn:{region.partition}:iam::123456789012:policy/NAME"
                raise SettingsError(f"{place} permissions_boundary must be the ARN of a policy, such as {example}.")
        if self.fips and not region.fips_host:
            raise SettingsError(f"{place} fips: region {self.region} has no FIPS endpoint of S3.")
        _check_url(self.endpoint, f"{place} endpoint")
        _check_url(self.iam_endpoint, f"{place} iam_endpoint")
        if self.fips and self.endpoint:
            raise SettingsError(f"{place} fips and endpoint exclude each other: an endpoint is used as it is given.")
        if not 0 <= self.key_wait_seconds <= 50:
            raise SettingsError(f"{place} key_wait_seconds must be between 0 and 50, since platforms wait a minute.")


EngineSettings = EmbeddedEngine | CephEngine | AwsEngine
KINDS: dict[str, type[EngineSettings]] = {kind.kind: kind for kind in (EmbeddedEngine, CephEngine, AwsEngine)}


def default_engine(engines: Mapping[str, EngineSettings]) -> str | None:
    """The engine of plans that name none; None where they have to."""
    if len(engines) == 1:
        return next(iter(engines))
    return EMBEDDED if EMBEDDED in engines else None


def read_engines(tables: object, origin: str) -> dict[str, EngineSettings]:
    """The engines of the table `engines`; SettingsError with place and reason. `origin`: `Settings of FILE`."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise SettingsError(f"{origin}: engines must be tables: [engines.NAME], each with its kind.")
    engines = {name: _read(name, table, origin) for name, table in tables.items()}
    embedded = [name for name, engine in engines.items() if isinstance(engine, EmbeddedEngine)]
    if len(embedded) > 1:
        raise SettingsError(f"{origin}: engines {' and '.join(embedded)} are both embedded; a server has one store.")
    return engines or {EMBEDDED: EmbeddedEngine()}


def put_engine_variable(document: dict[str, Any], name: str, rest: str, text: str) -> None:
    """Set in the document of the settings what the variable `name` (`BUCKETRY_ENGINES__NAME__KEY`; `rest` is
    `name__key`) says. In names of engines the underscore of a variable stands for the hyphen of the file, too.
    SettingsError for a key that no kind has."""
    engine, separator, key = rest.partition("__")
    fields = {field.name: field.type for kind in KINDS.values() for field in msgspec.structs.fields(kind)}
    fields.pop("accounts")
    if not separator or not engine or key not in {"kind", *fields}:
        known = ", ".join(sorted(fields))
        raise SettingsError(f"The variable {name} must be BUCKETRY_ENGINES__NAME__KEY, the key one of kind, {known}.")
    tables = document.setdefault(ENGINES, {})
    if not isinstance(tables, dict):
        return
    table = tables.setdefault(next((other for other in tables if other.replace("-", "_") == engine), engine), {})
    if isinstance(table, dict):
        table[key] = _value(text, fields.get(key))


def secret_of(engine: CephEngine | AwsEngine | AwsAccount, place: str) -> str:
    """The secret key, from the setting or its file. SettingsError where the file is of no use."""
    path = engine.secret_access_key_file
    if not path:
        return engine.secret_access_key
    try:
        secret = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"{place} secret_access_key_file {path} can't be read: {problem}.") from None
    if not secret:
        raise SettingsError(f"{place} secret_access_key_file {path} is empty.")
    return secret


def _read(name: str, table: dict[str, Any], origin: str) -> EngineSettings:
    place = f"{origin}: [engines.{name}]"
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{place}: names of engines are up to 40 of a-z, 0-9, _ and -, a letter first.")
    kind = table.get("kind")
    if kind not in KINDS:
        said = f"is {kind!r}" if kind is not None else "is missing"
        raise SettingsError(f"{place} kind {said}; it must be one of {', '.join(KINDS)}.")
    known = KINDS[kind].__struct_fields__
    for key in table:
        if key not in ("kind", *known):
            raise SettingsError(f"{place}: kind {kind} has no setting {key!r}; it has {', '.join(known)}.")
    try:
        engine: EngineSettings = msgspec.convert(table, KINDS[kind])
    except msgspec.ValidationError as problem:
        reason, _, where = str(problem).partition(" - at `$")
        raise SettingsError(f"{place} {where.rstrip('`').lstrip('.')}: {reason.replace('`', chr(39))}.") from None
    engine.check(place)
    return engine


def _value(text: str, kind: object) -> object:
    if kind is int and text.isdecimal():
        return int(text)
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def _check_pair(settings: CephEngine | AwsAccount, place: str) -> None:
    secrets = [settings.secret_access_key, settings.secret_access_key_file]
    if all(secrets):
        raise SettingsError(
            f"{place} secret_access_key and secret_access_key_file exclude each other: give one of them."
        )
    if bool(settings.access_key_id) != any(secrets):
        missing = "secret_access_key or secret_access_key_file" if settings.access_key_id else "access_key_id"
        raise SettingsError(f"{place} {missing} is missing: the two halves of a key go together.")
    secret_of(settings, place)


def _check_url(url: str, what: str, is_needed: bool = False) -> None:
    if (url or is_needed) and not re.fullmatch(r"https?://[^/\s?#]+/?", url):
        said = f"it is {url!r}" if url else "it is missing"
        raise SettingsError(f"{what} must be http:// or https://, a host and perhaps a port; {said}.")


def _check_bucket_prefix(prefix: str, place: str) -> None:
    try:
        names.check_bucket_prefix(prefix)
    except ValueError as problem:
        raise SettingsError(f"{place} {problem}.") from None
