"""The container of the OCA note, and from settings to what the CSMS gets, as its tables say."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fake_clock import FakeClock
from fake_csms import FakeCsms
from station_bench import Bench, BenchMeter, entries, station_bench

from chargepoint import v201
from chargepoint.core.inputs import ReadingTaken
from chargepoint.core.model import Context
from chargepoint.core.variables_layout import Signing
from chargepoint.csms.adapter import Adapter, Delivery
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import (
    PROFILES,
    CsmsProfile,
    KeyForm,
    SignedForm,
)
from chargepoint.csms.signed import container, public_key, value_16
from meters.model import SignedReading
from meters.ocmf import parse

STANDARD = PROFILES["standard"]
DOCUMENT = b'OCMF|{"FV":"1.0","RD":[{"RV":1251.890,"ID":"<=>\xc3\xa4"}]}|{"SD":"3045"}'
# The example of the note, section 3.2.2: a P-256 key as printed on the meter.
PRINTED = (
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004d0b9a12ad3434fe066ceb80ce4224883438c36"
    "5ba2896f2d9047089a60dc99e1293e0c2530d9fd6f296c442be6412f7baa5f6f94063c56bf589a646895bd8166"
)
FIELD = base64.b64encode(f"oca:base16:asn1:{PRINTED}".encode()).decode()
SIGNED = SignedReading(DOCUMENT, "OCMF", "", PRINTED.upper())


def _plain(key: str) -> bytes:
    """A key field without its Base64; the hex digits in it may be of any case."""
    return base64.b64decode(key, validate=True).lower()


def test_the_container_has_four_members_in_the_order_of_the_note() -> None:
    assert list(container(SIGNED, with_key=False, profile=STANDARD).items()) == [
        ("signedMeterData", base64.b64encode(DOCUMENT).decode()),
        ("signingMethod", ""),
        ("encodingMethod", "OCMF"),
        ("publicKey", ""),
    ]


def test_the_record_in_the_container_is_that_of_the_meter_byte_for_byte() -> None:
    whole = container(SIGNED, with_key=False, profile=STANDARD)

    assert base64.b64decode(whole["signedMeterData"], validate=True) == DOCUMENT


def test_the_key_is_worded_as_in_the_example_of_the_note() -> None:
    whole = container(SIGNED, with_key=True, profile=STANDARD)

    assert _plain(whole["publicKey"]) == _plain(FIELD)
    assert len(whole["publicKey"]) == len(FIELD) == 264


def test_a_bare_point_gets_its_curve_from_the_method() -> None:
    point = PRINTED[-130:]

    assert _plain(public_key(point, "ECDSA-secp256r1-SHA256", STANDARD)) == _plain(FIELD)


def test_a_csms_may_want_the_key_as_bare_hex() -> None:
    assert public_key(PRINTED, "", CsmsProfile(key=KeyForm.PRINTED)) == PRINTED


def test_a_key_that_cannot_be_read_is_sent_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    assert public_key("nonsense", "", STANDARD) == "nonsense"
    assert "cannot be read" in caplog.text


def test_no_key_is_no_key() -> None:
    assert public_key("", "", STANDARD) == ""


def test_the_method_is_named_if_the_record_does_not() -> None:
    signed = SignedReading(DOCUMENT, "OCMF", "ECDSA-secp256r1-SHA256", PRINTED)

    whole = container(signed, with_key=False, profile=STANDARD)

    assert whole["signingMethod"] == "ECDSA-secp256r1-SHA256"


FORMS = {
    SignedForm.RECORD: DOCUMENT.decode(),
    SignedForm.HEX: DOCUMENT.hex().upper(),
}


@pytest.mark.parametrize(("form", "value"), FORMS.items())
def test_an_old_csms_gets_the_form_it_knows(form: SignedForm, value: str) -> None:
    assert value_16(SIGNED, with_key=True, profile=CsmsProfile(signed_form=form)) == value


def test_a_record_that_is_no_utf_8_loses_no_byte_where_text_is_wanted() -> None:
    odd = SignedReading(DOCUMENT.replace(b"\xc3\xa4", b"\xe4"), "OCMF", "", "")  # Latin-1
    plain = CsmsProfile(signed_form=SignedForm.RECORD, base64_record=False)
    told = container(odd, with_key=False, profile=plain)["signedMeterData"]

    assert told == value_16(odd, with_key=False, profile=plain)
    assert parse(told).raw == odd.document


def test_the_usual_form_in_1_6_is_the_container_as_text_without_spaces() -> None:
    value = value_16(SIGNED, with_key=True, profile=STANDARD)

    assert json.loads(value) == container(SIGNED, with_key=True, profile=STANDARD)
    assert value.startswith('{"signedMeterData":"T0NNRnx7')
    assert " " not in value


class Office:
    """A session that only lends its CSMS."""

    registration = None
    csms = None

    def boot_again(self) -> bool:
        return False


class Chain:
    """From a station's settings to the messages that a CSMS gets of one session."""

    def __init__(self, bench: Bench, profile: CsmsProfile) -> None:
        self.bench = bench
        self.csms = FakeCsms()
        office: Any = Office()
        identity = Identity("Example", "Wallbox")
        self._adapter: Adapter = v201.adapter(
            bench.station, profile=profile, identity=identity, session=office
        )

    async def session(self) -> None:
        """A session with one periodic and one aligned reading."""
        bench = self.bench
        await bench.charge()
        reading = await bench.meters[1].read()
        await bench.feed(ReadingTaken(reading, Context.PERIODIC))
        await bench.feed(ReadingTaken(reading, Context.CLOCK))
        await bench.finish()

    async def deliver(self) -> None:
        for entry in entries(self.bench.store):
            await self._adapter.deliver(Delivery(entry, self.csms))

    def containers(self, kind: str, context: str) -> list[dict[str, Any]]:
        """The signed values of one context in messages of one kind."""
        return [
            value["signedMeterValue"]
            for payload in self.csms.said("TransactionEvent")
            if payload["eventType"] == kind
            for meter_value in payload.get("meterValue", [])
            for value in meter_value["sampledValue"]
            if value["context"] == context and "signedMeterValue" in value
        ]

    def signed(self) -> list[bool]:
        """Whether begin, periodic, aligned and final values were signed."""
        return [
            bool(self.containers(kind, context))
            for kind, context in (
                ("Started", "Transaction.Begin"),
                ("Updated", "Sample.Periodic"),
                ("Updated", "Sample.Clock"),
                ("Ended", "Transaction.End"),
            )
        ]

    def found_keys(self) -> list[list[str]]:
        """The keys in the signed values of the first, the middle and the last messages."""
        return [
            [one["publicKey"] for context in contexts for one in self.containers(kind, context)]
            for kind, contexts in (
                ("Started", ("Transaction.Begin",)),
                ("Updated", ("Sample.Periodic", "Sample.Clock")),
                ("Ended", ("Transaction.Begin", "Transaction.End")),
            )
        ]


