"""Settings about charging profiles and limits."""

from decimal import Decimal

from chargepoint.core.variables_kinds import BOOLEAN, DECIMAL, INTEGER, MEMBERS, TEXT
from chargepoint.core.variables_model import Mutability, Variable

PROFILES_MOST = 300
STACK_LEVEL_MOST = 99
PERIODS_MOST = 300

SMART_CHARGING_AVAILABLE = Variable(
    BOOLEAN,
    "SmartChargingCtrlr.Available",
    "true",
    "The station can follow charging profiles.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
SMART_CHARGING_ENABLED = Variable(
    BOOLEAN,
    "SmartChargingCtrlr.Enabled",
    "true",
    "Whether it does; profiles that are installed stay so.",
)
PROFILE_ENTRIES = Variable(
    INTEGER,
    "SmartChargingCtrlr.Entries#ChargingProfiles",
    "0",
    "Charging profiles installed now.",
    mutability=Mutability.READ_ONLY,
    low=0,
    high=PROFILES_MOST,
    fact=True,
)
LIMIT_CHANGE_SIGNIFICANCE = Variable(
    DECIMAL,
    "SmartChargingCtrlr.LimitChangeSignificance",
    "0",
    "Changes of an external limit by less than this part of it are not told.",
    low=0,
    high=100,
    unit="Percent",
)
NOTIFY_WITH_SCHEDULES = Variable(
    BOOLEAN,
    "SmartChargingCtrlr.NotifyChargingLimitWithSchedules",
    "false",
    "Whether an external limit is told with its schedule.",
)
PERIODS_PER_SCHEDULE = Variable(
    INTEGER,
    "SmartChargingCtrlr.PeriodsPerSchedule",
    str(PERIODS_MOST),
    "Periods that a schedule may have.",
    key="ChargingScheduleMaxPeriods",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
PROFILE_STACK_LEVEL = Variable(
    INTEGER,
    "SmartChargingCtrlr.ProfileStackLevel",
    str(STACK_LEVEL_MOST),
    "The highest stack level.",
    key="ChargeProfileMaxStackLevel",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
RATE_UNIT = Variable(
    MEMBERS,
    "SmartChargingCtrlr.RateUnit",
    "A,W",
    "Units that a schedule may have.",
    mutability=Mutability.READ_ONLY,
    values=("A", "W"),
    constant=True,
    fact=True,
)
PHASES_3_TO_1 = Variable(
    BOOLEAN,
    "SmartChargingCtrlr.Phases3to1",
    "false",
    "Whether a transaction can go from three phases to one.",
    key="ConnectorSwitch3to1PhaseSupported",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
AC_PHASE_SWITCHING = Variable(
    BOOLEAN,
    "SmartChargingCtrlr.ACPhaseSwitchingSupported",
    "false",
    "Whether the phase for one-phase charging can be chosen.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
# The next two are of the maker: the standard leaves the limit of the site to the installer.
SITE_CURRENT = Variable(
    DECIMAL,
    "SmartChargingCtrlr.SiteCurrent",
    "0",
    "Amperes per phase that the site has for the station, shared among its EVSEs; 0 is no limit."
    " What the config says protects cable and fuse: the CSMS may choose less, never more.",
    key="SiteCurrent",
    low=0,
    unit="A",
    ceiling=True,
)
SAFE_CURRENT = Variable(
    DECIMAL,
    "SmartChargingCtrlr.SafeCurrent",
    "6",
    "Amperes per phase offered at most while the profiles are not known: until they could be read.",
    key="SafeCurrent",
    low=0,
    high=Decimal(1000),
    unit="A",
)
TIME_ZONE = Variable(
    TEXT,
    "ClockCtrlr.TimeZone",
    "",
    "IANA name of the zone in which recurring profiles keep their time of day; empty is UTC.",
    key="TimeZone",
    high=64,
)

# OCPP 1.6 section 9.4.
ALLOWED_RATE_UNIT = Variable(
    MEMBERS,
    "ChargingScheduleAllowedChargingRateUnit",
    "Current,Power",
    "Units that a schedule may have.",
    key="ChargingScheduleAllowedChargingRateUnit",
    mutability=Mutability.READ_ONLY,
    values=("Current", "Power"),
    fact=True,
)
MAX_PROFILES_INSTALLED = Variable(
    INTEGER,
    "MaxChargingProfilesInstalled",
    str(PROFILES_MOST),
    "Charging profiles that can be installed at a time.",
    key="MaxChargingProfilesInstalled",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
