"""Services of the host and the world, reached from the inside."""

from __future__ import annotations

import fcntl
import socket
import struct
from contextlib import suppress

from tests.adapters.tools.escaping.trying import (
    Facts,
    answer,
    attempt,
    harmless,
    said,
)


@harmless
def connects_to_the_host(facts: Facts) -> object:
    """A service that listens on the host's loopback."""
    return answer(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", facts.tcp))


@harmless
def sends_datagrams_to_the_host(facts: Facts) -> object:
    """A service that hears datagrams on the host's loopback."""
    return answer(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", facts.udp))


@harmless
def connects_to_a_unix_socket(facts: Facts) -> object:
    """A service by its socket file."""
    return answer(socket.AF_UNIX, socket.SOCK_STREAM, facts.unix)


@harmless
def connects_to_an_abstract_socket(facts: Facts) -> object:
    """A service by a socket that has a name and no file."""
    return answer(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + facts.abstract)


@attempt
def connects_by_ipv6(facts: Facts) -> object:
    """The host's loopback by its other address."""
    return answer(socket.AF_INET6, socket.SOCK_STREAM, ("::1", facts.tcp))


@attempt
def finds_interfaces(facts: Facts) -> object:
    """An interface that leads anywhere."""
    return [name for _, name in socket.if_nameindex() if name != "lo"]


@attempt
def has_a_route(facts: Facts) -> object:
    """A way to any address at all."""
    return len(said("/proc/net/route").splitlines()) > 1


@attempt
def reaches_an_address(facts: Facts) -> object:
    """An address outside, without sending anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("192.0.2.1", 53))
    return True


@attempt
def reaches_the_metadata_service(facts: Facts) -> object:
    """The address where clouds give out keys."""
    return answer(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80))


@attempt
def resolves_a_name(facts: Facts) -> object:
    """A name, and by the names it asks for, anything it knows."""
    return socket.getaddrinfo("example.org", 80)


@attempt
def brings_an_interface_up(facts: Facts) -> object:
    """Its own loopback's settings, the first step to an interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH22x", b"lo", 0))
    return True


def _family(family: int, kind: int, protocol: int = 0) -> bool:
    socket.socket(family, kind, protocol).close()
    return True


@attempt
def opens_a_raw_socket(facts: Facts) -> object:
    """Packets written by hand."""
    return _family(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attempt
def opens_a_packet_socket(facts: Facts) -> object:
    """The packets of everybody."""
    return _family(17, socket.SOCK_RAW, 768)


@attempt
def opens_a_netlink_socket(facts: Facts) -> object:
    """The kernel's own settings of networks."""
    return _family(16, socket.SOCK_RAW)


@harmless
def opens_a_netlink_socket_for_reading(facts: Facts) -> object:
    """The kernel's tables of routes."""
    return _family(16, socket.SOCK_DGRAM)


@attempt
def opens_a_vsock(facts: Facts) -> object:
    """The machine that this virtual machine runs on, past all namespaces."""
    return _family(40, socket.SOCK_STREAM)


@attempt
def opens_rare_sockets(facts: Facts) -> object:
    """Families that few use and many attacks began with."""
    opened = []
    for family in (3, 4, 5, 9, 21, 29, 30, 31, 37, 38, 39, 41, 42, 43, 44):
        with suppress(OSError):
            opened.append(_family(family, socket.SOCK_DGRAM))
    return opened
