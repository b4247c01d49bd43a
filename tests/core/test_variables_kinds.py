from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chargepoint.core.variables import (
    BOOLEAN,
    DECIMAL,
    INTEGER,
    MEMBERS,
    MOMENT,
    SECONDS,
    SECRET,
    SEQUENCE,
    TEXT,
    Address,
    Kind,
    PublicKeyPolicy,
    Secret,
    choice,
)
from chargepoint.errors import Refused


def outcome(kind: Kind[Any], text: str) -> Any:
    """What a text makes of a kind: a value, or the word of the reasonCode list."""
    try:
        return kind.parse(text)
    except Refused as refused:
        return refused.reason


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (BOOLEAN, "true", True),
        (BOOLEAN, "FALSE", False),
        (BOOLEAN, "True ", True),
        (BOOLEAN, "1", "InvalidValue"),
        (BOOLEAN, "", "InvalidValue"),
        (INTEGER, "42", 42),
        (INTEGER, "-1", -1),
        (INTEGER, "+7", 7),
        (INTEGER, " 007 ", 7),
        (INTEGER, "0000000000000000001", 1),
        (INTEGER, "2147483647", 2147483647),
        (INTEGER, "2147483648", "ValueTooHigh"),
        (INTEGER, "-2147483648", "ValueTooLow"),
        (INTEGER, "9" * 900, "ValueTooHigh"),
        (INTEGER, "1.5", "InvalidValue"),
        (INTEGER, "", "InvalidValue"),
        (INTEGER, "1_000", "InvalidValue"),
        (INTEGER, "\u0661", "InvalidValue"),
        (DECIMAL, "1.50", Decimal("1.50")),
        (DECIMAL, "-3", Decimal(-3)),
        (DECIMAL, "1e3", "InvalidValue"),
        (DECIMAL, "NaN", "InvalidValue"),
        (SECONDS, "90", timedelta(seconds=90)),
        (SECONDS, "99999999999999999999", "ValueTooHigh"),
        (SECONDS, "ten", "InvalidValue"),
        (MOMENT, "2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        (MOMENT, "2030-01-31T13:00:00+01:00", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        (MOMENT, "2030-01-31T12:00:00", "InvalidValue"),
        (MOMENT, "0001-01-01T00:00:00+01:00", "InvalidValue"),
        (MOMENT, "tomorrow", "InvalidValue"),
        (TEXT, " as it is ", " as it is "),
        (SECRET, "hunter2", Secret("hunter2")),
        (MEMBERS, "", ()),
        (MEMBERS, " A, B ", ("A", "B")),
        (MEMBERS, "A,,B", "InvalidValue"),
        (MEMBERS, "A,A", "InvalidValue"),
        (SEQUENCE, "2,1", ("2", "1")),
        (choice(PublicKeyPolicy), "Never", PublicKeyPolicy.NEVER),
        (choice(PublicKeyPolicy), "Sometimes", "InvalidValue"),
    ],
)
def test_a_kind_reads_what_is_well_formed_and_refuses_the_rest(
    kind: Kind[Any], text: str, value: object
) -> None:
    assert outcome(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (BOOLEAN, True, "true"),
        (INTEGER, -1, "-1"),
        (DECIMAL, Decimal("1E+3"), "1000"),
        (SECONDS, timedelta(minutes=2), "120"),
        (SECONDS, timedelta(seconds=1.9), "1"),
        (MOMENT, datetime(2030, 1, 31, 12, 0, 0, 5000, tzinfo=UTC), "2030-01-31T12:00:00.005Z"),
        (SEQUENCE, ("2", "1"), "2,1"),
        (MEMBERS, (), ""),
        (SECRET, Secret("hunter2"), "hunter2"),
        (choice(PublicKeyPolicy), PublicKeyPolicy.NEVER, "Never"),
    ],
)
def test_a_kind_writes_what_the_wire_wants(kind: Kind[Any], value: object, text: str) -> None:
    assert kind.format(value) == text


def test_a_password_hides_itself_unless_asked() -> None:
    password = Secret("hunter2")

    assert "hunter2" not in f"{password} {password!r} {[password]}"
    assert password.value == "hunter2"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("TxCtrlr.TxStartPoint", Address("TxCtrlr", "TxStartPoint")),
        ("A#b.C#d", Address("A", "C", component_instance="b", variable_instance="d")),
        ("FiscalMetering[1].PublicKey", Address("FiscalMetering", "PublicKey", evse=1)),
        ("Connector[2,1].Available", Address("Connector", "Available", evse=2, connector=1)),
        ("X#i[3].Y#com.example", Address("X", "Y", "i", "com.example", evse=3)),
    ],
)
def test_an_address_is_read_and_written_in_one_notation(text: str, address: Address) -> None:
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "NoVariable", ".X", "A.", "A[x].B", "A[1", "A[1,2,3].B"])
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Address.parse(text)


def test_addresses_compare_ignoring_case_and_empty_instances() -> None:
    one = Address("TXCTRLR", "txstartpoint", component_instance="", variable_instance="")

    assert one.folded() == Address("TxCtrlr", "TxStartPoint").folded()
    assert one.folded() != Address("TxCtrlr", "TxStartPoint", variable_instance="x").folded()
