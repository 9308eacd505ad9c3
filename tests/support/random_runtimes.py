"""Pure: random values of `spec.runtime`, each valid, with empty and normalized values among them."""

from __future__ import annotations

from random import Random
from typing import Any

Object = dict[str, Any]
_AMOUNTS = {
    "cpu": ("0", "1", "100m", "1000m", "0.5", "0.0005", "2"),
    "memory": ("64Mi", "1024Mi", "1Gi", "1024Gi", "1000G", "1000k", "67108864"),
}


def random_runtime(random: Random) -> Object | None:
    """Return a runtime, or None for one that is left out.

    >>> random_runtime(Random(10))
    {'image': 'spiko/nanoservice:1', 'resources': {}}
    """
    if random.random() < 0.15:
        return None
    runtime: Object = {}
    if random.random() < 0.5:
        runtime["image"] = random.choice(
            ("spiko/nanoservice:1", "spiko/nanoservice:2", "localhost:5000/nano", "a/b:latest")
        )
    if random.random() < 0.6:
        parts = [part for part in ("requests", "limits") if random.random() < 0.6]
        runtime["resources"] = {part: _amounts(random, part) for part in parts}
    if random.random() < 0.6:
        runtime["tolerations"] = [_toleration(random) for _ in range(random.randint(0, 3))]
    return runtime


def _amounts(random: Random, part: str) -> Object:
    # A request must not exceed its limit, so that requests are small.
    found = {name: random.choice(values) for name, values in _AMOUNTS.items() if random.random() < 0.7}
    return found if part == "limits" else dict.fromkeys(found, "0")


def _toleration(random: Random) -> Object:
    operator = random.choice(("Exists", "Equal", None))
    found: Object = {} if operator is None else {"operator": operator}
    if operator != "Exists":
        found |= {"value": random.choice(("", "batch"))} if random.random() < 0.6 else {}
        found["key"] = random.choice(("dedicated", "team"))
    elif random.random() < 0.6:
        found["key"] = random.choice(("dedicated", ""))
    if random.random() < 0.5:
        found["effect"] = random.choice(("NoSchedule", "PreferNoSchedule", "NoExecute"))
    return found
