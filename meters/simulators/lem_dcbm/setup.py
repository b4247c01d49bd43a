"""``/v1/settings``: what can be set, read back, and refused."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace

from meters.simulators.lem_dcbm import clock
from meters.simulators.lem_dcbm.memory import CABLES, Setup
from meters.simulators.lem_dcbm.rules import Declined
from meters.simulators.lem_dcbm.settings import IDENTIFICATIONS

_PORTS: Final = range(1, 65_536)
_MOST_SERVERS: Final = 2


def shown(setup: Setup, world: datetime, *, full: bool) -> dict[str, Any]:
    """The answer to a read; ``full`` also tells the time zone and the rule of daylight saving."""
    fields: dict[str, Any] = {
        "ocmfId": {"IT": setup.identification},
        "ntp": setup.ntp,
        "cableConf": list(CABLES),
    }
    if full:
        utc = clock.meter_time(setup, world).astimezone(UTC)
        fields["time"] = {
            "utc": utc.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "tz": setup.tz,
            "dst": setup.dst,
        }
        fields["http"] = {"tls_on": setup.tls_on}
    return fields


def changed(setup: Setup, body: object, world: datetime) -> Setup:
    """What it is after a partial write.

    Raises:
        Declined: a key is not known, or its value has no meaning.
    """
    if not isinstance(body, Mapping) or not body:
        raise Declined("no JSON object", malformed=True)
    for name, value in body.items():
        change = _CHANGES.get(name)
        if change is None:
            raise Declined(f"unknown setting {name}", malformed=True)
        try:
            setup = change(setup, value, world)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise Declined(f"{name}: {error}", malformed=True) from error
    return setup


def _time(setup: Setup, value: Mapping[str, Any], world: datetime) -> Setup:
    for name, given in value.items():
        if name == "utc":
            setup = _utc(setup, given, world)
        elif name == "tz":
            clock.zone(given)
            setup = replace(setup, tz=given)
        elif name == "dst":
            clock.check_saving(given)
            setup = replace(setup, dst=dict(given))
        else:
            raise ValueError(f"unknown setting {name}")
    return setup


def _utc(setup: Setup, text: str, world: datetime) -> Setup:
    if not text.endswith("Z"):
        raise ValueError(f"utc {text!r}")
    at = datetime.fromisoformat(text)
    ahead = (at - world).total_seconds()
    # Whoever sets the clock by hand does not want it to be set by a server.
    by_hand = {**setup.ntp, "ntpActivated": False}
    return replace(setup, clock_offset_s=ahead, synchronised_at=world, ntp=by_hand)


def _ntp(setup: Setup, value: Mapping[str, Any], _: datetime) -> Setup:
    ntp = {**setup.ntp, **value}
    if ntp.keys() != setup.ntp.keys() or not isinstance(ntp["ntpActivated"], bool):
        raise ValueError("servers, syncPeriod and ntpActivated are known")
    servers = ntp["servers"]
    if len(servers) > _MOST_SERVERS or any(server["port"] not in _PORTS for server in servers):
        raise ValueError("two servers with ports")
    if any(not isinstance(server["ipAddress"], str) for server in servers):
        raise TypeError("ipAddress")
    return replace(setup, ntp=ntp)


def _identification(setup: Setup, value: Mapping[str, Any], _: datetime) -> Setup:
    number = value["IT"]
    if type(number) is not int or not 0 <= number < len(IDENTIFICATIONS):
        raise ValueError(f"IT {number!r}")
    return replace(setup, identification=number)


def _http(setup: Setup, value: Mapping[str, Any], _: datetime) -> Setup:
    if not isinstance(value["tls_on"], bool):
        raise TypeError("tls_on")
    return replace(setup, tls_on=value["tls_on"])


_CHANGES: Final[Mapping[str, Callable[[Setup, Any, datetime], Setup]]] = {
    "time": _time,
    "ntp": _ntp,
    "ocmfId": _identification,
    "http": _http,
}