@pytest.fixture
def profile() -> CsmsProfile:
    return STANDARD


@pytest.fixture
async def chain(tmp_path: Path, profile: CsmsProfile) -> AsyncIterator[Chain]:
    clock = FakeClock()
    meter = BenchMeter(clock=clock, signs_begin=True, signs_readings=True)
    async with station_bench(
        tmp_path,
        clock=clock,
        meters={1: meter},
        signing=Signing(started=True, updated=True, aligned=True),
        key_in_first=profile.key_in_first,
    ) as bench:
        yield Chain(bench, profile)


# Master, started, updated, aligned updated (with its master) -> begin, periodic, clock, final:
# table 20 of the note.
TABLE_20 = [
    ("false", "false", "false", "false", [False, False, False, False]),
    ("true", "false", "false", "false", [False, False, False, True]),
    ("true", "true", "false", "false", [True, False, False, True]),
    ("true", "true", "true", "false", [True, True, False, True]),
    ("true", "true", "false", "true", [True, False, True, True]),
    ("true", "true", "true", "true", [True, True, True, True]),
]


@pytest.mark.spec("2.0.1", "J02.FR.21")
@pytest.mark.parametrize(("master", "begin", "periodic", "clock", "signed"), TABLE_20)
async def test_what_is_signed_is_what_table_20_of_the_note_says(  # noqa: PLR0917 - its columns
    chain: Chain, master: str, begin: str, periodic: str, clock: str, signed: list[bool]
) -> None:
    chain.bench.set("SampledDataSignReadings", master)
    chain.bench.set("SampledDataSignStartedReadings", begin)
    chain.bench.set("SampledDataSignUpdatedReadings", periodic)
    chain.bench.set("AlignedDataSignReadings", clock)
    chain.bench.set("AlignedDataSignUpdatedReadings", clock)

    await chain.session()
    await chain.deliver()

    assert chain.signed() == signed


