import pytest

from chargepoint.core import (
    variables_authorization,
    variables_charging,
    variables_csms,
    variables_display,
    variables_maintenance,
    variables_monitoring,
    variables_parts,
    variables_reservation,
    variables_sampling,
    variables_security,
    variables_smart,
    variables_station,
)
from chargepoint.core.variables import (
    ALIGNED_TX_ENDED_MEASURANDS,
    AUTH_ENABLED,
    BASIC_AUTH_PASSWORD,
    CERT_SIGNING_WAIT_MINIMUM,
    EVSE_SUPPLY_PHASES,
    HEARTBEAT_INTERVAL,
    LONGEST_VALUE,
    MESSAGE_ATTEMPT_INTERVAL,
    MESSAGE_ATTEMPTS,
    NETWORK_CONFIGURATION_PRIORITY,
    NETWORK_PROFILE_CONNECTION_ATTEMPTS,
    OFFLINE_THRESHOLD,
    ORGANIZATION_NAME,
    PUBLIC_KEY_WITH_SIGNED_METER_VALUE,
    SECURITY_PROFILE,
    TABLE,
    TX_START_POINT,
    TX_STOP_POINT,
    TX_UPDATED_MEASURANDS,
    AnyVariable,
    DataType,
    Mutability,
    Variable,
)
from chargepoint.errors import Refused

RO, RW, WO = Mutability.READ_ONLY, Mutability.READ_WRITE, Mutability.WRITE_ONLY

# OCPP 2.0.1 part 2, "Referenced Components and Variables": what blocks A, B, C, E, F, G and J
# require, with its mutability; a pair where the standard leaves the choice.
REQUIRED_VARIABLES = {
    "OCPPCommCtrlr.ActiveNetworkProfile": {RO},
    "OCPPCommCtrlr.FileTransferProtocols": {RO},
    "OCPPCommCtrlr.MessageTimeout#Default": {RO},
    "OCPPCommCtrlr.MessageAttempts#TransactionEvent": {RW},
    "OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent": {RW},
    "OCPPCommCtrlr.NetworkConfigurationPriority": {RW},
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts": {RW},
    "OCPPCommCtrlr.OfflineThreshold": {RW},
    "OCPPCommCtrlr.ResetRetries": {RW},
    "OCPPCommCtrlr.RetryBackOffRandomRange": {RW},
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": {RW},
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": {RW},
    "OCPPCommCtrlr.UnlockOnEVSideDisconnect": {RO, RW},
    "OCPPCommCtrlr.WebSocketPingInterval": {RW},
    "DeviceDataCtrlr.BytesPerMessage#GetReport": {RO},
    "DeviceDataCtrlr.BytesPerMessage#GetVariables": {RO},
    "DeviceDataCtrlr.BytesPerMessage#SetVariables": {RO},
    "DeviceDataCtrlr.ItemsPerMessage#GetReport": {RO},
    "DeviceDataCtrlr.ItemsPerMessage#GetVariables": {RO},
    "DeviceDataCtrlr.ItemsPerMessage#SetVariables": {RO},
    "ClockCtrlr.DateTime": {RO},
    "ClockCtrlr.TimeSource": {RW},
    "SecurityCtrlr.BasicAuthPassword": {WO},
    "SecurityCtrlr.OrganizationName": {RW},
    "SecurityCtrlr.CertificateEntries": {RO},
    "SecurityCtrlr.SecurityProfile": {RO},
    "AuthCtrlr.AuthorizeRemoteStart": {RO, RW},
    "AuthCtrlr.LocalAuthorizeOffline": {RW},
    "AuthCtrlr.LocalPreAuthorize": {RW},
    "TxCtrlr.EVConnectionTimeOut": {RW},
    "TxCtrlr.StopTxOnEVSideDisconnect": {RO, RW},
    "TxCtrlr.StopTxOnInvalidId": {RW},
    "TxCtrlr.TxStartPoint": {RO, RW},
    "TxCtrlr.TxStopPoint": {RO, RW},
    "SampledDataCtrlr.TxStartedMeasurands": {RW},
    "SampledDataCtrlr.TxUpdatedMeasurands": {RW},
    "SampledDataCtrlr.TxUpdatedInterval": {RW},
    "SampledDataCtrlr.TxEndedMeasurands": {RW},
    "SampledDataCtrlr.TxEndedInterval": {RW},
    "AlignedDataCtrlr.Interval": {RW},
    "AlignedDataCtrlr.Measurands": {RW},
    "AlignedDataCtrlr.TxEndedInterval": {RW},
    "AlignedDataCtrlr.TxEndedMeasurands": {RW},
    "ChargingStation.Available": {RO},
    "ChargingStation.AvailabilityState": {RO},
    "ChargingStation.SupplyPhases": {RO},
    "EVSE.Available": {RO},
    "EVSE.AvailabilityState": {RO},
    "EVSE.SupplyPhases": {RO},
    "EVSE.Power": {RO},
    "Connector.Available": {RO},
    "Connector.ConnectorType": {RO},
    "Connector.SupplyPhases": {RO},
    # Required by the application note on signed meter values.
    "OCPPCommCtrlr.PublicKeyWithSignedMeterValue": {RW},
    "SampledDataCtrlr.SignReadings": {RW},
    "SampledDataCtrlr.SignStartedReadings": {RO, RW},
    "SampledDataCtrlr.SignUpdatedReadings": {RO, RW},
    "AlignedDataCtrlr.SignReadings": {RW},
    "AlignedDataCtrlr.SignUpdatedReadings": {RO, RW},
    "FiscalMetering.PublicKey": {RO},
}

