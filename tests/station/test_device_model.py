import logging
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import pytest

from chargepoint.core.variables import (
    BASIC_AUTH_PASSWORD,
    HEARTBEAT_INTERVAL,
    METER_PUBLIC_KEY,
    NETWORK_CONFIGURATION_PRIORITY,
    PUBLIC_KEY_WITH_SIGNED_METER_VALUE,
    SIGN_READINGS,
    TABLE,
    TX_UPDATED_INTERVAL,
    TX_UPDATED_MEASURANDS,
    Address,
    AnyVariable,
    AvailabilityState,
    DataType,
    Mutability,
    PublicKeyPolicy,
    Secret,
)
from chargepoint.core.variables_answers import Answer, Inventory, Outcome
from chargepoint.core.variables_layout import (
    ConnectorDescription,
    EvseDescription,
    Plain,
    Signing,
)
from chargepoint.errors import Refused, StoreError
from chargepoint.station.device_model import DeviceModel

PASSWORD = "correct horse battery"

INTERVAL = Address("SampledDataCtrlr", "TxUpdatedInterval")

ENERGY = "Energy.Active.Import.Register"


class MemoryStore:
    """A store that can be made to fail."""

    def __init__(self) -> None:
        self.saved: dict[str, str] = {}
        self.broken = False

    def load_settings(self) -> dict[str, str]:
        return dict(self.saved)

    def save_setting(self, key: str, value: str) -> None:
        if self.broken:
            raise StoreError("disk full")
        self.saved[key] = value


def build(
    store: MemoryStore | None = None,
    *,
    settings: Mapping[str, Plain] | None = None,
    signing: Signing | None = Signing(),  # noqa: B008 - frozen
) -> DeviceModel:
    """A station with two EVSEs of one socket each."""
    sockets = (ConnectorDescription(1, "sType2"),)
    return DeviceModel(
        evses=[EvseDescription(number, sockets, signing=signing) for number in (1, 2)],
        store=store or MemoryStore(),
        settings=settings,
    )


def read(model: DeviceModel, name: str) -> str | None:
    return model.get(Address.parse(name)).value


def key(model: DeviceModel, name: str) -> str | None:
    found = model.get_key(name)
    assert found
    return found.value


def test_a_setting_has_the_type_that_its_row_says() -> None:
    model = build()

    interval: timedelta = model[HEARTBEAT_INTERVAL]
    measurands: tuple[str, ...] = model[TX_UPDATED_MEASURANDS]
    policy: PublicKeyPolicy = model[PUBLIC_KEY_WITH_SIGNED_METER_VALUE]

    assert interval == timedelta(seconds=300)
    assert measurands == (ENERGY, "Power.Active.Import")
    assert policy is PublicKeyPolicy.ONCE_PER_TRANSACTION


@pytest.mark.spec("2.0.1", "B05.FR.10")
def test_a_change_in_one_version_is_seen_in_both_and_in_the_station() -> None:
    model = build()

    assert model.set(INTERVAL, " 015") == Outcome(Answer.ACCEPTED)
    assert key(model, "MeterValueSampleInterval") == "15"
    assert model[TX_UPDATED_INTERVAL] == timedelta(seconds=15)

    assert model.set_key("MeterValueSampleInterval", "20") == Outcome(Answer.ACCEPTED)
    assert read(model, "SampledDataCtrlr.TxUpdatedInterval") == "20"
    assert model[TX_UPDATED_INTERVAL] == timedelta(seconds=20)


def test_a_value_is_kept_before_it_is_in_force_and_told() -> None:
    store = MemoryStore()
    model = build(store)
    seen: list[tuple[timedelta, timedelta, str]] = []
    model.subscribe(
        TX_UPDATED_INTERVAL,
        lambda new: seen.append((new, model[TX_UPDATED_INTERVAL], store.saved[str(INTERVAL)])),
    )

    model.set(INTERVAL, "10")
    model.set(INTERVAL, "-1")

    ten = timedelta(seconds=10)
    assert seen == [(ten, ten, "10")]


def test_a_value_that_cannot_be_stored_is_rejected_and_the_old_one_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = MemoryStore()
    model = build(store)
    told: list[timedelta] = []
    model.subscribe(TX_UPDATED_INTERVAL, told.append)
    store.broken = True

    outcome = model.set(INTERVAL, "10")

    assert (outcome.answer, outcome.reason) == (Answer.REJECTED, "InternalError")
    assert model[TX_UPDATED_INTERVAL] == timedelta(seconds=60)
    assert not told
    assert "disk full" in caplog.text


