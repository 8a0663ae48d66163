"""The catalog: services and plans, as configuration.

The file has the shape of the Open Service Broker API's catalog (2.17, "Catalog Management"), less what bucketry itself
knows (schemas, which calls are served), and with an object `bucketry` in each plan:

    "bucketry": {"engine": "embedded", "public": false, "empties_on_delete": false, "quota": {"size": "10 GB"}}

A plan without an engine goes to the one that the server names. `default()` is the catalog shipped beside this module;
an operator's file replaces the whole. Its mistakes are told all by place: `services[0].plans[1].free: …`. Ids never
change once ordered from; instances name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import msgspec

from bucketry.marketplace.domain import bucket_quota, schemas
from bucketry.marketplace.domain.engine_ports import BucketQuota
from bucketry.marketplace.domain.errors import InvalidParameters

_NAME = re.compile(r"[A-Za-z0-9.-]{1,255}")
_PLATFORM_TAGS_CHARACTERS = 2048
_DESCRIPTION_CHARACTERS = 10_000
_PLATFORM_MAINTENANCE_CHARACTERS = 1_900
# Semantic Versioning 2.0.0, items 2, 9 and 10.
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PART = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PART}(?:\.{_PART})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


class CatalogError(Exception):
    """The catalog can't be used; the text names the place and the reason."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One price of a plan: amounts by lower-case currency ("usd"), for each `unit` ("GB/month")."""

    amounts: Mapping[str, float]
    unit: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be ordered. `metadata` is what platforms show, costs and bullets included, as JSON.

    `maintenance_version` is that of maintenance_info; "": the plan has none. `maximum_polling_seconds`: how long a
    platform is to ask for the end of an asynchronous operation; None: as long as it likes. `quota`: the most that any
    bucket of the plan may hold.
    """

    guid: str
    name: str
    description: str
    service_guid: str
    is_free: bool
    is_bindable: bool
    is_updateable: bool
    is_public: bool
    empties_on_delete: bool
    engine: str
    costs: Sequence[Cost]
    bullets: Sequence[str]
    metadata: Mapping[str, Any]
    is_rotatable: bool = True
    maintenance_version: str = ""
    maintenance_description: str = ""
    maximum_polling_seconds: int | None = None
    quota: BucketQuota | None = None

    @property
    def price(self) -> str:
        """For people: `$0.03 / GB / month`, or `free`."""
        shown = [
            f"{'$' if currency == 'usd' else currency.upper() + ' '}{amount:g} / {cost.unit.replace('/', ' / ')}"
            for cost in self.costs
            for currency, amount in cost.amounts.items()
            if amount
        ]
        return " + ".join(shown) or "free"


@dataclass(frozen=True, slots=True)
class Service:
    """A service offering with its plans, in the order of the file."""

    guid: str
    name: str
    description: str
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    plans: Sequence[Plan]

    def plan(self, guid: str) -> Plan | None:
        return next((plan for plan in self.plans if plan.guid == guid), None)

    def plan_named(self, name: str) -> Plan | None:
        return next((plan for plan in self.plans if plan.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that can be ordered."""

    services: Sequence[Service]

    def service(self, guid: str) -> Service | None:
        return next((service for service in self.services if service.guid == guid), None)

    def service_named(self, name: str) -> Service | None:
        return next((service for service in self.services if service.name == name), None)

    def plan(self, service_guid: str, plan_guid: str) -> Plan | None:
        """The plan, if it is one of that service."""
        service = self.service(service_guid)
        return service.plan(plan_guid) if service else None

    def plans(self) -> Iterator[Plan]:
        for service in self.services:
            yield from service.plans

    def engine_names(self) -> set[str]:
        return {plan.engine for plan in self.plans()}


# ---- reading ---------------------------------------------------------------------------------------------------------


class _CostFile(msgspec.Struct, forbid_unknown_fields=True):
    amount: dict[str, float]
    unit: str


class _BucketryFile(msgspec.Struct, forbid_unknown_fields=True):
    engine: str | None = None
    public: bool = False
    empties_on_delete: bool = False
    quota: dict[str, Any] | None = None


