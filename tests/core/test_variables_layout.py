from decimal import Decimal
from typing import Any

import pytest

from chargepoint.core.variables import (
    TABLE,
    Mutability,
    Tier,
)
from chargepoint.core.variables_layout import (
    ConnectorDescription,
    CustomSetting,
    EvseDescription,
    Plain,
    Signing,
    as_text,
    custom_cell,
    lay_out,
)
from chargepoint.errors import Refused

RO, RW, WO = Mutability.READ_ONLY, Mutability.READ_WRITE, Mutability.WRITE_ONLY

SOCKET = ConnectorDescription(1, "sType2")

CABLE = ConnectorDescription(1, "cType2")

EM580 = Signing()


def _station(*evses: EvseDescription) -> dict[str, Any]:
    return {cell.name: cell for cell in lay_out(evses)}


def test_a_station_without_signing_meter_has_no_signing_variables() -> None:
    names = set(_station(EvseDescription(1, (SOCKET,))))

    assert not [name for name in names if "Reading" in name or "PublicKey" in name]


@pytest.mark.parametrize(
    ("signing", "expected"),
    [
        (EM580, (RO, RO, RO, RO)),
        (Signing(started=True), (RW, RO, RO, RO)),
        (Signing(updated=True), (RO, RW, RO, RO)),
        (Signing(aligned=True), (RO, RO, RW, RW)),
    ],
)
def test_what_no_meter_can_sign_is_read_only_false(
    signing: Signing, expected: tuple[Mutability, ...]
) -> None:
    cells = _station(EvseDescription(1, (SOCKET,), signing=signing))
    switches = [
        cells["SampledDataCtrlr.SignStartedReadings"],
        cells["SampledDataCtrlr.SignUpdatedReadings"],
        cells["AlignedDataCtrlr.SignReadings"],
        cells["AlignedDataCtrlr.SignUpdatedReadings"],
    ]

    assert tuple(cell.mutability for cell in switches) == expected
    assert tuple(cell.key_mutability for cell in switches) == expected
    assert {cell.initial for cell in switches} == {"false"}
    assert cells["SampledDataCtrlr.SignReadings"].initial == "true"
    assert cells["SampledDataCtrlr.SignReadings"].mutability is RW


@pytest.mark.parametrize(("connector", "expected"), [(SOCKET, RW), (CABLE, RO)])
def test_a_fixed_cable_cannot_be_unlocked(
    connector: ConnectorDescription, expected: Mutability
) -> None:
    unlock = _station(EvseDescription(1, (connector,)))["OCPPCommCtrlr.UnlockOnEVSideDisconnect"]

    assert unlock.mutability is expected
    assert unlock.initial == ("true" if expected is RW else "false")


def test_only_evses_whose_meter_signs_have_a_public_key() -> None:
    two_plugs = (ConnectorDescription(1, "cType2"), ConnectorDescription(2, "sType2"))
    cells = _station(
        EvseDescription(1, two_plugs, signing=EM580),
        EvseDescription(2, (CABLE,)),
        EvseDescription(5, (CABLE,), signing=EM580),
    )

    keys = {name: cell.keys for name, cell in cells.items() if name.endswith(".PublicKey")}
    assert keys == {
        "FiscalMetering[1].PublicKey": ("MeterPublicKey1", "MeterPublicKey2"),
        "FiscalMetering[5].PublicKey": ("MeterPublicKey4",),
    }


def test_rows_of_evses_and_connectors_exist_once_per_place() -> None:
    cells = _station(
        EvseDescription(1, (SOCKET,), phases=1, max_current_a=Decimal(16)),
        EvseDescription(2, (CABLE, ConnectorDescription(2, "cCCS2")), evse_id="DE*ABC*E2"),
    )

    assert cells["EVSE[1].Power"].limits.high == Decimal(3680)
    assert cells["EVSE[2].Power"].limits.high == Decimal(22080)
    assert cells["EVSE[1].SupplyPhases"].initial == "1"
    assert cells["EVSE[2].EvseId"].initial == "DE*ABC*E2"
    assert cells["ChargingStation.SupplyPhases"].initial == "3"
    assert cells["Connector[2,2].ConnectorType"].initial == "cCCS2"
    assert cells["NumberOfConnectors"].initial == "3"
    assert cells["ConnectorPhaseRotation"].initial == "1.NotApplicable,2.Unknown,3.Unknown"
    tiers = {row.name: row.tier for row in TABLE}
    assert sum(tier is Tier.CONNECTOR for tier in tiers.values()) * 3 == sum(
        name.startswith("Connector[") for name in cells
    )


def test_phase_rotations_are_those_of_existing_connectors() -> None:
    cell = _station(EvseDescription(1, (SOCKET,)))["ConnectorPhaseRotation"]

    assert cell.variable.accept("0.RST,1.RTS", cell.limits) == "0.RST,1.RTS"
    for wrong in ("2.RST", "1.RST,1.RTS", "1.RS"):
        with pytest.raises(Refused):
            cell.variable.accept(wrong, cell.limits)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (30, "30"),
        (1.5, "1.5"),
        (1e-7, "0.0000001"),
        (Decimal("2.50"), "2.50"),
        ("abc", "abc"),
        (["Voltage", "Frequency"], "Voltage,Frequency"),
    ],
)
def test_a_value_of_the_file_becomes_the_text_of_the_wire(value: Plain, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (CustomSetting("InternalCtrlr"), "allowed Component"),
        (CustomSetting("A.B", type="text"), "type: found 'text', allowed string"),
        (CustomSetting("A.B", access="rw"), "access: found 'rw', allowed ReadOnly"),
        (CustomSetting("A.B", type="integer", value="x"), "a whole number"),
        (CustomSetting("A.B", type="integer", value=7, maximum=5), "at most 5"),
        (CustomSetting("A.B", type="integer", value=3, minimum=5, maximum=9), "found 3.* 5 to 9"),
        (CustomSetting("A.B", type="decimal", value=2, maximum=Decimal("1.5")), "at most 1.5"),
        (CustomSetting("A.B", type="OptionList", value="x"), "needs `values`"),
        (CustomSetting("A.B", type="OptionList", value="x", values=("y",)), "allowed y"),
    ],
)
def test_a_custom_setting_that_contradicts_itself_is_refused(
    setting: CustomSetting, message: str
) -> None:
    with pytest.raises(Refused, match=message):
        custom_cell(setting)


@pytest.mark.parametrize(
    ("setting", "key", "initial"),
    [
        (CustomSetting("InternalCtrlr.Example", value="abc"), "Example", "abc"),
        (CustomSetting("A[2].B", type="integer", value=3, key="Three"), "Three", "3"),
        (CustomSetting("A.B", type="boolean", value=True), "B", "true"),
        (CustomSetting("A.B", type="decimal", value=1.5, unit="A"), "B", "1.5"),
        (CustomSetting("A.B", type="MemberList", values=("x", "y"), value=["y"]), "B", "y"),
        (CustomSetting("A.B", type="OptionList", values=("x", "y"), value="y"), "B", "y"),
    ],
)
def test_a_custom_setting_becomes_a_variable_with_both_names(
    setting: CustomSetting, key: str, initial: str
) -> None:
    cell = custom_cell(setting)

    assert (cell.name, cell.keys, cell.initial) == (setting.name, (key,), initial)
