"""The stored state: what another user has changed in it is not used."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from spiko_nanoservice.contract import Revision
from spiko_nanoservice.contract.bounds import MOST_COUNTER, MOST_TERM
from spiko_operator.errors import PlanError
from spiko_operator.plan.names import TOPOLOGY_ANNOTATION
from spiko_operator.plan.state import (
    StoredState,
    from_data,
    from_topology_copy,
    is_started,
    to_data,
    topology_copy,
)
from spiko_operator.plan.status import EurekaReport
from tests.support.fake_api_server import STATE_KEY, FakeCluster
from tests.support.settled_shop import Object, running, shop, templates


def stored(cluster: FakeCluster) -> Object:
    """Return the data of the state ConfigMap."""
    data: Object = cluster.objects["ConfigMap", "shop-state"]["data"]
    return data


def set_runtime(data: Object) -> None:
    """Ask for another image, as an attacker who may write ConfigMaps."""
    document = json.loads(data["state.json"])
    document["runtime"] = {"image": "evil.example/miner:1", "tolerations": [{"operator": "Exists"}]}
    data["state.json"] = json.dumps(document)


def set_counter(data: Object) -> None:
    """Raise the counter of the configuration beyond all bounds."""
    document = json.loads(data["state.json"])
    document["configurationCounter"] = 2**62
    data["state.json"] = json.dumps(document)


def set_bomb(data: Object) -> None:
    """Store 400 MB of zeros, compressed."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(400)) + packer.flush()
    data["accepted-spec"] = base64.b64encode(packed).decode()


def set_types(data: Object) -> None:
    """Store values of other types."""
    data["state.json"] = json.dumps({"topology": 7, "runtime": [], "identities": None})


def remove_signature(data: Object) -> None:
    """Remove the signature."""
    del data["signature"]


@pytest.mark.parametrize(
    "change", [set_runtime, set_counter, set_bomb, set_types, remove_signature], ids=lambda f: f.__name__
)
def test_a_changed_state_is_rebuilt_and_reported(change: Callable[[Object], None]) -> None:
    """Given a state that another user changed, then no pod template changes, the state is rebuilt, and
    condition and event say so until the spec changes.
    """
    cluster = running()
    before = templates(cluster)
    change(stored(cluster))
    cluster.settle("shop")
    condition = cluster.condition("shop", "StateVerified")

    assert before == templates(cluster)
    assert ("False", "StateRebuilt") == (condition["status"], condition["reason"])
    assert ["StateRebuilt"] == [event.reason for event in cluster.events if event.type == "Warning"]
    assert from_data(stored(cluster), STATE_KEY).revision.counter < 2**40

    cluster.put(shop(scale=200))
    cluster.settle("shop")
    assert "True" == cluster.condition("shop", "StateVerified")["status"]


def test_the_key_of_another_architecture_is_not_valid() -> None:
    """Given the state of another Architecture, then its signature is not valid."""
    data = stored(running())

    with pytest.raises(PlanError, match="signature is not valid"):
        from_data(data, b"another key")


def test_a_signed_bomb_is_refused_within_bounds() -> None:
    """Given a spec over 2 MiB with a valid signature, then it is refused without being unpacked whole."""
    state = from_data(stored(running()), STATE_KEY)
    data = to_data(replace(state, accepted={"services": "x" * 3_000_000}), STATE_KEY)

    with pytest.raises(PlanError, match="more than 2097152 bytes"):
        from_data(data, STATE_KEY)


def test_every_field_of_the_stored_state_is_checked() -> None:
    """Given a stored state with one field missing or of another type, then the model refuses it."""
    document = json.loads(stored(running())["state.json"])
    assert StoredState.model_fields.keys() == document.keys()

    for field in document:
        for wrong in ({}, {field: object}):
            changed = {k: v for k, v in document.items() if k != field} | wrong
            with pytest.raises(ValueError, match=field):
                StoredState.model_validate(changed)


