import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chargepoint.core.variables import (
    ALIGNED_INTERVAL,
    ALIGNED_TX_ENDED_INTERVAL,
    ALIGNED_TX_ENDED_MEASURANDS,
    CONNECTOR_AVAILABILITY,
    DATE_TIME,
    EVSE_AVAILABILITY,
    HEARTBEAT_INTERVAL,
    METER_PUBLIC_KEY,
    NUMBER_OF_CONNECTORS,
    SIGN_UPDATED_READINGS,
    SITE_CURRENT,
    TX_UPDATED_INTERVAL,
    TX_UPDATED_MEASURANDS,
    Address,
    AvailabilityState,
    Reason,
)
from chargepoint.core.variables_answers import Answer, Inventory, ReportRow
from chargepoint.core.variables_layout import (
    ConnectorDescription,
    CustomSetting,
    EvseDescription,
    Plain,
    Signing,
)
from chargepoint.errors import Refused
from chargepoint.station.device_model import DeviceModel, SettingRefused

INTERVAL = Address("SampledDataCtrlr", "TxUpdatedInterval")

ENERGY = "Energy.Active.Import.Register"


class MemoryStore:
    """A store that keeps over restarts as long as it lives."""

    def __init__(self, saved: Mapping[str, str] | None = None) -> None:
        self.saved = dict(saved or {})

    def load_settings(self) -> dict[str, str]:
        return dict(self.saved)

    def save_setting(self, key: str, value: str) -> None:
        self.saved[key] = value


def build(
    store: MemoryStore | None = None,
    settings: Mapping[str, Plain] | None = None,
    *custom: CustomSetting,
) -> DeviceModel:
    """A station with two EVSEs of one socket each, whose meters sign."""
    sockets = (ConnectorDescription(1, "sType2"),)
    return DeviceModel(
        evses=[EvseDescription(number, sockets, signing=Signing()) for number in (1, 2)],
        store=store or MemoryStore(),
        settings=settings,
        custom=custom,
    )


def read(model: DeviceModel, name: str) -> str | None:
    return model.get(Address.parse(name)).value


def key(model: DeviceModel, name: str) -> str | None:
    found = model.get_key(name)
    assert found
    return found.value


def test_the_default_gives_way_to_the_file_and_the_file_to_the_csms_also_after_a_restart() -> None:
    store = MemoryStore()
    assert build(store)[TX_UPDATED_INTERVAL] == timedelta(seconds=60)

    model = build(store, {"MeterValueSampleInterval": 30})
    assert model[TX_UPDATED_INTERVAL] == timedelta(seconds=30)
    assert not store.saved, "the file must be able to change its mind"

    model.set(INTERVAL, "10")
    restarted = build(store, {"SampledDataCtrlr.TxUpdatedInterval": 45})
    assert restarted[TX_UPDATED_INTERVAL] == timedelta(seconds=10)


def test_a_change_to_the_same_value_also_lasts() -> None:
    store = MemoryStore()
    build(store, {"MeterValueSampleInterval": 30}).set(INTERVAL, "30")

    assert build(store, {"MeterValueSampleInterval": 99})[TX_UPDATED_INTERVAL].seconds == 30


SITE = Address.parse("SmartChargingCtrlr.SiteCurrent")


@pytest.mark.parametrize(
    ("configured", "asked", "reason"),
    [
        ("32", "20", ""),
        ("32", "32", ""),
        ("32", "0.1", ""),
        ("32", "32.1", Reason.TOO_HIGH),
        ("32", "1000000000", Reason.TOO_HIGH),
        ("32", "0", Reason.ZERO),
        ("32", "-0", Reason.ZERO),
        ("32", "0.00", Reason.ZERO),
        ("32", "-1", Reason.NOT_POSITIVE),
        ("0", "0", ""),
        ("0", "100", ""),
        (None, "0", ""),
        (None, "100", ""),
    ],
)
def test_the_csms_lowers_what_the_site_has_and_never_raises_it(
    configured: str | None, asked: str, reason: str
) -> None:
    model = build(settings=None if configured is None else {"SiteCurrent": configured})
    before = model[SITE_CURRENT]

    outcome, by_key = model.set(SITE, asked), model.set_key("SiteCurrent", asked)

    assert (outcome.reason, by_key.reason) == (reason, reason)
    assert model[SITE_CURRENT] == (before if reason else Decimal(asked))