@pytest.mark.parametrize(
    ("name", "text", "attribute", "answer", "reason"),
    [
        ("SampledDataCtrlr.TxUpdatedInterval", "10", "Actual", Answer.ACCEPTED, ""),
        ("sampleddatactrlr.TXUPDATEDINTERVAL", "10", "Actual", Answer.ACCEPTED, ""),
        ("SampledDataCtrlr.TxUpdatedInterval", "x", "Actual", Answer.REJECTED, "InvalidValue"),
        (
            "SampledDataCtrlr.TxUpdatedInterval",
            "-1",
            "Actual",
            Answer.REJECTED,
            "ValuePositiveOnly",
        ),
        ("OCPPCommCtrlr.NetworkConfigurationPriority", "2,1", "Actual", Answer.REBOOT_REQUIRED, ""),
        ("OCPPCommCtrlr.MessageTimeout#Default", "10", "Actual", Answer.REJECTED, "ReadOnly"),
        ("OCPPCommCtrlr.MessageTimeout", "10", "Actual", Answer.UNKNOWN_VARIABLE, ""),
        ("OCPPCommCtrlr.OfflineThreshold#x", "10", "Actual", Answer.UNKNOWN_VARIABLE, ""),
        ("OCPPCommCtrlr#x.OfflineThreshold", "10", "Actual", Answer.UNKNOWN_COMPONENT, ""),
        ("OCPPCommCtrlr[1].OfflineThreshold", "10", "Actual", Answer.UNKNOWN_COMPONENT, ""),
        ("OCPPCommCtrlr.Unheard", "10", "Actual", Answer.UNKNOWN_VARIABLE, ""),
        ("Unheard.OfflineThreshold", "10", "Actual", Answer.UNKNOWN_COMPONENT, ""),
        ("Unheard.OfflineThreshold", "10", "Target", Answer.UNKNOWN_COMPONENT, ""),
        ("OCPPCommCtrlr.OfflineThreshold", "10", "Target", Answer.NOT_SUPPORTED_ATTRIBUTE, ""),
        ("EVSE[1].AvailabilityState", "Faulted", "Actual", Answer.REJECTED, "ReadOnly"),
        ("EVSE.AvailabilityState", "Faulted", "Actual", Answer.UNKNOWN_COMPONENT, ""),
        ("EVSE[3].AvailabilityState", "Faulted", "Actual", Answer.UNKNOWN_COMPONENT, ""),
        ("SecurityCtrlr.BasicAuthPassword", "short", "Actual", Answer.REJECTED, "InvalidValue"),
        ("SecurityCtrlr.BasicAuthPassword", PASSWORD, "Actual", Answer.ACCEPTED, ""),
        ("SampledDataCtrlr.SignUpdatedReadings", "true", "Actual", Answer.REJECTED, "ReadOnly"),
    ],
)
@pytest.mark.spec("2.0.1", "B05")
def test_set_answers_as_the_standard_says(
    name: str, text: str, attribute: str, answer: Answer, reason: str
) -> None:
    outcome = build().set(Address.parse(name), text, attribute)

    assert (outcome.answer, outcome.reason) == (answer, reason)
    assert bool(outcome.sentence) is (answer not in {Answer.ACCEPTED, Answer.REBOOT_REQUIRED})


@pytest.mark.parametrize(
    ("name", "attribute", "answer", "value"),
    [
        ("OCPPCommCtrlr.OfflineThreshold", "Actual", Answer.ACCEPTED, "60"),
        ("DeviceDataCtrlr.ItemsPerMessage#getvariables", "Actual", Answer.ACCEPTED, "100"),
        ("DeviceDataCtrlr.ItemsPerMessage", "Actual", Answer.UNKNOWN_VARIABLE, None),
        ("SecurityCtrlr.OrganizationName", "Actual", Answer.ACCEPTED, ""),
        ("ClockCtrlr.DateTime", "Actual", Answer.ACCEPTED, ""),
        ("Connector[2,1].ConnectorType", "Actual", Answer.ACCEPTED, "sType2"),
        ("Connector[2].ConnectorType", "Actual", Answer.UNKNOWN_COMPONENT, None),
        ("SecurityCtrlr.BasicAuthPassword", "Actual", Answer.REJECTED, None),
        ("OCPPCommCtrlr.OfflineThreshold", "MaxSet", Answer.NOT_SUPPORTED_ATTRIBUTE, None),
        ("Unheard.Of", "Actual", Answer.UNKNOWN_COMPONENT, None),
    ],
)
@pytest.mark.spec("2.0.1", "B06")
def test_get_answers_as_the_standard_says(
    name: str, attribute: str, answer: Answer, value: str | None
) -> None:
    outcome = build().get(Address.parse(name), attribute)

    assert (outcome.answer, outcome.value) == (answer, value)