# OCPP 1.6 section 9.1, the security white paper and the note on signed meter values.
REQUIRED_KEYS = {
    "AuthorizeRemoteTxRequests": {RO, RW},
    "ClockAlignedDataInterval": {RW},
    "ConnectionTimeOut": {RW},
    "ConnectorPhaseRotation": {RW},
    "GetConfigurationMaxKeys": {RO},
    "HeartbeatInterval": {RW},
    "LocalAuthorizeOffline": {RW},
    "LocalPreAuthorize": {RW},
    "MeterValuesAlignedData": {RW},
    "MeterValuesSampledData": {RW},
    "MeterValueSampleInterval": {RW},
    "NumberOfConnectors": {RO},
    "ResetRetries": {RW},
    "StopTransactionOnEVSideDisconnect": {RO, RW},
    "StopTransactionOnInvalidId": {RW},
    "StopTxnAlignedData": {RW},
    "StopTxnSampledData": {RW},
    "SupportedFeatureProfiles": {RO},
    "TransactionMessageAttempts": {RW},
    "TransactionMessageRetryInterval": {RW},
    "UnlockConnectorOnEVSideDisconnect": {RO, RW},
    "AuthorizationKey": {WO},
    "MessageTimeout": {RW},
    "MeterPublicKey{connector}": {RO},
    "PublicKeyWithSignedMeterValue": {RW},
    "SampledDataSignReadings": {RW},
    "SampledDataSignStartedReadings": {RO, RW},
    "SampledDataSignUpdatedReadings": {RO, RW},
    "StartTxnSampledData": {RO, RW},
    "AlignedDataSignReadings": {RW},
    "AlignedDataSignUpdatedReadings": {RO, RW},
}

