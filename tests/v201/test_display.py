"""Block O: messages on the screens."""

from typing import Any

import pytest
from fake_clock import START
from station_bench import REMOTE_STOP, station_bench

from chargepoint.core.display import DisplayMessage, Priority
from chargepoint.core.inputs import AvailabilityChanged, FaultRaised
from chargepoint.core.model import Fault, Text
from chargepoint.core.variables import DISPLAY_SUPPORTED_PRIORITIES, Address
from chargepoint.core.variables_answers import Inventory
from chargepoint.csms.rpc import CallError
from chargepoint.errors import CsmsUnavailable, HardwareFault
from chargepoint.hardware.api import Picture

IN_A_MINUTE = "2026-03-01T10:01:00.000Z"
IN_TWO_MINUTES = "2026-03-01T10:02:00.000Z"


def info(number: int = 1, priority: str = "NormalCycle", **more: Any) -> dict[str, Any]:
    content = {"format": "UTF8", "content": f"text {number}", "language": "en"}
    return {"id": number, "priority": priority, "message": content, **more}


async def put(talk: Any, *messages: dict[str, Any]) -> list[str]:
    return [(await talk.ask("SetDisplayMessage", {"message": m}))["status"] for m in messages]


async def listed(talk: Any, **criteria: Any) -> list[dict[str, Any]]:
    """What GetDisplayMessages brings, over all parts."""
    before = len(talk.csms.said("NotifyDisplayMessages"))
    answer = await talk.ask("GetDisplayMessages", {"requestId": 7, **criteria})
    parts = talk.csms.said("NotifyDisplayMessages")[before:]
    assert answer == {"status": "Accepted" if parts else "Unknown"}
    assert {part["requestId"] for part in parts} <= {7}
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False] * bool(parts)
    return [one for part in parts for one in part["messageInfo"]]


def seen(talk: Any, evse_id: int = 1) -> list[str]:
    return [text.content for text in talk.bench.station.displays.texts(evse_id)]


@pytest.mark.spec("2.0.1", "TC_O_01_CS")
@pytest.mark.spec("2.0.1", "O01.FR.01")
@pytest.mark.parametrize(
    "message",
    [
        info(1, "AlwaysFront"),
        info(2, "InFront", state="Idle"),
        info(3, startDateTime=IN_A_MINUTE, endDateTime=IN_TWO_MINUTES),
        info(4, display={"name": "Display", "instance": "left", "evse": {"id": 2}}),
        info(5, display={"name": "Display", "evse": {"id": 2, "connectorId": 1}}),
        {"id": 6, "priority": "InFront", "message": {"format": "URI", "content": "https://e.org"}},
    ],
)
async def test_a_message_comes_back_as_it_was_set(talk: Any, message: dict[str, Any]) -> None:
    assert await put(talk, message) == ["Accepted"]

    assert await listed(talk) == [message]


@pytest.mark.spec("2.0.1", "TC_O_02_CS")
@pytest.mark.spec("2.0.1", "O03.FR.02")
async def test_all_messages_are_told_in_parts(talk: Any) -> None:
    messages = [info(number) for number in range(25)]
    await put(talk, *messages)

    assert await listed(talk) == messages
    assert len(talk.csms.said("NotifyDisplayMessages")) == 3


@pytest.mark.spec("2.0.1", "TC_O_03_CS")
@pytest.mark.spec("2.0.1", "TC_O_33_CS")
async def test_without_messages_nothing_is_known(talk: Any) -> None:
    assert await listed(talk) == []
    assert await listed(talk, id=[1]) == []


@pytest.mark.spec("2.0.1", "TC_O_04_CS")
@pytest.mark.spec("2.0.1", "TC_O_05_CS")
async def test_a_message_can_be_cleared_once(talk: Any) -> None:
    await put(talk, info(1), info(2))

    answers = [await talk.ask("ClearDisplayMessage", {"id": 1}) for _ in range(2)]

    assert answers == [{"status": "Accepted"}, {"status": "Unknown"}]
    assert await listed(talk, id=[1]) == []
    assert seen(talk) == ["text 2"]


