"""Pure: Architectures that change at random, always into something that can be carried out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

Object = dict[str, Any]
BASE = "1.0.0"
MOST_VERSIONS, MOST_TIERS = 3, 2


@dataclass(frozen=True)
class Wish:
    """One Architecture: www -> lb -> web -> db, perhaps with more stores behind web. `weights` maps web's versions to percents."""

    name: str
    rate: int = 20
    scale: int = 100
    db: int = 2
    direct: bool = False  # the load balancer calls db as well
    weights: dict[str, int] = field(default_factory=lambda: {BASE: 100})
    replicas: dict[str, int] = field(default_factory=lambda: {BASE: 2})
    extra: tuple[str, ...] = ()

    def manifest(self) -> Object:
        """The Architecture."""
        versions = [{"version": name, "replicas": count, **_behaviour(name)} for name, count in self.replicas.items()]
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


def _behaviour(version: str) -> Object:
    """Part of a version's identity, so a function of its number."""
    minor = int(version.split(".")[1])
    return {"behavior": {"serviceTime": {"constant": {"microseconds": 100 * minor}}}} if minor else {}


def choose_change(random: Random, wish: Wish) -> tuple[str, Wish]:
    """A change and its name; sometimes one that changes nothing.

    >>> name, changed = choose_change(Random(1), Wish("shop"))
    >>> sum(changed.weights.values()), set(changed.weights) == set(changed.replicas)
    (100, True)
    """
    kind = random.choice(("rate", "scale", "count", "dependencies", "weights", "version", "tier"))
    return kind, _CHANGES[kind](random, wish)


def _rate(random: Random, wish: Wish) -> Wish:
    return replace(wish, rate=random.choice((0, 10, 20, 40)))


def _scale(random: Random, wish: Wish) -> Wish:
    return replace(wish, scale=random.choice((50, 100, 150, 200)))


def _count(random: Random, wish: Wish) -> Wish:
    name = random.choice(["db", *wish.replicas])
    if name == "db":
        return replace(wish, db=random.randint(1, 3))
    return replace(wish, replicas=wish.replicas | {name: random.randint(1, 3)})


def _dependencies(random: Random, wish: Wish) -> Wish:
    return replace(wish, direct=not wish.direct)


def _weights(random: Random, wish: Wish) -> Wish:
    names = list(wish.weights)
    cuts = sorted(random.randint(0, 100) for _ in names[1:])
    return replace(wish, weights={n: b - a for n, a, b in zip(names, (0, *cuts), (*cuts, 100), strict=True)})


def _version(random: Random, wish: Wish) -> Wish:
    """Add one, or remove one; what it carried goes to the first."""
    removable = [name for name in wish.replicas if name != BASE]
    if removable and (len(wish.replicas) >= MOST_VERSIONS or random.random() < 0.5):
        gone = random.choice(removable)
        weights = {name: weight for name, weight in wish.weights.items() if name != gone}
        weights[BASE] += wish.weights[gone]
        return replace(wish, weights=weights, replicas={n: c for n, c in wish.replicas.items() if n != gone})
    new = next(name for name in ("1.1.0", "1.2.0", "1.3.0") if name not in wish.replicas)
    return replace(wish, weights=wish.weights | {new: 0}, replicas=wish.replicas | {new: random.randint(1, 2)})


def _tier(random: Random, wish: Wish) -> Wish:
    if wish.extra and (len(wish.extra) >= MOST_TIERS or random.random() < 0.5):
        gone = random.choice(wish.extra)
        return replace(wish, extra=tuple(name for name in wish.extra if name != gone))
    new = next(name for name in ("cache", "files") if name not in wish.extra)
    return replace(wish, extra=(*wish.extra, new))


_CHANGES = {
    "rate": _rate,
    "scale": _scale,
    "count": _count,
    "dependencies": _dependencies,
    "weights": _weights,
    "version": _version,
    "tier": _tier,
}
