"""Which addresses files may travel to and from: public ones, and near ones the installer named.

An address that the CSMS gives is a wish of somebody outside. What lies on the station's own
networks (the station itself, meters, a router, the metadata service of a cloud) is none of their
business.
"""

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Final, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_PUBLIC: Final = IPv6Network("2000::/3")  # all that IANA gives out; near ones lie outside it, too
_LOOPBACK: Final = {"localhost": ("127.0.0.1", "::1")}


@dataclass(frozen=True, slots=True)
class Reach:
    """Public addresses, and the ``near`` networks that are allowed beside them."""

    near: tuple[Network, ...] = ()

    def permits(self, address: str) -> bool:
        """Whether one may connect to this address, as a socket names it; a name never is one."""
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return False
        if any(found in network for network in self.near):
            return True
        if isinstance(found, IPv6Address) and found not in _PUBLIC:
            return False
        return found.is_global and not found.is_multicast


def is_address(host: str) -> bool:
    """Whether a host is written as an address, not as a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def networks_of(host: str) -> tuple[Network, ...]:
    """The networks of one address each that a host of the config stands for.

    Nothing for a name: what that leads to is decided by whoever answers for it.
    """
    found: list[Network] = []
    for text in _LOOPBACK.get(host.lower(), (host,)):
        try:
            address = _plain(ip_address(text))
        except ValueError:
            continue
        found.append(
            IPv4Network(address) if isinstance(address, IPv4Address) else IPv6Network(address)
        )
    return tuple(found)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that is dressed as IPv6 is meant, without the name of an interface."""
    if isinstance(address, IPv4Address):
        return address
    bare = IPv6Address(int(address))
    inner = bare.ipv4_mapped or bare.sixtofour
    if inner is None and bare in _NAT64:
        inner = IPv4Address(int(bare) & 0xFFFF_FFFF)
    return inner or bare
