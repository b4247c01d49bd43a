"""The version as a whole: its marks are the only list."""

from typing import Any

import pytest

from chargepoint import v16
from chargepoint.csms.schemas import Schemas

HANDLED = {
    "CancelReservation",
    "CertificateSigned",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "ClearChargingProfile",
    "DataTransfer",
    "GetCompositeSchedule",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetConfiguration",
    "GetInstalledCertificateIds",
    "GetLocalListVersion",
    "InstallCertificate",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReserveNow",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "GetDiagnostics",
    "GetLog",
    "SignedUpdateFirmware",
    "TriggerMessage",
    "UpdateFirmware",
    "UnlockConnector",
}


@pytest.mark.spec("1.6", "3.1")
def test_every_call_of_the_profiles_that_the_station_has_is_handled(bench: Any) -> None:
    assert bench.adapter.handlers.keys() == HANDLED
    assert Schemas("1.6").actions() > HANDLED


def test_the_version_names_itself_and_its_subprotocol(bench: Any) -> None:
    assert (bench.adapter.version, bench.adapter.subprotocol) == ("1.6", "ocpp1.6")


def test_the_blocks_hold_every_mark(bench: Any) -> None:
    marks = {
        mark
        for block in v16.BLOCKS
        for name in dir(block)
        if (mark := getattr(getattr(block, name), "handles", None))
    }

    assert marks == bench.adapter.handlers.keys()
