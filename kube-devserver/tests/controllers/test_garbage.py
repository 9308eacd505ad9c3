"""Owners and dependents: background, foreground, orphans. What is expected is what Kubernetes' documentation of garbage collection says."""

from __future__ import annotations

from devserver_support.control import Control, control, definition, deployment, owned_by
from kube_devserver.objects.kinds import CONFIG_MAPS, DEFINITIONS, DEPLOYMENTS, PODS, REPLICA_SETS, Body

UNKNOWN = {"apiVersion": "example.dev/v1", "kind": "Gadget", "name": "g", "uid": "u-g", "blockOwnerDeletion": True}


def thing(made: Control, name: str, references: list[Body] | None = None, finalizers: list[str] | None = None) -> Body:
    """An object that nobody but the garbage collector looks at."""
    metadata: Body = {"name": name, "ownerReferences": references or [], "finalizers": finalizers or []}
    return made.create(CONFIG_MAPS, {"metadata": metadata})


def things(made: Control) -> list[str]:
    """Those that are left."""
    return [name for name in made.names(CONFIG_MAPS) if name != "kube-root-ca.crt"]


def owners(made: Control, name: str) -> list[str]:
    """Names of an object's owners."""
    body = made.get(CONFIG_MAPS, name)
    assert body is not None
    return [each["name"] for each in body["metadata"].get("ownerReferences") or ()]


def test_in_the_background_dependents_go_after_their_owner() -> None:
    """And theirs after them."""

    async def scenario(made: Control) -> None:
        top = thing(made, "top")
        middle = thing(made, "middle", owned_by(top))
        thing(made, "bottom", owned_by(middle))
        await made.settle()
        made.delete(CONFIG_MAPS, "top")
        assert things(made) == ["bottom", "middle"]
        await made.settle()
        assert things(made) == []

    control(scenario)


def test_in_the_foreground_the_owner_goes_last() -> None:
    """A dependent that blocks and is kept by a finalizer keeps its owner; one that does not block does not."""

    async def scenario(made: Control) -> None:
        top = thing(made, "top")
        thing(made, "blocks", owned_by(top), ["example.dev/keep"])
        thing(made, "other", owned_by(top, block=False), ["example.dev/keep"])
        made.delete(CONFIG_MAPS, "top", "Foreground")
        await made.settle()
        assert things(made) == ["blocks", "other", "top"]
        blocks = made.get(CONFIG_MAPS, "blocks")
        assert blocks is not None
        made.change(CONFIG_MAPS, "blocks", metadata=blocks["metadata"] | {"finalizers": []})
        await made.settle()
        assert things(made) == ["other"]

    control(scenario)


def test_a_second_owner_that_lives_keeps_a_dependent_and_does_not_hold_up_the_first() -> None:
    """Foreground: the reference to the one that goes is taken away."""

    async def scenario(made: Control) -> None:
        first, second = thing(made, "first"), thing(made, "second")
        thing(made, "child", owned_by(first, second))
        made.delete(CONFIG_MAPS, "first", "Foreground")
        await made.settle()

        assert things(made) == ["child", "second"]
        assert owners(made, "child") == ["second"]

    control(scenario)


def test_references_to_nobody_are_taken_away_while_an_owner_lives() -> None:
    """Background: a dependent with two owners loses the one that has gone."""

    async def scenario(made: Control) -> None:
        first, second = thing(made, "first"), thing(made, "second")
        thing(made, "child", owned_by(first, second))
        made.delete(CONFIG_MAPS, "first")
        await made.settle()

        assert owners(made, "child") == ["second"]
        made.delete(CONFIG_MAPS, "second")
        await made.settle()
        assert things(made) == []

    control(scenario)


def test_an_owner_of_a_kind_that_is_not_served_is_waited_for() -> None:
    """Nobody knows whether it lives: neither does the dependent go, nor is the reference taken away."""

    async def scenario(made: Control) -> None:
        owner = thing(made, "owner")
        thing(made, "child", [UNKNOWN])
        thing(made, "both", [UNKNOWN, *owned_by(owner)])
        made.delete(CONFIG_MAPS, "owner")
        await made.settle(200.0)

        assert things(made) == ["both", "child"]
        assert owners(made, "both") == ["g", "owner"]

    control(scenario)


def test_what_objects_of_a_definition_own_goes_with_the_definition() -> None:
    """Though their kind is served no longer when the dependents are looked at."""

    async def scenario(made: Control) -> None:
        made.create(DEFINITIONS, definition("gadgets", "Gadget"))
        await made.settle()
        thing(made, "child", owned_by(made.create(("example.dev", "gadgets"), {"metadata": {"name": "g"}})))
        made.delete(DEFINITIONS, "gadgets.example.dev")
        await made.settle()

        assert made.get(DEFINITIONS, "gadgets.example.dev") is None
        assert things(made) == []

    control(scenario)


def test_an_owner_that_is_another_by_now_owns_nothing() -> None:
    """The same name, another UID: the dependent goes."""

    async def scenario(made: Control) -> None:
        owner = thing(made, "owner")
        thing(made, "child", [owned_by(owner)[0] | {"uid": "another"}])
        await made.settle()

        assert things(made) == ["owner"]

    control(scenario)


def test_orphans_are_let_loose() -> None:
    """They stay, without the reference."""

    async def scenario(made: Control) -> None:
        thing(made, "child", owned_by(thing(made, "owner")))
        made.delete(CONFIG_MAPS, "owner", "Orphan")
        await made.settle()

        assert things(made) == ["child"]
        assert owners(made, "child") == []

    control(scenario)


def test_a_circle_goes_in_the_foreground() -> None:
    """Two that own each other do not wait for each other for ever."""

    async def scenario(made: Control) -> None:
        one = thing(made, "one")
        two = thing(made, "two", owned_by(one))
        made.change(CONFIG_MAPS, "one", metadata=one["metadata"] | {"ownerReferences": owned_by(two)})
        made.delete(CONFIG_MAPS, "one", "Foreground")
        await made.settle(5.0)

        assert things(made) == []

    control(scenario)


def test_a_deployment_in_the_foreground_takes_its_sets_and_pods_along() -> None:
    """Pods first, then the set, then the Deployment."""

    async def scenario(made: Control) -> None:
        made.create(DEPLOYMENTS, deployment())
        await made.settle()
        assert len(made.pods()) == 3
        made.delete(DEPLOYMENTS, "a", "Foreground")
        await made.settle()

        assert [made.names(kind) for kind in (DEPLOYMENTS, REPLICA_SETS, PODS)] == [[], [], []]

    control(scenario)