def test_what_was_lowered_may_be_raised_up_to_what_the_config_says() -> None:
    store = MemoryStore()
    build(store, {"SiteCurrent": 32}).set(SITE, "10")
    model = build(store, {"SiteCurrent": 32})
    assert model[SITE_CURRENT] == 10

    model.set(SITE, "32")

    assert model[SITE_CURRENT] == 32
    row = model.row(SITE)
    assert isinstance(row, ReportRow)
    assert row.limits.high == 32


@pytest.mark.parametrize("stored", ["40", "0"])
def test_a_config_that_limits_the_site_cuts_what_was_stored_before(stored: str) -> None:
    store = MemoryStore()
    build(store).set(SITE, stored)

    assert build(store, {"SiteCurrent": 25})[SITE_CURRENT] == 25
    assert build(store)[SITE_CURRENT] == Decimal(stored)


def test_a_list_shows_only_what_the_meters_can_measure_now() -> None:
    supported: list[str] = []
    model = build()
    model.provide_words(TX_UPDATED_MEASURANDS, lambda: supported)
    model.set_key("MeterValuesSampledData", "Voltage.L1,Frequency")
    assert model[TX_UPDATED_MEASURANDS] == ("Voltage.L1", "Frequency")

    supported[:] = [ENERGY, "Voltage"]
    assert model[TX_UPDATED_MEASURANDS] == ("Voltage.L1",)

    supported.append("Frequency")
    assert model[TX_UPDATED_MEASURANDS] == ("Voltage.L1", "Frequency")


def test_a_provider_tells_what_is_so_now() -> None:
    now = datetime(2030, 1, 31, 12, tzinfo=UTC)
    model = build()
    model.provide(DATE_TIME, lambda: now)
    model.provide(EVSE_AVAILABILITY, lambda: AvailabilityState.OCCUPIED, 2)
    model.provide(CONNECTOR_AVAILABILITY, lambda: AvailabilityState.FAULTED, 2, 1)
    model.provide(NUMBER_OF_CONNECTORS, lambda: 4)

    assert model[DATE_TIME] == now
    assert read(model, "ClockCtrlr.DateTime") == "2030-01-31T12:00:00.000Z"
    assert read(model, "EVSE[1].AvailabilityState") == "Available"
    assert read(model, "EVSE[2].AvailabilityState") == "Occupied"
    assert model.for_evse(CONNECTOR_AVAILABILITY, 2, 1) is AvailabilityState.FAULTED
    assert key(model, "NumberOfConnectors") == "4"


@pytest.mark.parametrize("settings", [{}, {"StopTxnAlignedData": ""}])
def test_a_variable_is_as_the_one_that_it_follows_until_it_is_chosen(
    settings: dict[str, Plain],
) -> None:
    store = MemoryStore()
    model = build(store, settings)
    follow = (ALIGNED_TX_ENDED_INTERVAL, ALIGNED_INTERVAL, ALIGNED_TX_ENDED_MEASURANDS)
    model.follow(*follow)

    model.set_key("ClockAlignedDataInterval", "900")
    assert key(model, "StopTxnAlignedDataInterval") == ("900" if settings else "0")

    model.set_key("StopTxnAlignedData", ENERGY)
    assert model[ALIGNED_TX_ENDED_INTERVAL] == timedelta(seconds=900)
    assert read(model, "AlignedDataCtrlr.TxEndedInterval") == "900"

    model.set_key("StopTxnAlignedDataInterval", "0")
    again = build(store)
    again.follow(*follow)
    assert not model[ALIGNED_TX_ENDED_INTERVAL]
    assert not again[ALIGNED_TX_ENDED_INTERVAL]


def test_the_public_key_is_the_meters_or_else_the_installers() -> None:
    told: list[str] = []
    model = build(settings={"FiscalMetering[1].PublicKey": "from the file"})
    model.provide(METER_PUBLIC_KEY, lambda: told[0] if told else None, 1)
    assert read(model, "FiscalMetering[1].PublicKey") == "from the file"
    assert read(model, "FiscalMetering[2].PublicKey") == ""

    told.append("from the meter")

    assert key(model, "MeterPublicKey1") == "from the meter"
    assert model.for_evse(METER_PUBLIC_KEY, 1) == "from the meter"


def test_a_value_that_nobody_provided_is_an_error_of_the_program() -> None:
    with pytest.raises(LookupError, match=r"ClockCtrlr\.DateTime"):
        build()[DATE_TIME]


def test_a_variable_of_an_evse_is_not_one_of_the_station() -> None:
    model = build()

    with pytest.raises(LookupError):
        model[EVSE_AVAILABILITY]
    with pytest.raises(LookupError):
        model.provide(EVSE_AVAILABILITY, lambda: AvailabilityState.FAULTED)


