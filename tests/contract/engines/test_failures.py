"""engine_ports.Engine: busy, silent or gone in the middle, an engine is asked again, then told, then gone on with."""

from __future__ import annotations

import itertools
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from bucketry.kernel import ids
from bucketry.marketplace.domain.engine_ports import BucketSettings, Permissions, Rights, Usage
from bucketry.marketplace.domain.errors import EngineUnavailable
from bucketry.marketplace.engines import ceph_asking, connection, light
from tests.contract.engines.conftest import ENGINES, EngineUnderTest
from tests.kit.faulty_proxy import Answer, FaultyProxy, Seen

PRIVATE = BucketSettings()
FULL = BucketSettings(
    is_public=True,
    cors={"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"]}]},
    website={"IndexDocument": {"Suffix": "index.html"}},
)
BUSY = Answer(503, "SlowDown", "Please reduce your request rate.")
AWAY = Answer(502, body="<html>Bad Gateway</html>")  # a balancer with no server behind it
THROTTLED = Answer(503, "RequestLimitExceeded", "Rate exceeded")


@dataclass
class Weather:
    """What the proxy does: `fair` requests are let through, then all are answered with `answer`; None: not at all,
    until it clears up."""

    proxy: FaultyProxy
    fair: float = float("inf")
    answer: Answer | None = BUSY
    clear: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.proxy.faults.append(self._fault)

    def _fault(self, _seen: Seen) -> Answer | None:
        if self.fair > 0:
            self.fair -= 1
            return None
        if self.answer is None:
            self.clear.wait(60)
        return self.answer or BUSY

    def clear_up(self) -> None:
        self.fair = float("inf")
        self.clear.set()


@dataclass
class Stormy:
    under_test: EngineUnderTest
    weather: Weather

    @property
    def proxy(self) -> FaultyProxy:
        return self.weather.proxy


@pytest.fixture(autouse=True)
def _pauses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceph_asking, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(light, "random", SimpleNamespace(random=lambda: 0.001))
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.001)


@pytest.fixture(params=[name for name in ENGINES if name != "bounded"])  # which is as `embedded` in this
async def stormy(request: pytest.FixtureRequest) -> AsyncIterator[Stormy]:
    proxies: list[FaultyProxy] = []

    def way(url: str) -> str:
        proxies.append(FaultyProxy(url))
        return proxies[-1].url

    made = ENGINES[request.param](request, way)
    weather = Weather(proxies[0])
    yield Stormy(made, weather)
    weather.clear_up()
    await made.engine.close()
    proxies[0].stop()


async def live(under_test: EngineUnderTest) -> None:
    """All that is asked of an engine from an order to its removal."""
    engine, bucket, guid = under_test.engine, under_test.bucket(), ids.guid()
    await engine.create_bucket(bucket, PRIVATE)
    await engine.configure(bucket, FULL, since=None)
    assert await engine.deviations(bucket, FULL) == []
    await engine.grant(guid, [bucket], Rights(), {"bucketry:instance": "i"})
    await engine.restrict(guid, [bucket], Rights(Permissions.READ_ONLY))
    found = await engine.find_identity(guid, [bucket], Rights(Permissions.READ_ONLY))
    assert found is not None
    assert found.has_rights
    under_test.s3().put_object(Bucket=bucket, Key="a", Body=b"1")
    assert await engine.usage(bucket) == Usage(1, 1, 0)
    assert [step.objects async for step in engine.empty_bucket(bucket)] == [1]
    await engine.revoke(guid)
    await engine.configure(bucket, PRIVATE, since=FULL)
    await engine.delete_bucket(bucket)
    assert await engine.deviations(bucket, PRIVATE) is None


async def test_every_call_is_asked_again(stormy: Stormy) -> None:
    answers = itertools.cycle([BUSY, None, AWAY, None, THROTTLED, None])  # at first, each time
    stormy.proxy.faults.insert(0, lambda _seen: next(answers))
    await live(stormy.under_test)
    assert len(stormy.proxy.seen) > 20


@pytest.mark.parametrize("what", ["a grant", "a revocation", "a bucket"])
async def test_what_broke_off_at_any_request_goes_on(stormy: Stormy, what: str) -> None:
    engine, broken = stormy.under_test.engine, 0
    (bucket,) = await stormy.under_test.buckets(1)
    for fair in itertools.count():
        guid, made = ids.guid(), stormy.under_test.bucket()

        async def do(guid: str = guid, made: str = made) -> tuple[str, ...]:
            if what == "a grant":
                return ((await engine.grant(guid, [bucket], Rights(), {})).access_key_id,)
            if what == "a revocation":
                await engine.revoke(guid)
            else:
                await engine.create_bucket(made, PRIVATE)
                await engine.configure(made, FULL, since=None)
            return ()

        if what == "a revocation":
            await engine.grant(guid, [bucket], Rights(), {})
        stormy.weather.fair, is_broken = fair, False
        try:
            keys = await do()
        except EngineUnavailable:
            is_broken = True
            stormy.weather.clear_up()
            keys = await do()
        stormy.weather.clear_up()
        found = await engine.find_identity(guid, [bucket], Rights())
        assert (found.access_key_ids if found else ()) == keys
        assert (found is not None and found.has_rights) == (what == "a grant")
        if what == "a bucket":
            assert await engine.deviations(made, FULL) == []
        if not is_broken:
            break
        broken += 1
    assert broken > 2


async def test_one_that_is_silent_is_told_and_gone_on_with(stormy: Stormy) -> None:
    engine, bucket = stormy.under_test.engine, stormy.under_test.bucket()
    wire = engine._connection._wire  # type: ignore[union-attr]  # each has one here
    assert wire is not None
    before, wire._timeouts_s = wire._timeouts_s, (1.0, 0.3)
    stormy.weather.fair, stormy.weather.answer = 0, None
    with pytest.raises(EngineUnavailable, match=r"engine tested at .* did not answer while making the bucket"):
        await engine.create_bucket(bucket, PRIVATE)
    assert len(stormy.proxy.seen) == connection.ATTEMPTS
    wire._timeouts_s = before
    stormy.weather.clear_up()
    await engine.create_bucket(bucket, PRIVATE)
    assert await engine.usage(bucket) == Usage(0, 0, 0)


@pytest.mark.parametrize(("answer", "word"), [(BUSY, "SlowDown|503"), (AWAY, "502")], ids=["busy", "away"])
async def test_one_that_stays_busy_is_told_with_its_word(stormy: Stormy, answer: Answer, word: str) -> None:
    stormy.weather.fair, stormy.weather.answer = 0, answer
    engine, bucket = stormy.under_test.engine, stormy.under_test.bucket()
    for call in (
        engine.create_bucket(bucket, PRIVATE),
        engine.grant(ids.guid(), [bucket], Rights(), {}),
        engine.revoke(ids.guid()),
        engine.usage(bucket),
    ):
        before = len(stormy.proxy.seen)
        with pytest.raises(EngineUnavailable, match=rf"engine tested failed while .*\(({word})\); try again") as told:
            await call
        assert len(stormy.proxy.seen) == before + connection.ATTEMPTS
        assert stormy.under_test.root.secret_access_key not in str(told.value)
