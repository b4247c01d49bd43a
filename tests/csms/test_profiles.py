"""Every field of a CSMS profile has its effect."""

import base64
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from case_rig import case

from chargepoint.core.model import Context, Sampled
from chargepoint.csms import words
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import (
    PROFILES,
    CsmsProfile,
    IdentityLengths,
    KeyForm,
    NamedMethod,
    RawSample,
    SignedForm,
)
from chargepoint.csms.signed import container, length_16, length_201, public_key, unsigned
from chargepoint.v16 import metering as metering_16
from meters.model import Quantity, Reading, Sample, SignedReading

ENERGY = "Energy.Active.Import.Register"
AT = datetime(2026, 3, 1, 10, 15, 30, 123_987, tzinfo=UTC)
SPKI = (
    "3059301306072A8648CE3D020106082A8648CE3D03010703420004D0B9A12AD3434FE066CEB80CE4224883438C36"
    "5BA2896F2D9047089A60DC99E1293E0C2530D9FD6F296C442BE6412F7BAA5F6F94063C56BF589A646895BD8166"
)
# The example record of the OCA note's own kind; SA names the algorithm.
RECORD = (
    b'OCMF|{"FV":"1.0","PG":"T1","MS":"1","RD":[{"TM":"2026-03-01T10:00:03,000+0000 S","TX":"B",'
    b'"RV":1.5,"RI":"1-0:1.8.0*255","RU":"kWh","ST":"G"}]}'
    b'|{"SA":"ECDSA-secp256r1-SHA256","SD":"3045"}'
)
SIGNED = SignedReading(RECORD, "OCMF", "", SPKI)


def sampled(*samples: Sample, measurands: tuple[str, ...] = (ENERGY,)) -> Sampled:
    return Sampled(Reading(AT, samples, SIGNED), Context.END, measurands)


TOTAL = Sample(Quantity.ENERGY_IMPORT, Decimal(1500))


def test_the_profiles_differ_from_the_standard_in_every_field_but_one() -> None:
    """No known system takes fewer digits of a second; the next one may."""
    standard = PROFILES["standard"]
    used = {
        field.name
        for field in fields(CsmsProfile)
        for profile in PROFILES.values()
        if getattr(profile, field.name) != getattr(standard, field.name)
    }

    assert {field.name for field in fields(CsmsProfile)} - used == {"time_digits"}


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (KeyForm.OCA, base64.b64encode(f"oca:base16:asn1:{SPKI}".encode()).decode()),
        (KeyForm.PRINTED, SPKI[-130:]),
        (KeyForm.SPKI, SPKI),
        (
            KeyForm.PEM_BODY,
            base64.b64encode(base64.b64encode(bytes.fromhex(SPKI))).decode(),
        ),
    ],
)
def test_a_key_has_the_form_that_the_csms_reads(form: KeyForm, written: str) -> None:
    point = SPKI[-130:]

    assert public_key(point, "ECDSA-secp256r1-SHA256", CsmsProfile(key=form)) == written


@pytest.mark.parametrize(
    ("named", "given", "told"),
    [
        (NamedMethod.IF_MISSING, "", ""),
        (NamedMethod.IF_MISSING, "ECDSA-secp256r1-SHA256", "ECDSA-secp256r1-SHA256"),
        (NamedMethod.ALWAYS, "", "ECDSA-secp256r1-SHA256"),
        (NamedMethod.ALWAYS, "ECDSA-secp192r1-SHA256", "ECDSA-secp192r1-SHA256"),
        (NamedMethod.NEVER, "ECDSA-secp256r1-SHA256", ""),
    ],
)
def test_the_method_is_named_as_the_csms_wants_it(
    named: NamedMethod, given: str, told: str
) -> None:
    signed = SignedReading(RECORD, "OCMF", given, SPKI)

    whole = container(signed, with_key=False, profile=CsmsProfile(method=named))

    assert whole["signingMethod"] == told


@pytest.mark.parametrize("document", [b"EDL 40", b"OCMF|{"])
def test_a_method_that_no_record_names_stays_empty(document: bytes) -> None:
    signed = SignedReading(document, "OCMF" if document.startswith(b"OCMF") else "EDL")

    whole = container(signed, with_key=False, profile=CsmsProfile(method=NamedMethod.ALWAYS))

    assert whole["signingMethod"] == ""


def test_a_record_goes_as_base64_or_as_its_plain_text() -> None:
    coded, plain = CsmsProfile(), CsmsProfile(base64_record=False)

    told = [container(SIGNED, with_key=False, profile=one) for one in (coded, plain)]

    assert base64.b64decode(told[0]["signedMeterData"]) == RECORD
    assert told[1]["signedMeterData"].encode() == RECORD
    assert length_201(SIGNED, plain) == len(RECORD)
    assert length_201(SIGNED, coded) == len(told[0]["signedMeterData"])


