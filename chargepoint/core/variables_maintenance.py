"""Settings about updates of the firmware and uploads of logs."""

from chargepoint.core.variables_kinds import BOOLEAN, INTEGER, SECONDS
from chargepoint.core.variables_model import Mutability, Variable

ALLOW_NEW_SESSIONS_PENDING_FIRMWARE_UPDATE = Variable(
    BOOLEAN,
    "ChargingStation.AllowNewSessionsPendingFirmwareUpdate",
    "false",
    "Whether free EVSEs take sessions while an update waits for others to end.",
)
TRANSFER_RETRIES = Variable(
    INTEGER,
    "TransferCtrlr.Retries",
    "2",
    "Further attempts at a download or upload, when the CSMS names no number.",
    key="TransferRetries",
    low=0,
    high=20,
)
TRANSFER_RETRY_INTERVAL = Variable(
    SECONDS,
    "TransferCtrlr.RetryInterval",
    "60",
    "Wait between two attempts at a download or upload, when the CSMS names none.",
    key="TransferRetryInterval",
    low=0,
    high=21600,
)
FIRMWARE_MOST = Variable(
    INTEGER,
    "TransferCtrlr.Storage#Firmware",
    "1073741824",
    "The largest firmware file that is downloaded.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    fact=True,
)
LOG_MOST = Variable(
    INTEGER,
    "TransferCtrlr.Storage#Log",
    "5242880",
    "How much of its own log the station keeps; the oldest lines go.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    constant=True,
    fact=True,
)
SECURITY_LOG_ENTRIES = Variable(
    INTEGER,
    "SecurityCtrlr.Entries#SecurityLog",
    "5000",
    "How many security events the station keeps; the oldest go.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
