"""The domain as one thing: what serve/ makes and the faces are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bucketry.kernel.clock import ClockMs, system_clock_ms
from bucketry.kernel.envelope import Envelope
from bucketry.marketplace.domain.adoption import Adoption
from bucketry.marketplace.domain.bindings import Bindings
from bucketry.marketplace.domain.catalog import Catalog, CatalogError
from bucketry.marketplace.domain.context import Context, settings
from bucketry.marketplace.domain.engine_ports import Engine
from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.domain.finishing import Finishing
from bucketry.marketplace.domain.holds import LEASE_MS, MOMENT_MS, WAIT_MS, Holds
from bucketry.marketplace.domain.instances import Instances
from bucketry.marketplace.domain.mending import Mending
from bucketry.marketplace.domain.operations import Background
from bucketry.marketplace.domain.places import Places
from bucketry.marketplace.domain.reconciling import Reconciling
from bucketry.marketplace.domain.record_ports import Records
from bucketry.marketplace.domain.settling import Settling


@dataclass(frozen=True, slots=True)
class Marketplace:
    """Catalog and services of the domain."""

    catalog: Catalog
    places: Places
    instances: Instances
    bindings: Bindings
    finishing: Finishing
    background: Background
    records: Records
    adoption: Adoption
    reconciling: Reconciling
    mending: Mending

    async def check(self) -> None:
        """Raises RecordsUnavailable where orders can't be taken now."""
        await self.records.check()

    async def resume_unfinished(self) -> int:
        """For the keeper: at start, then every few seconds. Answers how many instances it looked after."""
        return await self.finishing.resume_unfinished()


def make_marketplace(
    catalog: Catalog,
    records: Records,
    engines: Mapping[str, Engine],
    envelope: Envelope,
    clock_ms: ClockMs | None = None,
    lease_ms: int = LEASE_MS,
    wait_ms: int = WAIT_MS,
    moment_ms: int = MOMENT_MS,
) -> Marketplace:
    """Join the parts. Raises CatalogError if a plan names an engine that is not there, or that can't do it.

    Without `clock_ms` holds go by the clock of the records, and all else by that of this machine.
    """
    for plan in catalog.plans():
        if plan.engine not in engines:
            known = ", ".join(sorted(engines)) or "none"
            raise CatalogError(f"plan {plan.name} names the engine {plan.engine!r}; configured are: {known}")
        try:
            engines[plan.engine].check(settings(plan, {}))
        except EngineRefused as refusal:
            raise CatalogError(f"plan {plan.name} is none of engine {plan.engine}: {refusal}") from None
    holds = Holds(records, clock_ms or records.clock_ms, lease_ms, wait_ms, moment_ms)
    clock_ms = clock_ms or system_clock_ms
    context = Context(catalog, records, engines, envelope, clock_ms, holds)
    settling = Settling(context)
    finishing = Finishing(context, settling)
    places = Places(records, catalog, clock_ms)
    return Marketplace(
        catalog,
        places,
        Instances(context, settling, finishing, places),
        Bindings(context, settling, finishing),
        finishing,
        Background(),
        records,
        Adoption(context),
        Reconciling(context),
        Mending(context, settling),
    )