@pytest.mark.spec("2.0.1", "TC_O_07_CS")
@pytest.mark.spec("2.0.1", "TC_O_08_CS")
@pytest.mark.spec("2.0.1", "TC_O_09_CS")
@pytest.mark.spec("2.0.1", "TC_O_11_CS")
@pytest.mark.spec("2.0.1", "TC_O_34_CS")
@pytest.mark.spec("2.0.1", "TC_O_35_CS")
@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({"id": [2]}, [2]),
        ({"id": [9]}, []),
        ({"priority": "InFront"}, [2]),
        ({"state": "Idle"}, [3]),
        ({"id": [3], "state": "Charging"}, []),
        ({"id": [2], "priority": "NormalCycle"}, []),
        ({"id": [2, 3], "priority": "NormalCycle", "state": "Idle"}, [3]),
    ],
)
async def test_messages_are_found_by_every_criterion(
    talk: Any, criteria: dict[str, Any], found: list[int]
) -> None:
    await put(talk, info(1), info(2, "InFront"), info(3, state="Idle"))

    assert [one["id"] for one in await listed(talk, **criteria)] == found


@pytest.mark.spec("2.0.1", "TC_O_12_CS")
async def test_a_message_replaces_that_of_its_id(talk: Any) -> None:
    new = info(1, "InFront", message={"format": "ASCII", "content": "new"})

    assert await put(talk, info(1), new) == ["Accepted", "Accepted"]

    assert await listed(talk) == [new]
    assert seen(talk) == ["new"]


@pytest.mark.spec("2.0.1", "TC_O_13_CS")
@pytest.mark.spec("2.0.1", "TC_O_14_CS")
async def test_a_message_is_shown_from_its_start_to_its_end(talk: Any) -> None:
    await put(talk, info(1, startDateTime=IN_A_MINUTE, endDateTime=IN_TWO_MINUTES))
    now = [seen(talk)]
    for _ in range(2):
        await talk.bench.clock.advance(60)
        now.append(seen(talk))

    assert now == [[], ["text 1"], []]
    assert await listed(talk) == []


@pytest.mark.spec("2.0.1", "TC_O_06_CS")
@pytest.mark.spec("2.0.1", "O02.FR.01")
async def test_a_message_of_a_session_goes_with_it(talk: Any) -> None:
    transaction = await talk.bench.charge()
    await put(talk, info(1, transactionId=transaction.transaction_id))
    before = (seen(talk, 1), seen(talk, 2), len(await listed(talk)))

    await talk.bench.finish()

    assert before == (["text 1"], [], 1)
    assert seen(talk) == []
    assert await listed(talk) == []


@pytest.mark.spec("2.0.1", "TC_O_10_CS")
async def test_a_message_for_an_unknown_session_is_refused(talk: Any) -> None:
    assert await put(talk, info(1, transactionId="nobody")) == ["UnknownTransaction"]
    assert await listed(talk) == []


@pytest.mark.spec("2.0.1", "TC_O_27_CS")
@pytest.mark.spec("2.0.1", "TC_O_28_CS")
async def test_a_message_of_a_session_keeps_its_times_too(talk: Any) -> None:
    transaction = await talk.bench.charge()
    times = {"startDateTime": IN_A_MINUTE, "endDateTime": IN_TWO_MINUTES}
    await put(talk, info(1, transactionId=transaction.transaction_id, **times))
    now = [seen(talk)]
    for _ in range(2):
        await talk.bench.clock.advance(60)
        now.append(seen(talk))

    assert now == [[], ["text 1"], []]


@pytest.mark.spec("2.0.1", "TC_O_22_CS")
@pytest.mark.spec("2.0.1", "TC_O_24_CS")
async def test_several_in_front_take_turns_and_one_always_in_front_is_alone(talk: Any) -> None:
    await put(talk, info(1), info(2, "InFront"), info(3, "InFront"))
    cycle = seen(talk)

    await put(talk, info(4, "AlwaysFront"))
    first = seen(talk)
    await put(talk, info(5, "AlwaysFront"))

    assert (cycle, first, seen(talk)) == (["text 2", "text 3"], ["text 4"], ["text 5"])
    assert await listed(talk, priority="AlwaysFront") == [info(5, "AlwaysFront")]


