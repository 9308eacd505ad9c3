"""Addresses of networks: `ip("::1")`, `cidr("10.0.0.0/8").containsIP("10.1.1.1")`. After k8s.io/apiserver/pkg/cel/library and Go's net/netip."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, ip_address
from typing import Any

from kube_devserver.custom.cel.faults import EvalError, no_overload
from kube_devserver.custom.cel.texts import quoted
from kube_devserver.custom.cel.values import Address, Network

_NETWORK = "network address parse error during conversion from string: "  # which Kubernetes says twice
_DIGITS = re.compile(r"^(?:0|[1-9][0-9]{0,8})\Z", re.ASCII)


def _v4_fault(text: str) -> str:
    """What Go says of an address of version 4 that is none."""
    if bad := re.search(r"[^0-9.]", text):
        return f"unexpected character (at {quoted(text[bad.start() :])})"
    for count, match in enumerate(re.finditer(r"[0-9]*(\.|$)", text), 1):
        field = match[0].rstrip(".")
        for i in range(1, len(field) + 1):
            if i > 1 and field[0] == "0":
                return "IPv4 field has octet with leading zero"
            if int(field[:i][:4]) > 255:
                return "IPv4 field has value >255"
        if match[1] == "":
            break
        at = match.end() - 1
        if not field or at == len(text) - 1:
            return f"IPv4 field must have at least one digit (at {quoted(text[at:])})"
        if count > 3:
            return "IPv4 address too long"
    return "IPv4 address too short"


def _v6_fault(text: str) -> str:
    for part in re.split(r":", text):
        if len(part) > 4 and re.match(r"^[0-9a-fA-F]+\Z", part):
            return f"each group must have 4 or less digits (at {quoted(text[text.index(part) :])})"
    if text.count("::") > 1:
        return f"multiple :: in address (at {quoted(text[text.rindex('::') + 1 :])})"
    if bad := re.search(r"[^0-9a-fA-F:.]", text):
        begin = text.rfind(":", 0, bad.start()) + 1
        if begin == bad.start():
            return f"each colon-separated field must have at least one digit (at {quoted(text[begin:])})"
        return f"unexpected character, want colon (at {quoted(text[bad.start() :])})"
    if text.count(":") > 7:
        return f"trailing garbage after address (at {quoted(text.split(':', 8)[-1])})"
    if text.endswith(":"):
        return f"colon must be followed by more characters (at {quoted(':')})"
    return "address string too short"


def _parse(text: str) -> Address:
    """An address, as Go reads it: with a zone, and with one of version 4 in it.

    Raises:
        EvalError: it is none; the words are Go's.
    """
    first = re.search(r"[.:%]", text)
    if first is None or first[0] == "%":
        raise EvalError(
            f"ParseAddr({quoted(text)}): {'unable to parse IP' if first is None else 'missing IPv6 address'}"
        )
    try:
        return ip_address(text)
    except ValueError as error:
        why = _v4_fault(text) if first[0] == "." else _v6_fault(text)
        raise EvalError(f"ParseAddr({quoted(text)}): {why}") from error


def parse_address(text: str) -> Address:
    """An address without a zone.

    Raises:
        EvalError: it is none.

    >>> parse_address("127.0.0.1").is_loopback
    True
    """
    try:
        found = _parse(text)
    except EvalError as error:
        raise EvalError(f"IP Address {quoted(text)} parse error during conversion from string: {error}") from error
    if isinstance(found, IPv6Address):
        if found.scope_id is not None:
            raise EvalError(f"IP address {quoted(text)} with zone value is not allowed")
        if found.ipv4_mapped is not None:
            raise EvalError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return found


def parse_network(text: str) -> Network:
    """An address and the length of its prefix.

    Raises:
        EvalError: it is none.

    >>> str(parse_network("10.1.2.3/8").network)
    '10.0.0.0/8'
    """
    try:
        return _parse_prefix(text)
    except EvalError as error:
        raise EvalError(f"{_NETWORK}{error}") from error


def _parse_prefix(text: str) -> Network:
    prefix = f"{_NETWORK}netip.ParsePrefix({quoted(text)}): "
    address, slash, bits = text.rpartition("/")
    if not slash:
        raise EvalError(f"{prefix}no '/'")
    try:
        found = _parse(address)
    except EvalError as error:
        raise EvalError(f"{prefix}{error}") from error
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        raise EvalError(f"{prefix}IPv6 zones cannot be present in a prefix")
    if not _DIGITS.match(bits):
        raise EvalError(f"{prefix}bad bits after slash: {quoted(bits)}")
    if int(bits) > found.max_prefixlen:
        raise EvalError(f"{prefix}prefix length out of range")
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            raise EvalError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
        return IPv6Interface((found, int(bits)))
    return IPv4Interface((found, int(bits)))


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except EvalError:
            return False
        return True

    return holds


def _masked(network: Network) -> Network:
    found = network.network
    maker: Any = IPv4Interface if isinstance(network, IPv4Interface) else IPv6Interface
    made: Network = maker((found.network_address, found.prefixlen))
    return made


def _contains(network: Network, address: Any) -> bool:
    if isinstance(address, str):
        try:
            address = parse_address(address)
        except EvalError as error:
            raise no_overload() from error  # Kubernetes' own words for it
    return address in network.network


def _contains_network(network: Network, other: Any) -> bool:
    other = parse_network(other) if isinstance(other, str) else other
    mine, theirs = network.network, other.network
    if mine.version != theirs.version:
        return False
    return mine.prefixlen <= theirs.prefixlen and theirs.network_address in mine


def _address(network: Network) -> Address:
    return network.ip


_LINK_LOCAL_MULTICAST = IPv4Network("224.0.0.0/24")


def _is_link_local_multicast(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address in _LINK_LOCAL_MULTICAST
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 2


def _is_link_local(address: Address) -> bool:
    return address.is_link_local and not address.is_multicast


def _is_global(address: Address) -> bool:
    """Go's global unicast: private ones, too."""
    if address == IPv4Address("255.255.255.255"):
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast or _is_link_local(address))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ip(string) IP": parse_address, "isIP(string) bool": _is(parse_address), "IP.family() int": lambda address: address.version,
    "ip.isCanonical(string) bool": lambda text: str(parse_address(text)) == text, "string(IP) string": str,
    "IP.isUnspecified() bool": lambda address: address.is_unspecified, "IP.isLoopback() bool": lambda address: address.is_loopback,
    "IP.isLinkLocalMulticast() bool": _is_link_local_multicast, "IP.isLinkLocalUnicast() bool": _is_link_local,
    "IP.isGlobalUnicast() bool": _is_global,
    "cidr(string) CIDR": parse_network, "isCIDR(string) bool": _is(parse_network), "string(CIDR) string": str,
    "CIDR.containsIP(string) bool": _contains, "CIDR.containsIP(IP) bool": _contains,
    "CIDR.containsCIDR(string) bool": _contains_network, "CIDR.containsCIDR(CIDR) bool": _contains_network,
    "CIDR.ip() IP": _address, "CIDR.prefixLength() int": lambda network: network.network.prefixlen, "CIDR.masked() CIDR": _masked,
}  # fmt: skip