def _sign_all(chain: Chain) -> None:
    for key in ("SampledDataSignStartedReadings", "SampledDataSignUpdatedReadings"):
        chain.bench.set(key, "true")
    for key in ("AlignedDataSignReadings", "AlignedDataSignUpdatedReadings"):
        chain.bench.set(key, "true")


@pytest.mark.parametrize(
    ("setting", "profile", "where"),
    [
        ("Never", STANDARD, [[0], [0, 0], [0, 0]]),
        ("OncePerTransaction", CsmsProfile(key_in_first=True), [[1], [0, 0], [0, 0]]),
        ("EveryMeterValue", STANDARD, [[1], [1, 1], [1, 1]]),
    ],
    ids=["never", "once, in the first", "every"],
)
async def test_the_key_goes_where_the_setting_says(
    chain: Chain, setting: str, where: list[list[int]]
) -> None:
    _sign_all(chain)
    chain.bench.set("PublicKeyWithSignedMeterValue", setting)

    await chain.session()
    await chain.deliver()

    assert [[bool(key) for key in keys] for keys in chain.found_keys()] == where


async def test_once_per_transaction_means_the_final_message_which_is_always_sent(
    chain: Chain,
) -> None:
    _sign_all(chain)

    await chain.session()
    await chain.deliver()

    first, middle, last = chain.found_keys()
    assert (first, middle) == ([""], ["", ""])
    assert [bool(key) for key in last] == [False, True], "once, although begin and end are signed"


async def test_the_record_arrives_as_the_meter_gave_it(chain: Chain) -> None:
    await chain.session()
    await chain.deliver()

    (last,) = chain.containers("Ended", "Transaction.End")
    *_, row = chain.bench.store.records.of(chain.bench.meters[1].ends[0])
    assert base64.b64decode(last["signedMeterData"]) == row.document


async def test_a_message_says_what_was_so_when_it_happened_however_late_it_is_sent(
    chain: Chain,
) -> None:
    await chain.session()
    await chain.deliver()
    before = chain.csms.said("TransactionEvent")
    chain.csms.sent.clear()
    for key, value in (
        ("SampledDataSignReadings", "false"),
        ("PublicKeyWithSignedMeterValue", "Never"),
        ("StopTxnSampledData", ""),
        ("MeterValuesSampledData", ""),
        ("StartTxnSampledData", ""),
    ):
        chain.bench.set(key, value)

    await chain.deliver()

    assert chain.csms.said("TransactionEvent") == before


async def test_the_number_beside_a_signed_record_is_the_register_whatever_was_asked_for(
    chain: Chain,
) -> None:
    chain.bench.set("StopTxnSampledData", "Power.Active.Import")

    await chain.session()
    await chain.deliver()

    ended = chain.csms.said("TransactionEvent")[-1]
    last = ended["meterValue"][-1]["sampledValue"]
    (energy,) = [v for v in last if v["measurand"] == "Energy.Active.Import.Register"]
    assert energy["value"] == 1000
    assert "signedMeterValue" in energy
