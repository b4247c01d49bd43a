"""A LEM DCBM that is read: identity, live values, complaints, outages, TLS."""

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from lem_rig import now, rig, transaction

from meters.drivers.lem_dcbm import Config, create, http_config
from meters.drivers.lem_dcbm.answers import Live, Status
from meters.drivers.lem_dcbm.temperature import ERROR, WARNING, TemperatureWatch
from meters.errors import MeterDataError, MeterUnreachable
from meters.http import HttpDevice
from meters.model import Quantity
from meters.opening import open_meter
from meters.simulators.certificate import self_signed
from meters.simulators.faults import FaultKind
from meters.simulators.http import HttpServer


def shown(handle: Callable[..., Any], path: str, **changes: Any) -> Callable[..., Any]:
    """A meter whose JSON at ``path`` has other values; None leaves a key out."""

    def answer(request: Any) -> Any:
        response = handle(request)
        if request.path != path:
            return response
        fields = {**json.loads(response.body), **changes}
        kept = {name: value for name, value in fields.items() if value is not None}
        return replace(response, body=json.dumps(kept).encode())

    return answer


@pytest.mark.parametrize(("firmware", "second"), [("0.1.4.0", False), ("0.10.0.1", True)])
async def test_live_values_are_si_and_exact(firmware: str, *, second: bool) -> None:
    async with rig(firmware=firmware, time_lapse=Decimal(1)) as found:
        found.device.set_load(37_500)
        before = now()
        reading = await found.driver().read()

    assert reading.value(Quantity.POWER) == 37_500
    assert reading.value(Quantity.VOLTAGE) == 400
    assert reading.value(Quantity.CURRENT) == Decimal("93.75")
    assert reading.value(Quantity.ENERGY_IMPORT) in {1637, 1638}
    assert reading.value(Quantity.ENERGY_EXPORT) == 12
    assert reading.value(Quantity.TEMPERATURE) == Decimal("31.5")
    assert reading.signed is None
    assert before <= reading.taken_at <= now()
    assert bool(found.asked("GET", "/v2/livemeasure")) is second


