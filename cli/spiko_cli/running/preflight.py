"""Checks a cluster before a run applies anything: the kinds, the namespace, and the user's rights."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from spiko_cli.connection import render_right, require_crds, require_namespace
from spiko_cli.errors import ClusterError
from spiko_operator.api.common import API_VERSION
from spiko_operator.cluster.client import Client
from spiko_operator.errors import Forbidden, Missing, Refused
from spiko_operator.plan import names

GROUP = API_VERSION.partition("/")[0]
_LEASES = "/apis/coordination.k8s.io/v1/leases"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True)
class Right:
    """A right that a run needs in its namespace.

    Args:
        verb: of Kubernetes' RBAC.
        resource: plural, with its subresource.
        group: of the API; empty for the core group.
        name: of the only object that it is needed for; empty for all.
    """

    verb: str
    resource: str
    group: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return it as `kubectl auth can-i` takes it."""
        return render_right(self.verb, self.resource, self.group) + (f" {self.name}" if self.name else "")


# Server-side apply of a new object needs `create` as well as `patch`.
_ARCHITECTURES = tuple(Right(verb, "architectures", GROUP) for verb in ("get", "create", "patch", "delete"))
_FAULTS = tuple(Right(verb, "faults", GROUP) for verb in ("get", "create", "delete"))
_READING = (Right("list", "pods"), Right("get", "secrets", name=names.READ_SECRET))
_PROXY = Right("get", "pods/proxy")


async def check_cluster(client: Client, namespace: str, faults: bool, proxy: bool) -> None:
    """Check that a run can do all that it does in a cluster.

    Args:
        client: of the API server.
        namespace: of the run.
        faults: whether the run injects some.
        proxy: whether eurekas are reached through the API server.

    Raises:
        ClusterError: something is missing; the message has what.
        spiko_operator.errors.ClusterError: the API server refused a request or did not answer.
    """
    await require_crds(client, "architectures", *(["faults"] if faults else []))
    await require_namespace(client, namespace)
    needed = (*_ARCHITECTURES, *(_FAULTS if faults else ()), *_READING, *([_PROXY] if proxy else []))
    allowed = await asyncio.gather(*(_is_allowed(client, namespace, right) for right in needed))
    lacking = [f"`{right}`" for right, has in zip(needed, allowed, strict=True) if not has]
    if lacking:
        plural = "s" if lacking[1:] else ""
        raise ClusterError(f'you need the right{plural} to {", ".join(lacking)} in namespace "{namespace}"')


async def explain_missing_operator(client: Client) -> str:
    """Return a warning if no operator holds its Lease; empty if one does, or if that is not known.

    An operator may run without a Lease, so the run continues.

    Raises:
        spiko_operator.errors.ClusterError: the API server does not answer.
    """
    try:
        answer = await client.connection.request(
            "GET", _LEASES, {"fieldSelector": f"metadata.name={names.LEASE}"}
        )
    except Refused:
        return ""
    if any((lease.get("spec") or {}).get("holderIdentity") for lease in answer.get("items") or ()):
        return ""
    missing = f'no namespace has a held Lease "{names.LEASE}"'
    return f"no operator seems to run: {missing}; install the Spiko operator with Helm (docs/install.md)"


async def _is_allowed(client: Client, namespace: str, right: Right) -> bool:
    plural, _, below = right.resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": plural,
        "subresource": below,
        "name": right.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await client.connection.request("POST", _REVIEWS, body=review)
    except (Forbidden, Missing):
        return True  # it is not known, so the requests of the run will tell
    return bool((answer.get("status") or {}).get("allowed"))
