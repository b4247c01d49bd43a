"""Settings about charging: when a transaction runs, what is measured and signed."""

from chargepoint.core.model import Point
from chargepoint.core.sampling import ENERGY, MEASURANDS
from chargepoint.core.variables_kinds import BOOLEAN, MEASURAND_LIST, MEMBERS, SECONDS, TEXT
from chargepoint.core.variables_model import MEASURANDS_MOST, Feature, Mutability, Tier, Variable

EV_CONNECTION_TIMEOUT = Variable(
    SECONDS,
    "TxCtrlr.EVConnectionTimeOut",
    "60",
    "How long an accepted token waits for a vehicle.",
    key="ConnectionTimeOut",
    low=1,
)
STOP_TX_ON_EV_SIDE_DISCONNECT = Variable(
    BOOLEAN,
    "TxCtrlr.StopTxOnEVSideDisconnect",
    "true",
    "End the transaction when the cable is pulled out of the vehicle.",
    key="StopTransactionOnEVSideDisconnect",
)
STOP_TX_ON_INVALID_ID = Variable(
    BOOLEAN,
    "TxCtrlr.StopTxOnInvalidId",
    "true",
    "End the transaction when the CSMS refuses its token afterwards; false stops only the energy.",
    key="StopTransactionOnInvalidId",
)
TX_START_POINT = Variable(
    MEMBERS,
    "TxCtrlr.TxStartPoint",
    str(Point.PATH),
    "What a transaction starts with: the first of these that comes.",
    low=1,
    values=tuple(str(point) for point in Point),
)
TX_STOP_POINT = Variable(
    MEMBERS,
    "TxCtrlr.TxStopPoint",
    str(Point.AUTHORIZED),
    "What a transaction stops with: the first of these that ends.",
    low=1,
    values=tuple(str(point) for point in Point if point is not Point.SIGNED),
)
# The name is that of OCPP 2.1; to 2.0.1 and 1.6 it is a variable of the maker.
RESUME_AFTER_POWER_LOSS = Variable(
    BOOLEAN,
    "TxCtrlr.AllowEnergyTransferResumption",
    "false",
    "Go on with a transaction after a power cut or a crash of the program instead of ending it with"
    " reason PowerLoss or Reboot.",
    key="AllowEnergyTransferResumption",
)
STOP_TX_ON_METER_FAILURE = Variable(
    BOOLEAN,
    "TxCtrlr.StopTxOnMeterFailure",
    "false",
    "End the transaction when its meter cannot be read for longer than MeterFailureTimeout; false"
    " goes on, because the meter counts also while nobody can read it.",
    key="StopTransactionOnMeterFailure",
)
METER_FAILURE_TIMEOUT = Variable(
    SECONDS,
    "TxCtrlr.MeterFailureTimeout",
    "30",
    "How long a meter may be unreadable; then no session begins until it answers again.",
    key="MeterFailureTimeout",
    low=1,
)

