"""Pure: which registrations at eurekas the API server contradicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spiko_operator.plan.objects import Object

Registration = tuple[str, str]  # UID and address of a pod


def contradicted(registered: Iterable[Registration], pods: Sequence[Object]) -> frozenset[Registration]:
    """Return the registrations with a UID that no pod has, or with another address than the pod has.

    Args:
        registered: by the eurekas.
        pods: of the Architecture, as listed after that.

    >>> pods = [{"metadata": {"uid": "a"}, "status": {"podIP": "10.0.0.1"}}]
    >>> sorted(contradicted([("a", "10.0.0.1"), ("a", "10.0.0.2"), ("b", "10.0.0.3")], pods))
    [('a', '10.0.0.2'), ('b', '10.0.0.3')]
    """
    known = {(pod["metadata"]["uid"], address) for pod in pods for address in _addresses(pod)}
    return frozenset(registered) - known


def _addresses(pod: Object) -> set[str]:
    status = pod.get("status") or {}
    return {status.get("podIP", ""), *(entry.get("ip", "") for entry in status.get("podIPs") or ())}
