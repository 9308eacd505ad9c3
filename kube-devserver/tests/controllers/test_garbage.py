"""Owners and dependents: background, foreground and orphaning deletion, as Kubernetes documents them."""

from __future__ import annotations

from devserver_support.control import Control, control, definition, deployment, owned_by
from kube_devserver.objects.kinds import CONFIG_MAPS, DEFINITIONS, DEPLOYMENTS, PODS, REPLICA_SETS, Body

UNKNOWN = {
    "apiVersion": "example.dev/v1",
    "kind": "Gadget",
    "name": "g",
    "uid": "u-g",
    "blockOwnerDeletion": True,
}


def thing(
    made: Control, name: str, references: list[Body] | None = None, finalizers: list[str] | None = None
) -> Body:
    """An object that only the garbage collector watches."""
    metadata: Body = {"name": name, "ownerReferences": references or [], "finalizers": finalizers or []}
    return made.create(CONFIG_MAPS, {"metadata": metadata})


def things(made: Control) -> list[str]:
    """Names of the ConfigMaps that are left."""
    return [name for name in made.names(CONFIG_MAPS) if name != "kube-root-ca.crt"]


def owners(made: Control, name: str) -> list[str]:
    """Names of an object's owners."""
    body = made.get(CONFIG_MAPS, name)
    assert body is not None
    return [each["name"] for each in body["metadata"].get("ownerReferences") or ()]


def test_background_deletion_deletes_dependents_after_their_owner() -> None:
    """Given a chain of owners, when the first is deleted, then all its dependents are deleted."""

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


def test_foreground_deletion_deletes_the_owner_last() -> None:
    """Given a blocking dependent with a finalizer, when the owner is deleted, then the owner waits for it."""

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


def test_a_second_owner_keeps_a_dependent() -> None:
    """Given two owners, when one is deleted in the foreground, then its reference is removed from the
    dependent.
    """

    async def scenario(made: Control) -> None:
        first, second = thing(made, "first"), thing(made, "second")
        thing(made, "child", owned_by(first, second))
        made.delete(CONFIG_MAPS, "first", "Foreground")
        await made.settle()

        assert things(made) == ["child", "second"]
        assert owners(made, "child") == ["second"]

    control(scenario)


def test_references_to_deleted_owners_are_removed() -> None:
    """Given two owners, when one is deleted in the background, then its reference is removed."""

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


def test_an_owner_of_an_unserved_kind_counts_as_present() -> None:
    """Given an owner of an unserved kind, when garbage is collected, then dependent and reference stay."""

    async def scenario(made: Control) -> None:
        owner = thing(made, "owner")
        thing(made, "child", [UNKNOWN])
        thing(made, "both", [UNKNOWN, *owned_by(owner)])
        made.delete(CONFIG_MAPS, "owner")
        await made.settle(200.0)

        assert things(made) == ["both", "child"]
        assert owners(made, "both") == ["g", "owner"]

    control(scenario)


def test_dependents_of_custom_objects_are_deleted_with_the_definition() -> None:
    """Given a deleted definition, when its dependents are processed, then they are deleted although the kind
    is gone.
    """

    async def scenario(made: Control) -> None:
        made.create(DEFINITIONS, definition("gadgets", "Gadget"))
        await made.settle()
        thing(made, "child", owned_by(made.create(("example.dev", "gadgets"), {"metadata": {"name": "g"}})))
        made.delete(DEFINITIONS, "gadgets.example.dev")
        await made.settle()

        assert made.get(DEFINITIONS, "gadgets.example.dev") is None
        assert things(made) == []

    control(scenario)


def test_an_owner_with_another_uid_owns_nothing() -> None:
    """Given an owner's name with another UID, when garbage is collected, then the dependent is deleted."""

    async def scenario(made: Control) -> None:
        owner = thing(made, "owner")
        thing(made, "child", [owned_by(owner)[0] | {"uid": "another"}])
        await made.settle()

        assert things(made) == ["owner"]

    control(scenario)


def test_orphaning_keeps_dependents_without_the_reference() -> None:
    """Given the policy Orphan, when the owner is deleted, then dependents stay and lose the reference."""

    async def scenario(made: Control) -> None:
        thing(made, "child", owned_by(thing(made, "owner")))
        made.delete(CONFIG_MAPS, "owner", "Orphan")
        await made.settle()

        assert things(made) == ["child"]
        assert owners(made, "child") == []

    control(scenario)


def test_a_cycle_of_owners_can_be_deleted() -> None:
    """Given two objects that own each other, when one is deleted in the foreground, then both are deleted."""

    async def scenario(made: Control) -> None:
        one = thing(made, "one")
        two = thing(made, "two", owned_by(one))
        made.change(CONFIG_MAPS, "one", metadata=one["metadata"] | {"ownerReferences": owned_by(two)})
        made.delete(CONFIG_MAPS, "one", "Foreground")
        await made.settle(5.0)

        assert things(made) == []

    control(scenario)


def test_foreground_deletion_of_a_deployment_deletes_sets_and_pods() -> None:
    """Given a Deployment, when it is deleted in the foreground, then pods, sets and it are deleted in this
    order.
    """

    async def scenario(made: Control) -> None:
        made.create(DEPLOYMENTS, deployment())
        await made.settle()
        assert len(made.pods()) == 3
        made.delete(DEPLOYMENTS, "a", "Foreground")
        await made.settle()

        assert [made.names(kind) for kind in (DEPLOYMENTS, REPLICA_SETS, PODS)] == [[], [], []]

    control(scenario)
