"""An operation is either answered or promised, never both; its task goes on when its orderer does not wait."""

from __future__ import annotations

import asyncio

import pytest

from bucketry.marketplace.domain.errors import EngineRefused
from bucketry.marketplace.domain.operations import Background, Operation, UnderWay, was_promised

FOR_EVER_S = 60.0


class Order:
    """An order in steps that the test lets go: recorded, then ended."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.may_record, self.may_end = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    async def run(self) -> str:
        await self.may_record.wait()
        self.operation.record()
        await self.may_end.wait()
        if self.error is not None:
            self.was_promised = was_promised(self.operation)
            raise self.error
        return "made"


@pytest.fixture
async def order() -> Order:
    return Order(Operation())


async def test_what_ends_in_time_is_answered(order: Order) -> None:
    order.may_record.set()
    order.may_end.set()
    assert await order.operation.outcome(Background().start(order.run()), FOR_EVER_S) == "made"


async def test_what_takes_longer_is_promised_under_its_id_and_goes_on(order: Order) -> None:
    order.may_record.set()
    task = Background().start(order.run())
    assert await order.operation.outcome(task, 0.0) == UnderWay(order.operation.id)
    order.may_end.set()
    assert await task == "made"


async def test_nothing_is_promised_before_it_is_recorded(order: Order) -> None:
    answer = asyncio.create_task(order.operation.outcome(Background().start(order.run()), 0.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not answer.done()
    order.may_record.set()
    assert await answer == UnderWay(order.operation.id)
    order.may_end.set()


async def test_what_was_promised_before_a_crash_keeps_its_id() -> None:
    operation = Operation()
    operation.record("the earlier one")
    assert operation.id == "the earlier one"
    other = Operation()
    own = other.id
    other.record("")
    assert other.id == own != operation.id


async def test_a_failure_in_time_is_told(order: Order) -> None:
    order.error = EngineRefused("no")
    order.may_record.set()
    order.may_end.set()
    with pytest.raises(EngineRefused):
        await order.operation.outcome(Background().start(order.run()), FOR_EVER_S)
    assert not order.was_promised


async def test_a_failure_before_anything_was_recorded_is_told() -> None:
    async def fail() -> None:
        raise EngineRefused("no")

    with pytest.raises(EngineRefused):
        await Operation().outcome(Background().start(fail()), 0.0)


async def test_a_failure_after_the_promise_knows_of_it(order: Order) -> None:
    order.error = EngineRefused("no")
    order.may_record.set()
    task = Background().start(order.run())
    assert isinstance(await order.operation.outcome(task, 0.0), UnderWay)
    order.may_end.set()
    with pytest.raises(EngineRefused):
        await task
    assert order.was_promised


async def test_what_is_closed_is_not_promised_any_more_while_it_is_undone() -> None:
    operation, may_end = Operation(), asyncio.Event()

    async def fail_slowly() -> None:
        operation.record()
        assert not operation.close()
        await may_end.wait()  # the undoing
        raise EngineRefused("no")

    answer = asyncio.create_task(operation.outcome(Background().start(fail_slowly()), 0.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not answer.done()
    may_end.set()
    with pytest.raises(EngineRefused):
        await answer


async def test_an_orderer_who_goes_away_stops_nothing(order: Order) -> None:
    order.may_record.set()
    background = Background()
    task = background.start(order.run())
    answer = asyncio.create_task(order.operation.outcome(task, FOR_EVER_S))
    await asyncio.sleep(0)
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    order.may_end.set()
    assert await task == "made"


async def test_closing_the_background_breaks_off_what_is_under_way(order: Order) -> None:
    background = Background()
    task = background.start(order.run())
    await background.close()
    assert task.cancelled()


async def test_what_nobody_foresaw_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async def break_down() -> None:
        raise RuntimeError("a mistake of ours")

    background = Background()
    with pytest.raises(RuntimeError):
        await background.start(break_down())
    await asyncio.sleep(0)
    assert "a mistake of ours" in capsys.readouterr().out


def test_without_an_operation_nothing_was_promised() -> None:
    assert not was_promised(None)
