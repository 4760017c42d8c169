"""Which hosts and addresses may be asked: named hosts, by names that lead to public addresses only.

A name is checked as it is written, and every address it stands for, because a name says nothing about where
it leads. An address inside another (IPv4 in IPv6, in its several ways) is judged as what it carries. It must
not open anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from yarl import URL

from rxstream.errors import AuthorError, ClientError

Address: TypeAlias = IPv4Address | IPv6Address

_CARRIERS: Final = (
    IPv6Network("64:ff9b::/96"),  # NAT64
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("::/96"),  # compatible, long abolished
)
_GIVEN_OUT: Final = IPv6Network("2000::/3")
"""All that was ever given to anybody of the public network."""
_OF_CLOUDS: Final = frozenset(
    map(
        ip_address,
        (
            "168.63.129.16",  # Azure, and public to look at
            "100.100.100.200",  # Alibaba
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # AWS, and what follows
            "fd00:ec2::23",
            "fd20:ce::254",  # Google
        ),
    )
)
"""Where machines of clouds ask who they are, beside the link-local addresses that are always refused."""
_USUAL: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Named:
    """A host as its owner wrote it: `example.org`, `*.example.org`, `localhost:8080`, `*`."""

    text: str
    host: str
    port: int | None

    def matches(self, host: str, port: int) -> bool:
        """Whether it means this one; without a port it means the usual two."""
        if port != self.port if self.port is not None else port not in _USUAL.values():
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return self.host in ("*", host)


def named(hosts: Iterable[str]) -> tuple[Named, ...]:
    """What is meant. Raises `AuthorError` for what is no host."""
    found = []
    for text in hosts:
        try:
            url = URL(f"http://{text.replace('*', 'any-host', 1)}")
            host, port = url.host, url.explicit_port
        except ValueError:
            host = port = None
        if (
            not host
            or " " in host
            or (url.path, url.user) != ("/", None)
            or "*" in host
            or "*" in text[1:]
        ):
            raise AuthorError(
                f"{text!r} is no host: write example.org, *.example.org or localhost:8080"
            )
        found.append(Named(text, normal(host).replace("any-host", "*", 1), port))
    return tuple(found)


def normal(host: str) -> str:
    """One way to write a host: lower case, no dot at its end."""
    return host.lower().rstrip(".")


def checked(text: str, hosts: Iterable[Named]) -> tuple[URL, Named]:
    """The address to ask and the name that allows it. Raises `ClientError`, which says what is allowed."""
    try:
        url = URL(text.strip())
        host, port = url.host, url.port
    except ValueError:
        raise ClientError(f"this is no URL: {text[:200]!r}", code="bad_url") from None
    if url.scheme not in _USUAL or not host or port is None:
        raise ClientError("only http:// and https:// URLs with a host can be asked", code="bad_url")
    if url.user is not None or url.password is not None:
        raise ClientError("a URL with a user or a password is not asked", code="bad_url")
    for each in hosts:
        if each.matches(normal(host), port):
            return url.with_fragment(None), each
    allowed = ", ".join(each.text for each in hosts) or "none"
    raise ClientError(
        f"{host}:{port} is not among the hosts that may be asked ({allowed})", code="host_refused"
    )


def refusal(address: str, private: bool) -> str | None:
    """Why nobody may be sent there; with `private`, the machine itself and its network are allowed."""
    try:
        outer = ip_address(address.partition("%")[0])
    except ValueError:
        return "is no address"
    for each in _carried(outer):
        if each.is_unspecified or each.is_multicast or each.is_link_local:
            return "is of a kind nobody is sent to"
        if each in _OF_CLOUDS:
            return "is where clouds give out keys"
        public = each.is_global and (each.version == 4 or each in _GIVEN_OUT)
        if not public and not (private and (each.is_private or each.is_loopback)):
            return "is not public"
    return None


def _carried(address: Address) -> Iterator[Address]:
    """The address as it acts: what it carries, or itself."""
    if isinstance(address, IPv4Address):
        yield address
        return
    inner: list[Address] = []
    if address.ipv4_mapped is not None:
        inner.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        inner.append(address.sixtofour)
    if address.teredo is not None:
        inner.extend(address.teredo)
    loopback_or_none = int(address) <= 1
    if not loopback_or_none and any(address in network for network in _CARRIERS):
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    yield from inner or [address]