@pytest.mark.parametrize(
    ("name", "text", "answer", "reason"),
    [
        ("HeartbeatInterval", "60", Answer.ACCEPTED, ""),
        ("heartbeatinterval", "60", Answer.ACCEPTED, ""),
        ("HeartbeatInterval", "0", Answer.REJECTED, "ValueZeroNotAllowed"),
        ("MessageTimeout", "10", Answer.ACCEPTED, ""),
        ("NumberOfConnectors", "3", Answer.REJECTED, "ReadOnly"),
        ("WebSocketPingInterval", "-1", Answer.REJECTED, "ValuePositiveOnly"),
        ("MeterValuesSampledData", "Voltage.L1", Answer.ACCEPTED, ""),
        ("MeterValuesSampledData", "RPM", Answer.REJECTED, "InvalidValue"),
        ("AuthorizationKey", PASSWORD, Answer.ACCEPTED, ""),
        ("SampledDataSignReadings", "TRUE", Answer.ACCEPTED, ""),
        ("MeterPublicKey1", "x", Answer.REJECTED, "ReadOnly"),
        ("LightIntensity", "50", Answer.UNKNOWN_VARIABLE, ""),
    ],
)
@pytest.mark.spec("1.6", "5.3")
def test_set_key_answers_as_the_standard_says(
    name: str, text: str, answer: Answer, reason: str
) -> None:
    outcome = build().set_key(name, text)

    assert (outcome.answer, outcome.reason) == (answer, reason)


@pytest.mark.spec("1.6", "5.8")
def test_get_key_tells_value_and_access() -> None:
    model = build()

    assert model.get_key("ResetRetries") == ("3", False)
    assert model.get_key("numberofconnectors") == ("2", True)
    assert model.get_key("AuthorizationKey") == (None, False)
    assert model.get_key("Unheard") is None


def test_every_key_can_be_asked_for_and_no_other_name_is_a_key() -> None:
    model = build()

    keys = model.keys()
    assert len(keys) == len(set(keys))
    assert {"MeterPublicKey1", "MeterPublicKey2", "ResetRetries"} <= set(keys)
    assert all(model.get_key(name) for name in keys)
    assert model.get_key("OCPPCommCtrlr.ResetRetries") is None


@pytest.mark.parametrize("row", [r for r in TABLE if r.tier == "station"], ids=lambda r: r.name)
def test_who_may_change_a_row_holds_in_both_versions(row: AnyVariable) -> None:
    model = build(signing=Signing(started=True, updated=True, aligned=True))
    text = PASSWORD if row is BASIC_AUTH_PASSWORD else row.default or ""
    changed = {Answer.ACCEPTED, Answer.REBOOT_REQUIRED}

    if row.address:
        writable = row.mutability is not Mutability.READ_ONLY
        assert (model.set(row.address, text).answer in changed) is writable
    if row.key:
        writable = (row.key_mutability or row.mutability) is not Mutability.READ_ONLY
        assert (model.set_key(row.key, text).answer in changed) is writable


def test_an_unsupported_measurand_is_rejected_and_the_old_list_stays() -> None:
    model = build()
    model.provide_words(TX_UPDATED_MEASURANDS, lambda: (ENERGY, "Voltage"))
    model.set_key("MeterValuesSampledData", "Voltage")

    outcome = model.set_key("MeterValuesSampledData", f"{ENERGY},Frequency")

    assert outcome.reason == "InvalidValue"
    assert outcome.sentence.endswith(f"found 'Frequency', allowed {ENERGY}, Voltage")
    assert key(model, "MeterValuesSampledData") == "Voltage"


