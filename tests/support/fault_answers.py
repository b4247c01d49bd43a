"""A CSMS that answers what nobody asked, answers twice, or starts again all the time."""

import asyncio
import json
import uuid
from typing import Any, Final

from fault_config import CALL_S, STATION
from fault_csms import Tongue
from fault_rig import Site
from fault_rows import Row

_RESULT, _ERROR = 3, 4
EVERY_S: Final = 10.0
DOWN_S: Final = 3.0


async def twist(it: Site, change: Tongue) -> None:
    """Let ``change`` make something else of the next answer."""
    done = asyncio.Event()

    def tongue(text: str) -> list[str]:
        if done.is_set() or json.loads(text)[0] not in {_RESULT, _ERROR}:
            return [text]
        done.set()
        return change(text)

    it.csms.tongue = tongue
    await done.wait()
    if it.numbers.random() < 0.5:
        await asyncio.sleep(it.numbers.uniform(0, CALL_S + 2))


async def wrong_id(it: Site) -> None:
    """The answer to one call has the id of another, or of none."""

    def change(text: str) -> list[str]:
        frame = json.loads(text)
        other = it.numbers.choice(
            [
                str(uuid.UUID(int=it.numbers.getrandbits(128))),
                frame[1].upper() + " ",
                frame[1][:-1],
                it.csms.frames[it.numbers.randrange(len(it.csms.frames))].message_id or "x",
                "-1",
            ]
        )
        frame[1] = other if other != frame[1] else "x"
        return [json.dumps(frame)]

    await twist(it, change)


async def twice(it: Site) -> None:
    """One answer comes twice, or is followed by another one with its id."""

    def change(text: str) -> list[str]:
        frame = json.loads(text)
        second = it.numbers.choice(
            [text, json.dumps([3, frame[1], {}]), json.dumps([4, frame[1], "GenericError", "", {}])]
        )
        return [text, second]

    await twist(it, change)


async def illegal(it: Site) -> None:
    """What comes as an answer is none that the schema allows."""

    def change(text: str) -> list[str]:
        frame = json.loads(text)
        broken: Any = it.numbers.choice(
            [None, [], "", 0, {"a": 1}, {"status": 5}, {"currentTime": "yesterday"}, [[]]]
        )
        shapes = ([3, frame[1], broken], [3, frame[1]], [4, frame[1]], [3, frame[1], broken, 1])
        return [json.dumps(it.numbers.choice(shapes))]

    await twist(it, change)


async def restart(it: Site) -> None:
    """The CSMS goes, in order or not, and is back within seconds on what it had stored."""
    if it.numbers.random() < 0.5:
        await it.csms.crash()
    else:
        await it.csms.__aexit__()
    await asyncio.sleep(it.numbers.uniform(0, DOWN_S))
    await it.csms.__aenter__()
    await asyncio.sleep(EVERY_S)


async def replay(it: Site) -> None:
    """A call of the CSMS comes twice, its id included."""
    await it.until(lambda: it.online, "connection", 60)
    message_id = str(uuid.UUID(int=it.numbers.getrandbits(128)))
    action, payload = it.numbers.choice(
        [("ClearCache", {}), ("DataTransfer", {"vendorId": "nobody"})]
    )
    for _ in range(2):
        await it.csms.send_raw(STATION, json.dumps([2, message_id, action, payload]))
    await asyncio.sleep(it.numbers.uniform(0, 3))


def _calm(it: Site) -> None:
    it.csms.tongue = None


ROWS: Final = (
    Row("wrong-ids", "an answer carries another id, the right one never comes", wrong_id, _calm),
    Row("twice", "an answer comes twice, or a second one with its id", twice, _calm),
    Row("illegal-answers", "an answer breaks the schema or the frame", illegal, _calm),
    Row("replay", "a call of the CSMS comes twice, id included", replay, _calm),
    Row(
        "csms-restarts",
        f"the CSMS restarts every {EVERY_S:g} s, in order or not, away for up to {DOWN_S:g} s",
        restart,
        pause_s=4,
    ),
)
