"""Searches on a real pseudo-terminal with simulated meters behind it."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from meters.diagnosis import Finding, Suspect, look_at_serial_line, port, serial_line
from meters.diagnosis.probe import frames_in, heard_rtu
from meters.errors import MeterUnreachable
from meters.line import SerialBusConfig, SerialLine
from meters.rtu import READ_INPUT, crc16, read_request, rtu_frame
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.line import PtyLine
from meters.simulators.wire import READS

Make = Callable[..., Any]


async def look(
    line: PtyLine, suspects: Sequence[Suspect], known: Sequence[int] = (), **config: Any
) -> Finding:
    (finding,) = await look_at_serial_line(
        SerialBusConfig(port=line.port, **({"baudrate": 115200} | config)), suspects, known=known
    )
    return finding


async def test_a_wrong_baud_rate_is_found_by_asking_at_the_others(
    meter: Make, suspect: Make
) -> None:
    async with PtyLine({1: meter()}, baudrate=38400) as line:
        finding = await look(line, [suspect()])

    assert (finding.code, finding.meters) == ("wrong-settings", ("outlet1",))
    assert "Unit 1 answers at 38400 baud, parity none" in finding.sentence
    assert "115200 baud" in finding.sentence
    assert "`baudrate: 38400`" in finding.step


class EvenParity(PtyLine):
    """Hears only masters with even parity, of which a pseudo-terminal has no notion."""

    heard_parity = "none"

    def hears(self, terminal: int) -> bool:
        return self.heard_parity == "even" and super().hears(terminal)


async def test_a_wrong_parity_is_found_at_the_same_speed_first(
    meter: Make, suspect: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[int, str]] = []
    async with EvenParity({1: meter()}) as line:
        ordinary = SerialLine._open

        async def opening(self: SerialLine) -> None:
            line.heard_parity = self._config.parity
            opened.append((self._config.baudrate, self._config.parity))
            await ordinary(self)

        monkeypatch.setattr(SerialLine, "_open", opening)
        finding = await look(line, [suspect()])

    assert finding.code == "wrong-settings"
    assert "parity even" in finding.sentence
    assert opened[-1] == (115200, "even")
    assert {speed for speed, _ in opened} == {115200}


async def test_a_wrong_unit_is_found_by_asking_the_others(meter: Make, suspect: Make) -> None:
    async with PtyLine({7: meter()}) as line:
        finding = await look(line, [suspect()])

    assert finding.code == "wrong-unit"
    assert "Nobody answers as unit 1, but unit 7 does" in finding.sentence
    assert "`powermeter_device_id`) to 7" in finding.step


async def test_wrong_speed_and_wrong_unit_together_are_found(meter: Make, suspect: Make) -> None:
    async with PtyLine({5: meter()}, baudrate=19200) as line:
        finding = await look(line, [suspect()])

    assert finding.code == "wrong-settings"
    assert "Unit 5 answers at 19200 baud" in finding.sentence
    assert "and unit 5 (`powermeter_device_id`)" in finding.step


async def test_where_another_meter_answers_speeds_are_not_tried(meter: Make, suspect: Make) -> None:
    async with PtyLine({2: meter()}) as line:
        finding = await look(line, [suspect()], known=[2])

    assert finding.code == "missing-unit"
    assert "Unit 2 answers, so port, speed and parity are right" in finding.sentence


async def test_silence_everywhere_speaks_of_power_and_swapped_wires(
    meter: Make, suspect: Make
) -> None:
    device = meter()
    device.faults.add(Fault(kind=FaultKind.SILENCE))
    async with PtyLine({1: device}) as line:
        finding = await look(line, [suspect()])

    assert finding.code == "silence"
    assert "not from any unit up to 12" in finding.sentence
    assert "Swap A and B" in finding.step


async def test_a_meter_that_is_only_slow_answers_when_given_time(
    meter: Make, suspect: Make
) -> None:
    async with PtyLine({1: meter()}, reaction_s=0.1) as line:
        finding = await look(line, [suspect()], timeout_ms=50)

    assert finding.code == "answers-now"
    assert "Raise `timeout_ms` of the bus (now 50)" in finding.step


@contextlib.asynccontextmanager
async def talking(line: PtyLine, data: bytes) -> AsyncIterator[None]:
    """Somebody else on the line: bytes come without a question."""

    async def talk() -> None:
        while True:
            line._write(data)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(talk())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_second_master_is_heard_and_then_nothing_is_sent(
    meter: Make, suspect: Make
) -> None:
    async with PtyLine({1: meter()}) as line:
        async with talking(line, rtu_frame(read_request(9, READ_INPUT, 0, 4))):
            finding = await look(line, [suspect()])
        asked = list(line.requests)

    assert finding.code == "second-master"
    assert "with unit 9" in finding.sentence
    assert "one master" in finding.step
    assert asked == []


async def test_bytes_that_are_no_frames_at_any_speed_are_noise(meter: Make, suspect: Make) -> None:
    async with PtyLine({1: meter()}) as line, talking(line, b"\x00\xff\x00"):
        finding = await look(line, [suspect()])

    assert finding.code == "noise"
    assert "A and B" in finding.step


async def test_an_adapter_that_echoes_is_told_with_the_key_to_set(
    meter: Make, suspect: Make
) -> None:
    async with PtyLine({1: meter()}) as line:
        line.add_fault(Fault(kind=FaultKind.ECHO))
        finding = await look(line, [suspect()])

    assert (finding.code, finding.meters) == ("echo", ("outlet1",))
    assert "`echo: true`" in finding.step


async def test_only_reads_are_ever_sent(meter: Make, suspect: Make) -> None:
    device = meter()
    device.faults.add(Fault(kind=FaultKind.SILENCE))
    async with PtyLine({1: device}) as line:
        await look(line, [suspect()])
        functions = {request.function for request in line.requests}

    assert functions
    assert functions <= READS


async def test_the_search_ends_when_its_time_is_over(
    meter: Make, suspect: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_line, "LONGEST_S", 0.2)
    async with PtyLine({7: meter()}) as line:
        finding = await look(line, [suspect()])

    assert finding.code == "silence"


async def test_a_port_that_is_not_there_is_told_with_those_that_are(
    suspect: Make, tmp_path: Path
) -> None:
    config = SerialBusConfig(port=str(tmp_path / "ttyUSB7"))

    (finding,) = await look_at_serial_line(config, [suspect()])

    assert finding.code == "no-port"
    assert f"There is no port {tmp_path}/ttyUSB7" in finding.sentence


async def test_a_port_that_another_program_has_is_in_use(meter: Make, suspect: Make) -> None:
    async with PtyLine({1: meter()}) as line:
        config = SerialBusConfig(port=line.port)
        other = SerialLine(config)
        await other.open()
        try:
            (finding,) = await look_at_serial_line(config, [suspect()])
        finally:
            other.close()

    assert finding.code == "port-in-use"
    assert "only one program" in finding.step


def refused(code: int) -> MeterUnreachable:
    error = MeterUnreachable("cannot be opened")
    error.__cause__ = OSError(code, os.strerror(code))
    return error


def test_a_port_without_permission_names_group_and_command(tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    path.touch()

    finding = port.closed_port(str(path), refused(errno.EACCES))

    assert finding.code == "no-permission"
    assert "sudo usermod -aG" in finding.step
    assert port.closed_port(str(path), refused(errno.EIO)).code == "port-unusable"


def test_frames_are_found_between_other_bytes() -> None:
    question = rtu_frame(read_request(3, READ_INPUT, 0, 2))
    no = b"\x03\x84\x02"  # unit 3 has no such address
    no += crc16(no).to_bytes(2, "little")

    frames, left = frames_in(b"\x00" + question + no + b"\xff\xff")

    assert (frames, left) == ([question, no], 3)
    assert heard_rtu(question + no, question).echo
    assert heard_rtu(question + no, question).units == {3}
    assert heard_rtu(question, question).silent
