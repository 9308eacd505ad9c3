"""Connects to a cluster, and explains what it refuses: what is missing, and the exact right or remedy."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spiko_cli.errors import ClusterError
from spiko_cli.kubeconfig import Access
from spiko_operator.api.common import API_VERSION
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.connection import REQUEST_S
from spiko_operator.errors import ClusterError as ApiError
from spiko_operator.errors import Forbidden, Missing, Refused, Unauthorized

CRDS = "crds/"
ANONYMOUS = "system:anonymous"  # a request without credentials
# The message of Kubernetes' RBAC authorizer, and of others that follow it.
# Source: k8s.io/apiserver, endpoints/handlers/responsewriters/errors.go, forbiddenMessage.
_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\S+) resource "(?P<resource>[^"]+)"'
    r' in API group "(?P<group>[^"]*)"(?: in the namespace "(?P<namespace>[^"]*)")?'
)


@asynccontextmanager
async def connect(access: Access, timeout_s: float = REQUEST_S) -> AsyncIterator[Client]:
    """Open a client of a cluster for the duration of the context; errors of the API server are explained.

    Args:
        access: which cluster.
        timeout_s: time limit of one request.

    Raises:
        ClusterError: there are no usable credentials, or the API server refused a request or did not answer.
    """
    try:
        client = await Client.connect(access.kubeconfig, access.context or None, timeout_s)
    except ApiError as error:
        raise ClusterError(f"{error}; name another with --context or --kubeconfig") from error
    try:
        yield client
    except ApiError as error:
        raise explain(error, access, client.server) from error
    finally:
        await client.close()


def explain(error: ApiError, access: Access, server: str) -> ClusterError:
    """Return the operator's error as one of the command line, with what is missing and what to do.

    Args:
        error: of a request.
        access: the cluster.
        server: URL of the API server.
    """
    if isinstance(error, Unauthorized):
        return ClusterError(
            f"{access}: the API server at {server} rejects the credentials (401), which are wrong or have"
            " expired; renew them as for kubectl, then try `kubectl auth whoami`"
        )
    if isinstance(error, Forbidden) and f'User "{ANONYMOUS}"' in error.message:
        return ClusterError(
            f'{access}: the API server at {server} got no credentials (you are "{ANONYMOUS}"); add a user'
            " with credentials to this context of the kubeconfig"
        )
    text = " ".join(str(error).split())  # an answer that is not of an API server may have several lines
    if isinstance(error, Forbidden):
        return ClusterError(explain_forbidden(error) or text)
    if isinstance(error, Refused):
        return ClusterError(text)
    if access.local:
        return ClusterError(f"{text}; check `spiko status`")
    return ClusterError(
        f"{access}: {text}; check that {server} can be reached from here, or name another cluster with"
        " --context or --kubeconfig"
    )


def explain_forbidden(error: Forbidden) -> str:
    """Return the right that a request needs; empty if something else than rights forbids it.

    >>> text = 'pods "a" is forbidden: User "me" cannot get resource "pods/proxy" in API group ""'
    >>> explain_forbidden(Forbidden("", f'{text} in the namespace "demo"'))
    'you need the right to `get pods/proxy` in namespace "demo" (you are "me")'
    """
    found = _FORBIDDEN.search(error.message)
    if found is None:
        return ""
    right = render_right(found["verb"], found["resource"], found["group"])
    where = f'in namespace "{found["namespace"]}"' if found["namespace"] else "in all namespaces"
    return f'you need the right to `{right}` {where} (you are "{found["user"]}")'


def render_right(verb: str, resource: str, group: str) -> str:
    """Return a right as `kubectl auth can-i` takes it.

    >>> render_right("get", "architectures", "spiko.dev")
    'get architectures.spiko.dev'
    """
    plural, _, below = resource.partition("/")
    return f"{verb} {plural}{f'.{group}' if group else ''}{f'/{below}' if below else ''}"


async def require_crds(client: Client, *plurals: str) -> None:
    """Check that the API server knows kinds of Spiko.

    Args:
        client: of the API server.
        plurals: of the kinds.

    Raises:
        ClusterError: it does not.
        spiko_operator.errors.ClusterError: the API server refused the request or did not answer.
    """
    try:
        known = await client.raw(f"/apis/{API_VERSION}")
        lacking = set(plurals) - {str(resource["name"]) for resource in known.get("resources") or ()}
    except Missing:
        lacking = set(plurals)
    if lacking:
        names = ", ".join(f"{plural}.{API_VERSION.partition('/')[0]}" for plural in sorted(lacking))
        raise ClusterError(
            f"the Spiko CRDs are not installed on {client.server} ({names});"
            f" install Spiko with Helm (docs/install.md), or run `kubectl apply --server-side -f {CRDS}`"
        )


async def require_namespace(client: Client, name: str) -> None:
    """Check that a namespace exists; without the right to read it, assume that it does.

    Raises:
        ClusterError: it does not exist.
        spiko_operator.errors.ClusterError: the API server did not answer.
    """
    try:
        await client.get("Namespace", None, name)
    except Missing as error:
        text = f'namespace "{name}" does not exist; create it with `kubectl create namespace {name}`'
        raise ClusterError(text) from error
    except Forbidden:
        pass
