"""Changes JSON as values: what is legal stays legal in most places, so that a change gets deep."""

import json
import random
from typing import Any, Final

ODD: Final = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**40,
    1e308,
    0.1,
    "",
    " ",
    "0",
    "\u0000",
    "\ud800",
    "\U0001f50c",
    "a" * 300,
    "2024-02-30T25:61:61Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    [],
    {},
    [[]],
)


def mutated(data: bytes, words: tuple[str, ...], number: int) -> bytes | None:
    """The JSON with one to three places changed; None if it is none."""
    chance = random.Random(number)  # noqa: S311 - repeatable by its number
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        value = _changed(value, words, chance)
    try:
        return json.dumps(value, ensure_ascii=chance.random() < 0.5).encode()
    except (ValueError, RecursionError):
        return None


def _changed(value: Any, words: tuple[str, ...], chance: random.Random) -> Any:
    """The value with one place in it changed, each place as likely as another on its level."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        return _changed_object(value, words, chance)
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        what = chance.random()
        if what < 0.1:
            return value[:at] + value[at + 1 :]
        if what < 0.2:
            return [*value, *value[at : at + 1] * chance.choice((1, 2, 30))]
        return [*value[:at], _changed(value[at], words, chance), *value[at + 1 :]]
    return _other(value, words, chance)


def _changed_object(value: dict[str, Any], words: tuple[str, ...], chance: random.Random) -> Any:
    name = chance.choice(list(value))
    what = chance.random()
    if what < 0.1:
        return {key: part for key, part in value.items() if key != name}
    if what < 0.2:
        return value | {chance.choice(words or ("x",)): value[name]}
    if what < 0.25:
        return value | {chance.choice(words or ("x",)): chance.choice(ODD)}
    return value | {name: _changed(value[name], words, chance)}


def _other(value: Any, words: tuple[str, ...], chance: random.Random) -> Any:
    what = chance.random()
    if isinstance(value, str) and value and what < 0.4:
        at = chance.randrange(len(value))
        piece = chance.choice(("", chr(chance.randrange(32, 127)), value[at] * 2, "\u00e4", "\n"))
        return value[:at] + piece + value[at + 1 :]
    if isinstance(value, int | float) and not isinstance(value, bool) and what < 0.4:
        return chance.choice((value + 1, value - 1, -value, value * 10, value / 10, str(value)))
    if words and what < 0.7:
        return chance.choice(words)
    return chance.choice(ODD)
