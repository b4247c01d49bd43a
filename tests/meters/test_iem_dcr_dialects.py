"""What nobody but the vendor knows of an IEM-DCR: each assumption, with both outcomes.

The switches are those of the simulator's ``Settings``; the driver must cope with either position.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import meter_bench
import pytest
from iem_dcr_rig import EVSE, rig, virtual
from meter_bench import OTHER, UUID, now, transaction
from record_check import assert_signed_by

from meters.drivers.isabellenhuette_iem_dcr.record import found_in
from meters.drivers.isabellenhuette_iem_dcr.times import told
from meters.errors import MeterUnreachable
from meters.model import OpenTransaction, Quantity
from meters.ocmf import load_public_key, parse, verify

SWITCHES = [
    {},
    {"accepts_begin_without_user": True},
    {"accepts_begin_while_running": True},
    {"accepts_end_while_idle": True},
    {"accepts_datetime_before_gateway": False},
    {"accepts_datetime_while_running": True},
    {"accepts_tariff_while_running": True},
    {"accepts_user_while_running": True},
    {"accepts_intermediate": True},
    {"cuts_long_tariff": True},
    {"no_record_status": 404},
    {"bad_request_status": 422},
    {"receipt_after_power_up": True},
    {"receipt_while_running": True},
    {"transaction_while_running": True},
    {"transaction_while_signing": True},
    {"transaction_api": "v2"},
    {"transaction_api": "both"},
    {"receipt_wrapping": "newline"},
    {"receipt_wrapping": "json"},
    {"receipt_wrapping": "braces"},
    {"signature": "der"},
    {"signature": "raw"},
    {"public_key": "bare"},
    {"signature": "raw", "public_key": "bare", "mf_key": True},
    {"export_readings": True},
    {"clock_reading": "takes-digits"},
    {"begin_page": -1},
    {"begin_page": 4_294_967_294},
]
EACH = pytest.mark.parametrize("switch", SWITCHES, ids=lambda one: str(one) or "default")


@virtual
@EACH
async def test_two_sessions_one_after_the_other(switch: dict[str, object]) -> None:
    async with rig(**switch) as found:
        meter = await found.driver(TT_initial="0,20 EUR/kWh")
        for number, one in enumerate((UUID, OTHER)):
            await meter.read()
            begin = await meter.begin(replace(transaction(one), tariff_text="0.30 EUR/kWh"))
            await found.charge()
            assert await meter.open_transaction() == OpenTransaction(one, running=True)
            end = await meter.end(one)
            assert begin.value(Quantity.ENERGY_IMPORT) == 446_540 + 1000 * number
            assert end.value(Quantity.ENERGY_IMPORT) == 447_540 + 1000 * number
            assert end.signed is not None
            record = parse(end.signed.document)
            assert verify(record, end.signed.public_key).valid
            assert record.tariff_text == f"0.30 EUR/kWh<=>{one}"
            assert await meter.open_transaction() == OpenTransaction(one, running=False)
            await meter.release(one)
            assert await meter.open_transaction() is None

    assert found.commands() == {"B": 2, "E": 2}


@virtual
@EACH
async def test_what_an_unfinished_session_left_is_found(switch: dict[str, object]) -> None:
    async with rig(**switch) as found:
        first = await found.driver()
        await first.begin(transaction(OTHER))
        await first.end(OTHER)
        await first.release(OTHER)
        await first.begin(transaction())
        await found.charge()
        found.device.reboot()
        restarted = await found.driver()
        held = await restarted.open_transaction()
        end = await restarted.end(UUID)
        await restarted.release(UUID)

        assert await restarted.open_transaction() is None
    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    assert verify(parse(end.signed.document), end.signed.public_key).valid


@virtual
@pytest.mark.parametrize(
    "switch", [{}, {"accepts_begin_while_running": True}, {"accepts_end_while_idle": True}]
)
async def test_lost_answers_make_no_second_command(switch: dict[str, object]) -> None:
    async with rig(**switch) as found:
        meter = await found.driver()
        found.fault("lost-reply", "receipt", "POST")
        await meter.begin(transaction())
        found.fault("lost-reply", "receipt", "POST")
        await meter.end(UUID)

    assert found.commands() == {"B": 1, "E": 1}


@virtual
@pytest.mark.parametrize("signature", ["fixed-width", "der", "raw"])
async def test_every_form_of_signature_is_authentic(signature: str) -> None:
    async with rig(signature=signature) as found:
        meter = await found.driver()
        forms = set()
        for number in range(8):  # a high bit comes with every second signature
            await meter.begin(transaction(f"one-{number}"))
            end = await meter.end(f"one-{number}")
            await meter.release(f"one-{number}")
            assert end.signed is not None
            verdict = verify(parse(end.signed.document), end.signed.public_key)
            assert verdict.valid
            forms |= {deviation.code for deviation in verdict.form}
            if signature != "raw":
                assert_signed_by(end.signed.document, found.device.public_key, "")

    expected = {"fixed-width": {"der-noncanonical"}, "der": set(), "raw": {"sd-raw"}}
    assert forms == expected[signature]


@virtual
@pytest.mark.parametrize("form", ["spki", "bare"])
async def test_both_forms_of_the_key_come_out_as_one(form: str) -> None:
    async with rig(public_key=form) as found:
        info = await (await found.driver()).identify()

    assert info.public_key == found.device.public_key
    assert load_public_key(info.public_key).spki.hex().upper() == info.public_key


@virtual
@pytest.mark.parametrize(
    ("api", "versions"),
    [("v1", ["v1", "v1"]), ("v2", ["v1", "v2", "v2"]), ("both", ["v1", "v1"])],
)
async def test_the_version_with_the_last_record_is_looked_for_once(
    api: str, versions: list[str]
) -> None:
    async with rig(transaction_api=api) as found:
        first = await found.driver()
        await first.begin(transaction())
        await first.end(UUID)
        found.device.reboot()
        restarted = await found.driver()
        before = found.asked("GET", "transaction")
        await restarted.end(UUID)
        await restarted.open_transaction()
        paths = [one.path for one in found.server.requests if one.path.endswith("/transaction")]

    assert [path.split("/")[2] for path in paths[before:]] == versions


@virtual
@pytest.mark.parametrize("export", [False, True])
async def test_export_readings_do_not_disturb_the_energy(*, export: bool) -> None:
    async with rig(export_readings=export) as found:
        meter = await found.driver()
        await meter.begin(transaction())
        await found.charge()
        end = await meter.end(UUID)

    assert end.signed is not None
    record = parse(end.signed.document)
    assert len(record.readings) == (4 if export else 2)
    assert record.energy_wh == 1000


@virtual
@pytest.mark.parametrize(
    ("reading", "time_text", "hours_off"),
    [
        ("honours-offset", "consistent", 0),
        ("honours-offset", "everest", 1),
        ("takes-digits", "consistent", 0),
        ("takes-digits", "everest", 0),
    ],
)
async def test_summer_time(
    reading: str, time_text: str, hours_off: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off by an hour is only the way of EVerest with a meter that reads what is written."""
    summer = datetime(2025, 6, 6, 7, 0, tzinfo=UTC)
    monkeypatch.setattr("meter_bench.START", summer)
    async with rig(clock_reading=reading, frozen_ci=EVSE) as found:
        meter = await found.driver(time_text=time_text)
        await meter.read()
        shown = str(found.device.moment())
        meant = told(now(), normal="+0100", summer_rule=True)

    assert shown[:13] == meant[:13], "the digits are local time in any case"
    offset = 2 if (reading, time_text) == ("honours-offset", "consistent") else 1
    assert shown[23:28] == f"+0{offset}00"
    if reading == "honours-offset":
        error = found.device.moment().at - now()
        assert abs(error - timedelta(hours=hours_off)) < timedelta(seconds=5)


