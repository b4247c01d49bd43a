"""Which addresses files may travel to and from."""

from ipaddress import ip_network

import pytest

from chargepoint.core.reach import Reach, is_address, networks_of

LOCAL = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # of a provider's own network (RFC 6598)
    "169.254.169.254",  # the metadata service of a cloud
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",  # 6to4
    "64:ff9b::a00:1",  # NAT64
    "64:ff9b:1::a00:1",  # NAT64 of a site (RFC 8215)
    "fec0::1",  # of a site (RFC 3879)
    "::10.0.0.1",  # dressed in ways that are out of use (RFC 4291, 2765)
    "::ffff:0:10.0.0.1",
]


@pytest.mark.parametrize("address", LOCAL)
def test_a_local_address_is_out_of_reach(address: str) -> None:
    assert not Reach().permits(address)


@pytest.mark.parametrize(
    "address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909"]
)
def test_a_public_address_is_within_reach(address: str) -> None:
    assert Reach().permits(address)


def test_what_the_installer_named_is_within_reach_and_nothing_beside_it() -> None:
    reach = Reach((ip_network("10.20.0.0/16"), ip_network("fd00::/64"), ip_network("fec0::/64")))

    assert reach.permits("10.20.3.4")
    assert reach.permits("::ffff:10.20.3.4")
    assert reach.permits("fd00::7")
    assert reach.permits("fec0::7")
    assert not reach.permits("10.21.0.1")
    assert not reach.permits("127.0.0.1")


@pytest.mark.parametrize("host", ["", "example.org", "localhost", "127.1", "2130706433"])
def test_a_name_is_no_address_and_never_within_reach(host: str) -> None:
    assert not is_address(host)
    assert not Reach((ip_network("0.0.0.0/0"),)).permits(host)


def test_only_an_address_that_is_written_stands_for_itself() -> None:
    assert networks_of("10.0.0.5") == (ip_network("10.0.0.5/32"),)
    assert networks_of("::1") == (ip_network("::1/128"),)
    assert networks_of("localhost") == (ip_network("127.0.0.1/32"), ip_network("::1/128"))
    assert networks_of("csms.example.org") == ()
