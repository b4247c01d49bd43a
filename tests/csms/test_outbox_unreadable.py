"""A fact in the journal that nobody can read, of a newer version or damaged: the others go on."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock
from sample_facts import ended, started, updated
from served_station import Served, serve

from chargepoint.csms.adapter import Delivery
from chargepoint.csms.outbox import Outbox, Retry
from chargepoint.store.journal import Unreadable
from chargepoint.store.sqlite import Store


class Line:
    """An open connection, and whoever tells over it."""

    version = "2.0.1"
    unknown: frozenset[str] = frozenset()
    closed = False
    silences = 0

    def __init__(self) -> None:
        self.told: list[object] = []

    async def deliver(self, delivery: Delivery) -> None:
        self.told.append(delivery.entry.fact)


async def drained(store: Store, line: Any) -> None:
    clock = FakeClock()
    outbox = Outbox(store, clock, lambda: Retry(3, timedelta(seconds=60)))
    task = asyncio.ensure_future(outbox.drain(line, line))
    await clock.settle()
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE journal SET kind = 'FactOfNextYear' WHERE number = 2",
        "UPDATE journal SET fact = x'00FF' WHERE number = 2",
    ],
)
async def test_it_is_put_by_and_all_else_is_told(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Store(tmp_path / "state", "CP1") as store:
        store.record(started(), updated(), ended(seq=2))
        store._db.execute(damage)
        with pytest.raises(Unreadable) as raised:
            store.journal.first_since(0)
        assert raised.value.number == 2
        line = Line()

        await drained(store, line)

        assert line.told == [started(), ended(seq=2)]
        assert store.waiting == 0
        (kept,) = store.untold.all()
        assert kept.fact is None
        assert kept.stream == "transaction T1"
        assert kept.lack.why.startswith("cannot be read: ")
        assert "a fact cannot be told and is put by: " in caplog.text


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as served:
        yield served


async def test_it_is_shown_as_untold_and_breaks_no_metrics(served: Served) -> None:
    store = served.station.store
    store._db.execute("DELETE FROM journal")
    store.record(started())
    store._db.execute("UPDATE journal SET kind = 'FactOfNextYear'")
    assert (await served.ask("GET", "/metrics")).status == 200

    line = Line()
    await drained(store, line)

    (untold,) = (await served.get("/v1/untold"))["untold"]
    assert untold["kind"] == "FactOfNextYear"
    assert untold["transaction_id"] is None
