"""Pure: the bounds of the contract's fields, as annotations that `decode` checks."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Annotated

from spiko_nanoservice.contract.errors import ContractError


@dataclass(frozen=True)
class Range:
    """The lowest and the highest allowed integer."""

    lowest: int
    highest: int

    def check(self, value: int, where: str) -> None:
        """Raise ContractError for an integer outside the range."""
        if not self.lowest <= value <= self.highest:
            raise ContractError(f"{where}: {value}: must be from {self.lowest} to {self.highest}")


@dataclass(frozen=True)
class Length:
    """The most characters of a text, which has no control characters."""

    most: int

    def check(self, value: str, where: str) -> None:
        """Raise ContractError for a longer text, or for one that is not printable."""
        if len(value) > self.most:
            raise ContractError(f"{where}: {value[:32]!r}...: must have at most {self.most} characters")
        if not value.isprintable():
            raise ContractError(f"{where}: {value!r}: must not have control characters")


@dataclass(frozen=True)
class IpAddress:
    """An IPv4 or IPv6 address."""

    def check(self, value: str, where: str) -> None:
        """Raise ContractError for a text that is not an address."""
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in value else socket.AF_INET, value)
        except (OSError, ValueError):
            raise ContractError(f"{where}: {value!r}: must be an IP address") from None


@dataclass(frozen=True)
class Items:
    """The most items of a list."""

    most: int

    def check(self, value: tuple[object, ...], where: str) -> None:
        """Raise ContractError for a longer list."""
        if len(value) > self.most:
            raise ContractError(f"{where}: {len(value)} items: must have at most {self.most}")


Name = Annotated[str, Length(253)]
Url = Annotated[str, Length(2_048)]
Address = Annotated[str, IpAddress()]
Port = Annotated[int, Range(1, 65_535)]
Count = Annotated[int, Range(0, 1_000_000)]
Calls = Annotated[int, Range(0, 10**12)]
PerMillion = Annotated[int, Range(0, 1_000_000)]
Weight = Annotated[int, Range(0, 10**9)]
DeadlineMs = Annotated[int, Range(1, 3_600_000)]
# The number of the leader, and a counter that JSON parsers with floats still read exactly.
MOST_TERM, MOST_COUNTER = 2**31 - 1, 2**53 - 1
Term = Annotated[int, Range(0, MOST_TERM)]
Counter = Annotated[int, Range(0, MOST_COUNTER)]
# Milliseconds since 1970, until the year 2248.
StartMs = Annotated[int, Range(0, 2**43)]
