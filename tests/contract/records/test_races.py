"""Orders that meet: two servers over the same records and one engine, many orders at once; each race has one winner."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bucketry.marketplace.domain import catalog
from bucketry.marketplace.domain.bindings import Bound, BoundAlike
from bucketry.marketplace.domain.errors import BindingNotFound, Busy, DomainError, HasBindings, InstanceNotFound
from bucketry.marketplace.domain.instances import Created, ExistsAlike, InstanceOrder
from bucketry.marketplace.domain.marketplace import Marketplace, make_marketplace
from bucketry.marketplace.domain.record_ports import Held, Hold
from bucketry.marketplace.records.sql import SqlRecords
from tests.contract.records.test_records import instance
from tests.kit.marketplace import ENVELOPE
from tests.kit.memory_engine import MemoryEngine
from tests.kit.orders import BINDING, INSTANCE, binding_order

MANY = 50


class CountingEngine(MemoryEngine):
    """Lets the others run in the middle of each call, and counts the calls."""

    async def _pass(self, method: str) -> None:
        counts[method] += 1
        await asyncio.sleep(0)
        await super()._pass(method)


counts: Counter[str] = Counter()


@dataclass
class Servers:
    records: SqlRecords
    engine: MemoryEngine
    both: tuple[Marketplace, Marketplace]

    def order(self) -> InstanceOrder:
        service = self.both[0].catalog.services[0]
        return InstanceOrder(INSTANCE, "mine", "org", "space", False, service.guid, service.plans[0].guid, {})

    async def race(self, *orders: Callable[[Marketplace], Awaitable[Any]], times: int = 1) -> list[Any]:
        """All at once, on one server and the other in turn; outcomes in the order of `orders`, errors among them."""
        started = [order(self.both[turn % 2]) for turn in range(times) for order in orders]
        found = await asyncio.gather(*started, return_exceptions=True)
        assert all(isinstance(one, DomainError) or not isinstance(one, BaseException) for one in found), found
        return found

    async def assert_sound(self) -> None:
        """What a crash would have left is settled; the engine holds what the records say."""
        found = await self.records.list_all_instances("", 100)
        assert set(self.engine.buckets) == {instance.bucket for instance in found}
        bindings = [b for instance in found for b in await self.records.list_bindings(instance.guid)]
        assert set(self.engine.keys) == {binding.guid for binding in bindings}
        assert [finding async for finding in self.both[0].reconciling.findings()] == []
        assert await self.records.unfinished_instances(2**62, 10) == []


@pytest.fixture
def servers(opened: Callable[[], SqlRecords]) -> Servers:
    counts.clear()
    engine, known = CountingEngine(), catalog.default()
    records = [opened(), opened()]
    one, other = (make_marketplace(known, own, {"embedded": engine}, ENVELOPE) for own in records)
    return Servers(records[0], engine, (one, other))


def provision(servers: Servers) -> Callable[[Marketplace], Awaitable[Any]]:
    return lambda marketplace: marketplace.instances.provision(servers.order())


def deprovision(marketplace: Marketplace) -> Awaitable[Any]:
    return marketplace.instances.delete(INSTANCE)


def bind(marketplace: Marketplace) -> Awaitable[Any]:
    return marketplace.bindings.bind(binding_order(BINDING))


def unbind(marketplace: Marketplace) -> Awaitable[Any]:
    return marketplace.bindings.unbind(BINDING, INSTANCE)


def kinds(found: list[Any]) -> Counter[type]:
    return Counter(type(one) for one in found)


async def test_many_identical_provisions_make_one_bucket(servers: Servers) -> None:
    found = kinds(await servers.race(provision(servers), times=MANY))
    assert found[Created] == 1
    assert set(found) <= {Created, ExistsAlike, Busy}
    assert counts["create_bucket"] == 1
    await servers.assert_sound()


async def test_many_identical_binds_make_one_key(servers: Servers) -> None:
    await provision(servers)(servers.both[0])
    found = await servers.race(bind, times=MANY)
    assert kinds(found)[Bound] == 1
    assert set(kinds(found)) <= {Bound, BoundAlike, Busy}
    handed_out = {one.credentials["secret_access_key"] for one in found if not isinstance(one, Busy)}
    assert handed_out == {servers.engine.keys[BINDING].key.secret_access_key}
    assert counts["grant"] == 1
    await servers.assert_sound()


async def test_of_many_deletions_one_deletes(servers: Servers) -> None:
    await provision(servers)(servers.both[0])
    found = kinds(await servers.race(deprovision, times=MANY))
    assert found[type(None)] == 1
    assert set(found) <= {type(None), InstanceNotFound, Busy}
    await servers.assert_sound()
    assert servers.engine.buckets == {}


async def test_of_many_unbinds_one_unbinds(servers: Servers) -> None:
    await provision(servers)(servers.both[0])
    await bind(servers.both[1])
    found = kinds(await servers.race(unbind, times=MANY))
    assert found[type(None)] == 1
    assert set(found) <= {type(None), BindingNotFound, Busy}
    await servers.assert_sound()
    assert servers.engine.keys == {}


@pytest.mark.parametrize("is_bind_first", [True, False])
async def test_a_bind_and_a_deprovision_end_in_one_of_two_states(servers: Servers, is_bind_first: bool) -> None:
    for _ in range(10):
        await provision(servers)(servers.both[0])
        orders = (bind, deprovision) if is_bind_first else (deprovision, bind)
        outcomes = dict(zip(orders, await servers.race(*orders), strict=True))
        await servers.assert_sound()
        if isinstance(outcomes[bind], Bound):
            assert isinstance(outcomes[deprovision], HasBindings)
            assert BINDING in servers.engine.keys
            await unbind(servers.both[0])
            await deprovision(servers.both[1])
        else:
            assert isinstance(outcomes[bind], InstanceNotFound)
            assert outcomes[deprovision] is None
            assert servers.engine.buckets == {}


async def test_a_provision_and_a_deprovision_of_one_id_end_clearly(servers: Servers) -> None:
    was_there = False
    for _ in range(10):
        made, deleted = await servers.race(provision(servers), deprovision)
        assert isinstance(made, Created | ExistsAlike)
        await servers.assert_sound()
        is_there = await servers.records.get_instance(INSTANCE) is not None
        if deleted is not None:
            assert isinstance(deleted, InstanceNotFound)
            assert is_there
        elif isinstance(made, Created):
            assert is_there is was_there  # deleted and made anew, or made and deleted
        else:
            assert not is_there
        was_there = is_there


async def test_everything_at_once_ends_soundly(servers: Servers) -> None:
    for _ in range(3):
        found = await servers.race(provision(servers), bind, unbind, deprovision, times=10)
        allowed = (Created, ExistsAlike, Bound, BoundAlike, InstanceNotFound, BindingNotFound, HasBindings, Busy)
        assert all(one is None or isinstance(one, allowed) for one in found), kinds(found)
        await servers.assert_sound()


async def test_a_hold_is_taken_while_others_write(opened: Callable[[], SqlRecords]) -> None:
    """On SQLite it waits in the thread of the writes then, and keeps nobody else from going on."""
    first, second = opened(), opened()
    await first.insert_instance(instance(), Hold("me", 1))
    is_begun, may_end = threading.Event(), threading.Event()

    def write(_connection: object) -> None:
        is_begun.set()
        assert may_end.wait(20)

    writing = asyncio.ensure_future(second._database.write(write))
    await asyncio.get_running_loop().run_in_executor(None, is_begun.wait, 20)
    taking = asyncio.ensure_future(first.hold_instance("i1", Hold("other", 99), 50))
    assert await first.get_instance("i1") is not None
    may_end.set()
    await writing
    assert not isinstance(await taking, Held)
