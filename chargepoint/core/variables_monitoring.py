"""Settings of the monitors (OCPP 2.0.1 block N)."""

from enum import StrEnum

from chargepoint.core.variables_kinds import BOOLEAN, INTEGER, choice
from chargepoint.core.variables_model import Mutability, Variable


class MonitoringBase(StrEnum):
    """Which monitors there are (MonitoringBaseEnumType)."""

    ALL = "All"
    FACTORY_DEFAULT = "FactoryDefault"
    HARD_WIRED_ONLY = "HardWiredOnly"


MONITORING_AVAILABLE = Variable(
    BOOLEAN,
    "MonitoringCtrlr.Available",
    "true",
    "The station has monitors.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
MONITORING_ENABLED = Variable(
    BOOLEAN,
    "MonitoringCtrlr.Enabled",
    "true",
    "Whether monitors tell events.",
)
ITEMS_PER_SET_MONITORING = Variable(
    INTEGER,
    "MonitoringCtrlr.ItemsPerMessage#SetVariableMonitoring",
    "50",
    "Monitors that one SetVariableMonitoring may set.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
BYTES_PER_SET_MONITORING = Variable(
    INTEGER,
    "MonitoringCtrlr.BytesPerMessage#SetVariableMonitoring",
    "65536",
    "Size of a SetVariableMonitoring request.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    constant=True,
    fact=True,
)
ITEMS_PER_CLEAR_MONITORING = Variable(
    INTEGER,
    "MonitoringCtrlr.ItemsPerMessage#ClearVariableMonitoring",
    "100",
    "Monitors that one ClearVariableMonitoring may clear.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
BYTES_PER_CLEAR_MONITORING = Variable(
    INTEGER,
    "MonitoringCtrlr.BytesPerMessage#ClearVariableMonitoring",
    "65536",
    "Size of a ClearVariableMonitoring request.",
    mutability=Mutability.READ_ONLY,
    unit="B",
    constant=True,
    fact=True,
)
OFFLINE_QUEUING_SEVERITY = Variable(
    INTEGER,
    "MonitoringCtrlr.OfflineQueuingSeverity",
    "4",
    "Events of a time offline are told afterwards if their severity number is not above this.",
    low=0,
    high=9,
)
ACTIVE_MONITORING_BASE = Variable(
    choice(MonitoringBase),
    "MonitoringCtrlr.ActiveMonitoringBase",
    "All",
    "Which monitors there are; changed by SetMonitoringBase only.",
    mutability=Mutability.READ_ONLY,
    values=tuple(MonitoringBase),
    fact=True,
)
ACTIVE_MONITORING_LEVEL = Variable(
    INTEGER,
    "MonitoringCtrlr.ActiveMonitoringLevel",
    "9",
    "Highest severity number that is told; changed by SetMonitoringLevel only.",
    mutability=Mutability.READ_ONLY,
    low=0,
    high=9,
    fact=True,
)