class _MaintenanceFile(msgspec.Struct, forbid_unknown_fields=True):
    version: str
    description: str = ""


class _PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    description: str
    free: bool = True
    bindable: bool | None = None
    plan_updateable: bool | None = None
    binding_rotatable: bool = True
    maintenance_info: _MaintenanceFile | None = None
    maximum_polling_duration: int | None = None
    metadata: dict[str, Any] = {}
    bucketry: _BucketryFile = msgspec.field(default_factory=_BucketryFile)


class _ServiceFile(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    name: str
    description: str
    plans: list[_PlanFile]
    tags: list[str] = []
    bindable: bool = True
    plan_updateable: bool = True
    metadata: dict[str, Any] = {}


class _CatalogFile(msgspec.Struct, forbid_unknown_fields=True):
    services: list[_ServiceFile]


def default(engine: str | None = "embedded") -> Catalog:
    """The catalog of the service contract: service `s3`, four plans. `engine` as in parse()."""
    return parse(resources.files(__package__).joinpath("catalog.json").read_bytes(), engine)


def parse(text: bytes, engine: str | None = "embedded") -> Catalog:
    """Read a catalog file. Raises CatalogError. `engine`: that of plans that name none; None: each has to."""
    try:
        file = msgspec.json.decode(text, type=_CatalogFile)
    except msgspec.ValidationError as error:
        raise CatalogError(_placed(str(error))) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CatalogError(f"it is not JSON: {error}") from None
    if not file.services:
        raise CatalogError("services: there must be at least one")
    _check_unique(file)
    return Catalog(
        tuple(_service(service, engine, f"services[{number}]") for number, service in enumerate(file.services))
    )


def _placed(message: str) -> str:
    """msgspec's `REASON - at `$.place`` the other way round."""
    reason, _, place = message.partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    return f"{place}: {reason}" if place else reason


def _check_unique(file: _CatalogFile) -> None:
    ids: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}  # plan names need be unique in their service alone

    def take(entry: _ServiceFile | _PlanFile, scope: str, place: str) -> None:
        if (other := ids.setdefault(entry.id, place)) != place:
            raise CatalogError(f"{place}.id: {entry.id!r} is the id of {other} already")
        if (other := names.setdefault((scope, entry.name), place)) != place:
            raise CatalogError(f"{place}.name: {entry.name!r} is the name of {other} already")

    for number, service in enumerate(file.services):
        place = f"services[{number}]"
        take(service, "", place)
        for plan_number, plan in enumerate(service.plans):
            take(plan, place, f"{place}.plans[{plan_number}]")


def _service(file: _ServiceFile, engine: str | None, place: str) -> Service:
    _check_words(file.id, file.name, file.description, place)
    if sum(map(len, file.tags)) > _PLATFORM_TAGS_CHARACTERS:
        raise CatalogError(f"{place}.tags: platforms take at most {_PLATFORM_TAGS_CHARACTERS} characters together")
    _check_metadata(file.metadata, place)
    if not isinstance(file.metadata.get("shareable", False), bool):
        raise CatalogError(f"{place}.metadata.shareable: must be true or false")
    if not file.plans:
        raise CatalogError(f"{place}.plans: there must be at least one")
    plans = tuple(_plan(plan, file, engine, f"{place}.plans[{number}]") for number, plan in enumerate(file.plans))
    return Service(file.id, file.name, file.description, tuple(file.tags), file.metadata, plans)