TX_STARTED_MEASURANDS = Variable(
    MEASURAND_LIST,
    "SampledDataCtrlr.TxStartedMeasurands",
    ENERGY,
    "Measured at the begin of a transaction.",
    key="StartTxnSampledData",
    values=tuple(MEASURANDS),
    items=MEASURANDS_MOST,
)
TX_UPDATED_MEASURANDS = Variable(
    MEASURAND_LIST,
    "SampledDataCtrlr.TxUpdatedMeasurands",
    f"{ENERGY},Power.Active.Import",
    "Measured periodically during a transaction.",
    key="MeterValuesSampledData",
    values=tuple(MEASURANDS),
    items=MEASURANDS_MOST,
)
TX_UPDATED_INTERVAL = Variable(
    SECONDS,
    "SampledDataCtrlr.TxUpdatedInterval",
    "60",
    "Period of these, from the begin of the transaction; 0 is none.",
    key="MeterValueSampleInterval",
    low=0,
)
TX_ENDED_MEASURANDS = Variable(
    MEASURAND_LIST,
    "SampledDataCtrlr.TxEndedMeasurands",
    ENERGY,
    "Measured for the final message of a transaction; empty is none.",
    key="StopTxnSampledData",
    values=tuple(MEASURANDS),
    items=MEASURANDS_MOST,
)
TX_ENDED_INTERVAL = Variable(
    SECONDS,
    "SampledDataCtrlr.TxEndedInterval",
    "0",
    "Period of further readings for the final message; 0 is begin and end only.",
    key="StopTxnSampledDataInterval",
    low=0,
)
# A station that has a signing meter was bought for signed records, so it signs without being told.
SIGN_READINGS = Variable(
    BOOLEAN,
    "SampledDataCtrlr.SignReadings",
    "true",
    "Send the signed record in the final message of a transaction; master of the next two.",
    key="SampledDataSignReadings",
    needs=Feature.SIGNING,
    lacking="false",
)
SIGN_STARTED_READINGS = Variable(
    BOOLEAN,
    "SampledDataCtrlr.SignStartedReadings",
    "false",
    "Send a signed begin as well; ReadOnly false if no meter can.",
    key="SampledDataSignStartedReadings",
    needs=Feature.SIGNING,
    lacking="false",
)
SIGN_UPDATED_READINGS = Variable(
    BOOLEAN,
    "SampledDataCtrlr.SignUpdatedReadings",
    "false",
    "Sign periodic readings as well; ReadOnly false if no meter can.",
    key="SampledDataSignUpdatedReadings",
    needs=Feature.SIGNING,
    lacking="false",
)

ALIGNED_MEASURANDS = Variable(
    MEASURAND_LIST,
    "AlignedDataCtrlr.Measurands",
    ENERGY,
    "Measured at fixed times of day.",
    key="MeterValuesAlignedData",
    values=tuple(MEASURANDS),
    items=MEASURANDS_MOST,
)
ALIGNED_INTERVAL = Variable(
    SECONDS,
    "AlignedDataCtrlr.Interval",
    "0",
    "Period of these, counted from midnight UTC; 0 is none.",
    key="ClockAlignedDataInterval",
    low=0,
)
ALIGNED_TX_ENDED_MEASURANDS = Variable(
    MEASURAND_LIST,
    "AlignedDataCtrlr.TxEndedMeasurands",
    "",
    "Measured at fixed times of day for the final message of a transaction; empty is none.",
    key="StopTxnAlignedData",
    values=tuple(MEASURANDS),
    items=MEASURANDS_MOST,
)
ALIGNED_TX_ENDED_INTERVAL = Variable(
    SECONDS,
    "AlignedDataCtrlr.TxEndedInterval",
    "0",
    "Period of these, counted from midnight UTC; 0 is none.",
    key="StopTxnAlignedDataInterval",
    low=0,
)
ALIGNED_SIGN_READINGS = Variable(
    BOOLEAN,
    "AlignedDataCtrlr.SignReadings",
    "false",
    "Sign the readings at fixed times in the final message; master of the next one.",
    key="AlignedDataSignReadings",
    needs=Feature.SIGNING,
    lacking="false",
)
ALIGNED_SIGN_UPDATED_READINGS = Variable(
    BOOLEAN,
    "AlignedDataCtrlr.SignUpdatedReadings",
    "false",
    "Sign the readings at fixed times as they are sent; ReadOnly false if no meter can.",
    key="AlignedDataSignUpdatedReadings",
    needs=Feature.SIGNING,
    lacking="false",
)

METER_PUBLIC_KEY = Variable(
    TEXT,
    "FiscalMetering.PublicKey",
    "",
    "Public key of the meter, as signed values carry it; empty until the meter or the file told.",
    key="MeterPublicKey{connector}",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    high=500,
    needs=Feature.SIGNING,
    lacking="",
)
