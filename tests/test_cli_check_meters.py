"""``chargepoint check --connect`` on simulated meters: it looks, explains, and never writes."""

from collections.abc import Callable
from pathlib import Path

import pytest
from em580_rig import AWAKE

from chargepoint.cli import check_meters
from chargepoint.cli.trial import Trial
from chargepoint.config import load_config
from chargepoint.config_model import StationConfig
from meters.diagnosis import gateway, serial_line
from meters.diagnosis.read_only import WouldWrite
from meters.errors import MeterRefused
from meters.model import MeterInfo, Reading
from meters.simulators.em580 import Em580
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.line import PtyLine, TcpLine
from meters.simulators.wire import READS


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_line, "_LISTEN_S", 0.1)
    monkeypatch.setattr(serial_line, "_PATIENT_MS", 200)
    monkeypatch.setattr(serial_line, "_QUICK_MS", 60)
    monkeypatch.setattr(serial_line, "_UNIT_MS", 30)
    monkeypatch.setattr(serial_line, "UNITS", range(1, 10))
    monkeypatch.setattr(gateway, "_PATIENT_MS", 200)
    monkeypatch.setattr(gateway, "_UNIT_MS", 50)
    monkeypatch.setattr(gateway, "UNITS", range(1, 5))


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., StationConfig]:
    """A station whose meters have these units, all on one bus."""

    def make(bus: str, *units: int) -> StationConfig:
        meters = "\n".join(
            f"  outlet{unit}: {{driver: carlo_gavazzi_em580, bus: b, powermeter_device_id: {unit}}}"
            for unit in units
        )
        evses = "\n".join(
            f"  - {{id: {number}, meter: outlet{unit}, hardware: {{driver: simulated}}}}"
            for number, unit in enumerate(units, 1)
        )
        path = tmp_path / "site.yaml"
        path.write_text(
            f"station: {{id: CP001, vendor: Example, model: W22, state: {tmp_path}/state}}\n"
            'csms: {url: "ws://127.0.0.1:1/ocpp", ocpp: "2.0.1"}\n'
            f"buses:\n  b: {bus}\nmeters:\n{meters}\nevses:\n{evses}\n"
        )
        return load_config(path, {})

    return make


def codes(trial: Trial) -> list[str]:
    return [finding.code for finding in trial.findings]


async def test_a_good_meter_is_described_and_nothing_is_searched_or_written(
    site: Callable[..., StationConfig],
) -> None:
    async with PtyLine({1: Em580(AWAKE)}) as line:
        (trial,) = await check_meters.try_meters(site(f"{{port: {line.port}}}", 1))
        asked = list(line.requests)

    assert (trial.good, trial.code, trial.findings) == (True, 0, ())
    assert "EM580" in trial.words
    assert {request.unit for request in asked} == {1}
    assert {request.function for request in asked} <= READS


async def test_a_running_transaction_is_not_disturbed(
    site: Callable[..., StationConfig],
) -> None:
    from em580_rig import UUID, rig, transaction

    async with rig() as bench:
        meter = bench.driver()
        await meter.begin(transaction())
        bus = f"{{host: 127.0.0.1, tcp_port: {bench.line.port}, framing: rtu}}"
        before = len(bench.line.requests)
        (trial,) = await check_meters.try_meters(site(bus, 1))
        asked = list(bench.line.requests)[before:]
        reading = await meter.end(UUID)

    assert trial.good
    assert {request.function for request in asked} <= READS
    assert reading.signed is not None


async def test_only_the_meter_that_is_silent_gets_findings(
    site: Callable[..., StationConfig],
) -> None:
    async with PtyLine({1: Em580(AWAKE), 7: Em580(AWAKE)}) as line:
        config = site(f"{{port: {line.port}, timeout_ms: 60}}", 1, 3)
        good, bad = await check_meters.try_meters(config)

    assert (good.good, codes(good)) == (True, [])
    assert (bad.good, bad.code, codes(bad)) == (False, 3, ["wrong-unit"])
    assert "unit 7 does" in bad.findings[0].sentence


async def test_a_meter_that_says_no_is_not_searched_for(
    site: Callable[..., StationConfig],
) -> None:
    device = Em580(AWAKE)
    device.faults.add(Fault(kind=FaultKind.EXCEPTION, value=2))
    async with TcpLine({1: device}) as line:
        bus = f"{{host: 127.0.0.1, tcp_port: {line.port}, framing: rtu}}"
        (trial,) = await check_meters.try_meters(site(bus, 1))
        units = {request.unit for request in line.requests}

    assert (trial.good, trial.findings) == (False, ())
    assert "illegal data address" in trial.words
    assert units == {1}


async def test_a_gateway_with_the_other_framing_is_told_at_the_meter(
    site: Callable[..., StationConfig],
) -> None:
    async with TcpLine({1: Em580(AWAKE)}, framing="tcp") as line:
        bus = f"{{host: 127.0.0.1, tcp_port: {line.port}, framing: rtu, timeout_ms: 60}}"
        (trial,) = await check_meters.try_meters(site(bus, 1))

    assert codes(trial) == ["wrong-framing"]


class Eager:
    """A meter whose driver writes before it reads, as some must once."""

    async def identify(self) -> MeterInfo:
        raise MeterRefused("the meter does not take its data") from WouldWrite("kept back")

    async def read(self) -> Reading:
        raise NotImplementedError


async def test_a_driver_that_has_to_write_first_is_no_failure() -> None:
    trial = await check_meters.try_meter("outlet1", Eager())

    assert trial.good
    assert "the station has to write to it" in trial.words
