import importlib.resources
import json
import subprocess
import sys
from decimal import Decimal
from typing import Any

import fastjsonschema
import pytest
from generated_calls import broken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chargepoint.csms import frames
from chargepoint.csms.schemas import (
    _NEEDED,
    _ONE_OF,
    _WHERE,
    _WHY,
    Kind,
    Schemas,
    Violation,
)

BOOT_16 = {"chargePointVendor": "Example", "chargePointModel": "One"}
BOOT_201 = {
    "reason": "PowerUp",
    "chargingStation": {"model": "One", "vendorName": "Example"},
}
EVENT = {
    "eventType": "Ended",
    "timestamp": "2025-03-01T10:00:00.000Z",
    "triggerReason": "EVDeparted",
    "seqNo": 7,
    "transactionInfo": {"transactionId": "a-b-c"},
    "meterValue": [
        {
            "timestamp": "2025-03-01T09:59:59Z",
            "sampledValue": [
                {
                    "value": Decimal("1251.890"),
                    "context": "Transaction.End",
                    "signedMeterValue": {
                        "signedMeterData": "T0NNRg==",
                        "signingMethod": "",
                        "encodingMethod": "OCMF",
                        "publicKey": "",
                    },
                }
            ],
        }
    ],
}


def with_(payload: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**payload, **changes}


def profile_16(limit: object) -> dict[str, Any]:
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        },
    }


@pytest.mark.parametrize(
    ("version", "action", "payload"),
    [
        ("1.6", "BootNotification", BOOT_16),
        ("1.6", "Heartbeat", {}),
        ("1.6", "SetChargingProfile", profile_16(21.4)),
        ("1.6", "SetChargingProfile", profile_16(Decimal("21.4"))),
        ("1.6", "SetChargingProfile", profile_16(0.3)),
        ("1.6", "SetChargingProfile", profile_16(16)),
        ("2.0.1", "BootNotification", BOOT_201),
        ("2.0.1", "TransactionEvent", EVENT),
        ("2.0.1", "TransactionEvent", with_(EVENT, timestamp="2025-03-01T10:00:00+01:00")),
        ("2.0.1", "TransactionEvent", with_(EVENT, customData={"vendorId": "x", "any": 1})),
    ],
)
def test_legal_requests_pass(version: str, action: str, payload: dict[str, Any]) -> None:
    Schemas(version).request(action, payload)


@pytest.mark.parametrize(
    ("version", "action", "payload", "kind", "code", "path"),
    [
        ("1.6", "BootNotification", [], Kind.MALFORMED, "FormationViolation", ""),
        ("1.6", "BootNotification", None, Kind.MALFORMED, "FormationViolation", ""),
        ("1.6", "BootNotification", {}, Kind.MISSING, "ProtocolError", ""),
        (
            "1.6",
            "BootNotification",
            with_(BOOT_16, colour="red"),
            Kind.MALFORMED,
            "FormationViolation",
            "",
        ),
        (
            "1.6",
            "BootNotification",
            with_(BOOT_16, chargePointModel=1),
            Kind.TYPE,
            "TypeConstraintViolation",
            "chargePointModel",
        ),
        (
            "1.6",
            "BootNotification",
            with_(BOOT_16, chargePointModel="x" * 21),
            Kind.VALUE,
            "PropertyConstraintViolation",
            "chargePointModel",
        ),
        (
            "1.6",
            "SetChargingProfile",
            profile_16(4.11),
            Kind.VALUE,
            "PropertyConstraintViolation",
            "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit",
        ),
        ("2.0.1", "BootNotification", [], Kind.MALFORMED, "FormatViolation", ""),
        ("2.0.1", "BootNotification", {"reason": "PowerUp"}, Kind.MISSING, "ProtocolError", ""),
        (
            "2.0.1",
            "BootNotification",
            with_(BOOT_201, reason="Boredom"),
            Kind.VALUE,
            "PropertyConstraintViolation",
            "reason",
        ),
        (
            "2.0.1",
            "TransactionEvent",
            with_(EVENT, seqNo="7"),
            Kind.TYPE,
            "TypeConstraintViolation",
            "seqNo",
        ),
        (
            "2.0.1",
            "TransactionEvent",
            with_(EVENT, offline=None),
            Kind.TYPE,
            "TypeConstraintViolation",
            "offline",
        ),
        (
            "2.0.1",
            "TransactionEvent",
            with_(EVENT, meterValue=[]),
            Kind.CARDINALITY,
            "OccurrenceConstraintViolation",
            "meterValue",
        ),
        (
            "2.0.1",
            "TransactionEvent",
            with_(EVENT, transactionInfo={"transactionId": "1", "spam": 1}),
            Kind.MALFORMED,
            "FormatViolation",
            "transactionInfo",
        ),
    ],
)
def test_each_kind_of_defect_has_its_code(  # noqa: PLR0917 - columns of the table
    version: str, action: str, payload: object, kind: Kind, code: str, path: str
) -> None:
    with pytest.raises(Violation) as caught:
        Schemas(version).request(action, payload)

    assert (caught.value.kind, caught.value.code, caught.value.path) == (kind, code, path)


