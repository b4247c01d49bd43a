"""What the station is made of, and the keys that only OCPP 1.6 knows."""

from enum import StrEnum

from chargepoint.core.sampling import KEPT_MOST
from chargepoint.core.variables_kinds import (
    BOOLEAN,
    DECIMAL,
    INTEGER,
    MEMBERS,
    ROTATIONS,
    TEXT,
    choice,
)
from chargepoint.core.variables_model import MEASURANDS_MOST, Mutability, Tier, Variable


class AvailabilityState(StrEnum):
    """Status in the words of OCPP 2.0.1."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


STATION_AVAILABLE = Variable(
    BOOLEAN,
    "ChargingStation.Available",
    "true",
    "The station exists.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
STATION_AVAILABILITY = Variable(
    choice(AvailabilityState),
    "ChargingStation.AvailabilityState",
    "Available",
    "Status of the station as a whole.",
    mutability=Mutability.READ_ONLY,
    values=tuple(AvailabilityState),
    fact=True,
)
STATION_SUPPLY_PHASES = Variable(
    INTEGER,
    "ChargingStation.SupplyPhases",
    None,
    "Phases of the supply: the most that an EVSE has.",
    mutability=Mutability.READ_ONLY,
    low=0,
    high=3,
    constant=True,
    fact=True,
)
EVSE_AVAILABLE = Variable(
    BOOLEAN,
    "EVSE.Available",
    "true",
    "The EVSE exists.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
EVSE_AVAILABILITY = Variable(
    choice(AvailabilityState),
    "EVSE.AvailabilityState",
    "Available",
    "Status of the EVSE.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    values=tuple(AvailabilityState),
    fact=True,
)
EVSE_SUPPLY_PHASES = Variable(
    INTEGER,
    "EVSE.SupplyPhases",
    None,
    "Phases of the EVSE; 0 is DC.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    low=0,
    high=3,
    constant=True,
    fact=True,
)
EVSE_POWER = Variable(
    DECIMAL,
    "EVSE.Power",
    None,
    "Power now; its upper limit is the rated power.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    unit="W",
    fact=True,
)
EVSE_ALLOW_RESET = Variable(
    BOOLEAN,
    "EVSE.AllowReset",
    "true",
    "Whether the EVSE can be reset alone.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
EVSE_ID = Variable(
    TEXT,
    "EVSE.EvseId",
    "",
    "Name of the EVSE for the public, as in the signed record: DE*ABC*E123*1.",
    tier=Tier.EVSE,
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
CONNECTOR_AVAILABLE = Variable(
    BOOLEAN,
    "Connector.Available",
    "true",
    "The connector exists.",
    tier=Tier.CONNECTOR,
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
CONNECTOR_AVAILABILITY = Variable(
    choice(AvailabilityState),
    "Connector.AvailabilityState",
    "Available",
    "Status of the connector.",
    tier=Tier.CONNECTOR,
    mutability=Mutability.READ_ONLY,
    values=tuple(AvailabilityState),
    fact=True,
)
CONNECTOR_TYPE = Variable(
    TEXT,
    "Connector.ConnectorType",
    None,
    "Plug or socket, a word of ConnectorEnumType: cType2 has a fixed cable, sType2 is a socket.",
    tier=Tier.CONNECTOR,
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
CONNECTOR_SUPPLY_PHASES = Variable(
    INTEGER,
    "Connector.SupplyPhases",
    None,
    "Phases of the connector; 0 is DC.",
    tier=Tier.CONNECTOR,
    mutability=Mutability.READ_ONLY,
    low=0,
    high=3,
    constant=True,
    fact=True,
)

# OCPP 1.6 section 9.1. A list without a companion MaxLength is taken to hold one item.
NUMBER_OF_CONNECTORS = Variable(
    INTEGER,
    "NumberOfConnectors",
    None,
    "Connectors of the station, numbered from 1 over all EVSEs.",
    key="NumberOfConnectors",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
FEATURE_PROFILES = (
    "Core",
    "FirmwareManagement",
    "LocalAuthListManagement",
    "Reservation",
    "SmartCharging",
    "RemoteTrigger",
)
SUPPORTED_FEATURE_PROFILES = Variable(
    MEMBERS,
    "SupportedFeatureProfiles",
    "Core",
    "Feature profiles of OCPP 1.6 that the station has.",
    key="SupportedFeatureProfiles",
    mutability=Mutability.READ_ONLY,
    values=FEATURE_PROFILES,
    fact=True,
)
SUPPORTED_FEATURE_PROFILES_MAX_LENGTH = Variable(
    INTEGER,
    "SupportedFeatureProfilesMaxLength",
    str(len(FEATURE_PROFILES)),
    "Items that SupportedFeatureProfiles can hold.",
    key="SupportedFeatureProfilesMaxLength",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
CONNECTOR_PHASE_ROTATION = Variable(
    ROTATIONS,
    "ConnectorPhaseRotation",
    None,
    "Order of the phases at each connector relative to its meter: 1.RST,2.RTS; 0 is the supply.",
    key="ConnectorPhaseRotation",
)
CONNECTOR_PHASE_ROTATION_MAX_LENGTH = Variable(
    INTEGER,
    "ConnectorPhaseRotationMaxLength",
    None,
    "Items that ConnectorPhaseRotation can hold.",
    key="ConnectorPhaseRotationMaxLength",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
METER_VALUES_SAMPLED_DATA_MAX_LENGTH = Variable(
    INTEGER,
    "MeterValuesSampledDataMaxLength",
    str(MEASURANDS_MOST),
    "Items that MeterValuesSampledData can hold.",
    key="MeterValuesSampledDataMaxLength",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
METER_VALUES_ALIGNED_DATA_MAX_LENGTH = Variable(
    INTEGER,
    "MeterValuesAlignedDataMaxLength",
    str(MEASURANDS_MOST),
    "Items that MeterValuesAlignedData can hold.",
    key="MeterValuesAlignedDataMaxLength",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
STOP_TXN_SAMPLED_DATA_MAX_LENGTH = Variable(
    INTEGER,
    "StopTxnSampledDataMaxLength",
    str(MEASURANDS_MOST),
    "Items that StopTxnSampledData can hold.",
    key="StopTxnSampledDataMaxLength",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
STOP_TXN_ALIGNED_DATA_MAX_LENGTH = Variable(
    INTEGER,
    "StopTxnAlignedDataMaxLength",
    str(MEASURANDS_MOST),
    "Items that StopTxnAlignedData can hold.",
    key="StopTxnAlignedDataMaxLength",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
STOP_TRANSACTION_MAX_METER_VALUES = Variable(
    INTEGER,
    "StopTransactionMaxMeterValues",
    str(KEPT_MOST + 2),
    "Readings in a final message: those between begin and end are thinned beyond this.",
    key="StopTransactionMaxMeterValues",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
