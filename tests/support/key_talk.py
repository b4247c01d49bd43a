"""What a CSMS of OCPP 1.6 says about configuration keys, in few words."""

from typing import Any

from case_rig import Case


async def change(run: Case, key: str, value: str) -> str:
    """What the station says to another value of a key."""
    answer = await run.ask("ChangeConfiguration", key=key, value=value)
    return str(answer["status"])


async def choose(run: Case, **keys: str) -> None:
    """Change keys, which must be accepted."""
    for key, value in keys.items():
        assert await change(run, key, value) == "Accepted", key


async def value(run: Case, key: str) -> str:
    """The value of a key that there is."""
    (told,) = (await run.ask("GetConfiguration", key=[key]))["configurationKey"]
    return str(told["value"])


def sampled(message: dict[str, Any], part: str = "meterValue") -> list[dict[str, Any]]:
    """Every value in a message."""
    return [one for moment in message.get(part, ()) for one in moment["sampledValue"]]


def measurands(message: dict[str, Any], part: str = "meterValue") -> list[str]:
    """What is measured in a message, each once, in its order."""
    return list(dict.fromkeys(str(one["measurand"]) for one in sampled(message, part)))


def contexts(message: dict[str, Any], part: str = "transactionData") -> list[str]:
    """Why each reading in a message was taken, in its order."""
    return [str(moment["sampledValue"][0]["context"]) for moment in message.get(part, ())]
