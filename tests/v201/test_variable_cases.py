"""Block B: variables read and set, case by case."""

from typing import Any

import pytest

THRESHOLD = ("OCPPCommCtrlr", "OfflineThreshold")
OFFLINE = ("AuthCtrlr", "LocalAuthorizeOffline")


def _item(component: str, variable: str, **more: Any) -> dict[str, Any]:
    instance = more.pop("instance", None)
    named = {"name": variable, **({"instance": instance} if instance else {})}
    return {"component": {"name": component}, "variable": named, **more}


async def _set(talk: Any, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await talk.ask("SetVariables", {"setVariableData": list(items)})
    results: list[dict[str, Any]] = answer["setVariableResult"]
    return results


async def _get(talk: Any, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await talk.ask("GetVariables", {"getVariableData": list(items)})
    results: list[dict[str, Any]] = answer["getVariableResult"]
    return results


@pytest.mark.spec("2.0.1", "TC_B_06_CS")
@pytest.mark.spec("2.0.1", "TC_B_09_CS")
async def test_one_variable_is_set_and_read_again(talk: Any) -> None:
    (done,) = await _set(talk, _item(*THRESHOLD, attributeValue="123"))

    assert done == {"attributeStatus": "Accepted", "attributeType": "Actual", **_item(*THRESHOLD)}
    (told,) = await _get(talk, _item(*THRESHOLD, attributeType="Actual"))
    assert (told["attributeStatus"], told["attributeValue"]) == ("Accepted", "123")


@pytest.mark.spec("2.0.1", "TC_B_07_CS")
@pytest.mark.spec("2.0.1", "TC_B_10_CS")
async def test_several_variables_are_set_and_read_again(talk: Any) -> None:
    done = await _set(
        talk, _item(*THRESHOLD, attributeValue="123"), _item(*OFFLINE, attributeValue="false")
    )

    assert [result["attributeStatus"] for result in done] == ["Accepted", "Accepted"]
    told = await _get(talk, _item(*THRESHOLD), _item(*OFFLINE))
    assert [result["attributeValue"] for result in told] == ["123", "false"]


@pytest.mark.spec("2.0.1", "TC_B_11_CS")
@pytest.mark.parametrize(
    ("component", "variable", "value"),
    [(*THRESHOLD, "12a"), (*OFFLINE, "yes"), (*THRESHOLD, "1.5"), ("TxCtrlr", "TxStopPoint", "x")],
)
async def test_a_value_of_a_wrong_form_is_rejected(
    talk: Any, component: str, variable: str, value: str
) -> None:
    (done,) = await _set(talk, _item(component, variable, attributeValue=value))

    assert done["attributeStatus"] == "Rejected"
    assert talk.bench.store.settings.load_settings() == {}


@pytest.mark.spec("2.0.1", "TC_B_35_CS")
@pytest.mark.spec("2.0.1", "TC_B_36_CS")
@pytest.mark.spec("2.0.1", "TC_B_37_CS")
@pytest.mark.parametrize(
    ("item", "status"),
    [
        (_item("Nonsense", "OfflineThreshold"), "UnknownComponent"),
        (_item("OCPPCommCtrlr", "Nonsense"), "UnknownVariable"),
        (_item(*THRESHOLD, attributeType="Target"), "NotSupportedAttributeType"),
    ],
)
async def test_what_is_not_there_cannot_be_set(
    talk: Any, item: dict[str, Any], status: str
) -> None:
    (done,) = await _set(talk, {**item, "attributeValue": "20"})

    assert done["attributeStatus"] == status
    assert done["attributeType"] == item.get("attributeType", "Actual")


@pytest.mark.spec("2.0.1", "TC_B_39_CS")
async def test_a_read_only_variable_cannot_be_set(talk: Any) -> None:
    item = _item("OCPPCommCtrlr", "MessageTimeout", instance="Default", attributeValue="30")

    (done,) = await _set(talk, item)

    assert done["attributeStatus"] == "Rejected"


@pytest.mark.spec("2.0.1", "B06.FR.14")
@pytest.mark.spec("2.0.1", "B06.FR.15")
async def test_a_variable_of_instances_is_unknown_without_its_instance(talk: Any) -> None:
    (told,) = await _get(talk, _item("OCPPCommCtrlr", "MessageTimeout"))

    assert told["attributeStatus"] == "UnknownVariable"
