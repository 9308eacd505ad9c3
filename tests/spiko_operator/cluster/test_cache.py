"""The cache, and its comparison with full lists."""

from __future__ import annotations

from typing import Any

from spiko_operator.cluster.cache import Cache


def body(name: str, uid: str, version: int) -> dict[str, Any]:
    """Return an object."""
    return {"metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version)}}


def test_full_list_finds_an_object_deleted_without_an_event() -> None:
    """Given an object that was deleted while a watch was broken, so that kopf delivers no DELETED, when the
    cache is compared with a full list, then the object is returned and removed.
    """
    cache = Cache()
    cache.put("Service", body("gone", "u1", 1))
    cache.put("Service", body("made again", "u2", 2))
    differing = cache.compare("Service", [body("made again", "u3", 9), body("new", "u4", 8)], "9")

    assert {"gone", "made again", "new"} == {o["metadata"]["name"] for o in differing}
    assert {"u3", "u4"} == {o["metadata"]["uid"] for o in cache.all("Service")}
    assert cache.compare("Service", [body("made again", "u3", 9), body("new", "u4", 8)], "9") == []
    assert ({"Service": 4}, {"Service": 2}) == (cache.divergences, cache.count())


def test_an_older_version_never_replaces_a_newer_one() -> None:
    """Given a newer version of an object, when an older one arrives, then it is ignored; versions are
    compared as numbers.
    """
    cache = Cache()
    cache.put("Service", body("a", "u", 10))
    cache.put("Service", body("a", "u", 9))

    assert cache.all("Service")[0]["metadata"]["resourceVersion"] == "10"


def test_deleted_event_of_an_old_uid_keeps_the_new_object() -> None:
    """Given a new object of the same name, when a late DELETED event with the old UID arrives, then the new
    object stays.
    """
    cache = Cache()
    cache.put("Service", body("a", "new", 10))
    cache.drop("Service", body("a", "old", 5))

    assert len(cache.all("Service")) == 1


def test_of_managed_fields_only_the_managers_are_kept() -> None:
    """Managed fields are most of a small object's size; only the names of the managers are needed."""
    cache = Cache()
    fresh = body("a", "u", 1)
    fresh["metadata"]["managedFields"] = [{"manager": m, "fieldsV1": {"f:spec": {}}} for m in ("b", "a", "b")]
    cache.put("Service", fresh)

    assert [{"manager": "a"}, {"manager": "b"}] == cache.all("Service")[0]["metadata"]["managedFields"]


def test_objects_newer_than_the_list_are_kept() -> None:
    """Given an object created while the list was read, when the cache is compared, then it stays in every
    namespace, and older objects missing from the list are removed.
    """
    cache = Cache()
    cache.put("Service", body("made meanwhile", "u1", 12))
    cache.put("Service", body("unheard of", "u2", 9))
    cache.put(
        "Service",
        body("elsewhere", "u3", 9)
        | {"metadata": body("elsewhere", "u3", 9)["metadata"] | {"namespace": "m"}},
    )

    assert ["unheard of"] == [o["metadata"]["name"] for o in cache.compare("Service", [], "10", "n")]
    assert {"u1", "u3"} == {o["metadata"]["uid"] for o in cache.all("Service")}


def test_deleted_objects_are_not_added_again() -> None:
    """Given a DELETED event, when an older list or the late response to a write has the object, then it is
    not added again.
    """
    cache = Cache()
    cache.put("Service", body("a", "u1", 5))
    cache.drop("Service", body("a", "u1", 11))

    assert [] == cache.compare("Service", [body("a", "u1", 5)], "10")
    cache.put("Service", body("a", "u1", 8))
    assert [] == cache.all("Service")


def test_object_is_indexed_again_when_its_label_is_restored() -> None:
    """Given an object that lost the selected label, which a watch reports as DELETED, when it gets the label
    again, then the cache has it.
    """
    cache = Cache()
    cache.put("Service", body("a", "u1", 5))
    cache.drop("Service", body("a", "u1", 8))
    cache.put("Service", body("a", "u1", 9))

    assert ["9"] == [each["metadata"]["resourceVersion"] for each in cache.all("Service")]


def test_deletions_are_forgotten_on_request() -> None:
    """Given deletions that no list will end, when they are forgotten, then no memory of them is left: an
    older list adds the object again.
    """
    cache = Cache()
    cache.put("Service", body("a", "u", 4))
    cache.drop("Service", body("a", "u", 5))
    cache.put("Service", body("a", "u", 4))
    assert cache.all("Service") == []
    cache.forget_deletions()
    cache.put("Service", body("a", "u", 4))

    assert len(cache.all("Service")) == 1