def test_the_station_may_change_what_the_csms_may_not_and_it_lasts() -> None:
    store = MemoryStore()
    model = build(store)
    told: list[timedelta] = []
    model.subscribe(HEARTBEAT_INTERVAL, told.append)

    model.assign(HEARTBEAT_INTERVAL, timedelta(seconds=86400))
    model.assign(HEARTBEAT_INTERVAL, timedelta(seconds=86400))

    assert told == [timedelta(days=1)]
    assert build(store)[HEARTBEAT_INTERVAL] == timedelta(days=1)
    with pytest.raises(Refused):
        model.assign(HEARTBEAT_INTERVAL, timedelta(0))


def test_a_stored_value_that_is_no_longer_allowed_is_passed_over_and_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    saved = {
        "SampledDataCtrlr.TxUpdatedInterval": "-5",
        "SampledDataCtrlr.SignUpdatedReadings": "true",
        "Gone.Variable": "x",
        "SecurityCtrlr.BasicAuthPassword": "hunter2",
    }
    store = MemoryStore(saved)

    with caplog.at_level(logging.WARNING):
        model = build(store, {"MeterValueSampleInterval": 30})

    assert model[TX_UPDATED_INTERVAL] == timedelta(seconds=30)
    assert model[SIGN_UPDATED_READINGS] is False
    assert store.saved == saved
    assert "SampledDataCtrlr.TxUpdatedInterval" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "name", "message"),
    [
        (
            {"SampledDataCtrlr.TxUpdateInterval": 30},
            "SampledDataCtrlr.TxUpdateInterval",
            r"no such setting; did you mean SampledDataCtrlr\.TxUpdatedInterval\?",
        ),
        ({"HartbeatInterval": 30}, "HartbeatInterval", r"did you mean HeartbeatInterval\?"),
        (
            {"FiscalMetering.PublicKey": "x"},
            "FiscalMetering.PublicKey",
            r"did you mean FiscalMetering\[\d\]\.PublicKey\?",
        ),
        ({"zzz": 1}, "zzz", r"zzz: no such setting$"),
        ({"ResetRetries": -1}, "ResetRetries", "found -1, allowed 0 or more"),
        ({"NumberOfConnectors": 5}, "NumberOfConnectors", "finds out by itself"),
        ({"SampledDataSignUpdatedReadings": True}, "SampledDataSignUpdatedReadings", "only have"),
        (
            {"MeterValueSampleInterval": 30, "SampledDataCtrlr.TxUpdatedInterval": 60},
            "SampledDataCtrlr.TxUpdatedInterval",
            "are one setting",
        ),
    ],
)
def test_a_mistake_in_the_file_is_refused_with_what_to_do(
    settings: Mapping[str, Plain], name: str, message: str
) -> None:
    with pytest.raises(SettingRefused, match=message) as refused:
        build(None, settings)

    assert (refused.value.section, refused.value.name) == ("settings", name)


def test_the_file_may_say_what_the_station_does_anyway() -> None:
    model = build(None, {"SampledDataSignUpdatedReadings": False, "MessageTimeout": 10})

    assert model[SIGN_UPDATED_READINGS] is False
    assert read(model, "OCPPCommCtrlr.MessageTimeout#Default") == "10"


def test_lists_in_the_file_may_be_lists() -> None:
    model = build(None, {"MeterValuesSampledData": ["Voltage", "Frequency"]})

    assert model[TX_UPDATED_MEASURANDS] == ("Voltage", "Frequency")


def test_a_custom_setting_is_reported_changed_and_kept_like_a_standard_one() -> None:
    store = MemoryStore()
    setting = CustomSetting("InternalCtrlr.Example", value="abc")
    model = build(store, None, setting)
    assert model.get_key("Example") == ("abc", False)

    assert model.set(Address("InternalCtrlr", "Example"), "def").answer is Answer.ACCEPTED

    restarted = build(store, None, setting)
    assert key(restarted, "Example") == "def"
    assert "InternalCtrlr.Example" in {str(r.address) for r in restarted.report(Inventory.FULL)}


def test_a_custom_setting_cannot_take_a_name_that_exists() -> None:
    with pytest.raises(SettingRefused, match="ResetRetries is already the name of") as refused:
        build(None, None, CustomSetting("InternalCtrlr.Example", key="ResetRetries"))

    where = (refused.value.section, refused.value.name)
    assert where == ("custom_settings", "InternalCtrlr.Example")