def test_cardinality_is_spelled_as_each_version_spells_it() -> None:
    hashes = {"status": "Accepted", "certificateHashData": []}
    sample = {"timestamp": "2025-03-01T10:00:00Z", "sampledValue": []}

    with pytest.raises(Violation) as in_16:
        Schemas("1.6").response("GetInstalledCertificateIds", hashes)
    with pytest.raises(Violation) as in_201:
        Schemas("2.0.1").request("MeterValues", {"evseId": 1, "meterValue": [sample]})

    assert in_16.value.code == "OccurenceConstraintViolation"
    assert in_201.value.code == "OccurrenceConstraintViolation"


@pytest.mark.parametrize(
    ("moment", "legal"),
    [
        ("2025-03-01T10:00:00Z", True),
        ("2025-03-01T10:00:00.123456+01:00", True),
        ("2025-03-01T10:00:00+0100", True),
        ("2025-03-01T10:00:00", False),
        ("2025-03-01 10:00:00Z", False),
        ("2025-02-30T10:00:00Z", False),
        ("2025-03-01T24:30:00Z", False),
        ("2025-03-01", False),
        ("20250301T100000Z", False),
        ("", False),
    ],
)
def test_a_time_stamp_needs_a_real_moment_and_a_zone(moment: str, *, legal: bool) -> None:
    answer = {"currentTime": moment}

    if legal:
        Schemas("1.6").response("Heartbeat", answer)
    else:
        with pytest.raises(Violation, match="currentTime"):
            Schemas("1.6").response("Heartbeat", answer)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"chargePointVendor": "x"}, "required and missing: chargePointModel"),
        (with_(BOOT_16, colour="red"), "unknown property: colour"),
        (with_(BOOT_16, imsi="1" * 21), "imsi: 21 characters, at most 20 allowed"),
        (with_(BOOT_16, imsi=[]), "imsi: found array, expected string"),
    ],
)
def test_a_message_says_where_what_was_found_and_what_is_allowed(
    payload: dict[str, Any], words: str
) -> None:
    with pytest.raises(Violation) as caught:
        Schemas("1.6").request("BootNotification", payload)

    assert words in str(caught.value)


def test_a_message_never_repeats_a_token() -> None:
    payload = {"idToken": {"idToken": "SECRET-TOKEN" * 4, "type": "ISO14443"}}

    with pytest.raises(Violation) as caught:
        Schemas("2.0.1").request("Authorize", payload)

    assert "SECRET" not in str(caught.value)


def test_checking_changes_nothing_in_the_payload() -> None:
    payload = {"evseId": 1, "meterValue": [{"timestamp": "2025-03-01T10:00:00Z"}]}
    payload["meterValue"][0]["sampledValue"] = [{"value": Decimal("1.500")}]  # type: ignore[index]

    Schemas("2.0.1").request("MeterValues", payload)

    assert payload["meterValue"][0]["sampledValue"] == [{"value": Decimal("1.500")}]  # type: ignore[index]


