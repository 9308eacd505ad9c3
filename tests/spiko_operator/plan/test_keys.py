"""Keys are derived, and their Secrets belong to the operator."""

from __future__ import annotations

import base64
import json

from spiko_nanoservice.contract.handshake import Purpose, parse_keys
from spiko_operator.plan.keys import Keyring, is_foreign, is_up_to_date, keys_secret, read_secret
from tests.support.settled_shop import Object, running, templates

RING = Keyring(b"k" * 32, epoch=7)


def architecture(name: str = "shop", uid: str = "u1") -> Object:
    """Return an Architecture."""
    return {"metadata": {"name": name, "namespace": "default", "uid": uid}}


def test_keys_differ_by_purpose_uid_epoch_and_operator() -> None:
    """Given other inputs, then another key; given the same, then the same key."""
    keys = [
        RING.keys(Purpose.JOIN, "u1")[0],
        RING.keys(Purpose.JOIN, "u1")[1],
        RING.keys(Purpose.CONTROL, "u1")[0],
        RING.keys(Purpose.READ, "u1")[0],
        RING.keys(Purpose.JOIN, "u2")[0],
        Keyring(b"x" * 32, epoch=7).keys(Purpose.JOIN, "u1")[0],
    ]

    assert len(keys) == len({key.key for key in keys} | {RING.state_key("default", "shop")}) - 1
    assert [7, 6] == [key.epoch for key in RING.keys(Purpose.JOIN, "u1")]
    assert RING.keys(Purpose.JOIN, "u1")[0] == Keyring(b"k" * 32, epoch=8).keys(Purpose.JOIN, "u1")[1]
    assert "k" * 8 not in repr(RING)


def test_the_secret_has_the_keys_of_both_epochs_in_one_file_for_each_purpose() -> None:
    """Given an Architecture, then its Secret has three files, and the read key is that of its namespace."""
    body = keys_secret(RING, architecture(), "ns")
    files = {name: parse_keys(base64.b64decode(data).decode()) for name, data in body["data"].items()}

    assert {
        "join": RING.keys(Purpose.JOIN, "u1"),
        "control": RING.keys(Purpose.CONTROL, "u1"),
        "read": RING.keys(Purpose.READ, "ns"),
    } == files
    assert base64.b64decode(read_secret(RING, "default", "ns", [])["data"]["read"]) == base64.b64decode(
        body["data"]["read"]
    )


def test_the_read_secret_goes_with_the_last_architecture() -> None:
    """Given several Architectures, then each is an owner and none the controller."""
    body = read_secret(RING, "default", "ns", [architecture("b", "u2"), architecture("a", "u1")])

    assert [("a", "u1"), ("b", "u2")] == [
        (owner["name"], owner["uid"]) for owner in body["metadata"]["ownerReferences"]
    ]
    assert all("controller" not in owner for owner in body["metadata"]["ownerReferences"])


def test_a_secret_of_another_owner_is_foreign() -> None:
    """Given a Secret without the operator's label or with another controller, then it is foreign; one of an
    earlier Architecture of the same name is not.
    """
    desired = keys_secret(RING, architecture(), "ns")
    by_user = {"metadata": {"name": "shop-keys", "labels": {}}, "data": desired["data"]}
    other: Object = json.loads(json.dumps(desired))
    other["metadata"]["ownerReferences"][0] |= {"kind": "Deployment"}
    earlier = keys_secret(RING, architecture(uid="u0"), "ns")

    assert [True, True, False, False] == [is_foreign(b, desired) for b in (by_user, other, earlier, desired)]
    assert [False, True] == [is_up_to_date(body, desired) for body in (earlier, desired)]


def test_pods_of_tiers_mount_only_the_key_to_register() -> None:
    """Given an Architecture, then no template has a key or an environment variable with one, tiers mount
    `join`, and eurekas mount all files.
    """
    for name, template in templates(running()).items():
        (volume,) = template["spec"]["volumes"]
        files = [item["path"] for item in volume["secret"]["items"]]
        (mount,) = template["spec"]["containers"][0]["volumeMounts"]

        assert (["control", "join", "read"] if "-eureka-" in name else ["join"]) == files
        assert ("shop-keys", 0o440) == (volume["secret"]["secretName"], volume["secret"]["defaultMode"])
        assert ("/var/run/spiko/keys", True) == (mount["mountPath"], mount["readOnly"])
