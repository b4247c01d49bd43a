"""Recorded times are put right."""

import tracemalloc
from datetime import timedelta

from fake_clock import START
from sample_facts import updated

from chargepoint.store.sqlite import Store


def test_a_journal_of_weeks_is_put_right_in_little_memory(store: Store) -> None:
    store.timeline.begin(START, wrong=True)
    store.record(*(updated(seq=seq, at=START + timedelta(seconds=seq)) for seq in range(4000)))
    tracemalloc.start()
    try:
        moved = store.timeline.put_right(timedelta(days=1), START + timedelta(days=1))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert moved == 4000
    assert most < 1_000_000
    entry = store.next_entry()
    assert entry is not None
    assert entry.fact.at == START + timedelta(days=1)
