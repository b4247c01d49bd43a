"""Settings about what a driver reads: messages on the screen, tariff and cost."""

from chargepoint.core.display import MESSAGES_MOST, Priority
from chargepoint.core.variables_kinds import BOOLEAN, INTEGER, MEMBERS, TEXT
from chargepoint.core.variables_model import Mutability, Variable

FORMATS = ("ASCII", "HTML", "URI", "UTF8")

DISPLAY_AVAILABLE = Variable(
    BOOLEAN,
    "DisplayMessageCtrlr.Available",
    "false",
    "Whether the station has a screen that shows messages.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
DISPLAY_ENABLED = Variable(
    BOOLEAN,
    "DisplayMessageCtrlr.Enabled",
    "true",
    "Whether messages of the CSMS are taken and shown; switched off, they are kept.",
)
DISPLAY_MESSAGES = Variable(
    INTEGER,
    "DisplayMessageCtrlr.DisplayMessages",
    "0",
    "Messages kept now; the limit is how many there may be.",
    mutability=Mutability.READ_ONLY,
    low=0,
    high=MESSAGES_MOST,
    fact=True,
)
DISPLAY_SUPPORTED_FORMATS = Variable(
    MEMBERS,
    "DisplayMessageCtrlr.SupportedFormats",
    ",".join(FORMATS),
    "Formats of messages that the screen can show.",
    mutability=Mutability.READ_ONLY,
    values=FORMATS,
    fact=True,
)
DISPLAY_SUPPORTED_PRIORITIES = Variable(
    MEMBERS,
    "DisplayMessageCtrlr.SupportedPriorities",
    ",".join(Priority),
    "Priorities that messages may have.",
    mutability=Mutability.READ_ONLY,
    values=tuple(Priority),
    fact=True,
)

TARIFF_AVAILABLE = Variable(
    BOOLEAN,
    "TariffCostCtrlr.Available#Tariff",
    "false",
    "Whether the station can show the tariff: it has a screen.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
COST_AVAILABLE = Variable(
    BOOLEAN,
    "TariffCostCtrlr.Available#Cost",
    "false",
    "Whether the station can show the cost: it has a screen.",
    mutability=Mutability.READ_ONLY,
    fact=True,
)
TARIFF_ENABLED = Variable(
    BOOLEAN,
    "TariffCostCtrlr.Enabled#Tariff",
    "true",
    "Whether the tariff is shown, and written into the signed record of a meter that takes it.",
)
COST_ENABLED = Variable(
    BOOLEAN,
    "TariffCostCtrlr.Enabled#Cost",
    "true",
    "Whether the cost that the CSMS tells is shown.",
)
CURRENCY = Variable(
    TEXT,
    "TariffCostCtrlr.Currency",
    "EUR",
    "Currency of the costs that the CSMS tells, three letters of ISO 4217.",
    low=3,
    high=3,
)
TARIFF_FALLBACK_MESSAGE = Variable(
    TEXT,
    "TariffCostCtrlr.TariffFallbackMessage",
    "",
    "Shown to whom the CSMS told no tariff.",
    high=255,
)
TOTAL_COST_FALLBACK_MESSAGE = Variable(
    TEXT,
    "TariffCostCtrlr.TotalCostFallbackMessage",
    "",
    "Shown after a session whose cost the CSMS did not tell.",
    high=255,
)
