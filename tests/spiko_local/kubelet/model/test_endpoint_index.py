"""The index that resolves Services to pods: exact after every change, and cheap."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiko_local.kubelet.model.endpoint_index import Endpoint, EndpointIndex
from spiko_local.objects import Object


def service(selector: dict[str, str], early: bool = False) -> Object:
    """A Service with a selector."""
    return {"spec": {"selector": selector, "publishNotReadyAddresses": early}}


def endpoint(address: str, ready: bool = True, namespace: str = "default", **labels: str) -> Endpoint:
    """A running pod."""
    return Endpoint(namespace, address, ready, labels)


def index(**endpoints: Endpoint) -> EndpointIndex:
    """An index with pods by their UID."""
    made = EndpointIndex()
    for uid, each in endpoints.items():
        made.put(uid, each)
    return made


def test_all_labels_of_the_selector_must_match() -> None:
    """Given pods with some of the labels, when a Service selects two, then only pods with both are found."""
    pods = index(a=endpoint("1", t="x", z="1"), b=endpoint("2", t="x", z="2"), c=endpoint("3", t="y", z="1"))

    assert ["1"] == pods.addresses("default", service({"t": "x", "z": "1"}))
    assert ["1", "2"] == pods.addresses("default", service({"t": "x"}))
    assert [] == pods.addresses("default", service({"t": "x", "z": "3"}))


def test_pods_of_other_namespaces_are_not_selected() -> None:
    """Given the same labels in two namespaces, then each Service finds the pods of its own."""
    pods = index(a=endpoint("1", t="x"), b=endpoint("2", namespace="shop", t="x"))

    assert ["2"] == pods.addresses("shop", service({"t": "x"}))


@pytest.mark.parametrize("spec", [{}, {"selector": None}, {"selector": {}}])
def test_a_service_without_a_selector_has_no_addresses(spec: Object) -> None:
    """Given pods, when a Service has no selector, then it selects none of them, and not all."""
    assert [] == index(a=endpoint("1", t="x")).addresses("default", {"spec": spec})


def test_not_ready_pods_are_published_only_on_request() -> None:
    """Given a pod that is not ready, then only publishNotReadyAddresses includes it."""
    pods = index(a=endpoint("1", t="x"), b=endpoint("2", ready=False, t="x"))

    assert ["1"] == pods.addresses("default", service({"t": "x"}))
    assert ["1", "2"] == pods.addresses("default", service({"t": "x"}, early=True))


def test_a_pod_is_found_by_its_present_labels_only() -> None:
    """Given a pod whose label changes and changes back, then each time it is found by the new value alone."""
    pods = index(a=endpoint("1", t="x", z="1"))
    pods.put("a", endpoint("1", t="y", z="1"))

    assert [[], ["1"], ["1"]] == [
        pods.addresses("default", service(s)) for s in ({"t": "x"}, {"t": "y"}, {"z": "1"})
    ]
    pods.put("a", endpoint("1", t="x"))
    assert [["1"], [], []] == [
        pods.addresses("default", service(s)) for s in ({"t": "x"}, {"t": "y"}, {"z": "1"})
    ]


def test_a_removed_pod_is_not_found_and_may_come_back() -> None:
    """Given a removed pod, then it is not found; removing it twice is harmless, and it can be added again."""
    pods = index(a=endpoint("1", t="x"))
    pods.remove("a")
    pods.remove("a")

    assert [] == pods.addresses("default", service({"t": "x"}))
    pods.put("a", endpoint("1", t="x"))
    assert ["1"] == pods.addresses("default", service({"t": "x"}))


class CountingDict(dict[str, Endpoint]):
    """Counts how many endpoints are read."""

    reads = 0

    def __getitem__(self, key: str) -> Endpoint:
        self.reads += 1
        return super().__getitem__(key)


def test_a_question_reads_no_more_pods_than_the_smallest_set() -> None:
    """Given 1,000 pods of one architecture with two eurekas, then a question for eurekas reads those two."""
    pods = EndpointIndex()
    counted = pods._endpoints = CountingDict()
    for number in range(1_000):
        tier = "eureka" if number < 2 else f"tier{number % 40}"
        pods.put(f"{number}", endpoint(f"{number}", architecture="big", tier=tier))
    counted.reads = 0

    assert ["0", "1"] == pods.addresses("default", service({"architecture": "big", "tier": "eureka"}))
    assert 2 == counted.reads


LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"))
CHANGES = st.lists(
    st.tuples(st.sampled_from("pqr"), st.none() | st.tuples(st.booleans(), LABELS)), max_size=12
)


@given(CHANGES, LABELS, st.booleans())
def test_the_index_equals_a_scan_of_all_pods(
    changes: list[Any], selector: dict[str, str], early: bool
) -> None:
    """Given any sequence of changes, then the index answers what a scan of the pods that are left answers."""
    pods, left = EndpointIndex(), dict[str, Endpoint]()
    for uid, change in changes:
        if change is None:
            pods.remove(uid)
            left.pop(uid, None)
        else:
            left[uid] = Endpoint("default", uid, *change)
            pods.put(uid, left[uid])
    matching = [each for each in left.values() if selector and selector.items() <= each.labels.items()]

    assert sorted(each.address for each in matching if each.ready or early) == pods.addresses(
        "default", service(selector, early)
    )
