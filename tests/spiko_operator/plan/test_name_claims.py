"""Two Architectures that need the same names: one runs whole, and the other is rejected whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import pytest

from spiko_operator.errors import Refused
from spiko_operator.plan.actions import Action, Apply, Requeue
from spiko_operator.plan.objects import controller_of
from spiko_operator.plan.reconcile import plan
from spiko_operator.plan.reevaluation import REEVALUATE_S
from tests.support.fake_api_server import FakeCluster
from tests.support.settled_shop import Object

SHARED = "shop-cart-db"  # Service of tier cart-db of shop, and of tier db of shop-cart
EARLIER, LATER = "2025-12-31T00:00:00Z", "2025-12-31T00:00:01Z"


def architecture(name: str, created: str, *tiers: str) -> Object:
    """Return an Architecture of stores with one pod each."""
    services = [{"name": tier, "package": "store", "count": 1, "regions": 1} for tier in tiers]
    metadata = {"name": name, "creationTimestamp": created}
    return {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Architecture",
        "metadata": metadata,
        "spec": {"services": services},
    }


def run(cluster: FakeCluster, name: str, actions: Sequence[Action], refused: bool = False) -> bool:
    """Execute actions as an operator does: after a refusal, only the other applies are executed.

    Returns whether the API server refused one, or one before.
    """
    for action in actions:
        if refused and not isinstance(action, Apply):
            break
        try:
            cluster.execute(name, action)
        except Refused:
            refused = True
    return refused


def settle(cluster: FakeCluster, *names: str) -> None:
    """Run passes for each Architecture in turn until none has actions."""
    for _ in range(20):
        cluster.get_ready()
        found = {name: plan(cluster.observe(name)).actions for name in names}
        if not any(not isinstance(action, Requeue) for actions in found.values() for action in actions):
            return
        for name in names:
            run(cluster, name, plan(cluster.observe(name)).actions)
    raise AssertionError(f"no rest: {found}")


def owned(cluster: FakeCluster, name: str) -> set[str]:
    """Return the names of all objects that an Architecture owns."""
    uid = cluster.objects["Architecture", name]["metadata"]["uid"]
    owners = {key: controller_of(body) for key, body in cluster.objects.items()}
    return {key[1] for key, owner in owners.items() if owner and owner["uid"] == uid}


def reasons(cluster: FakeCluster) -> tuple[str, str]:
    """Return the reasons of the conditions Accepted of shop and shop-cart."""
    return tuple(cluster.condition(name, "Accepted")["reason"] for name in ("shop", "shop-cart"))


@pytest.mark.parametrize(
    ("shop", "shop_cart", "expected"),
    [
        (EARLIER, LATER, ("Valid", "NameTaken")),
        (LATER, EARLIER, ("NameTaken", "Valid")),
        (EARLIER, EARLIER, ("Valid", "NameTaken")),
    ],
)
@pytest.mark.parametrize("order", [("shop", "shop-cart"), ("shop-cart", "shop")])
def test_the_older_of_two_new_architectures_runs(
    shop: str, shop_cart: str, expected: tuple[str, str], order: tuple[str, str]
) -> None:
    """Given two Architectures that need the same name, then the older one runs, of the same second the one
    with the lesser name, whichever is planned first; the other writes nothing until the first one is deleted.
    """
    cluster = FakeCluster()
    cluster.put(architecture("shop", shop, "cart-db", "web"))
    cluster.put(architecture("shop-cart", shop_cart, "db"))
    settle(cluster, *order)

    assert expected == reasons(cluster)
    winner, loser = ("shop", "shop-cart") if expected[0] == "Valid" else ("shop-cart", "shop")
    assert set() == owned(cluster, loser)
    message = cluster.condition(loser, "Accepted")["message"]
    assert message.startswith(f"no spec is in effect: Architecture {winner} also needs the name {SHARED}")
    assert [Requeue(REEVALUATE_S)] == plan(cluster.observe(loser)).actions

    gone = cluster.objects.pop(("Architecture", winner))["metadata"]["uid"]
    cluster.living.remove(gone)
    for key, body in list(cluster.objects.items()):
        if (controller_of(body) or {}).get("uid") == gone:
            del cluster.objects[key]
    settle(cluster, loser)
    assert "Valid" == cluster.condition(loser, "Accepted")["reason"]
    assert SHARED in owned(cluster, loser)


def test_an_older_architecture_does_not_displace_a_running_one() -> None:
    """Given a running Architecture, when an older one is edited to need one of its names, then the edit is
    rejected with the owner named, and both go on; an edit without that name is accepted.
    """
    cluster = FakeCluster()
    cluster.put(architecture("shop", EARLIER, "web"))
    cluster.put(architecture("shop-cart", LATER, "db"))
    settle(cluster, "shop", "shop-cart")
    before = cluster.summary()
    cluster.put(architecture("shop", EARLIER, "web", "cart-db"))
    settle(cluster, "shop", "shop-cart")

    assert ("NameTaken", "Valid") == reasons(cluster)
    message = cluster.condition("shop", "Accepted")["message"]
    assert message.startswith("the last accepted spec stays in effect: Architecture shop-cart also needs")
    assert before.keys() == cluster.summary().keys()

    cluster.put(architecture("shop", EARLIER, "web", "cart-cache"))
    settle(cluster, "shop", "shop-cart")
    assert ("Valid", "Valid") == reasons(cluster)


def test_an_older_architecture_with_errors_claims_no_name() -> None:
    """Given an older Architecture that was rejected for another reason, then the younger one runs, and keeps
    the name when the error is corrected.
    """
    cluster = FakeCluster()
    cluster.put(architecture("shop", EARLIER, "cart-db", "web"))
    cluster.objects["Architecture", "shop"]["spec"]["victim"] = "nothing"
    cluster.put(architecture("shop-cart", LATER, "db"))
    settle(cluster, "shop", "shop-cart")
    assert ("UnknownVictim", "Valid") == reasons(cluster)

    cluster.put(architecture("shop", EARLIER, "cart-db", "web"))
    settle(cluster, "shop", "shop-cart")
    assert ("NameTaken", "Valid") == reasons(cluster)
    assert set() == owned(cluster, "shop")


def segments(actions: Sequence[Action]) -> list[list[Action]]:
    """Return the actions, cut before each write of an object with a shared name."""
    found: list[list[Action]] = [[]]
    for action in actions:
        if isinstance(action, Apply) and action.body["metadata"]["name"].startswith(SHARED):
            found.append([])
        found[-1].append(action)
    return found


def interleavings(first: int, second: int) -> Iterator[list[bool]]:
    """Yield every order of so many steps of two operators; True is a step of the first."""
    for chosen in combinations(range(first + second), first):
        yield [position in chosen for position in range(first + second)]


BODIES = {
    "shop": architecture("shop", EARLIER, "cart-db", "web"),
    "shop-cart": architecture("shop-cart", EARLIER, "db", "cache"),
}


@pytest.mark.parametrize("seen", range(4))
def test_two_operators_at_the_same_moment_end_with_one_whole_architecture(seen: int) -> None:
    """Given an operator that plans one Architecture before the other one exists, and a second operator that
    plans the other one after `seen` steps of the first, when their writes interleave in any order, then
    exactly one Architecture runs, whole, and the other has no object.
    """
    tried = 0
    for newcomer, early in (("shop", "shop-cart"), ("shop-cart", "shop")):
        cluster = FakeCluster()
        cluster.put(BODIES[early])
        rounds = len(segments(plan(cluster.observe(early)).actions)) - seen
        for steps in interleavings(rounds, 4):
            cluster = FakeCluster()
            cluster.put(BODIES[early])
            first = segments(plan(cluster.observe(early)).actions)
            cluster.put(BODIES[newcomer])
            for _ in range(seen):
                run(cluster, early, first.pop(0))
            second = segments(plan(cluster.observe(newcomer)).actions)
            refused = {early: False, newcomer: False}
            for is_first in steps:
                name, left = (early, first) if is_first else (newcomer, second)
                refused[name] = run(cluster, name, left.pop(0) if left else [], refused[name])
            settle(cluster, early, newcomer)

            assert sorted(reasons(cluster)) == ["NameTaken", "Valid"], steps
            winner = "shop" if reasons(cluster)[0] == "Valid" else "shop-cart"
            loser = {"shop": "shop-cart", "shop-cart": "shop"}[winner]
            assert set() == owned(cluster, loser), steps
            assert "True" == cluster.condition(winner, "Ready")["status"], steps
            tried += 1
    assert tried >= 2
