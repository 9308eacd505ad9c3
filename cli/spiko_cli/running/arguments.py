"""The arguments of `spiko run`, and which of them exclude each other."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from spiko_cli.errors import SpikoError
from spiko_cli.options import ClusterOptions

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Arguments:
    """The command's arguments, by the names of click's parameters."""

    file: str
    seconds: float
    as_json: bool
    histograms: bool
    traces: Path | None
    no_traces: bool
    otlp_listen: str | None
    keep: bool
    seed: int
    timeout_s: float
    nodes: Path | None
    cluster: ClusterOptions

    @property
    def listen(self) -> tuple[str, int]:
        """Address and port of the receiver of traces; port 0 chooses a free one.

        Raises:
            SpikoError: --otlp-listen is not an address that pods could reach.
        """
        return parse_listen(self.otlp_listen) if self.otlp_listen else (LOOPBACK, 0)

    def check(self, endpoint: str) -> None:
        """Check the options about traces.

        Args:
            endpoint: the Architecture's own OTLP endpoint; empty if it has none.

        Raises:
            SpikoError: options exclude each other.
        """
        given = {"--traces": self.traces, "--otlp-listen": self.otlp_listen}
        for option in (name for name, value in given.items() if value):
            if self.no_traces:
                raise SpikoError(f"--no-traces: no traces are received; leave it out, or {option}")
            if endpoint:
                raise SpikoError(
                    f"{option}: the Architecture exports its traces to {endpoint};"
                    " remove spec.telemetry.otlpEndpoint to receive them here"
                )
        _ = self.listen


def parse_listen(text: str) -> tuple[str, int]:
    """Return the address and the port of --otlp-listen; port 0 chooses a free one.

    >>> parse_listen("10.0.0.7"), parse_listen("10.0.0.7:4318"), parse_listen("[fd00::7]:4318")
    (('10.0.0.7', 0), ('10.0.0.7', 4318), ('fd00::7', 4318))

    Raises:
        SpikoError: it is not ADDRESS[:PORT], or pods could not send to it.
    """
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = text, "0"
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError:
        address, number = None, 0
    if address is None or address.is_unspecified or address.is_multicast or not 0 <= number <= 65535:
        raise SpikoError(
            f"--otlp-listen: {text!r}: must be an IP address of this machine that pods can reach, optionally"
            " with a port, such as 10.0.0.7:4318"
        )
    return str(address), number
