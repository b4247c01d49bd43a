"""Files may come from this machine: what the config of a station under test says."""

from ipaddress import IPv4Network

from chargepoint.core.reach import Reach

NEAR = (IPv4Network("127.0.0.0/8"),)
LOOPBACK = Reach(NEAR)