@pytest.mark.parametrize(
    ("profile", "formats"),
    [
        (CsmsProfile(), ["SignedData", "Raw"]),
        (CsmsProfile(raw=RawSample.FIRST), ["Raw", "SignedData"]),
        (CsmsProfile(raw=RawSample.NONE), ["SignedData"]),
        (CsmsProfile(signed_form=SignedForm.NOTHING), ["Raw"]),
        (CsmsProfile(signed_form=SignedForm.NOTHING, raw=RawSample.NONE), ["Raw"]),
    ],
)
def test_the_plain_sample_is_where_the_csms_looks(profile: CsmsProfile, formats: list[str]) -> None:
    value = metering_16.meter_value(sampled(TOTAL), with_key=True, profile=profile)

    assert [one["format"] for one in value["sampledValue"]] == formats


def test_a_value_of_1_6_is_as_long_as_it_is_written() -> None:
    profile = CsmsProfile(signed_form=SignedForm.HEX)

    assert length_16(SIGNED, profile) == 2 * len(RECORD)
    assert length_16(SIGNED, CsmsProfile()) > length_201(SIGNED, CsmsProfile())


@pytest.mark.parametrize(
    ("given", "energy"),
    [
        (sampled(TOTAL), 1500),
        (sampled(TOTAL, measurands=("Power.Active.Import",)), 1500),
        (sampled(), 1500),
        (sampled(measurands=()), 1500),
    ],
)
def test_a_reading_without_its_record_keeps_the_energy(given: Sampled, energy: int) -> None:
    bare = unsigned(given)

    assert bare.reading.signed is None
    assert bare.reading.value(Quantity.ENERGY_IMPORT) == energy
    assert ENERGY in bare.measurands


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        (0, "2026-03-01T10:15:30Z"),
        (1, "2026-03-01T10:15:30.1Z"),
        (3, "2026-03-01T10:15:30.123Z"),
        (6, "2026-03-01T10:15:30.123987Z"),
    ],
)
def test_a_time_has_as_many_digits_as_the_csms_takes(digits: int, text: str) -> None:
    token = words.TIME_DIGITS.set(digits)
    try:
        assert words.timestamp(AT) == text
    finally:
        words.TIME_DIGITS.reset(token)


def test_what_the_station_says_of_itself_is_cut_to_what_the_csms_keeps() -> None:
    who = Identity("A maker with a name", "Wallbox 22", "0001", "1.2.3")

    assert who.within(IdentityLengths(vendor=7, serial_number=2)) == Identity(
        "A maker", "Wallbox 22", "00", "1.2.3"
    )


VENDOR = "A maker with quite a long name"


@pytest.mark.parametrize(
    ("version", "profile", "told"),
    [
        ("2.0.1", "standard", VENDOR),
        ("2.0.1", "citrineos", VENDOR[:20]),
    ],
)
async def test_the_vendor_is_as_long_as_the_csms_keeps(
    version: str, profile: str, told: str, tmp_path: Path
) -> None:
    sections: dict[str, Any] = {"station": {"vendor": VENDOR}, "csms": {"profile": profile}}
    async with case(version, tmp_path, **sections) as run:
        await run.advance(1)

        (boot,) = run.take("BootNotification")
        found = boot.get("chargePointVendor") or boot["chargingStation"]["vendorName"]
        assert found == told


@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_a_whole_station_writes_times_without_fractions(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROFILES, "seconds", CsmsProfile(time_digits=0))
    async with case(version, tmp_path, csms={"profile": "seconds"}) as run:
        await run.charge()
        await run.ask("TriggerMessage", requestedMessage="MeterValues")

        times = [text for one in run.take() for text in _times(one.payload)]
        assert len(times) > 4
        assert all(len(text) == len("2026-03-01T10:15:30Z") for text in times)


def _times(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for part in value for text in _times(part)]
    if not isinstance(value, dict):
        return []
    inside = [text for part in value.values() for text in _times(part)]
    return inside + ([value["timestamp"]] if "timestamp" in value else [])


@pytest.mark.parametrize(("profile", "pause"), [("standard", 1.0), ("citrineos", 2.0)])
async def test_the_link_rests_between_two_connections(
    profile: str, pause: float, tmp_path: Path
) -> None:
    async with case("2.0.1", tmp_path, csms={"profile": profile}) as run:
        await run.advance(5)
        await run.cut()
        closed = run.clock.elapsed
        run.csms.refuse = None
        run.life.link.connect()
        run.csms.attempts.clear()
        await run.advance(5)

        assert run.csms.attempts[0] - closed == pytest.approx(pause)


async def test_a_call_keeps_its_distance_from_an_answer(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, csms={"profile": "citrineos"}) as run:
        await run.plug()
        await run.advance(5)
        run.take()
        token = {"idToken": "04A1B2C3D4", "type": "ISO14443"}
        answer = await run.ask("RequestStartTransaction", idToken=token, remoteStartId=1, evseId=1)

        assert answer["status"] == "Accepted"
        await run.advance(0.09)
        assert run.take() == []
        # A call of the CSMS in that time is answered first, and counts anew.
        await run.ask("GetChargingProfiles", requestId=1, chargingProfile={})
        await run.advance(0.09)
        assert run.take() == []
        await run.advance(0.02)
        assert len(run.take()) == 1