@virtual
async def test_a_meter_that_ignores_the_offset_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    evening = datetime(2025, 6, 6, 21, 30, tzinfo=UTC)  # the next day begins in between
    monkeypatch.setattr("meter_bench.START", evening - (now() - meter_bench.START))
    async with rig(clock_reading="takes-digits", frozen_ci=EVSE) as found:
        meter = await found.driver()
        await meter.read()
        await found.later(8000)
        await meter.read()

    assert found.asked("POST", "datetime") == 2
    assert caplog.text.count("`time_text: everest` would fit it better") == 1


@virtual
async def test_while_one_is_signed_the_record_before_is_not_taken_for_it() -> None:
    async with rig(transaction_while_signing=True, signing_delay_s=4.0) as found:
        meter = await found.driver(signature_timeout_ms=2000)
        await meter.begin(transaction(OTHER))
        with pytest.raises(MeterUnreachable):
            await meter.end(OTHER)
        await found.later(4)
        await meter.end(OTHER)
        await meter.release(OTHER)
        await meter.begin(transaction())
        with pytest.raises(MeterUnreachable, match="not signed within"):
            await meter.end(UUID)
        await found.later(4)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert UUID.encode() in end.signed.document


SAMPLE = (
    b'OCMF|{"FV":"1.0","MS":"1ISA","PG":"T4","TT":"0,20 EUR/kWh","RD":[{"TX":"E"}]}'
    b'|{"SA":"ECDSA-secp256r1-SHA256","SD":"3044"}'
)


@pytest.mark.parametrize(
    "body",
    [
        SAMPLE,
        SAMPLE + b"\r\n",
        b'{ "' + SAMPLE + b'" }',
        b"{\n" + SAMPLE + b"\n}",
        b'"' + SAMPLE.replace(b'"', b'\\"') + b'"',
        b'{ "' + SAMPLE.replace(b'"', b'\\"') + b'" }',
        b"\xef\xbb\xbf" + SAMPLE,
    ],
)
def test_a_record_is_found_whatever_stands_around_it(body: bytes) -> None:
    assert found_in(body).raw == SAMPLE
