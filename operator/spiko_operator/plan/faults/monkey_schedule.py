"""Pure: the schedule of the chaos monkey: its draws are hashes of the seed and the number of the draw."""

from __future__ import annotations

import hashlib
import math

from spiko_operator.api.architecture import Monkey
from spiko_operator.plan.faults.fault_status import derive_seed


def uniform(seed: int, draw: int, what: str) -> float:
    """Return a number from 0 to below 1: a hash of the seed, the number of the draw and the purpose."""
    digest = hashlib.sha256(f"{seed}/{draw}/{what}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def interval_s(monkey: Monkey, draw: int) -> float:
    """Return the seconds from the last draw to this one: min plus an exponential of mean (mean - min).

    >>> interval_s(Monkey(mean_seconds=60, min_seconds=60), 5)
    60.0
    """
    least = least_s(monkey)
    return least - (monkey.mean_seconds - least) * math.log(1.0 - uniform(monkey.seed or 0, draw, "interval"))


def effective(monkey: Monkey, uid: str) -> Monkey:
    """Return the settings with the defaults: method Evict, and a seed derived from the Architecture's UID."""
    seed = derive_seed(uid) if monkey.seed is None else monkey.seed
    return monkey.model_copy(update={"seed": seed, "method": monkey.method or "Evict"})


def least_s(monkey: Monkey) -> float:
    """Return `minSeconds`; if left out, a tenth of the mean, at least 1."""
    return float(monkey.min_seconds if monkey.min_seconds is not None else max(1, monkey.mean_seconds // 10))
