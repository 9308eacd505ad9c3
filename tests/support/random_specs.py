"""Pure: Architectures with random changes, each of which is valid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

Object = dict[str, Any]
BASE = "1.0.0"
MOST_VERSIONS, MOST_TIERS = 3, 2


@dataclass(frozen=True)
class DesiredSpec:
    """One Architecture: www -> lb -> web -> db, and optional stores behind web.

    `weights` maps versions of web to percent.
    """

    name: str
    rate: int = 20
    scale: int = 100
    db: int = 2
    direct: bool = False  # whether the load balancer also calls db
    weights: dict[str, int] = field(default_factory=lambda: {BASE: 100})
    replicas: dict[str, int] = field(default_factory=lambda: {BASE: 2})
    extra: tuple[str, ...] = ()

    def manifest(self) -> Object:
        """Return the Architecture."""
        versions = [
            {"version": name, "replicas": count, **_behavior(name)} for name, count in self.replicas.items()
        ]
        split = [{"version": name, "weight": weight} for name, weight in self.weights.items()]
        below = ["web", "db"] if self.direct else ["web"]
        services = [
            {"name": "db", "package": "store", "count": self.db, "regions": 1},
            *({"name": name, "package": "store", "count": 1, "regions": 1} for name in self.extra),
            {
                "name": "web",
                "package": "monolith",
                "count": 1,
                "regions": 1,
                "dependencies": ["db", *self.extra],
                "versions": versions,
                "routing": {"split": split},
            },
            {"name": "lb", "package": "elb", "count": 0, "regions": 1, "dependencies": below},
            {
                "name": "www",
                "package": "denominator",
                "count": 0,
                "dependencies": ["lb"],
                "load": {"ratePerSecond": self.rate},
            },
        ]
        return {
            "apiVersion": "spiko.dev/v1alpha1",
            "kind": "Architecture",
            "metadata": {"name": self.name},
            "spec": {"scale": self.scale, "services": services},
        }


def _behavior(version: str) -> Object:
    """Return a behavior that depends on the version's number only: it is part of the identity."""
    minor = int(version.split(".")[1])
    return {"behavior": {"serviceTime": {"constant": {"microseconds": 100 * minor}}}} if minor else {}


def choose_change(random: Random, desired: DesiredSpec) -> tuple[str, DesiredSpec]:
    """A change and its name; sometimes one that changes nothing.

    >>> name, changed = choose_change(Random(1), DesiredSpec("shop"))
    >>> sum(changed.weights.values()), set(changed.weights) == set(changed.replicas)
    (100, True)
    """
    kind = random.choice(("rate", "scale", "count", "dependencies", "weights", "version", "tier"))
    return kind, _CHANGES[kind](random, desired)


def _rate(random: Random, desired: DesiredSpec) -> DesiredSpec:
    return replace(desired, rate=random.choice((0, 10, 20, 40)))


def _scale(random: Random, desired: DesiredSpec) -> DesiredSpec:
    return replace(desired, scale=random.choice((50, 100, 150, 200)))


def _count(random: Random, desired: DesiredSpec) -> DesiredSpec:
    name = random.choice(["db", *desired.replicas])
    if name == "db":
        return replace(desired, db=random.randint(1, 3))
    return replace(desired, replicas=desired.replicas | {name: random.randint(1, 3)})


def _dependencies(random: Random, desired: DesiredSpec) -> DesiredSpec:
    return replace(desired, direct=not desired.direct)


def _weights(random: Random, desired: DesiredSpec) -> DesiredSpec:
    names = list(desired.weights)
    cuts = sorted(random.randint(0, 100) for _ in names[1:])
    return replace(
        desired, weights={n: b - a for n, a, b in zip(names, (0, *cuts), (*cuts, 100), strict=True)}
    )


def _version(random: Random, desired: DesiredSpec) -> DesiredSpec:
    """Add or remove a version; the weight of a removed one goes to the first."""
    removable = [name for name in desired.replicas if name != BASE]
    if removable and (len(desired.replicas) >= MOST_VERSIONS or random.random() < 0.5):
        gone = random.choice(removable)
        weights = {name: weight for name, weight in desired.weights.items() if name != gone}
        weights[BASE] += desired.weights[gone]
        return replace(
            desired, weights=weights, replicas={n: c for n, c in desired.replicas.items() if n != gone}
        )
    new = next(name for name in ("1.1.0", "1.2.0", "1.3.0") if name not in desired.replicas)
    return replace(
        desired, weights=desired.weights | {new: 0}, replicas=desired.replicas | {new: random.randint(1, 2)}
    )


def _tier(random: Random, desired: DesiredSpec) -> DesiredSpec:
    if desired.extra and (len(desired.extra) >= MOST_TIERS or random.random() < 0.5):
        gone = random.choice(desired.extra)
        return replace(desired, extra=tuple(name for name in desired.extra if name != gone))
    new = next(name for name in ("cache", "files") if name not in desired.extra)
    return replace(desired, extra=(*desired.extra, new))


_CHANGES = {
    "rate": _rate,
    "scale": _scale,
    "count": _count,
    "dependencies": _dependencies,
    "weights": _weights,
    "version": _version,
    "tier": _tier,
}
