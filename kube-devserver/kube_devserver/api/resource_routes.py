"""Requests for resources: single objects, lists and watches."""

from __future__ import annotations

import logging
import random
import time

from aiohttp import web

from kube_devserver import api_errors
from kube_devserver.api import responses
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.list_options import asked_version, check_list, check_options, select
from kube_devserver.api.media_types import JSON
from kube_devserver.api.options import Target
from kube_devserver.api.request_options import read_delete, read_write
from kube_devserver.api.request_parsing import ResourcePath, flag, number
from kube_devserver.api.subresource_routes import SubresourceRoutes
from kube_devserver.api.verbs import APPLY, JSON_PATCH, MERGE, STRATEGIC, Verbs
from kube_devserver.api.watch_stream import Lines, Watch, watch_lines
from kube_devserver.api_errors import StatusError
from kube_devserver.objects.kinds import PODS, Body
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.objects.selectors import Selection
from kube_devserver.storage.store import Entry

PATCHES = {JSON_PATCH, MERGE, STRATEGIC, APPLY}
SHORTEST_WATCH_S, LONGEST_WATCH_S = 1800, 3600
WARN_EVERY_S = 60.0
log = logging.getLogger("kube_devserver.api")
Answer = web.StreamResponse


class ResourceRoutes:
    """The handlers of resources.

    Args:
        verbs: reads and writes objects.
        kubelets: serve logs, exec and port-forward.
        most_watches: at one time.
    """

    def __init__(self, verbs: Verbs, kubelets: Kubelets, most_watches: int) -> None:
        self._verbs, self._store = verbs, verbs.store
        self._subresources = SubresourceRoutes(verbs, kubelets)
        self._lines = Lines()
        self.open_watches = 0
        self._most_watches, self._warn_at_s = most_watches, 0.0
        self._random = random.Random()  # spreads the ends of watches

    async def answer(self, request: web.Request, path: ResourcePath, resource: Resource) -> Answer:
        """Answer a request for a resource.

        Raises:
            StatusError: the request is refused.
        """
        if path.subresource:
            return await self._subresources.answer(request, path, resource)
        at = Target(resource, path.namespace, path.name)
        match request.method, bool(path.name):
            case "GET", False:
                return await self._collection(request, path, resource)
            case ("GET", True) if flag(request.query, "watch"):
                return await self._collection(request, path, resource)
            case "GET", True:
                return responses.entry_answer(request, resource, self._verbs.get(at))
            case "POST", False:
                return await self._create(request, path, resource)
            case "PUT", True:
                options, body = await read_write(request)
                changed, created = self._verbs.update(at, body, options)
                return responses.object_answer(request, resource, changed, 201 if created else 200, options)
            case "PATCH", True:
                return await self._patch(request, at)
            case "DELETE", True:
                return await self._delete(request, at)
            case "DELETE", False:
                return await self._delete_all(request, path, resource)
        raise api_errors.no_method()

    async def _create(self, request: web.Request, path: ResourcePath, resource: Resource) -> web.Response:
        if "create" not in resource.verbs or (resource.namespaced and not path.namespace):
            raise api_errors.no_method()
        options, body = await read_write(request)
        made = self._verbs.create(resource, path.namespace, body, options)
        return responses.object_answer(request, resource, made, 201, options)

    async def _patch(self, request: web.Request, at: Target) -> web.Response:
        kind = request.content_type
        if kind not in PATCHES:
            raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        options, patch = await read_write(request)
        if kind == APPLY and "fieldManager" not in request.query:
            cause = api_errors.required("fieldManager", "is required for apply patch")
            raise api_errors.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        if "force" in request.query and kind != APPLY:
            cause = api_errors.prohibited("force", "may not be specified for non-apply patch")
            raise api_errors.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        changed, created = self._verbs.patch(at, kind, patch, options)
        return responses.object_answer(request, at.resource, changed, 201 if created else 200, options)

    async def _delete(self, request: web.Request, at: Target) -> web.Response:
        options, wanted = await read_delete(request)
        body, gone = self._verbs.delete(at, wanted, options)
        if not gone or at.resource.key == PODS:
            return responses.object_answer(request, at.resource, body, 200, options)
        uid = body["metadata"].get("uid", "")
        named = {"name": at.name, "group": at.resource.group, "kind": at.resource.plural, "uid": uid}
        details = {key: value for key, value in named.items() if value}
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return responses.json_answer(body)

    async def _delete_all(self, request: web.Request, path: ResourcePath, resource: Resource) -> web.Response:
        if "deletecollection" not in resource.verbs:
            raise api_errors.no_method()
        options, wanted = await read_delete(request)
        chosen = self._selected(resource, select(request.query, resource, path.namespace))
        for entry in chosen:
            metadata = entry.body["metadata"]
            at = Target(resource, metadata.get("namespace", ""), metadata["name"])
            self._verbs.delete(at, wanted, options)
        return responses.list_answer(request, resource, chosen, self._list_metadata())

    def _selected(self, resource: Resource, selection: Selection) -> list[Entry]:
        entries = self._store.entries(resource.key, selection.namespace)
        return [entry for entry in entries if selection.test is None or selection.test(entry.body)]

    def _list_metadata(self) -> Body:
        return {"resourceVersion": str(self._store.revision)}

    # ------------------------------------------------------------------ lists and watches

    async def _collection(self, request: web.Request, path: ResourcePath, resource: Resource) -> Answer:
        if "list" not in resource.verbs:
            raise api_errors.no_method()
        selection = select(request.query, resource, path.namespace, path.name)
        if flag(request.query, "watch"):
            return await self._watch(request, resource, selection)
        check_list(request.query, self._store.revision)
        return responses.list_answer(
            request, resource, self._selected(resource, selection), self._list_metadata()
        )

    async def _watch(self, request: web.Request, resource: Resource, selection: Selection) -> Answer:
        query = request.query
        check_options(query, True)
        usual_s = self._random.uniform(SHORTEST_WATCH_S, LONGEST_WATCH_S)
        timeout_s = float(number(query, "timeoutSeconds") or usual_s)
        watch = Watch(
            resource=resource,
            selection=selection,
            form=responses.form_of(request),
            include=query.get("includeObject", "Metadata"),
            after=asked_version(query, True),
            initial=flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
            bookmarks=flag(query, "allowWatchBookmarks"),
            timeout_s=timeout_s,
        )
        media = "application/json;stream=watch" if watch.form.what != JSON else "application/json"
        self._demand_room(request)
        self.open_watches += 1
        try:
            lines = watch_lines(self._store, watch, responses.now, self._lines)
            return await responses.stream(request, lines, media, timeout_s)
        finally:
            self.open_watches -= 1

    def _demand_room(self, request: web.Request) -> None:
        """Refuse a watch that would take a file descriptor that requests and kubelets need."""
        if self.open_watches < self._most_watches:
            return
        if time.monotonic() >= self._warn_at_s:
            self._warn_at_s = time.monotonic() + WARN_EVERY_S
            log.warning("%d watches are open; further ones are refused; see `ulimit -n`", self.open_watches)
        request["close"] = True  # a kept connection would hold the file descriptor
        text = f"too many watches: {self._most_watches}"
        raise StatusError(429, "TooManyRequests", text, {"retryAfterSeconds": 1})
