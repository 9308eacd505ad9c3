"""Pure: a version's service time and its share of requests that are answered with an error.

The tier draws once per request, from the random source that it passes in, so that a seed repeats a run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from spiko_nanoservice.contract import ENV_BEHAVIOR
from spiko_nanoservice.errors import SettingsError

Z99 = 2.3263478740408408  # the standard normal's 99th percentile
LONGEST_US = 60_000_000


@dataclass(frozen=True)
class Behavior:
    """Service time in microseconds (sigma 0: constant, else lognormal) and errors per million requests."""

    median_us: int = 0
    sigma: float = 0.0
    errors_per_million: int = 0

    def draw_service_time_us(self, random: Random) -> int:
        """Return the service time of one request, 0 to 60,000,000 us.

        >>> Behavior(median_us=250).draw_service_time_us(Random(1))
        250
        """
        if self.sigma == 0.0 or self.median_us == 0:
            return self.median_us
        return min(LONGEST_US, int(self.median_us * math.exp(self.sigma * random.gauss(0.0, 1.0))))

    def draw_error(self, random: Random) -> bool:
        """Return whether one request is answered with an error."""
        return self.errors_per_million > 0 and random.randrange(1_000_000) < self.errors_per_million


def sigma_of(median_us: int, p99_us: int) -> float:
    """Return the sigma of a lognormal with this median and 99th percentile; 0 unless 0 < median < p99.

    p99 = median * exp(sigma * 2.326).

    >>> round(sigma_of(4000, 20000), 4)
    0.6918
    """
    if median_us <= 0 or p99_us <= median_us:
        return 0.0
    return math.log(p99_us / median_us) / Z99


def parse_behavior(text: str) -> Behavior:
    """Return the behavior that a pod template carries: the resource's `behavior` as JSON, or an empty string.

    Raises:
        SettingsError: not JSON, or a field of the wrong type.

    >>> parse_behavior('{"serviceTime": {"constant": {"microseconds": 250}}, "errorsPerMillion": 5}')
    Behavior(median_us=250, sigma=0.0, errors_per_million=5)
    """
    if not text:
        return Behavior()
    try:
        document: Mapping[str, Any] = json.loads(text)
        median_us, sigma = _parse_service_time(document.get("serviceTime") or {})
        return Behavior(median_us, sigma, int(document.get("errorsPerMillion") or 0))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{ENV_BEHAVIOR}: {text[:200]!r}: must be a version's behavior as JSON: {error!r}"
        ) from error


def _parse_service_time(document: Mapping[str, Any]) -> tuple[int, float]:
    if lognormal := document.get("lognormal"):
        median_us = int(lognormal["medianMicroseconds"])
        return median_us, sigma_of(median_us, int(lognormal["p99Microseconds"]))
    constant = document.get("constant") or {}
    return int(constant.get("microseconds", 0)), 0.0