async def test_no_watt_hour_is_lost_on_the_way() -> None:
    live = Live(
        voltage=Decimal("812.345"),
        current=Decimal("-12.001"),
        power=Decimal("-9.748"),
        energy_import=Decimal("123456789.123"),
        energy_export=Decimal("0.001"),
    )

    values = [str(sample.value) for sample in live.samples()]
    assert values == ["123456789123", "1", "-9748", "812.345", "-12.001"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e99", "1E+999999999", "1E-999999999"])
def test_a_number_that_is_none_is_refused(value: str) -> None:
    live = Live(
        voltage=Decimal(value),
        current=Decimal(0),
        power=Decimal(0),
        energy_import=Decimal(0),
        energy_export=Decimal(0),
    )

    with pytest.raises(MeterDataError, match="measured value"):
        live.samples()


@pytest.mark.parametrize("value", ["NaN", "sNaN", "-1E+999999999"])
def test_a_temperature_that_is_none_is_refused(value: str) -> None:
    none = Decimal(0)
    live = Live(none, none, none, none, none, temperature_h=none, temperature_l=Decimal(value))

    with pytest.raises(MeterDataError, match="measured value"):
        live.samples()


async def test_the_meter_says_who_it_is() -> None:
    async with rig() as found:
        info = await found.driver().identify()
        reading = await found.driver().read()

    assert (info.vendor, info.model) == ("LEM", "DCBM 400/600")
    assert info.serial_number == "12024072805"
    assert info.firmware == "MU-0.1.4.0_SU-0.0.8.0"
    assert info.public_key == found.device.public_key
    assert info.signing_method == "ECDSA-secp256r1-SHA256"
    assert info.quantities == {(one.quantity, one.phase) for one in reading.samples}


async def test_a_bare_key_is_wrapped() -> None:
    async with rig() as found:
        found.device.handle = shown(  # type: ignore[method-assign]
            found.device.handle, "/v1/status", publicKeyOcmf=None
        )
        info = await found.driver().identify()

    assert info.public_key == found.device.public_key


@pytest.mark.parametrize(
    "wrong",
    [
        {"publicKeyOcmf": "3059"},
        {"meterId": " "},
        {"meterId": None},
        {"version": {}},
        {"status": {"value": 17}},
        {"status": {"value": "17", "bits": {}}},
    ],
)
async def test_a_status_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    async with rig() as found:
        found.device.handle = shown(found.device.handle, "/v1/status", **wrong)  # type: ignore[method-assign]
        with pytest.raises(MeterDataError):
            await found.driver().identify()


@pytest.mark.parametrize(
    ("firmware", "second"),
    [
        ("0.1.9.9", False),
        ("0.2.0.0", True),
        ("0.10.0.0", True),
        ("0.2.0", False),
        ("1.1.0.0", False),
        ("a.b.c.d", False),
    ],
)
def test_the_second_version_is_told_from_numbers_not_from_text(
    firmware: str, *, second: bool
) -> None:
    fields: Any = {
        "status": {
            "value": 17,
            "bits": {
                "transactionIsOnGoing": False,
                "suLinkStatusIsOk": True,
                "timeSyncStatusIsOk": True,
                "muFatalErrorOccured": False,
            },
        },
        "version": {"applicationFirmwareVersion": firmware},
        "meterId": "1",
    }
    assert msgspec.convert(fields, Status).speaks_v2 is second


@pytest.mark.parametrize(
    ("kind", "how", "error"),
    [
        (FaultKind.SILENCE, {}, MeterUnreachable),
        # A GET that breaks on a connection that was kept is asked again once by itself.
        (FaultKind.LOST_REPLY, {"count": 2}, MeterUnreachable),
        (FaultKind.RESET, {"count": 2}, MeterUnreachable),
        (FaultKind.TRUNCATED, {}, MeterUnreachable),
        (FaultKind.STATUS, {"value": 500}, MeterUnreachable),
        (FaultKind.STATUS, {"value": 403}, MeterDataError),
        (FaultKind.MALFORMED, {}, MeterDataError),
        (FaultKind.MISSING_KEY, {}, MeterDataError),
        (FaultKind.CONTENT_TYPE, {"value": 1}, MeterDataError),
    ],
)
async def test_each_fault_of_a_poll_is_told_and_passes(
    kind: FaultKind, how: dict[str, int], error: type[Exception]
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        found.fault(kind, **how)
        with pytest.raises(error, match=r"127\.0\.0\.1|livemeasure"):
            await meter.read()

        assert (await meter.read()).samples


async def test_a_wrong_content_type_alone_does_no_harm() -> None:
    async with rig() as found:
        found.fault(FaultKind.CONTENT_TYPE)

        assert (await found.driver().read()).samples


async def test_a_poll_is_one_request() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        before = len(found.server.requests)
        for _ in range(5):
            await meter.read()

    assert len(found.server.requests) - before == 5


async def test_after_many_failures_polls_rest() -> None:
    async with rig() as found:
        meter = found.driver(
            resilience_initial_connection_retries=2,
            resilience_initial_connection_retry_delay=300,
        )
        found.server.unplug()
        for _ in range(3):
            with pytest.raises(MeterUnreachable):
                await meter.read()
        found.server.plug_in()
        with pytest.raises(MeterUnreachable):
            await meter.read()
        assert not found.server.requests
        await asyncio.sleep(0.31)

        assert (await meter.read()).samples


async def test_complaints_are_told_once_and_taken_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with rig() as found:
        meter: Any = found.driver()
        await meter.read()
        assert meter.faults == ()
        found.device.flags |= {"tamperingIsDetected", "reversedVoltage", "logbookIsFull"}
        for _ in range(2):
            meter._next_look = 0.0
            await meter.read()
        told = meter.faults
        found.device.flags.clear()
        meter._next_look = 0.0
        await meter.read()

    assert told == (
        "fatal error",
        "tampering detected",
        "reversed voltage",
        "error logbookIsFull",
    )
    assert meter.faults == ()
    assert caplog.text.count("reports: fatal error, tampering detected") == 1
    assert caplog.text.count("no fault any more") == 1


async def test_values_without_link_to_the_sensor_are_no_reading() -> None:
    async with rig() as found:
        meter: Any = found.driver()
        await meter.read()
        found.device.flags.add("suLinkStatusIsOk")
        meter._next_look = 0.0
        for _ in range(2):
            with pytest.raises(MeterDataError, match="no link to the sensor unit"):
                await meter.read()
        found.device.flags.clear()

        assert (await meter.read()).samples
        assert meter.faults == ()


async def test_a_look_that_fails_does_not_spoil_a_reading() -> None:
    async with rig() as found:
        meter: Any = found.driver()
        await meter.read()
        meter._next_look = 0.0
        found.fault(FaultKind.STATUS, path="/v1/status")

        assert (await meter.read()).samples


async def test_a_transaction_longer_than_the_clock_is_valid_is_told() -> None:
    async with rig() as found:
        meter: Any = found.driver()
        await meter.begin(transaction())
        found.clock.ahead += timedelta(hours=48)
        await meter.read()

    assert "transaction longer than the clock is valid, 48 h" in meter.faults


async def test_a_meter_that_was_swapped_is_told_once() -> None:
    async with rig() as found:
        meter: Any = found.driver()
        await meter.read()
        found.device.handle = shown(found.device.handle, "/v1/status", meterId="77")  # type: ignore[method-assign]
        meter._next_look = 0.0
        with pytest.raises(MeterDataError, match="serial 77 where 12024072805 was"):
            await meter.read()

        assert (await meter.read()).samples


def test_a_temperature_must_last_to_be_complained_about() -> None:
    config = Config(
        ip_address="x",
        temperature_warning_level_C=70,
        temperature_error_level_C=80,
        temperature_hysteresis_K=3,
        temperature_min_time_as_valid_ms=5000,
    )
    watch = TemperatureWatch(config)
    course = [
        (75, 0, ()),
        (69, 3, ()),  # starts anew
        (75, 4, ()),
        (75, 9, (WARNING,)),
        (85, 10, (WARNING,)),
        (85, 15, (WARNING, ERROR)),
        (78, 16, (WARNING, ERROR)),  # within the hysteresis of the error
        (76.9, 17, (WARNING,)),
        (67, 18, (WARNING,)),
        (66.9, 19, ()),
    ]

    for temperature, at, told in course:
        assert watch.note(Decimal(str(temperature)), at) == told, (temperature, at)
    assert watch.note(None, 20) == ()


async def test_a_hot_meter_is_told() -> None:
    async with rig(temperature_h=Decimal(20), temperature_l=Decimal(71)) as found:
        meter: Any = found.driver(
            temperature_warning_level_C=70, temperature_min_time_as_valid_ms=0
        )
        await meter.read()

    assert meter.faults == (WARNING,)


# TLS.


async def test_the_certificate_as_the_meter_gives_it_can_be_pinned() -> None:
    async with rig(tls=True) as found:
        fetched = await found.http.get("/v1/certificate")
        pem = fetched.json()["certificate"]
        config = Config(**{**found.config, "meter_tls_certificate": pem})

    assert "CERTIFICATE-----MII" in pem  # the line break that is missing
    assert config.certificate() == ssl.PEM_cert_to_DER_cert(found.device.certificate.pem)


async def test_another_certificate_is_not_trusted() -> None:
    async with rig(tls=True) as found:
        other = self_signed("other", key="rsa-1024").pem
        config = Config(**{**found.config, "meter_tls_certificate": other})
        async with HttpDevice(http_config(config)) as http:
            meter = create(config, http, now=now)
            with pytest.raises(MeterUnreachable, match="another certificate"):
                await meter.read()

    assert not found.server.requests


async def test_plain_http_to_a_meter_with_tls_fails() -> None:
    async with rig(tls=True) as found:
        config = Config(**{**found.config, "meter_tls_certificate": ""})
        async with HttpDevice(http_config(config)) as http:
            with pytest.raises((MeterUnreachable, MeterDataError)):
                await create(config, http, now=now).read()


async def test_it_can_be_opened_by_name_over_https() -> None:
    async with rig(tls=True) as found, open_meter("lem_dcbm", **found.config) as meter:
        assert (await meter.identify()).serial_number == "12024072805"
        assert (await meter.read()).samples


async def test_the_way_from_http_to_https() -> None:
    async with rig() as found:
        pem = (await found.http.get("/v1/certificate")).json()["certificate"]
        answer = await found.http.put("/v1/settings", json={"http": {"tls_on": True}})
        assert answer.json()["result"] == 1
        found.clock.ahead += timedelta(seconds=1)
        with pytest.raises(MeterUnreachable):
            await found.driver().read()
        async with HttpServer(found.device, tls=found.device.certificate) as server:
            options = {**found.config, "port": server.port, "meter_tls_certificate": pem}
            async with open_meter("lem_dcbm", **options) as meter:
                assert (await meter.read()).samples