def _plan(file: _PlanFile, service: _ServiceFile, default_engine: str | None, place: str) -> Plan:
    _check_words(file.id, file.name, file.description, place)
    _check_metadata(file.metadata, place)
    engine = default_engine if file.bucketry.engine is None else file.bucketry.engine
    if engine is None:
        raise CatalogError(f"{place}.bucketry.engine: must be given, since there are several engines")
    if not engine:
        raise CatalogError(f"{place}.bucketry.engine: must not be empty")
    _check_operations(file, place)
    costs = _costs(file.metadata, place)
    has_price = any(amount for cost in costs for amount in cost.amounts.values())
    if file.free and has_price:
        raise CatalogError(f"{place}.free: must be false, since metadata.costs has a price")
    if not file.free and costs and not has_price:
        raise CatalogError(f"{place}.free: must be true, since metadata.costs are all zero")
    try:
        bullets = msgspec.convert(file.metadata.get("bullets", []), list[str])
    except msgspec.ValidationError:
        raise CatalogError(f"{place}.metadata.bullets: must be a list of texts") from None
    return Plan(
        guid=file.id,
        name=file.name,
        description=file.description,
        service_guid=service.id,
        is_free=file.free,
        is_bindable=service.bindable if file.bindable is None else file.bindable,
        is_updateable=service.plan_updateable if file.plan_updateable is None else file.plan_updateable,
        is_public=file.bucketry.public,
        empties_on_delete=file.bucketry.empties_on_delete,
        quota=_quota(file.bucketry.quota, place),
        engine=engine,
        costs=costs,
        bullets=tuple(bullets),
        metadata=file.metadata,
        is_rotatable=file.binding_rotatable,
        maintenance_version=file.maintenance_info.version if file.maintenance_info else "",
        maintenance_description=file.maintenance_info.description if file.maintenance_info else "",
        maximum_polling_seconds=file.maximum_polling_duration,
    )


def _quota(parameter: dict[str, Any] | None, place: str) -> BucketQuota | None:
    """In the form of the parameter `quota`."""
    if parameter is not None:
        try:
            schemas.check_instance_create({"quota": parameter})
        except InvalidParameters as problem:
            said = str(problem).removeprefix("Parameter ").rstrip(".")
            raise CatalogError(f"{place}.bucketry.{said}") from None
    return bucket_quota.of_parameter(parameter)


def _check_words(guid: str, name: str, description: str, place: str) -> None:
    if not guid or len(guid) > 255:
        raise CatalogError(f"{place}.id: must be 1 to 255 characters, a GUID by preference")
    if not _NAME.fullmatch(name):
        raise CatalogError(f"{place}.name: {name!r} must be 1 to 255 of letters, digits, dots and hyphens")
    if not description or len(description) > _DESCRIPTION_CHARACTERS:
        raise CatalogError(f"{place}.description: must be 1 to {_DESCRIPTION_CHARACTERS} characters")


def _check_operations(file: _PlanFile, place: str) -> None:
    info = file.maintenance_info
    if info is not None and not _SEMANTIC_VERSION.fullmatch(info.version):
        raise CatalogError(f"{place}.maintenance_info.version: {info.version!r} is no semantic version, such as 1.0.0")
    if info is not None and len(info.version) + len(info.description) > _PLATFORM_MAINTENANCE_CHARACTERS:
        raise CatalogError(f"{place}.maintenance_info: must be shorter than {_PLATFORM_MAINTENANCE_CHARACTERS}")
    if file.maximum_polling_duration is not None and file.maximum_polling_duration < 1:
        raise CatalogError(f"{place}.maximum_polling_duration: must be 1 or more seconds")


def _check_metadata(metadata: Mapping[str, Any], place: str) -> None:
    for name in ("displayName", "longDescription", "imageUrl", "providerDisplayName", "documentationUrl", "supportUrl"):
        if not isinstance(metadata.get(name, ""), str):
            raise CatalogError(f"{place}.metadata.{name}: must be a text")


def _costs(metadata: Mapping[str, Any], place: str) -> tuple[Cost, ...]:
    try:
        entries = msgspec.convert(metadata.get("costs", []), list[_CostFile])
    except msgspec.ValidationError as error:
        raise CatalogError(f"{place}.metadata.costs{_placed(str(error)).removeprefix('costs')}") from None
    for number, entry in enumerate(entries):
        if any(amount < 0 for amount in entry.amount.values()):
            raise CatalogError(f"{place}.metadata.costs[{number}].amount: must not be negative")
    return tuple(Cost(entry.amount, entry.unit) for entry in entries)
