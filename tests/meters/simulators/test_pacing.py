"""The arithmetic of a slow line, and that a paced terminal keeps to it."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from meters.simulators.em580 import Em580
from meters.simulators.line import PtyLine
from meters.simulators.pacing import CHUNK, Pace, PunctualWriter, WireTime

LIVE_REQUEST = bytes.fromhex("01 04 00 00 00 34 F1 DD")
LIVE_REPLY_SIZE = 109


@pytest.mark.parametrize(
    ("baudrate", "bits", "character_ms", "gap_ms", "reaction_ms"),
    [
        (9600, 10, 1.0417, 3.6458, 1.5),
        (9600, 11, 1.1458, 4.0104, 1.5),
        (19200, 10, 0.5208, 1.8229, 1.5),
        (115200, 10, 0.0868, 1.75, 1.5),
        (None, 10, 0, 0, 0),
    ],
)
def test_times_of_a_line(
    baudrate: int | None, bits: int, character_ms: float, gap_ms: float, reaction_ms: float
) -> None:
    pace = Pace.at(baudrate, bits)

    assert pace.character_s * 1000 == pytest.approx(character_ms, abs=1e-4)
    assert pace.gap_s * 1000 == pytest.approx(gap_ms, abs=1e-4)
    assert pace.reaction_s * 1000 == pytest.approx(reaction_ms)


@pytest.mark.parametrize(
    ("baudrate", "words", "expected_ms"),
    [(9600, 52, 127.0), (115200, 52, 13.41), (115200, 1, 4.55), (9600, 125, 279.1)],
)
def test_an_exchange_takes_as_long_as_on_the_wire(
    baudrate: int, words: int, expected_ms: float
) -> None:
    """Request, silence, reaction, reply: the table of bus times plus what the table leaves out."""
    wire = WireTime(Pace.at(baudrate))
    wire.takes(0.0, 8)

    pieces = wire.gives(wire.answer_starts(0.0), bytes(5 + 2 * words))

    assert pieces[-1][0] * 1000 == pytest.approx(expected_ms, abs=0.1)
    assert wire.ends_at == pieces[-1][0]


def test_a_reply_comes_in_the_pieces_that_a_uart_tells() -> None:
    wire = WireTime(Pace(character_s=0.001))

    pieces = wire.gives(5.0, bytes(range(40)))

    assert [(round(at, 6), len(data)) for at, data in pieces] == [
        (5.016, CHUNK),
        (5.032, CHUNK),
        (5.040, 8),
    ]
    assert b"".join(data for _, data in pieces) == bytes(range(40))


def test_bytes_that_come_in_two_parts_follow_each_other() -> None:
    wire = WireTime(Pace(character_s=0.001))

    assert wire.takes(0.0, 4) == pytest.approx(0.004)
    assert wire.takes(0.001, 4) == pytest.approx(0.008)
    assert wire.takes(0.020, 4) == pytest.approx(0.024)


@pytest.mark.parametrize(("after_ms", "early"), [(1.74, True), (1.76, False)])
def test_a_request_that_breaks_the_silence_is_noticed(after_ms: float, *, early: bool) -> None:
    wire = WireTime(Pace.at(115200))
    wire.takes(0.0, 8)
    end = wire.gives(wire.answer_starts(0.0), bytes(7))[-1][0]

    assert wire.begins_too_early(end + after_ms / 1000) is early


def test_a_slow_device_answers_from_when_it_is_done() -> None:
    wire = WireTime(Pace.at(115200))
    wire.takes(0.0, 8)

    assert wire.answer_starts(0.5) == 0.5


def test_a_closed_writer_writes_nothing_more() -> None:
    written: list[bytes] = []
    writer = PunctualWriter(written.append, "test")
    writer.add([(time.monotonic() - 1, b"now"), (time.monotonic() + 60, b"never")])
    while not written:
        time.sleep(0.001)
    writer.close()

    assert written == [b"now"]


async def test_a_paced_terminal_is_never_early(
    meter: Callable[..., Em580], opened: Callable[[str], AbstractContextManager[Any]]
) -> None:
    baudrate, rounds = 115200, 20
    pace = Pace.at(baudrate)
    least = (8 + LIVE_REPLY_SIZE) * pace.character_s + pace.gap_s + pace.reaction_s
    taken = []
    async with PtyLine({1: meter()}, baudrate=baudrate) as line:
        with opened(line.port) as master:
            for _ in range(rounds):
                start = time.monotonic()
                reply = await master.exchange(LIVE_REQUEST, LIVE_REPLY_SIZE)
                taken.append(time.monotonic() - start)
                assert len(reply) == LIVE_REPLY_SIZE

    late = sorted((one - least) * 1000 for one in taken)
    sys.stdout.write(
        f"late by {late[0]:.2f} to {late[-1]:.2f} ms, median {late[rounds // 2]:.2f}\n"
    )
    assert min(taken) >= least


async def test_a_hasty_master_is_counted(
    meter: Callable[..., Em580], opened: Callable[[str], AbstractContextManager[Any]]
) -> None:
    async with PtyLine({1: meter()}, baudrate=1200) as line:
        with opened(line.port) as master:
            await master.exchange(bytes.fromhex("01 04 71 00 00 01 2A F6"), 7)
            await master.exchange(bytes.fromhex("01 04 71 00 00 01 2A F6"), 7)

    assert line.counters.gap_violations == 1
