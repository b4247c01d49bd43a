"""What the parts of the station report of themselves: problems, meter values, names."""

from chargepoint.core.variables_kinds import BOOLEAN, DECIMAL, INTEGER, TEXT
from chargepoint.core.variables_model import Mutability, Tier, Variable

STATION_PROBLEM = Variable(
    BOOLEAN,
    "ChargingStation.Problem",
    "false",
    "Whether a fault concerns the station as a whole.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
STATION_MODEL = Variable(
    TEXT,
    "ChargingStation.Model",
    "",
    "Model, as the station announces itself.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
STATION_VENDOR = Variable(
    TEXT,
    "ChargingStation.VendorName",
    "",
    "Vendor, as the station announces itself.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
EVSE_PROBLEM = Variable(
    BOOLEAN,
    "EVSE.Problem",
    "false",
    "Whether the EVSE has a fault.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    fact=True,
)
CONNECTOR_PROBLEM = Variable(
    BOOLEAN,
    "Connector.Problem",
    "false",
    "Whether the connector cannot serve because of a fault.",
    tier=Tier.CONNECTOR,
    mutability=Mutability.READ_ONLY,
    fact=True,
)
METER_PROBLEM = Variable(
    BOOLEAN,
    "FiscalMetering.Problem",
    "false",
    "Whether the meter does not answer, refuses, or reports a fault of its own.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    fact=True,
)
METER_ENERGY = Variable(
    DECIMAL,
    "FiscalMetering.EnergyImportRegister",
    None,
    "Energy register of the last reading; no value until the meter was read.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    unit="Wh",
    fact=True,
)
TX_BEFORE_ACCEPTED = Variable(
    BOOLEAN,
    "TxCtrlr.TxBeforeAcceptedEnabled",
    "true",
    "Whether a session may begin before the CSMS accepted the station after a start.",
)
REPORTING_VALUE_SIZE = Variable(
    INTEGER,
    "DeviceDataCtrlr.ReportingValueSize",
    "2500",
    "Characters of a value that is reported.",
    mutability=Mutability.READ_ONLY,
    high=2500,
    constant=True,
    fact=True,
)
