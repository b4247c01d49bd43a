"""The blocks together: what is handled, what is told."""

from typing import Any

import pytest
from sample_facts import ALL

from chargepoint import v201
from chargepoint.core.facts import NeedsStated, SampleKept
from chargepoint.csms import adapter as adapter_module
from chargepoint.csms.schemas import Schemas
from chargepoint.station.vehicles import _Talk

HANDLED = {
    "CancelReservation",
    "ChangeAvailability",
    "ClearCache",
    "ClearChargingProfile",
    "ClearDisplayMessage",
    "CostUpdated",
    "DataTransfer",
    "GetBaseReport",
    "GetLocalListVersion",
    "GetChargingProfiles",
    "GetCompositeSchedule",
    "GetDisplayMessages",
    "GetTransactionStatus",
    "GetLog",
    "GetVariables",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "ReserveNow",
    "PublishFirmware",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "SetDisplayMessage",
    "SetVariables",
    "TriggerMessage",
    "UnlockConnector",
    "UnpublishFirmware",
    "UpdateFirmware",
}


async def test_the_adapter_answers_actions_that_exist(talk: Any) -> None:
    assert set(talk.adapter.handlers) >= HANDLED
    assert set(talk.adapter.handlers) <= Schemas("2.0.1").actions()
    assert (talk.adapter.version, talk.adapter.subprotocol) == ("2.0.1", "ocpp2.0.1")


async def test_every_kind_of_fact_has_words(talk: Any) -> None:
    assert {type(fact) for fact in ALL} == set(talk.adapter._deliver)
    assert SampleKept not in talk.adapter._deliver


async def test_every_block_is_listed(talk: Any) -> None:
    owners = {type(handler.__self__) for handler in talk.adapter.handlers.values()}
    owners |= {type(deliver.__self__) for deliver in talk.adapter._deliver.values()}

    assert owners <= set(v201.BLOCKS)


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: type(fact).__name__)
async def test_every_fact_becomes_a_legal_message_of_its_own_id(talk: Any, fact: Any) -> None:
    for action in ("NotifyEVChargingNeeds", "NotifyEVChargingSchedule"):
        talk.csms.answers(action, {"status": "Accepted"})
    if isinstance(fact, NeedsStated):  # told only while somebody waits for the answer
        talk.bench.station.vehicles._talks[fact.evse_id] = _Talk(fact.at)
    talk.bench.store.record(fact)
    entry = talk.bench.store.next_entry()

    (sent,) = await talk.tell()

    assert sent.message_id == entry.message_id


async def test_a_fact_without_words_is_told_by_saying_nothing(talk: Any) -> None:
    talk.adapter._deliver.clear()
    talk.bench.store.record(*ALL)

    assert await talk.tell() == []
    assert talk.bench.store.waiting == 0


async def test_further_messages_of_a_fact_have_ids_that_never_change(talk: Any) -> None:
    talk.bench.store.record(ALL[0])
    entry = talk.bench.store.next_entry()
    ids = []
    for _ in range(2):
        delivery = adapter_module.Delivery(entry, talk.csms)
        for part in range(3):
            await delivery.call("Heartbeat", {}, part=part)
        ids.append([sent.message_id for sent in talk.csms.sent])
        talk.csms.sent.clear()

    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3
    assert all(len(message_id) <= 36 for message_id in ids[0])