def test_a_forged_copy_of_the_topology_is_not_used() -> None:
    """Given a lost state and forged annotations, then the topology is chosen anew, and the condition says so;
    given genuine ones, then it is kept.
    """
    for forged in (False, True):
        cluster = running()
        topology = from_data(stored(cluster), STATE_KEY).topology
        del cluster.objects["ConfigMap", "shop-state"]
        for (kind, _), body in cluster.objects.items():
            if kind == "Deployment" and forged:
                copy = topology_copy(replace(topology, regions=()), b"the key of an attacker")
                body["metadata"]["annotations"][TOPOLOGY_ANNOTATION] = copy
        cluster.settle("shop")

        assert topology == from_data(stored(cluster), STATE_KEY).topology
        assert forged is ("were lost" in cluster.condition("shop", "ZonesLabeled")["message"])
        assert "False" == cluster.condition("shop", "StateVerified")["status"]


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"topology": "[]"}', '{"topology": "7", "signature": "x"}']
)
def test_an_invalid_copy_of_the_topology_is_an_error(text: str) -> None:
    """Given an annotation without a signed copy, then it is a PlanError."""
    with pytest.raises(PlanError):
        from_topology_copy(text, STATE_KEY)


@pytest.mark.parametrize(
    ("held", "next_"),
    [
        (Revision(0, 99), Revision(0, 100)),
        (Revision(3, 5), Revision(3, 6)),
        (Revision(2, MOST_COUNTER), Revision(3, 0)),
    ],
)
def test_an_unknown_configuration_of_a_eureka_is_outbid(held: Revision, next_: Revision) -> None:
    """Given a eureka with a higher revision than the operator ever sent, then the operator sends the next
    one, condition and event say so, and afterwards nothing more happens.
    """
    cluster = running()
    assert cluster.last_plan is not None
    cluster.reports = (EurekaReport(held, 3, 3),) * 3
    cluster.reconcile("shop")
    during = cluster.condition("shop", "Programmed")
    configuration = cluster.last_plan.configuration

    assert configuration is not None
    assert next_ == configuration.revision == from_data(stored(cluster), STATE_KEY).revision
    assert ("False", "UnknownRevision") == (during["status"], during["reason"])
    assert ["UnknownRevision"] == [event.reason for event in cluster.events]

    cluster.reports = (EurekaReport(next_, 3, 3),) * 3
    for _ in range(3):  # the last pass of the first start, its report, and rest
        cluster.reconcile("shop")
        assert cluster.last_plan.configuration is not None
        cluster.reports = (EurekaReport(cluster.last_plan.configuration.revision, 3, 3),) * 3
    assert "True" == cluster.condition("shop", "Programmed")["status"]
    assert [] == cluster.reconcile("shop")


def test_the_last_revision_cannot_be_outbid() -> None:
    """Given a eureka with the highest revision of all, then the event has the remedy."""
    cluster = running()
    cluster.reports = (EurekaReport(Revision(MOST_TERM, MOST_COUNTER), 3, 3),) * 3
    cluster.reconcile("shop")

    assert "delete the eureka pods" in cluster.events[0].message


@pytest.mark.parametrize("text", ["", "7", "[" * 200_000, '{"started": ' + "9" * 5_000 + "}"], ids=range(4))
def test_a_damaged_state_was_never_started(text: str) -> None:
    """Given a state that is not a JSON object, is nested deeply, or has a huge number, also with a valid
    signature, then the Architecture does not count as started, and no error ends the pass.
    """
    signed = to_data(from_data(stored(running()), STATE_KEY), STATE_KEY) | {"state.json": text}

    assert not is_started({"state.json": text}, STATE_KEY)
    assert not is_started(signed, STATE_KEY)


def test_a_forged_start_does_not_count() -> None:
    """Given a state in which another user has set `started`, then the Architecture was never Ready."""
    cluster = FakeCluster()
    cluster.put(shop())
    cluster.reconcile("shop")
    data = stored(cluster)
    forged = data | {"state.json": data["state.json"].replace('"started": false', '"started": true')}

    assert data != forged
    assert not is_started(forged, STATE_KEY)
