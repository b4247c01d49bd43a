"""Whoever listens hears, and nobody is held up by a slow listener."""

import pytest

from chargepoint.station import broadcast
from chargepoint.station.broadcast import Broadcast


async def test_every_listener_hears_what_is_told_while_it_listens() -> None:
    told = Broadcast()
    told.tell("before")

    async with told.listen() as first, told.listen() as second:
        assert told.heard
        told.tell("status", evse=1)

        assert first.get_nowait() == second.get_nowait() == broadcast.Told("status", {"evse": 1})
        assert first.empty()

    assert not told.heard


async def test_a_slow_listener_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MOST_WAITING", 2)
    told = Broadcast()

    async with told.listen() as queue:
        for number in range(4):
            told.tell(str(number))

        assert [queue.get_nowait().kind, queue.get_nowait().kind] == ["2", "3"]


async def test_a_slow_listener_costs_no_memory_without_end() -> None:
    told = Broadcast()
    text = "x" * (broadcast.MOST_CHARACTERS // 2)

    async with told.listen() as queue:
        for number in range(10):
            told.tell("frame", number=number, text=text)
        waiting = queue.qsize()
        numbers = [queue.get_nowait().about["number"] for _ in range(waiting)]
        told.tell("frame", number=10, text=text * 3)

        assert numbers == [8, 9]
        assert queue.qsize() == 1