@pytest.mark.spec("2.0.1", "TC_O_30_CS")
@pytest.mark.spec("2.0.1", "TC_O_32_CS")
async def test_in_a_session_the_same_priorities_hold_until_its_end(talk: Any) -> None:
    of_it = {"transactionId": (await talk.bench.charge()).transaction_id}
    await put(talk, info(1, "InFront", **of_it), info(2, "InFront", **of_it))
    cycle = seen(talk)

    await put(talk, info(3, "AlwaysFront", **of_it), info(4, "AlwaysFront", **of_it))
    alone = seen(talk)
    await talk.bench.feed(REMOTE_STOP)

    assert (cycle, alone, seen(talk)) == (["text 1", "text 2"], ["text 4"], [])


@pytest.mark.spec("2.0.1", "TC_O_36_CS")
@pytest.mark.spec("2.0.1", "TC_O_37_CS")
@pytest.mark.spec("2.0.1", "TC_O_38_CS")
@pytest.mark.spec("2.0.1", "TC_O_39_CS")
async def test_a_message_for_a_situation_is_shown_in_no_other(talk: Any) -> None:
    states = ("Charging", "Idle", "Unavailable", "Faulted")
    content = {"format": "UTF8"}
    for number, state in enumerate(states):
        await put(talk, info(number, state=state, message={**content, "content": state}))
    now = [seen(talk)]

    await talk.bench.charge()
    now.append(seen(talk))
    await talk.bench.finish()
    await talk.bench.feed(AvailabilityChanged(operative=False))
    now.append(seen(talk))
    await talk.bench.feed(FaultRaised(Fault("OtherError")))
    now.append(seen(talk))

    assert now == [["Idle"], ["Charging"], ["Unavailable"], ["Faulted"]]


@pytest.mark.spec("2.0.1", "TC_O_17_CS")
@pytest.mark.spec("2.0.1", "TC_O_19_CS")
async def test_what_the_screen_cannot_show_is_refused(talk: Any) -> None:
    model, board = talk.bench.station.model, talk.bench.station.board
    board.formats = ("ASCII",)
    ascii_only = info(2, "InFront", message={"format": "ASCII", "content": "x"})
    model.provide(DISPLAY_SUPPORTED_PRIORITIES, lambda: ("NormalCycle",))

    assert await put(talk, info(1), ascii_only) == [
        "NotSupportedMessageFormat",
        "NotSupportedPriority",
    ]
    assert await listed(talk) == []


async def test_a_full_store_takes_no_more_and_says_so_in_its_limit(talk: Any) -> None:
    row = next(
        row
        for row in talk.bench.station.model.report(Inventory.FULL)
        if row.address == Address("DisplayMessageCtrlr", "DisplayMessages")
    )
    assert row.limits.high == 100
    await put(talk, *(info(number) for number in range(100)))

    answer = await talk.ask("SetDisplayMessage", {"message": info(100)})

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "OutOfStorage"
    assert await put(talk, info(7, "InFront")) == ["Accepted"]
    count = talk.bench.station.model.get(Address("DisplayMessageCtrlr", "DisplayMessages"))
    assert count.value == "100"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (info(1, display={"name": "Display", "evse": {"id": 9}}), "UnknownEvse"),
        (info(1, endDateTime="2026-03-01T09:59:59Z"), "InvalidValue"),
        (info(2**31), "InvalidValue"),
    ],
)
async def test_a_message_that_could_never_be_seen_is_refused(
    talk: Any, message: dict[str, Any], reason: str
) -> None:
    answer = await talk.ask("SetDisplayMessage", {"message": message})

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason)
    assert await listed(talk) == []


