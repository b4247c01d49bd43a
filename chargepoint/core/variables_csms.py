"""Settings about the link to the CSMS: connection, delivery, messages, clock, security."""

from enum import StrEnum

from chargepoint.core.variables_kinds import (
    BOOLEAN,
    INTEGER,
    MEMBERS,
    MOMENT,
    SECONDS,
    SECRET,
    SEQUENCE,
    TEXT,
    choice,
)
from chargepoint.core.variables_model import LONGEST_VALUE, Feature, Mutability, Variable

# Characters of a signed record in Base64. OCPP 2.0.1 says 2500, 2.1 this: a longer record is still
# better sent to a CSMS that may refuse it than kept from one that would take it.
LONGEST_RECORD = 32_768


class PublicKeyPolicy(StrEnum):
    """When a signed value is sent together with the meter's public key."""

    NEVER = "Never"
    ONCE_PER_TRANSACTION = "OncePerTransaction"
    EVERY_METER_VALUE = "EveryMeterValue"


ACTIVE_NETWORK_PROFILE = Variable(
    INTEGER,
    "OCPPCommCtrlr.ActiveNetworkProfile",
    "1",
    "Configuration slot of the connection in use.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
RECORD_LENGTH = Variable(
    INTEGER,
    "OCPPCommCtrlr.FieldLength#TransactionEventRequest.signedMeterData",
    str(LONGEST_RECORD),
    "Characters of the longest signed record that is sent; the standard says 2500.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
    needs=Feature.SIGNING,
    lacking="2500",
)
FILE_TRANSFER_PROTOCOLS = Variable(
    MEMBERS,
    "OCPPCommCtrlr.FileTransferProtocols",
    "",
    "Protocols for firmware and log files; empty while the station transfers none.",
    key="SupportedFileTransferProtocols",
    mutability=Mutability.READ_ONLY,
    values=("FTP", "FTPS", "HTTP", "HTTPS", "SFTP"),
    fact=True,
)
HEARTBEAT_INTERVAL = Variable(
    SECONDS,
    "OCPPCommCtrlr.HeartbeatInterval",
    "300",
    "Quiet time before a Heartbeat; the answer to BootNotification overwrites it.",
    key="HeartbeatInterval",
    low=1,
)
MESSAGE_TIMEOUT = Variable(
    SECONDS,
    "OCPPCommCtrlr.MessageTimeout#Default",
    "30",
    "How long an answer of the CSMS is awaited.",
    key="MessageTimeout",
    mutability=Mutability.READ_ONLY,
    key_mutability=Mutability.READ_WRITE,
    low=1,
)
MESSAGE_ATTEMPTS = Variable(
    INTEGER,
    "OCPPCommCtrlr.MessageAttempts#TransactionEvent",
    "5",
    "Sends of one transaction message that the CSMS fails to process; being offline is not one.",
    key="TransactionMessageAttempts",
    low=1,
)
MESSAGE_ATTEMPT_INTERVAL = Variable(
    SECONDS,
    "OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent",
    "60",
    "Wait before such a message is sent again, times the number of earlier sends.",
    key="TransactionMessageRetryInterval",
    low=0,
    high=86_400,
)
NETWORK_CONFIGURATION_PRIORITY = Variable(
    SEQUENCE,
    "OCPPCommCtrlr.NetworkConfigurationPriority",
    "1",
    "Configuration slots in the order in which they are tried.",
    low=1,
    values=("1", "2", "3", "4"),
    reboot=True,
)
NETWORK_PROFILE_CONNECTION_ATTEMPTS = Variable(
    INTEGER,
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts",
    "3",
    "Attempts to connect with one slot before the next one is tried.",
    low=1,
    high=100,
)
OFFLINE_THRESHOLD = Variable(
    SECONDS,
    "OCPPCommCtrlr.OfflineThreshold",
    "60",
    "After a longer absence every connector is reported, else only those that changed.",
    low=0,
)
PUBLIC_KEY_WITH_SIGNED_METER_VALUE = Variable(
    choice(PublicKeyPolicy),
    "OCPPCommCtrlr.PublicKeyWithSignedMeterValue",
    "OncePerTransaction",
    "When a signed value is sent together with the meter's public key.",
    key="PublicKeyWithSignedMeterValue",
    values=tuple(PublicKeyPolicy),
    needs=Feature.SIGNING,
    lacking="Never",
)
RESET_RETRIES = Variable(
    INTEGER,
    "OCPPCommCtrlr.ResetRetries",
    "3",
    "Further attempts at a reset that failed.",
    key="ResetRetries",
    low=0,
)
RETRY_BACK_OFF_RANDOM_RANGE = Variable(
    SECONDS,
    "OCPPCommCtrlr.RetryBackOffRandomRange",
    "10",
    "Upper bound of the random part of the wait before the next attempt to connect.",
    low=0,
)
RETRY_BACK_OFF_REPEAT_TIMES = Variable(
    INTEGER,
    "OCPPCommCtrlr.RetryBackOffRepeatTimes",
    "5",
    "How often that wait doubles before it stays the same.",
    low=0,
)
RETRY_BACK_OFF_WAIT_MINIMUM = Variable(
    SECONDS,
    "OCPPCommCtrlr.RetryBackOffWaitMinimum",
    "10",
    "Wait before the first attempt to connect again.",
    low=1,
)
UNLOCK_ON_EV_SIDE_DISCONNECT = Variable(
    BOOLEAN,
    "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
    "true",
    "Unlock the cable when it is pulled out of the vehicle; ReadOnly false with fixed cables.",
    key="UnlockConnectorOnEVSideDisconnect",
)
QUEUE_ALL_MESSAGES = Variable(
    BOOLEAN,
    "OCPPCommCtrlr.QueueAllMessages",
    "false",
    "While offline keep every status and every event of a monitor, not only what counts still.",
)
WEB_SOCKET_PING_INTERVAL = Variable(
    SECONDS,
    "OCPPCommCtrlr.WebSocketPingInterval",
    "50",
    "Period of the WebSocket pings; 0 is none. Many proxies drop a line silent for 60 s.",
    key="WebSocketPingInterval",
    low=0,
)

BYTES_PER_GET_REPORT = Variable(
    INTEGER,
    "DeviceDataCtrlr.BytesPerMessage#GetReport",
    "65536",
    "Size of a GetReport request.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    constant=True,
    fact=True,
)
BYTES_PER_GET_VARIABLES = Variable(
    INTEGER,
    "DeviceDataCtrlr.BytesPerMessage#GetVariables",
    "65536",
    "Size of a GetVariables request.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    constant=True,
    fact=True,
)
BYTES_PER_SET_VARIABLES = Variable(
    INTEGER,
    "DeviceDataCtrlr.BytesPerMessage#SetVariables",
    "65536",
    "Size of a SetVariables request.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    constant=True,
    fact=True,
)
ITEMS_PER_GET_REPORT = Variable(
    INTEGER,
    "DeviceDataCtrlr.ItemsPerMessage#GetReport",
    "100",
    "Variables that one GetReport may name.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
ITEMS_PER_GET_VARIABLES = Variable(
    INTEGER,
    "DeviceDataCtrlr.ItemsPerMessage#GetVariables",
    "100",
    "Variables that one GetVariables, keys that one GetConfiguration may name.",
    key="GetConfigurationMaxKeys",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
ITEMS_PER_SET_VARIABLES = Variable(
    INTEGER,
    "DeviceDataCtrlr.ItemsPerMessage#SetVariables",
    "100",
    "Variables that one SetVariables may change.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
CONFIGURATION_VALUE_SIZE = Variable(
    INTEGER,
    "DeviceDataCtrlr.ConfigurationValueSize",
    str(LONGEST_VALUE),
    "Characters of a value that is set.",
    mutability=Mutability.READ_ONLY,
    high=LONGEST_VALUE,
    constant=True,
    fact=True,
)

DATE_TIME = Variable(
    MOMENT,
    "ClockCtrlr.DateTime",
    None,
    "Now.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
TIME_SOURCE = Variable(
    SEQUENCE,
    "ClockCtrlr.TimeSource",
    "Heartbeat",
    "Where the time comes from: Heartbeat is the CSMS, NTP leaves the clock to the system.",
    low=1,
    values=("Heartbeat", "NTP"),
)

TIME_OFFSET = Variable(
    TEXT,
    "ClockCtrlr.TimeOffset",
    None,
    "Offset of the local time from UTC now; follows from ClockCtrlr.TimeZone.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
NEXT_TIME_OFFSET = Variable(
    TEXT,
    "ClockCtrlr.TimeOffset#NextTransition",
    None,
    "The offset after its next change; empty if there is none within a year.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
NEXT_TIME_OFFSET_TRANSITION = Variable(
    MOMENT,
    "ClockCtrlr.NextTimeOffsetTransitionDateTime",
    None,
    "When that is.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)

BASIC_AUTH_PASSWORD = Variable(
    SECRET,
    "SecurityCtrlr.BasicAuthPassword",
    None,
    "Password of security profiles 1 and 2, for the next connection. Never told to anybody.",
    key="AuthorizationKey",
    mutability=Mutability.WRITE_ONLY,
    low=16,
    high=64,
)
ORGANIZATION_NAME = Variable(
    TEXT,
    "SecurityCtrlr.OrganizationName",
    "",
    "Organization in the subject of the certificates that the station asks for.",
    key="CpoName",
    high=64,
)
CERTIFICATE_ENTRIES = Variable(
    INTEGER,
    "SecurityCtrlr.CertificateEntries",
    "0",
    "Certificates installed now.",
    mutability=Mutability.READ_ONLY,
    low=0,
    high=50,
    fact=True,
)
SECURITY_PROFILE = Variable(
    INTEGER,
    "SecurityCtrlr.SecurityProfile",
    "0",
    "Security profile of the connection in use; 0 is none, for closed networks only.",
    key="SecurityProfile",
    mutability=Mutability.READ_ONLY,
    key_mutability=Mutability.READ_WRITE,
    low=0,
    high=3,
    fact=True,
)
ADDITIONAL_ROOT_CERTIFICATE_CHECK = Variable(
    BOOLEAN,
    "SecurityCtrlr.AdditionalRootCertificateCheck",
    "false",
    "Whether a new root certificate of the CSMS must be signed by the old one.",
    key="AdditionalRootCertificateCheck",
    mutability=Mutability.READ_ONLY,
)
