"""An IEM-DCR that is found, told its charge point, set to the time and read."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from iem_dcr_rig import EVSE, rig, virtual
from meter_bench import now, transaction

from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.http import HttpRefusal
from meters.model import Quantity
from meters.simulators.iem_dcr import IemDcr, Settings


@virtual
async def test_the_live_values_are_exact_and_in_si_units() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.set_load(Decimal(300))
        reading = await meter.read()

    assert reading.value(Quantity.ENERGY_IMPORT) == 446_540
    assert reading.value(Quantity.ENERGY_EXPORT) == 4881
    assert reading.value(Quantity.POWER) == 300
    assert reading.value(Quantity.VOLTAGE) == 400
    assert reading.value(Quantity.CURRENT) == Decimal("0.75")
    assert reading.signed is None


@virtual
async def test_energy_is_the_running_total_and_not_that_of_the_transaction() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        await found.charge()
        during = await meter.read()
        await meter.end(transaction().transaction_id)
        after = await meter.read()

    assert during.value(Quantity.ENERGY_IMPORT) == after.value(Quantity.ENERGY_IMPORT) == 447_540


@virtual
async def test_export_has_a_sign_and_its_own_register() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.set_load(-36_000)
        await asyncio.sleep(100)
        reading = await meter.read()

    power, current = reading.value(Quantity.POWER), reading.value(Quantity.CURRENT)
    assert power == -36_000
    assert current == -90
    assert reading.value(Quantity.ENERGY_IMPORT) == 446_540
    assert reading.value(Quantity.ENERGY_EXPORT) == 5881


@virtual
async def test_no_watt_hour_is_lost_in_a_large_register() -> None:
    async with rig(begin_energy_wh=98_765_432_109) as found:
        reading = await (await found.driver()).read()

    assert reading.value(Quantity.ENERGY_IMPORT) == 98_765_432_109


@virtual
async def test_the_meter_says_who_it_is() -> None:
    async with rig() as found:
        info = await (await found.driver()).identify()

    assert (info.vendor, info.model) == ("Isabellenhuette", "IEM-DCR")
    assert info.serial_number == "1ISA0200001132"
    assert info.public_key == found.device.public_key
    assert info.signing_method == "ECDSA-secp256r1-SHA256"


@virtual
async def test_a_fresh_meter_is_told_its_charge_point_and_the_time_once() -> None:
    async with rig() as found:
        meter = await found.driver(TT_initial="0,42 EUR/kWh")
        for _ in range(3):
            await meter.read()
        await (await found.driver()).read()

    (gateway,) = found.bodies("gw")
    assert list(gateway) == ["CT", "CI", "TM"]
    assert (gateway["CT"], gateway["CI"]) == ("EVSEID", EVSE)
    assert gateway["TM"].endswith(",000+0100")
    assert found.bodies("tariff") == [{"TT": "0,42 EUR/kWh"}]
    assert found.device.moment().letter == "I"
    assert abs(found.device.moment().at - now()) < timedelta(seconds=2)


@virtual
async def test_gateway_data_whose_answer_was_lost_are_not_given_twice() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.fault("lost-reply", "gw", "POST")
        with pytest.raises(MeterUnreachable):
            await meter.read()
        await meter.read()

    assert len(found.bodies("gw")) == 1
    assert found.device.gateway is not None
    assert found.device.gateway.CI == EVSE


@virtual
async def test_a_refused_tariff_text_is_no_reason_not_to_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig() as found:
        found.fault("status", "tariff", "POST", value=400)
        reading = await (await found.driver(TT_initial="x")).read()

    assert reading.samples
    assert "tariff text not taken" in caplog.text


@virtual
async def test_a_frozen_charge_point_is_told_with_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig(frozen_ci="CP-DE-4711") as found:
        meter = await found.driver()
        for _ in range(3):
            assert (await meter.read()).samples
        with pytest.raises(MeterRefused) as refused:
            await meter.begin(transaction())

    for sentence in (str(refused.value), meter.faults[0]):
        assert "'CP-DE-4711' (EVSEID) until its power is cut" in sentence
        assert f"this one is '{EVSE}'" in sentence
        assert "switch the supply of the meter off and on" in sentence
    assert caplog.text.count("until its power is cut") == 1
    assert found.bodies("gw") == []
    assert found.commands() == {}


@virtual
async def test_a_power_cut_of_the_meter_cures_a_frozen_charge_point() -> None:
    async with rig() as found:
        old = await found.driver(CI="DE*OLD*E1")
        await old.read()
        meter = await found.driver()
        with pytest.raises(MeterRefused, match="until its power is cut"):
            await meter.begin(transaction())
        found.device.reboot()
        await meter.read()
        await meter.begin(transaction())

    assert meter.faults == ()
    assert [one["CI"] for one in found.bodies("gw")] == ["DE*OLD*E1", EVSE]


@virtual
async def test_another_kind_of_identification_is_a_frozen_charge_point_too() -> None:
    async with rig(frozen_ci=EVSE, frozen_ct="CBIDC") as found:
        with pytest.raises(MeterRefused, match=r"\(CBIDC\) until"):
            await (await found.driver()).begin(transaction())


@virtual
async def test_without_a_chosen_charge_point_the_first_transaction_names_it() -> None:
    async with rig() as found:
        meter = await found.driver(CI="1234")
        await meter.read()
        assert found.bodies("gw") == []
        await meter.begin(transaction())
        end = await meter.end(transaction().transaction_id)

    assert [one["CI"] for one in found.bodies("gw")] == [EVSE]
    assert end.signed is not None
    assert f'"CI":"{EVSE}"'.encode() in end.signed.document


@virtual
async def test_an_error_code_is_told_and_taken_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with rig() as found:
        meter = await found.driver()
        found.device.error_code = "0x0001, 0x00000000, 0x00, 0x00"
        for _ in range(2):
            await meter.read()
        raised = meter.faults
        found.device.error_code = "0x0000, 0x00000000, 0x00, 0x00"
        await meter.read()

    assert raised == ("error code 0x0001, 0x00000000, 0x00, 0x00",)
    assert meter.faults == ()
    assert caplog.text.count("error code 0x0001") == 1
    assert "has no fault any more" in caplog.text


@virtual
async def test_an_error_code_that_is_none_does_not_hide_the_values() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.error_code = "none"
        reading = await meter.read()

    assert reading.value(Quantity.ENERGY_IMPORT) == 446_540
    assert "expected four hexadecimal numbers" in meter.faults[0]


@virtual
async def test_a_healthy_status_word_that_is_not_zero_is_no_error() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.read()

    assert meter.faults == ()


@virtual
async def test_another_meter_in_its_place_is_told_once() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.read()
        found.server.device = IemDcr(
            Settings(serial_number="1ISA0200009999", boot_delay_s=0, key_seed="other"), clock=now
        )
        with pytest.raises(MeterDataError, match="another meter: serial 1ISA0200009999"):
            await meter.read()
        reading = await meter.read()
        info = await meter.identify()

    assert reading.value(Quantity.ENERGY_IMPORT) == 0
    assert info.serial_number == "1ISA0200009999"


@virtual
async def test_another_key_is_noticed_when_the_meter_comes_back() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.read()
        found.fault("silence")
        with pytest.raises(MeterUnreachable):
            await meter.read()
        found.server.device = IemDcr(Settings(boot_delay_s=0, key_seed="other"), clock=now)
        with pytest.raises(MeterDataError, match=r"another meter.* or another key"):
            await meter.read()


@virtual
async def test_a_refused_key_is_asked_for_again_before_a_transaction(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig() as found:
        meter = await found.driver()
        found.fault("status", "publickey", value=403, count=2)
        info = await meter.identify()
        with pytest.raises(MeterRefused, match="no public key"):
            await meter.begin(transaction())
        await meter.begin(transaction())

    assert info.public_key == ""
    assert "no public key" in caplog.text
    assert found.commands() == {"B": 1}


@virtual
async def test_polls_of_a_dead_meter_wait_and_commands_do_not() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.read()
        found.fault("silence", count=100)
        for _ in range(2):
            with pytest.raises(MeterUnreachable, match="no answer within 5000 ms"):
                await meter.read()
        before = len(found.server.requests)
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.read()
        assert len(found.server.requests) == before
        found.server.faults.clear()
        assert await meter.open_transaction() is None
        assert (await meter.read()).samples


@virtual
@pytest.mark.parametrize(
    ("kind", "how", "error", "sentence"),
    [
        ("status", {"value": 500}, MeterUnreachable, "status 500"),
        ("status", {"value": 408}, MeterUnreachable, "status 408"),
        ("status", {"value": 403}, HttpRefusal, "status 403"),
        ("reset", {"count": 2}, MeterUnreachable, "reset|closed"),
        ("truncated", {}, MeterUnreachable, "broke off"),
        ("malformed", {}, MeterDataError, "expected JSON"),
        ("missing-key", {}, MeterDataError, "missing required field `MS`"),
        ("content-type", {"value": 1}, MeterDataError, "found text/html"),
    ],
)
async def test_each_trouble_has_its_own_sentence_and_passes(
    kind: str, how: dict[str, int], error: type[Exception], sentence: str
) -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.read()
        found.fault(kind, "metervalue", **how)
        with pytest.raises(error, match=sentence) as told:
            await meter.read()
        assert "metervalue" in str(told.value)
        assert (await meter.read()).samples


@virtual
async def test_a_wrong_content_type_alone_does_no_harm() -> None:
    async with rig() as found:
        found.fault("content-type", count=50)
        assert (await (await found.driver()).read()).samples


@virtual
async def test_a_meter_that_is_still_starting_is_found_later() -> None:
    async with rig(boot_delay_s=5.0) as found:
        meter = await found.driver()
        with pytest.raises(MeterUnreachable):
            await meter.read()
        await asyncio.sleep(6)
        assert (await meter.read()).samples


@virtual
async def test_every_request_names_its_content_type() -> None:
    async with rig() as found:
        await (await found.driver()).read()
        types = {one.headers.get("content-type") for one in found.server.requests}

    assert types == {"application/json"}


@virtual
async def test_polls_and_commands_go_one_after_the_other() -> None:
    async with rig() as found:
        meter = await found.driver()
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(meter.read())
            group.create_task(meter.begin(transaction()))

    assert found.commands() == {"B": 1}
    assert len(found.bodies("gw")) == 1


@virtual
async def test_a_refused_begin_stops_no_poll() -> None:
    async with rig() as found:
        meter = await found.driver(CI="DE*OTHER*1")
        for _ in range(3):
            with pytest.raises(MeterRefused):
                await meter.begin(transaction())
            assert (await meter.read()).samples


@virtual
async def test_a_charge_point_that_the_meter_does_not_take_is_told() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.fault("status", "gw", "POST", value=400, count=9)
        assert (await meter.read()).samples
        with pytest.raises(MeterRefused, match="does not take its charge point"):
            await meter.begin(transaction())


@virtual
async def test_a_key_that_is_none_does_not_hide_the_values(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IemDcr, "public_key", "3059" + "00" * 89)
    async with rig() as found:
        meter = await found.driver()
        assert (await meter.read()).samples
        with pytest.raises(MeterRefused, match="no public key"):
            await meter.begin(transaction())

    assert "no public key: " in caplog.text
