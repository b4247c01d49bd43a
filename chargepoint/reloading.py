"""A config that is read again while the station runs, and what of it has to wait for a start."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from chargepoint.config import StationConfig
from chargepoint.config_open import reach_of
from chargepoint.errors import ConfigError, StoreError
from chargepoint.lives import Life
from chargepoint.secured import basis

log = logging.getLogger(__name__)

_AT_ONCE = "csms"
_WITH_A_START = ("csms.ocpp", "csms.profile")  # the adapters are made with a life


@dataclass(slots=True)
class Reload:
    """Another config is there to be read (``wanted`` is set by SIGHUP).

    ``done`` is called once that was tried, whatever came of it.
    """

    wanted: asyncio.Event
    read: Callable[[], StationConfig]
    done: Callable[[], None] = lambda: None


async def reload_config(life: Life, reload: Reload) -> None:
    """Take what can change while running; a config with mistakes changes nothing."""
    try:
        fresh = reload.read()
    except ConfigError as error:
        log.error("config not reloaded, the old one stays:\n%s", error)  # noqa: TRY400 - not a defect
        return
    changed = list(differences(life.config, fresh))
    now = [key for key in changed if _is_taken(key)]
    life.config = fresh
    life.pending = tuple(sorted({*life.pending, *(key for key in changed if key not in now)}))
    if now:
        _rebase(life, fresh)
        await life.link.reconnect()
    log.info(
        "config reloaded; %s",
        f"connecting to the CSMS again for {', '.join(now)}" if now else "nothing changes now",
    )
    if life.pending:
        log.warning("not in force before the next start: %s", ", ".join(life.pending))


def differences(old: object, new: object, path: str = "") -> Iterator[str]:
    """The dotted paths of the keys that have another value; where they were written is none."""
    if isinstance(old, msgspec.Struct) and type(old) is type(new):
        for name in old.__struct_fields__:
            if name != "positions":
                yield from differences(getattr(old, name), getattr(new, name), _join(path, name))
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(name), new.get(name), _join(path, str(name)))
    elif isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{path}[{number}]")
    elif old != new:
        yield path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_taken(key: str) -> bool:
    inside = key.split(".", maxsplit=1)[0] == _AT_ONCE
    return inside and not any(key.startswith(later) for later in _WITH_A_START)


def _rebase(life: Life, fresh: StationConfig) -> None:
    """Connect as the fresh config says, or as before if its certificates are no good.

    Where the CSMS is, files may come from.
    """
    try:
        life.routes.base = basis(fresh, life.store.keys)
    except (ConfigError, StoreError) as error:
        log.error("the link stays as it is: %s", error)  # noqa: TRY400 - not a defect
    life.secured.rebase(life.routes.basis())
    life.station.services.transfer.rely_on(fresh.csms.ca_file, reach_of(fresh))