async def test_switched_off_nothing_is_taken_or_shown_and_all_is_kept(talk: Any) -> None:
    await put(talk, info(1))
    switch = Address("DisplayMessageCtrlr", "Enabled")
    talk.bench.station.model.set(switch, "false")

    answer = await talk.ask("SetDisplayMessage", {"message": info(2)})
    off = seen(talk)
    talk.bench.station.model.set(switch, "true")

    assert answer["statusInfo"]["reasonCode"] == "NotEnabled"
    assert (off, seen(talk)) == ([], ["text 1"])


async def test_a_station_without_screens_has_no_messages(talk: Any) -> None:
    talk.bench.station.displays._indicator = None

    for action, payload in (
        ("SetDisplayMessage", {"message": info(1)}),
        ("GetDisplayMessages", {"requestId": 1}),
        ("ClearDisplayMessage", {"id": 1}),
    ):
        with pytest.raises(CallError) as error:
            await talk.hear(action, payload)
        assert error.value.code == "NotSupported"
    model = talk.bench.station.model
    assert model.get(Address("DisplayMessageCtrlr", "Available")).value == "false"


async def test_a_connection_lost_between_the_parts_ends_the_list(talk: Any) -> None:
    await put(talk, *(info(number) for number in range(25)))
    talk.csms.answers("NotifyDisplayMessages", {}, CsmsUnavailable("gone"))

    assert await talk.ask("GetDisplayMessages", {"requestId": 1}) == {"status": "Accepted"}

    assert len(talk.csms.said("NotifyDisplayMessages")) == 2


async def test_a_connection_lost_before_the_first_part_ends_the_list(talk: Any) -> None:
    await put(talk, info(1))

    answer = await talk.ask("GetDisplayMessages", {"requestId": 2}, lost=True)

    assert answer == {"status": "Accepted"}
    assert talk.csms.said("NotifyDisplayMessages") == []


@pytest.mark.spec("2.0.1", "TC_O_20_CS")
@pytest.mark.spec("2.0.1", "O01.FR.12")
async def test_messages_survive_a_restart(tmp_path: Any) -> None:
    first = DisplayMessage(1, Priority.IN_FRONT, Text("a", "UTF8", "de"))
    second = DisplayMessage(2, Priority.IN_FRONT, Text("b"), ends=START.replace(year=2027))
    async with station_bench(tmp_path) as bench:
        bench.station.displays.put(first)
        bench.station.displays.put(second)

    async with station_bench(tmp_path, running=True) as bench:
        assert bench.station.displays.find() == (first, second)
        words = bench.station.board.pictures[1].words
        assert [word.content for word in words] == ["a", "b"]


async def test_the_board_shows_every_change_at_its_time(tmp_path: Any) -> None:
    pictures: list[Picture] = []
    async with station_bench(tmp_path, running=True) as bench:
        board, clock = bench.station.board, bench.clock
        show = board.show

        async def record(picture: Picture) -> None:
            pictures.append(picture)
            await show(picture)

        board.show = record
        starts, ends = START.replace(minute=1), START.replace(minute=2)
        message = DisplayMessage(1, Priority.NORMAL_CYCLE, Text("a"), starts=starts, ends=ends)
        bench.station.displays.put(message)
        await clock.advance(59)
        assert pictures == []
        await clock.advance(1)
        assert [word.content for word in board.pictures[1].words] == ["a"]
        await clock.advance(60)
        assert board.pictures[1].words == ()
        assert bench.station.store.screens.messages() == ()

    assert len(pictures) == 2


async def test_a_screen_that_fails_is_tried_with_the_next_change(
    tmp_path: Any, caplog: Any
) -> None:
    async with station_bench(tmp_path, running=True) as bench:
        board, show = bench.station.board, bench.station.board.show

        async def fail(_: Picture) -> None:
            raise HardwareFault("no answer of the screen")

        board.show = fail
        for number in (1, 2):
            message = DisplayMessage(number, Priority.NORMAL_CYCLE, Text(str(number)))
            bench.station.displays.put(message)
            await bench.clock.settle()
        board.show = show
        bench.station.displays.clear(1)
        await bench.clock.settle()

        assert [word.content for word in board.pictures[1].words] == ["2"]
    assert caplog.text.count("no answer of the screen") == 1
