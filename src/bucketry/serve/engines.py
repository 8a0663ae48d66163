"""The engines of the settings, made: one function a kind, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bucketry.marketplace.domain.engine_ports import Engine
from bucketry.marketplace.domain.turns import Turns
from bucketry.marketplace.engines.aws import Login, make_aws_engine
from bucketry.marketplace.engines.ceph import CephEngine
from bucketry.marketplace.engines.embedded import make_embedded_engine
from bucketry.serve.addresses import Addresses
from bucketry.serve.engine_settings import AwsAccount, AwsEngine, EmbeddedEngine, EngineSettings, secret_of
from bucketry.serve.engine_settings import CephEngine as CephSettings
from bucketry.serve.folder import Admin
from bucketry.serve.settings import Settings


class OpenEngine(Engine, Protocol):
    """An engine that is closed at the end."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class House:
    """What an engine may need to know of the server that it is made for. `turns`: None where it is alone."""

    settings: Settings
    addresses: Addresses
    admin: Admin
    turns: Turns | None = None


def _embedded(name: str, settings: EmbeddedEngine, house: House) -> OpenEngine:
    server = house.settings.server
    return make_embedded_engine(
        name=name,
        endpoint_url=house.addresses.engine_url,
        public_url=house.addresses.s3_url,
        region=server.region,
        access_key_id=house.admin.access_key_id,
        secret_access_key=house.admin.secret_access_key,
        website_domain=server.website_domain,
        website_port=house.addresses.website_port,
        bucket_prefix=settings.bucket_prefix,
        default_object_ownership=house.settings.store.default_object_ownership,
    )


def _aws(name: str, settings: AwsEngine, _house: House) -> OpenEngine:
    place = f"[engines.{name}]"
    accounts: Sequence[AwsAccount | AwsEngine] = settings.accounts or [settings]
    logins = [Login(one.access_key_id, secret_of(one, place), one.profile) for one in accounts]
    return make_aws_engine(
        name=name,
        region=settings.region,
        logins=logins,
        bucket_prefix=settings.bucket_prefix,
        iam_path=settings.iam_path,
        permissions_boundary=settings.permissions_boundary,
        uses_fips=settings.fips,
        endpoint_url=settings.endpoint,
        iam_endpoint_url=settings.iam_endpoint,
        key_wait_s=settings.key_wait_seconds,
    )


def _ceph(name: str, settings: CephSettings, house: House) -> OpenEngine:
    scheme, _, _ = settings.endpoint.partition("://")
    return CephEngine(
        name=name,
        endpoint_url=settings.endpoint,
        access_key_id=settings.access_key_id,
        secret_access_key=secret_of(settings, f"[engines.{name}]"),
        region=settings.region,
        admin_path=settings.admin_path,
        bucket_prefix=settings.bucket_prefix,
        website_host=settings.website_domain,
        website_scheme=scheme,
        turns=house.turns,
    )


# kind → how it is made. Its settings are the class of the same kind in engine_settings.KINDS.
KINDS: Mapping[str, Callable[[str, Any, House], OpenEngine]] = {
    "embedded": _embedded,
    "aws": _aws,
    "ceph": _ceph,
}


def make_engines(
    settings: Settings, addresses: Addresses, admin: Admin, turns: Turns | None = None
) -> dict[str, OpenEngine]:
    """All engines of the settings, by name. Nobody is asked yet. Close each of them at the end.

    Raises SettingsError.
    """
    house = House(settings, addresses, admin, turns)
    return {name: make_engine(name, engine, house) for name, engine in settings.engines.items()}


def make_engine(name: str, settings: EngineSettings, house: House) -> OpenEngine:
    """One engine. Raises SettingsError."""
    return KINDS[settings.kind](name, settings, house)
