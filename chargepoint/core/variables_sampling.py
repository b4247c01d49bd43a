"""Switches of the readings (OCPP 2.0.1 block J), and the identity of the station."""

from chargepoint.core.variables_kinds import BOOLEAN, TEXT
from chargepoint.core.variables_model import Mutability, Variable

SAMPLED_AVAILABLE = Variable(
    BOOLEAN,
    "SampledDataCtrlr.Available",
    "true",
    "The station takes readings during transactions.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
SAMPLED_ENABLED = Variable(
    BOOLEAN,
    "SampledDataCtrlr.Enabled",
    "true",
    "Whether these readings are told; signed records are, in any case.",
)
ALIGNED_AVAILABLE = Variable(
    BOOLEAN,
    "AlignedDataCtrlr.Available",
    "true",
    "The station takes readings at fixed times of day.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
ALIGNED_ENABLED = Variable(
    BOOLEAN,
    "AlignedDataCtrlr.Enabled",
    "true",
    "Whether these readings are taken.",
)
ALIGNED_IDLE_ONLY = Variable(
    BOOLEAN,
    "AlignedDataCtrlr.SendDuringIdle",
    "false",
    "Tell these readings only of outlets without a transaction.",
)
REGISTER_VALUES_WITHOUT_PHASES = Variable(
    BOOLEAN,
    "SampledDataCtrlr.RegisterValuesWithoutPhases",
    "false",
    "Tell of the energy register the total alone, not what each phase has counted.",
)
IDENTITY = Variable(
    TEXT,
    "SecurityCtrlr.Identity",
    "",
    "Name of the station towards the CSMS.",
    mutability=Mutability.READ_ONLY,
    high=48,
    constant=True,
    fact=True,
)