def test_a_check_can_prevent_a_change() -> None:
    def slot_2_is_empty(slots: tuple[str, ...]) -> None:
        if "2" in slots:
            raise Refused("slot 2 is empty", reason="InvalidConfSlot")

    model = build()
    model.require(NETWORK_CONFIGURATION_PRIORITY, slot_2_is_empty)
    address = Address("OCPPCommCtrlr", "NetworkConfigurationPriority")

    assert model.set(address, "1,2").reason == "InvalidConfSlot"
    assert model[NETWORK_CONFIGURATION_PRIORITY] == ("1",)
    assert model.set(address, "1").answer is Answer.REBOOT_REQUIRED


def test_without_a_signing_meter_the_switches_read_as_off_and_are_not_reported() -> None:
    model = build(signing=None)

    assert model[SIGN_READINGS] is False
    assert model[PUBLIC_KEY_WITH_SIGNED_METER_VALUE] is PublicKeyPolicy.NEVER
    assert model.for_evse(METER_PUBLIC_KEY, 1) == ""
    keys = model.keys()
    assert not [name for name in keys if "Reading" in name or "PublicKey" in name]
    assert model.set_key("SampledDataSignReadings", "true").answer is Answer.UNKNOWN_VARIABLE
    rows = [str(row.address) for row in model.report(Inventory.FULL)]
    assert not [
        name for name in rows if name.count("Sign") * name.count("Reading") or "PublicKey" in name
    ]


@pytest.mark.spec("2.0.1", "B07.FR.08")
def test_a_full_report_holds_every_variable_with_its_characteristics() -> None:
    rows = {str(row.address): row for row in build().report(Inventory.FULL)}

    interval = rows["SampledDataCtrlr.TxUpdatedInterval"]
    assert (interval.value, interval.unit, interval.data_type) == ("60", "s", DataType.INTEGER)
    assert (interval.limits.low, interval.persistent, interval.constant) == (
        Decimal(0),
        True,
        False,
    )
    assert rows["Connector[1,1].ConnectorType"].constant
    assert not rows["Connector[1,1].ConnectorType"].persistent
    assert rows["EVSE[1].AvailabilityState"].limits.values == tuple(AvailabilityState)
    assert rows["EVSE[1].Power"].limits.high == 22080
    assert rows["EVSE[1].Power"].unit == "W"
    lists = {DataType.OPTION_LIST, DataType.MEMBER_LIST, DataType.SEQUENCE_LIST}
    assert all(row.limits.values for row in rows.values() if row.data_type in lists)
    assert "NumberOfConnectors" not in rows


@pytest.mark.spec("2.0.1", "B07.FR.07")
def test_a_configuration_report_holds_what_the_csms_can_set() -> None:
    rows = {str(row.address): row for row in build().report(Inventory.CONFIGURATION)}

    assert "SampledDataCtrlr.TxUpdatedInterval" in rows
    assert "SecurityCtrlr.BasicAuthPassword" in rows
    assert "OCPPCommCtrlr.MessageTimeout#Default" not in rows
    assert Mutability.READ_ONLY not in {row.mutability for row in rows.values()}


def test_a_password_comes_out_nowhere_but_for_the_station_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    model = build(settings={"SecurityCtrlr.BasicAuthPassword": "first " + PASSWORD})
    outcome = model.set_key("AuthorizationKey", PASSWORD)

    assert model[BASIC_AUTH_PASSWORD] == Secret(PASSWORD)
    shown = [
        outcome,
        model,
        model[BASIC_AUTH_PASSWORD],
        model.get(Address("SecurityCtrlr", "BasicAuthPassword")),
        model.get_key("AuthorizationKey"),
        *model.report(Inventory.FULL),
        *model.all_settings(),
    ]
    assert PASSWORD not in repr(shown) + caplog.text


def test_people_see_every_setting_under_both_names() -> None:
    settings = {setting.name: setting for setting in build().all_settings()}

    interval = settings["SampledDataCtrlr.TxUpdatedInterval"]
    assert (interval.keys, interval.value) == (("MeterValueSampleInterval",), "60")
    timeout = settings["OCPPCommCtrlr.MessageTimeout#Default"]
    assert (timeout.access, timeout.key_access) == (Mutability.READ_ONLY, Mutability.READ_WRITE)
    assert settings["SecurityCtrlr.BasicAuthPassword"].value == "*****"
    assert settings["NumberOfConnectors"].value == "2"