# One row, two names: as the two standards describe the same thing.
SAME_THING = {
    "AllowOfflineTxForUnknownId": "AuthCtrlr.OfflineTxForUnknownIdEnabled",
    "AuthorizationCacheEnabled": "AuthCacheCtrlr.Enabled",
    "AuthorizationKey": "SecurityCtrlr.BasicAuthPassword",
    "AuthorizeRemoteTxRequests": "AuthCtrlr.AuthorizeRemoteStart",
    "AlignedDataSignReadings": "AlignedDataCtrlr.SignReadings",
    "AlignedDataSignUpdatedReadings": "AlignedDataCtrlr.SignUpdatedReadings",
    "ClockAlignedDataInterval": "AlignedDataCtrlr.Interval",
    "ConnectionTimeOut": "TxCtrlr.EVConnectionTimeOut",
    "CpoName": "SecurityCtrlr.OrganizationName",
    "GetConfigurationMaxKeys": "DeviceDataCtrlr.ItemsPerMessage#GetVariables",
    "HeartbeatInterval": "OCPPCommCtrlr.HeartbeatInterval",
    "LocalAuthorizeOffline": "AuthCtrlr.LocalAuthorizeOffline",
    "LocalPreAuthorize": "AuthCtrlr.LocalPreAuthorize",
    "MessageTimeout": "OCPPCommCtrlr.MessageTimeout#Default",
    "MeterPublicKey{connector}": "FiscalMetering.PublicKey",
    "MeterValuesAlignedData": "AlignedDataCtrlr.Measurands",
    "MeterValuesSampledData": "SampledDataCtrlr.TxUpdatedMeasurands",
    "MeterValueSampleInterval": "SampledDataCtrlr.TxUpdatedInterval",
    "PublicKeyWithSignedMeterValue": "OCPPCommCtrlr.PublicKeyWithSignedMeterValue",
    "ResetRetries": "OCPPCommCtrlr.ResetRetries",
    "SampledDataSignReadings": "SampledDataCtrlr.SignReadings",
    "SampledDataSignStartedReadings": "SampledDataCtrlr.SignStartedReadings",
    "SampledDataSignUpdatedReadings": "SampledDataCtrlr.SignUpdatedReadings",
    "SecurityProfile": "SecurityCtrlr.SecurityProfile",
    "StartTxnSampledData": "SampledDataCtrlr.TxStartedMeasurands",
    "StopTransactionOnEVSideDisconnect": "TxCtrlr.StopTxOnEVSideDisconnect",
    "StopTransactionOnInvalidId": "TxCtrlr.StopTxOnInvalidId",
    "StopTxnAlignedData": "AlignedDataCtrlr.TxEndedMeasurands",
    "StopTxnSampledData": "SampledDataCtrlr.TxEndedMeasurands",
    "TransactionMessageAttempts": "OCPPCommCtrlr.MessageAttempts#TransactionEvent",
    "TransactionMessageRetryInterval": "OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent",
    "UnlockConnectorOnEVSideDisconnect": "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
    "WebSocketPingInterval": "OCPPCommCtrlr.WebSocketPingInterval",
}

# As many measurands as a list holds.
_MANY = ",".join(
    f"{measurand}.{phase}"
    for measurand in ("Voltage", "Current.Import", "Power.Factor", "Current.Export", "Temperature")
    for phase in ("L1", "L2", "L3", "N")
)

BY_NAME = {row.name: row for row in TABLE}

BY_KEY = {row.key: row for row in TABLE if row.key}


@pytest.mark.spec("2.0.1", "B07.FR.08")
@pytest.mark.parametrize("name", REQUIRED_VARIABLES)
def test_every_required_variable_is_in_the_table_with_an_allowed_mutability(name: str) -> None:
    assert BY_NAME[name].mutability in REQUIRED_VARIABLES[name]


@pytest.mark.spec("1.6", "9.1")
@pytest.mark.parametrize("key", REQUIRED_KEYS)
def test_every_required_key_is_in_the_table_with_an_allowed_access(key: str) -> None:
    row = BY_KEY[key]

    assert (row.key_mutability or row.mutability) in REQUIRED_KEYS[key]


@pytest.mark.parametrize("key", SAME_THING)
def test_a_thing_that_both_versions_know_is_one_row(key: str) -> None:
    assert BY_KEY[key] is BY_NAME[SAME_THING[key]]


def test_no_row_is_hidden_by_another_of_the_same_constant() -> None:
    modules = (
        variables_authorization,
        variables_charging,
        variables_csms,
        variables_display,
        variables_maintenance,
        variables_monitoring,
        variables_parts,
        variables_reservation,
        variables_sampling,
        variables_security,
        variables_smart,
        variables_station,
    )
    rows = [row for module in modules for row in vars(module).values() if isinstance(row, Variable)]

    assert rows == list(TABLE)


def test_no_name_is_given_to_two_rows() -> None:
    names = [row.name.casefold() for row in TABLE]
    keys = [row.key.casefold() for row in TABLE if row.key]

    assert len(names) == len(set(names))
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_is_complete_and_its_default_keeps_its_own_rules(row: AnyVariable) -> None:
    assert row.about.endswith(".")
    assert "\n" not in row.about
    assert str(row.address or row.key) == row.name
    assert (
        row.values
        or row.kind.data_type
        not in {
            DataType.OPTION_LIST,
            DataType.SEQUENCE_LIST,
            DataType.MEMBER_LIST,
        }
        or row.name == "ConnectorPhaseRotation"
    )  # its values depend on the connectors
    assert len(",".join(row.values)) <= LONGEST_VALUE
    assert row.mutability is RO or not row.fact
    if row.default is not None:
        assert row.accept(row.default) == row.default
        assert row.kind.format(row.kind.parse(row.default)) == row.default
    if row.needs:
        assert row.lacking is not None
        row.kind.parse(row.lacking)


