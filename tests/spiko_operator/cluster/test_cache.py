"""The cache and the full list that guards it."""

from __future__ import annotations

from typing import Any

from spiko_operator.cluster.cache import Cache


def body(name: str, uid: str, version: int) -> dict[str, Any]:
    """An object."""
    return {"metadata": {"name": name, "namespace": "n", "uid": uid, "resourceVersion": str(version)}}


def test_an_object_that_vanished_unheard_is_found_by_the_full_list() -> None:
    """Kopf delivers no DELETED for what went while a watch was broken (pitfall 1): the list tells."""
    cache = Cache()
    cache.put("Service", body("gone", "u1", 1))
    cache.put("Service", body("made again", "u2", 2))
    differing = cache.compare("Service", [body("made again", "u3", 9), body("new", "u4", 8)], "9")

    assert {"gone", "made again", "new"} == {o["metadata"]["name"] for o in differing}
    assert {"u3", "u4"} == {o["metadata"]["uid"] for o in cache.all("Service")}
    assert cache.compare("Service", [body("made again", "u3", 9), body("new", "u4", 8)], "9") == []


def test_an_older_version_never_replaces_a_newer_one() -> None:
    """The echo of an old write comes after our own newer one (pitfall 23); versions are numbers, 9 is before 10."""
    cache = Cache()
    cache.put("Service", body("a", "u", 10))
    cache.put("Service", body("a", "u", 9))

    assert cache.all("Service")[0]["metadata"]["resourceVersion"] == "10"


def test_the_end_of_an_old_object_leaves_the_new_one_of_its_name() -> None:
    """A late DELETED of another UID is not about what is there now."""
    cache = Cache()
    cache.put("Service", body("a", "new", 10))
    cache.drop("Service", body("a", "old", 5))

    assert len(cache.all("Service")) == 1


def test_managed_fields_are_not_kept() -> None:
    """They are most of a small object's size, and nothing is decided by them."""
    cache = Cache()
    fresh = body("a", "u", 1)
    fresh["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    cache.put("Service", fresh)

    assert "managedFields" not in cache.all("Service")[0]["metadata"]


def test_what_is_newer_than_the_list_is_not_missing_from_it() -> None:
    """An object made while the list travelled stays, in whichever namespace; one that the list should have had goes."""
    cache = Cache()
    cache.put("Service", body("made meanwhile", "u1", 12))
    cache.put("Service", body("unheard of", "u2", 9))
    cache.put(
        "Service",
        body("elsewhere", "u3", 9) | {"metadata": body("elsewhere", "u3", 9)["metadata"] | {"namespace": "m"}},
    )

    assert ["unheard of"] == [o["metadata"]["name"] for o in cache.compare("Service", [], "10", "n")]
    assert {"u1", "u3"} == {o["metadata"]["uid"] for o in cache.all("Service")}


def test_what_was_deleted_meanwhile_does_not_come_back() -> None:
    """Neither by the list that was on its way, nor by the late answer to a write."""
    cache = Cache()
    cache.put("Service", body("a", "u1", 5))
    cache.drop("Service", body("a", "u1", 11))

    assert [] == cache.compare("Service", [body("a", "u1", 5)], "10")
    cache.put("Service", body("a", "u1", 8))
    assert [] == cache.all("Service")


def test_what_has_lost_its_label_comes_back_with_it() -> None:
    """A watch with a selector tells DELETED of an object that has lost its label; the same object, labelled again, is known again."""
    cache = Cache()
    cache.put("Service", body("a", "u1", 5))
    cache.drop("Service", body("a", "u1", 8))
    cache.put("Service", body("a", "u1", 9))

    assert ["9"] == [each["metadata"]["resourceVersion"] for each in cache.all("Service")]
