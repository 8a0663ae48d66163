"""Events on their way: none is lost or invented on the disk, and the webhook gets each at least once, in order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bucketry.kernel.envelope import Envelope
from bucketry.store.disk.bucket import Bucket
from bucketry.store.disk.events import Text
from bucketry.store.disk.store import Disk
from bucketry.store.disk.types import Version
from bucketry.store.gateway.context import Services, StoreSettings
from bucketry.store.identity.store import Identity
from bucketry.store.keeper.webhook import GIVE_UP_MS, SIGNATURE_HEADER, Webhook
from tests.unit.store.disk.objects import ID, NAME, Clock, put

SECRET = b"a secret of the operator"


class Receiver:
    """The operator's side: keeps what it gets, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[bytes] = []
        self.headers: list[Any] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(request.headers)
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    def told(self) -> list[str]:
        return [record["key"] for body in self.bodies for record in json.loads(body)["Records"]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/hook"
    yield made
    await runner.cleanup()


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    clock = Clock()
    disk = Disk(tmp_path, clock_ms=clock)
    identity = Identity(tmp_path / "identity.sqlite", Envelope([b"k" * 32]), clock)
    account, _, _ = await identity.create_account("owner")
    await disk.create_bucket(NAME, ID)
    await identity.create_bucket(NAME, ID, account.account_id, "us-east-1", "BucketOwnerEnforced")
    await identity.set_bucket_setting(NAME, "notification", "<NotificationConfiguration/>")
    yield Services(disk, identity, StoreSettings(), clock)
    await disk.close()
    identity.close()


def tell_key(result: object) -> list[Text]:
    """An event of each version: its key and number."""
    assert isinstance(result, Version)
    return [lambda number, _now_ms: json.dumps({"key": result.key, "number": number})]


def announcing(services: Services) -> Bucket:
    return services.disk.bucket(NAME, ID).announcing(tell_key)


def clock_of(services: Services) -> Clock:
    assert isinstance(services.clock_ms, Clock)
    return services.clock_ms


async def test_event_is_left_with_its_change_and_without_it_none(services: Services) -> None:
    bucket = announcing(services)
    assert bucket.pending_events(10) == []

    def refuse(_version: Version | None) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await put(bucket, "refused", b"x", refuse)
    await put(bucket, "made", b"x")
    await put(services.disk.bucket(NAME, ID), "quiet", b"x")
    assert [json.loads(event.text)["key"] for event in bucket.pending_events(10)] == ["made"]


async def test_change_whose_event_fails_is_not_made(services: Services) -> None:
    def fail(_result: object) -> list[Text]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await put(services.disk.bucket(NAME, ID).announcing(fail), "k", b"x")
    assert services.disk.bucket(NAME, ID).get("k") is None


async def test_events_are_delivered_in_order_and_forgotten(services: Services, receiver: Receiver) -> None:
    bucket = announcing(services)
    keys = [f"{number:03}" for number in range(120)]
    for key in keys:
        await put(bucket, key, b"x")
    webhook = Webhook(services, receiver.url, SECRET)
    await webhook.run(asyncio.Event())
    assert receiver.told() == keys
    assert len(receiver.bodies) == 2
    assert bucket.pending_events(1) == []
    signature = hmac.new(SECRET, receiver.bodies[0], hashlib.sha256).hexdigest()
    assert receiver.headers[0][SIGNATURE_HEADER] == f"sha256={signature}"
    assert receiver.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_what_is_not_taken_is_sent_again_after_a_pause(
    services: Services, receiver: Receiver, status: int
) -> None:
    await put(announcing(services), "k", b"x")
    webhook, stop = Webhook(services, receiver.url), asyncio.Event()
    receiver.status = status
    for expected, pause_ms in ((1, 0), (1, 999), (2, 1), (2, 1999), (3, 1)):
        clock_of(services).now_ms += pause_ms
        await webhook.run(stop)
        assert len(receiver.bodies) == expected
    receiver.status = 204
    clock_of(services).now_ms += 4000
    await webhook.run(stop)
    assert receiver.told() == ["k"] * 4
    await put(announcing(services), "next", b"x")
    await webhook.run(stop)
    assert receiver.told()[-1] == "next"
    assert SIGNATURE_HEADER not in receiver.headers[-1]


async def test_bucket_that_cannot_be_read_holds_up_no_other(services: Services, receiver: Receiver) -> None:
    (owner,) = services.identity.accounts()
    for name, number in (("a-bucket", "a" * 16), ("z-bucket", "b" * 16)):  # whichever comes first
        await services.disk.create_bucket(name, number)
        await services.identity.create_bucket(name, number, owner.account_id, "us-east-1", "BucketOwnerEnforced")
        await services.identity.set_bucket_setting(name, "notification", "<NotificationConfiguration/>")
        folder = services.disk.bucket(name, number).folder
        services.disk.bucket(name, number).rest()
        (folder / "index.sqlite").write_bytes(b"no index" * 1000)
    await put(announcing(services), "k", b"x")
    await Webhook(services, receiver.url).run(asyncio.Event())
    assert receiver.told() == ["k"]


async def test_nobody_there_is_a_failure_as_well(services: Services) -> None:
    await put(announcing(services), "k", b"x")
    await Webhook(services, "http://127.0.0.1:1/").run(asyncio.Event())
    assert len(services.disk.bucket(NAME, ID).pending_events(2)) == 1


async def test_delivery_that_was_cut_off_is_repeated(
    services: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(announcing(services), "k", b"x")

    async def stop_here(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as cut:
        cut.setattr(Bucket, "transact", stop_here)
        with pytest.raises(asyncio.CancelledError):
            await Webhook(services, receiver.url).run(asyncio.Event())
    await Webhook(services, receiver.url).run(asyncio.Event())
    assert receiver.told() == ["k", "k"]


async def test_what_waited_for_a_week_is_given_up(services: Services, receiver: Receiver) -> None:
    await put(announcing(services), "old", b"x")
    clock_of(services).now_ms += GIVE_UP_MS + 1
    await put(announcing(services), "new", b"x")
    await Webhook(services, receiver.url).run(asyncio.Event())
    assert receiver.told() == ["new"]