@pytest.mark.parametrize(
    ("row", "text", "reason"),
    [
        (HEARTBEAT_INTERVAL, "1", None),
        (HEARTBEAT_INTERVAL, "0", "ValueZeroNotAllowed"),
        (HEARTBEAT_INTERVAL, "-1", "ValuePositiveOnly"),
        (MESSAGE_ATTEMPTS, "0", "ValueZeroNotAllowed"),
        (OFFLINE_THRESHOLD, "0", None),
        (OFFLINE_THRESHOLD, "-1", "ValuePositiveOnly"),
        (SECURITY_PROFILE, "4", "ValueTooHigh"),
        (MESSAGE_ATTEMPT_INTERVAL, "86400", None),
        (MESSAGE_ATTEMPT_INTERVAL, "86401", "ValueTooHigh"),
        (NETWORK_PROFILE_CONNECTION_ATTEMPTS, "101", "ValueTooHigh"),
        (CERT_SIGNING_WAIT_MINIMUM, "86401", "ValueTooHigh"),
        (AUTH_ENABLED, "yes", "InvalidValue"),
        (EVSE_SUPPLY_PHASES, "-1", "ValuePositiveOnly"),
        (ORGANIZATION_NAME, "x" * 64, None),
        (ORGANIZATION_NAME, "x" * 65, "TooLargeElement"),
        (ORGANIZATION_NAME, "x" * (LONGEST_VALUE + 1), "TooLargeElement"),
        (BASIC_AUTH_PASSWORD, "x" * 15, "InvalidValue"),
        (BASIC_AUTH_PASSWORD, "x" * 16, None),
        (BASIC_AUTH_PASSWORD, "x" * 65, "TooLargeElement"),
        (NETWORK_CONFIGURATION_PRIORITY, "2,1", None),
        (NETWORK_CONFIGURATION_PRIORITY, "5", "InvalidValue"),
        (NETWORK_CONFIGURATION_PRIORITY, "", "InvalidValue"),
        (PUBLIC_KEY_WITH_SIGNED_METER_VALUE, "EveryMeterValue", None),
        (TX_START_POINT, "PowerPathClosed", None),
        (TX_START_POINT, "DataSigned,Authorized", None),
        (TX_START_POINT, "Sunrise", "InvalidValue"),
        (TX_START_POINT, "", "InvalidValue"),
        (TX_STOP_POINT, "EVConnected,EnergyTransfer", None),
        (TX_STOP_POINT, "DataSigned", "InvalidValue"),
        (TX_START_POINT, "PowerPathClosed.L1", "InvalidValue"),
        (TX_UPDATED_MEASURANDS, "Voltage,Current.Import", None),
        (TX_UPDATED_MEASURANDS, "Voltage.L1,Voltage.L2", None),
        (TX_UPDATED_MEASURANDS, "", None),
        (TX_UPDATED_MEASURANDS, "SoC", "InvalidValue"),
        (TX_UPDATED_MEASURANDS, "Voltage.L9", "InvalidValue"),
        (TX_UPDATED_MEASURANDS, _MANY, None),
        (TX_UPDATED_MEASURANDS, f"{_MANY},Frequency", "TooLargeElement"),
        (ALIGNED_TX_ENDED_MEASURANDS, "Frequency", None),
    ],
)
def test_a_value_is_checked_against_the_limits_of_its_row(
    row: AnyVariable, text: str, reason: str | None
) -> None:
    if reason is None:
        assert row.accept(text) == text
        return
    with pytest.raises(Refused) as refused:
        row.accept(text)
    assert refused.value.reason == reason


def test_a_refusal_says_what_was_found_and_what_is_allowed() -> None:
    with pytest.raises(Refused, match=r"found -1, allowed 1 or more"):
        HEARTBEAT_INTERVAL.accept("-1")


def test_the_refusal_of_a_password_does_not_show_it() -> None:
    with pytest.raises(Refused) as refused:
        BASIC_AUTH_PASSWORD.accept("hunter2")

    assert "hunter2" not in str(refused.value)
