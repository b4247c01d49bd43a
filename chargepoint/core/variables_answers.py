"""What the device model answers: outcomes of a request, rows of a report, a setting for people."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from chargepoint.core.variables_kinds import DataType
from chargepoint.core.variables_model import Address, Limits, Mutability


class Answer(StrEnum):
    """What became of a request about one variable (OCPP 2.0.1 SetVariableStatusEnumType)."""

    ACCEPTED = "Accepted"
    REBOOT_REQUIRED = "RebootRequired"
    REJECTED = "Rejected"
    UNKNOWN_COMPONENT = "UnknownComponent"
    UNKNOWN_VARIABLE = "UnknownVariable"
    NOT_SUPPORTED_ATTRIBUTE = "NotSupportedAttributeType"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer; with REJECTED the word of the reasonCode list and a sentence for a person.

    ``value`` is what was asked for, empty if there is none yet, and None unless a read succeeded.
    """

    answer: Answer
    reason: str = ""
    sentence: str = ""
    value: str | None = None


class KeyValue(NamedTuple):
    """A 1.6 key as GetConfiguration tells it; a value that nobody may read is None."""

    value: str | None
    readonly: bool


class Inventory(StrEnum):
    """What a report is about (OCPP 2.0.1 ReportBaseEnumType)."""

    CONFIGURATION = "ConfigurationInventory"
    FULL = "FullInventory"
    SUMMARY = "SummaryInventory"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One variable in a report: its only attribute, Actual, and its characteristics.

    ``value`` is None if nobody may read it, empty if there is none yet.
    """

    address: Address
    value: str | None
    mutability: Mutability
    persistent: bool
    constant: bool
    data_type: DataType
    unit: str
    limits: Limits
    supports_monitoring: bool


@dataclass(frozen=True, slots=True)
class SettingView:
    """One setting as a person sees it: its names, value (stars for a secret), who may change it.

    ``name`` is the 2.0.1 address, or the 1.6 key of what only 1.6 knows; ``keys`` are the 1.6
    names, empty if that version has none.
    """

    name: str
    keys: tuple[str, ...]
    value: str
    access: Mutability
    key_access: Mutability
    about: str


def rejected(reason: str, sentence: str) -> Outcome:
    """The outcome that says no."""
    return Outcome(Answer.REJECTED, reason, sentence)
