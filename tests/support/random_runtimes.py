"""Pure: random values of `spec.runtime`, each valid, with empty and normalized values among them."""

from __future__ import annotations

from random import Random
from typing import Any

Object = dict[str, Any]
_AMOUNTS = {
    "cpu": ("0", "1", "100m", "1000m", "0.5", "0.0005", "2"),
    "memory": ("64Mi", "1024Mi", "1Gi", "1024Gi", "1000G", "1000k", "67108864"),
}

_MAPS = {
    "nodeSelector": ("disk", "node-role.kubernetes.io/worker"),
    "labels": ("team", "example.com/cost-center"),
    "annotations": ("example.com/contact", "sidecar.istio.io/inject"),
}


def random_runtime(random: Random) -> Object | None:
    """Return a runtime, or None for one that is left out.

    >>> random_runtime(Random(52))["labels"], random_runtime(Random(52))["tolerations"]
    ({'example.com/cost-center': ''}, [])
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
    return runtime | _pod_settings(random)


def _pod_settings(random: Random) -> Object:
    """Return some of the fields that are copied into pods, maps and lists of which may be empty."""
    found: Object = {}
    for name, keys in _MAPS.items():
        if random.random() < 0.4:
            kept = [key for key in keys if random.random() < 0.6]
            found[name] = {key: random.choice(("", "a", "b")) for key in kept}
    if random.random() < 0.4:
        names = [name for name in ("registry", "mirror") if random.random() < 0.7]
        found["imagePullSecrets"] = [{"name": name} for name in names]
    for name in ("priorityClassName", "otlpSecretName"):
        if random.random() < 0.3:
            found[name] = random.choice(("one", "two"))
    return found


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
