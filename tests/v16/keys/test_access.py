"""Every key that there is: who may change it, which values it takes, what the station answers."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from key_talk import change, value

Open = Callable[..., AbstractAsyncContextManager[Case]]

HEX = "0123456789abcdef0123456789abcdef01234567"
ENERGY = "Energy.Active.Import.Register"
NUMBER, BOOLEAN = ("-1", "1.5", "many", ""), ("1", "yes", "")
MEASURANDS = ("RPM", f"{ENERGY},{ENERGY}", f"{ENERGY},,Voltage", "Voltage.L4")

# The keys of the standard (section 9, errata v4.0, the security whitepaper, the OCA note) but for
# BlinkRepeat and LightIntensity: a value that is taken, and some that are not.
CHANGEABLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "AllowOfflineTxForUnknownId": ("true", BOOLEAN),
    "AuthorizationCacheEnabled": ("false", BOOLEAN),
    "AuthorizationKey": (HEX, ("", "short", "x" * 65)),
    "AuthorizeRemoteTxRequests": ("true", BOOLEAN),
    "ClockAlignedDataInterval": ("900", NUMBER),
    "ConnectionTimeOut": ("90", ("0", *NUMBER)),
    "ConnectorPhaseRotation": ("0.RST,1.RTS", ("3.RST", "1.RST,1.RTS", "RST", "1.rst")),
    "CpoName": ("Example", ("C" * 65,)),
    "HeartbeatInterval": ("900", ("0", *NUMBER)),
    "LocalAuthListEnabled": ("false", BOOLEAN),
    "LocalAuthorizeOffline": ("false", BOOLEAN),
    "LocalPreAuthorize": ("true", BOOLEAN),
    "MaxEnergyOnInvalidId": ("500", NUMBER),
    "MessageTimeout": ("20", ("0", *NUMBER)),
    "MeterValueSampleInterval": ("900", NUMBER),
    "MeterValuesAlignedData": (f"{ENERGY},Voltage", MEASURANDS),
    "MeterValuesSampledData": ("Voltage.L1,Power.Active.Import", MEASURANDS),
    "MinimumStatusDuration": ("5", ("3601", *NUMBER)),
    "PublicKeyWithSignedMeterValue": ("EveryMeterValue", ("Always", "")),
    "ResetRetries": ("1", NUMBER),
    "SampledDataSignReadings": ("false", BOOLEAN),
    "SecurityProfile": ("", ("0", "3", "4", "one")),  # upwards only, and nothing is there for it
    "StartTxnSampledData": ("", MEASURANDS),
    "StopTransactionOnEVSideDisconnect": ("false", BOOLEAN),
    "StopTransactionOnInvalidId": ("false", BOOLEAN),
    "StopTxnAlignedData": (ENERGY, MEASURANDS),
    "StopTxnSampledData": (f"{ENERGY},Voltage", MEASURANDS),
    "TransactionMessageAttempts": ("2", ("0", *NUMBER)),
    "TransactionMessageRetryInterval": ("0", NUMBER),
    "WebSocketPingInterval": ("0", NUMBER),
}
FIXED = {
    "AdditionalRootCertificateCheck": "false",
    "AlignedDataSignReadings": "false",
    "AlignedDataSignUpdatedReadings": "false",
    "CertificateSignedMaxChainSize": "10000",
    "CertificateStoreMaxLength": "50",
    "ChargeProfileMaxStackLevel": "99",
    "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
    "ChargingScheduleMaxPeriods": "300",
    "ConnectorPhaseRotationMaxLength": "2",
    "ConnectorSwitch3to1PhaseSupported": "false",
    "GetConfigurationMaxKeys": "100",
    "LocalAuthListMaxLength": "10000",
    "MaxChargingProfilesInstalled": "300",
    "MeterPublicKey1": None,  # of the meter
    "MeterValuesAlignedDataMaxLength": "20",
    "MeterValuesSampledDataMaxLength": "20",
    "NumberOfConnectors": "1",
    "ReserveConnectorZeroSupported": "true",
    "SampledDataSignStartedReadings": "false",
    "SampledDataSignUpdatedReadings": "false",
    "SendLocalListMaxLength": "1000",
    "StopTransactionMaxMeterValues": "502",
    "StopTxnAlignedDataMaxLength": "20",
    "StopTxnSampledDataMaxLength": "20",
    "SupportedFeatureProfiles": None,  # see test_link
    "SupportedFeatureProfilesMaxLength": "6",
    "SupportedFileTransferProtocols": None,
    "UnlockConnectorOnEVSideDisconnect": "false",  # the cable is fixed
}
# Keys of this maker: the standard leaves open what they are about.
OWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "AllowEnergyTransferResumption": ("true", BOOLEAN),
    "MeterFailureTimeout": ("60", ("0", *NUMBER)),
    "ReservationEnabled": ("false", BOOLEAN),
    "SafeCurrent": ("6.5", ("-1", "1001", "much")),
    "SiteCurrent": ("63", ("-1", "much")),
    "StopTransactionOnMeterFailure": ("true", BOOLEAN),
    "StopTxnAlignedDataInterval": ("900", NUMBER),
    "StopTxnSampledDataInterval": ("900", NUMBER),
    "TimeZone": ("Europe/Berlin", ("Berlin", "x" * 65)),
    "TransferRetries": ("3", ("21", *NUMBER)),
    "TransferRetryInterval": ("30", ("21601", *NUMBER)),
}


async def told(run: Case, *keys: str) -> dict[str, tuple[Any, bool]]:
    """Value and whether it is read only, by key; all if none is named."""
    answer = await run.ask("GetConfiguration", **({"key": list(keys)} if keys else {}))
    rows = answer["configurationKey"]
    return {row["key"]: (row.get("value"), row["readonly"]) for row in rows}


@pytest.mark.spec("1.6", "9.1")
async def test_the_station_has_these_keys_and_no_others(open_case: Open) -> None:
    async with open_case() as run:
        found = await told(run)

        assert set(found) == {*CHANGEABLE, *FIXED, *OWN}
        assert {key for key, (_, readonly) in found.items() if readonly} == set(FIXED)


@pytest.mark.spec("1.6", "5.3")
async def test_a_value_that_fits_is_accepted_and_kept_over_a_power_cut(open_case: Open) -> None:
    wanted = {key: taken for key, (taken, _) in (CHANGEABLE | OWN).items()}
    del wanted["SecurityProfile"]
    async with open_case() as run:
        answers = {key: await change(run, key, text) for key, text in wanted.items()}
        assert set(answers.values()) == {"Accepted"}, answers
        await run.advance(5)
        await run.restart()

        del wanted["AuthorizationKey"]  # nobody is told it
        del wanted["HeartbeatInterval"]  # the answer to the boot overwrites it
        assert {key: (await told(run, key))[key][0] for key in wanted} == wanted


@pytest.mark.spec("1.6", "5.3")
async def test_a_value_that_does_not_fit_is_rejected_and_the_old_one_stays(open_case: Open) -> None:
    async with open_case() as run:
        before = await told(run)
        for key, (_, wrong) in (CHANGEABLE | OWN).items():
            for text in wrong:
                assert await change(run, key, text) == "Rejected", (key, text)

        assert await told(run) == before


@pytest.mark.spec("1.6", "5.3")
async def test_what_is_read_only_is_rejected_whatever_the_value(open_case: Open) -> None:
    async with open_case() as run:
        before = await told(run)
        for key, text in FIXED.items():
            assert text is None or before[key][0] == text
            assert await change(run, key, before[key][0] or "x") == "Rejected", key

        assert await told(run) == before


@pytest.mark.spec("1.6", "5.3")
@pytest.mark.spec("1.6", "5.8")
async def test_a_key_that_nobody_knows_is_not_supported(open_case: Open) -> None:
    async with open_case() as run:
        assert await change(run, "SomeOtherKey", "1") == "NotSupported"
        assert await change(run, "meterVALUEsampleinterval", "33") == "Accepted"
        assert await value(run, "MeterValueSampleInterval") == "33"
        answer = await run.ask("GetConfiguration", key=["SomeOtherKey", "ResetRetries"])
        assert answer["unknownKey"] == ["SomeOtherKey"]
        assert [row["key"] for row in answer["configurationKey"]] == ["ResetRetries"]