@pytest.mark.parametrize(("version", "count"), [("1.6", 39), ("2.0.1", 64)])
def test_every_action_of_the_version_has_both_schemas(version: str, count: int) -> None:
    schemas = Schemas(version)

    assert len(schemas.actions()) == count
    for action in schemas.actions():
        for check in (schemas.request, schemas.response):
            with pytest.raises(Violation):
                check(action, [])


def test_an_action_of_another_version_is_unknown() -> None:
    with pytest.raises(KeyError):
        Schemas("2.0.1").request("StartTransaction", {})
    with pytest.raises(KeyError):
        Schemas("0.9")


async def test_warming_compiles_ahead() -> None:
    from chargepoint.csms import schemas as module

    await Schemas("2.0.1").warm(["ClearCache"])
    before = module._compiled.cache_info().misses
    Schemas("2.0.1").request("ClearCache", {})
    Schemas("2.0.1").response("ClearCache", {"status": "Accepted"})

    assert module._compiled.cache_info().misses == before


def test_the_classes_of_the_ocpp_distribution_are_not_imported() -> None:
    program = (
        "import sys; from chargepoint.csms.schemas import Schemas;"
        "Schemas('2.0.1').request('Heartbeat', {});"
        "print([name for name in sys.modules if name.partition('.')[0] in ('ocpp', 'jsonschema')])"
    )

    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert shown.stdout.strip() == "[]"


def test_a_flood_of_unknown_names_is_told_in_short() -> None:
    flood = {f"name{number}": 1 for number in range(50_000)}

    with pytest.raises(Violation) as violation:
        Schemas("2.0.1").request("Reset", {"type": "Immediate", **flood})

    assert str(violation.value).endswith(", ...")
    assert len(str(violation.value)) < 500


def test_what_only_says_no_does_not_follow_where_it_is() -> None:
    """A third of the time of a check goes there, if the code is generated as it was known."""
    code = fastjsonschema.compile_to_code(
        {
            "type": "object",
            "properties": {"one": {"type": "array", "items": {"$ref": "#/definitions/Two"}}},
            "definitions": {"Two": {"type": "string", "enum": ["a", "b", "c"]}},
            "required": ["one"],
        },
        detailed_exceptions=False,
    )

    assert len(_WHERE.findall(code)) == 1
    assert len(_NEEDED.findall(code)) == 1
    assert len(_WHY.findall(code)) == code.count("raise ")
    assert len(_ONE_OF.findall(code)) == 1


def test_the_words_of_an_enumeration_are_allowed_and_no_others() -> None:
    schemas = Schemas("2.0.1")
    file = importlib.resources.files("ocpp.v201.schemas") / "MeterValuesRequest.json"
    words = json.loads(file.read_text("utf-8-sig"))["definitions"]["MeasurandEnumType"]["enum"]

    def measuring(measurand: object) -> dict[str, Any]:
        sample = {"value": 1, "measurand": measurand}
        value = {"timestamp": "2025-03-01T10:00:00Z", "sampledValue": [sample]}
        return {"evseId": 1, "meterValue": [value]}

    for word in words:
        schemas.request("MeterValues", measuring(word))
        for wrong in (word[:-1], f"{word}x", word.lower(), [word], {word: 1}):
            with pytest.raises(Violation):
                schemas.request("MeterValues", measuring(wrong))


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_it_says_no_to_whatever_has_one_thing_wrong(version: str, data: st.DataObject) -> None:
    schemas = Schemas(version)
    action = data.draw(st.sampled_from(sorted(schemas.actions())))
    wrong = data.draw(broken(version, action))

    call = frames.parse(json.dumps([2, "1", action, wrong.payload]))  # which knows whole numbers
    assert isinstance(call, frames.Call)

    with pytest.raises(Violation) as caught:
        schemas.request(action, call.payload)
    assert caught.value.code == wrong.code(version), wrong
