"""Requests for subresources: status, scale, eviction, finalize, logs, exec and port-forward."""

from __future__ import annotations

from aiohttp import web

from kube_devserver import api_errors
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.options import Target
from kube_devserver.api.pods import evict
from kube_devserver.api.request_options import check_log_options, demand_objects, read_write
from kube_devserver.api.request_parsing import ResourcePath
from kube_devserver.api.responses import json_answer, object_answer
from kube_devserver.api.scale import scale_of, write_scale
from kube_devserver.api.verbs import Verbs
from kube_devserver.objects.conditions import is_terminating
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.resource_registry import Resource

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
TUNNELS = {"exec": "exec", "portforward": "portForward"}


class SubresourceRoutes:
    """The handlers of subresources.

    Args:
        verbs: reads and writes objects.
        kubelets: serve logs, exec and port-forward.
    """

    def __init__(self, verbs: Verbs, kubelets: Kubelets) -> None:
        self._verbs, self._kubelets = verbs, kubelets

    async def answer(
        self, request: web.Request, path: ResourcePath, resource: Resource
    ) -> web.StreamResponse:
        """Answer a request for a subresource.

        Raises:
            StatusError: the request is refused.
        """
        name = path.subresource
        at = Target(resource, path.namespace, path.name, name)
        if name not in resource.subresources or not path.name:
            if resource.custom is not None:
                raise api_errors.not_found(*resource.key, path.name)
            raise api_errors.no_path()
        if VERBS.get(request.method) not in resource.subresources[name]["verbs"]:
            raise api_errors.no_method()
        if name == "log" or name in TUNNELS:
            return await self._pass_to_kubelet(request, at)
        if request.method == "GET":
            body = self._verbs.get(at).body
            return object_answer(request, resource, scale_of(at, body) if name == "scale" else body, 200)
        return await self._write(request, at)

    async def _pass_to_kubelet(self, request: web.Request, at: Target) -> web.StreamResponse:
        if at.subresource == "log":
            check_log_options(request.query, at.name)
        pod = self._verbs.get(at).body
        query = {key: request.query.getall(key) for key in request.query}
        if at.subresource != "log":
            return await self._kubelets.upgrade(request, TUNNELS[at.subresource], pod, query)
        if not pod["spec"].get("nodeName"):
            return web.Response(status=204)
        return await self._kubelets.logs(request, pod, query)

    async def _write(self, request: web.Request, at: Target) -> web.Response:
        options, sent = await read_write(request)
        kind = None if request.method == "PUT" else request.content_type
        match at.subresource:
            case "eviction":
                demand_objects(sent, "metadata", "deleteOptions")
                return json_answer(evict(self._verbs, at, sent, options), 201)
            case "scale":
                return json_answer(write_scale(self._verbs, at, kind, sent, options))
            case "status":
                changed, _ = (
                    self._verbs.update(at, sent, options)
                    if kind is None
                    else self._verbs.patch(at, kind, sent, options)
                )
                return object_answer(request, at.resource, changed, 200, options)
            case "finalize":
                body = self._finalize(at, demand_objects(sent, "spec"))
                return object_answer(request, at.resource, body, 200)
        raise api_errors.no_method()

    def _finalize(self, at: Target, sent: Body) -> Body:
        """Replace a Namespace's finalizers; a deleted namespace without any is removed."""
        entry = self._verbs.get(at)
        finalizers = (sent.get("spec") or {}).get("finalizers") or []
        body = entry.body | {"spec": {"finalizers": finalizers} if finalizers else {}}
        store = self._verbs.store
        store.put(at.resource.key, "", at.name, body)
        if not finalizers and is_terminating(body) and not body["metadata"].get("finalizers"):
            return store.remove(at.resource.key, "", at.name).body
        return self._verbs.get(at).body
