"""The HTTP side: what is asked for; everything else is in the modules that this one calls."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
from aiohttp import web

from kube_devserver import api_errors
from kube_devserver.api import (
    discovery,
    metrics,
    openapi_protobuf,
    request_parsing,
    reviews,
    subresources,
    verbs,
    watch_stream,
)
from kube_devserver.api.access import Deed
from kube_devserver.api.authentication import VERBS, Gate
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.metrics import Metrics, verb_of
from kube_devserver.api.options import Target
from kube_devserver.api.proxy import Proxy
from kube_devserver.api.request_options import check_log_options, demand_objects, number, read_delete, read_write
from kube_devserver.api.request_parsing import DISCOVERY, JSON, Form, Place, flag
from kube_devserver.api.responses import form_of, json_answer, list_answer, now, object_answer, stream, warning
from kube_devserver.api.verbs import Verbs
from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.objects.resource_registry import Catalog, Resource
from kube_devserver.objects.schema import read_data
from kube_devserver.objects.selectors import Selection
from kube_devserver.storage.list_paging import Lists, asked_version, check_options, chosen
from kube_devserver.storage.store import Body, Store

PATCHES = {verbs.JSON, verbs.MERGE, verbs.STRATEGIC, verbs.APPLY}
LARGEST_BODY = 3 << 20
SHORTEST_WATCH_S, LONGEST_WATCH_S = 1800, 3600
COMPLAIN_EVERY_S = 60.0
OPEN_PATHS = {"/healthz", "/livez", "/readyz", "/version", "/version/"}
TUNNELS = {"exec": "exec", "portforward": "portForward", "attach": "attach"}
log = logging.getLogger("spiko.apiserver")


class ApiServer:
    """The application.

    Args:
        store: the objects.
        actions: what may be done with them.
        kubelets: for logs, exec and port-forward.
        gate: who may do what.
        most_watches: at one time; each holds a connection.
    """

    def __init__(self, store: Store, actions: Verbs, kubelets: Kubelets, gate: Gate, most_watches: int) -> None:
        self._store, self._verbs, self._kubelets = store, actions, kubelets
        self._catalog: Catalog = actions.catalog
        self._gate, self._lists, self._proxy = gate, Lists(store), Proxy(store, kubelets)
        self._lines = watch_stream.Lines()
        self._watches, self._most_watches, self._complain_s = 0, most_watches, 0.0
        self._openapi = discovery.OpenApi(self._catalog)
        self._random = random.Random()  # spreads the ends of watches
        self._metrics = Metrics()
        self.ready = False
        self.application = web.Application(client_max_size=LARGEST_BODY)
        self.application.router.add_route("*", "/{path:(?s:.*)}", self._handle)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        answer = await self._answer_whatever(request)
        place: Place | None = request.get("place")
        if place is not None:
            verb = verb_of(request.method, bool(place.name), flag(request.query, "watch"), request.content_type)
            self._metrics.count(verb, place, answer.status)
        return answer

    async def _answer_whatever(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except StatusError as error:
            headers = warning(request.get("options"))
            if retry := (error.details or {}).get("retryAfterSeconds"):
                headers["Retry-After"] = str(retry)
            answer = json_answer(error.body(), error.code, headers)
            if request.get("close"):
                answer.force_close()
            return answer
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {LARGEST_BODY}"
            return json_answer(StatusError(413, "RequestEntityTooLarge", text).body(), 413)
        except RecursionError:
            return json_answer(bad_request("the request is nested too deep").body(), 400)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception:
            log.exception("%s %s", request.method, request.rel_url)
            return json_answer(
                StatusError(500, "InternalError", "Internal error occurred: see the API server's log").body(), 500
            )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in OPEN_PATHS or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            if path.startswith("/version"):
                return web.Response(text=json.dumps(read_data("version"), indent=2), content_type="application/json")
            text = "ok" if self.ready else "not ready"
            if "verbose" in request.query and path.count("/") == 1:
                text = f"[{'+' if self.ready else '-'}]ping {text}\n{path[1:]} check {'passed' if self.ready else 'failed'}\n"
            return web.Response(text=text, status=200 if self.ready else 500)
        user = request["user"] = self._gate.user(request)
        place = request_parsing.parse_path(path)
        self._gate.check(request, user, place)
        if path.split("/", 2)[1] not in ("api", "apis"):
            return self._plain(request)
        found = self._discovery(request)
        if found is not None:
            return found
        resource = self._catalog.find(place.group, place.version, place.plural) if place else None
        if place is None or resource is None or (resource.namespaced and not place.namespace and place.name):
            if place is not None and (not place.group or any(r.group == place.group for r in self._catalog)):
                raise api_errors.no_path()
            return web.Response(text="404 page not found\n", status=404, content_type="text/plain")
        if resource.kind in reviews.KINDS and request.method == "POST":
            _, sent = await read_write(request)
            return json_answer(
                reviews.review(
                    resource.kind, sent, user, place.namespace, self._store, self._gate.tokens, self._verbs.now()
                ),
                201,
            )
        request["place"] = place
        return await self._resource(request, place, resource)

    # ------------------------------------------------------------------ what is no resource

    def _plain(self, request: web.Request) -> web.Response:
        path = request.path.rstrip("/")
        if path == "":
            return json_answer(
                {
                    "paths": [
                        "/api",
                        "/api/v1",
                        "/apis",
                        "/healthz",
                        "/livez",
                        "/metrics",
                        "/openapi/v2",
                        "/openapi/v3",
                        "/readyz",
                        "/version",
                    ]
                }
            )
        if path == "/metrics":
            objects = {f"{r.plural}.{r.group}".rstrip("."): len(self._store.entries(r.key)) for r in self._catalog}
            text = self._metrics.render(objects, self._watches)
            return web.Response(text=text, headers={"Content-Type": metrics.CONTENT_TYPE})
        if path == "/openapi/v3":
            return json_answer(self._openapi.index())
        if (
            path.startswith("/openapi/v3/")
            and (data := self._openapi.v3(path.removeprefix("/openapi/v3/"))) is not None
        ):
            return _cacheable(request, data)
        if path == "/openapi/v2":
            accepted = request.headers.get("Accept", "*/*")
            if openapi_protobuf.ASKED in accepted or openapi_protobuf.MEDIA in accepted:
                headers = {"Content-Type": openapi_protobuf.MEDIA}
                return web.Response(body=openapi_protobuf.encode_document(self._openapi.v2()), headers=headers)
            if "json" not in accepted and "*/*" not in accepted:
                raise StatusError(406, "NotAcceptable", "only application/json and protobuf are offered here")
            return json_answer(self._openapi.v2())
        return web.Response(text="404 page not found\n", status=404)

    def _discovery(self, request: web.Request) -> web.Response | None:
        parts = [part for part in request.path.split("/") if part]
        form = next(iter(request_parsing.accepted(request.headers.get("Accept", ""))), Form(JSON))
        if len(parts) == 1 and form.what == DISCOVERY:
            body = discovery.aggregated(self._catalog, parts[0] == "api", form.version)
            media = f"application/json;g=apidiscovery.k8s.io;v={form.version};as=APIGroupDiscoveryList"
            return web.Response(body=orjson.dumps(body), headers={"Content-Type": media, "Vary": "Accept"})
        found: Body | None
        match parts:
            case ["api"]:
                address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": request.host}]
                found = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}
            case ["apis"]:
                found = discovery.group_list(self._catalog)
            case ["apis", group]:
                found = discovery.group(self._catalog, group)
            case ["api", version]:
                found = discovery.resource_list(self._catalog, "", version)
            case ["apis", group, version]:
                found = discovery.resource_list(self._catalog, group, version)
            case _:
                return None
        if found is None:
            return web.Response(text="404 page not found\n", status=404)
        return json_answer(found)

    # ------------------------------------------------------------------ resources

    async def _resource(self, request: web.Request, place: Place, resource: Resource) -> web.StreamResponse:
        if place.subresource:
            return await self._subresource(request, place, resource)
        query = request.query
        match request.method, bool(place.name):
            case "GET", False:
                return await self._collection(request, place, resource)
            case ("GET", True) if flag(query, "watch"):
                return await self._collection(request, place, resource)
            case "GET", True:
                entry = self._verbs.get(Target(resource, place.namespace, place.name))
                return object_answer(request, resource, entry.body, 200, raw=entry.raw)
            case "POST", False:
                _require(resource, "create")
                if resource.namespaced and not place.namespace:
                    raise api_errors.no_method()
                options, body = await read_write(request)
                if resource.plural == "bindings":
                    name = str((demand_objects(body, "metadata", "target").get("metadata") or {}).get("name", ""))
                    return json_answer(subresources.bind(self._verbs, place.namespace, name, body, options), 201)
                made = self._verbs.create(resource, place.namespace, body, options)
                return object_answer(request, resource, made, 201, options)
            case "PUT", True:
                options, body = await read_write(request)
                at = Target(resource, place.namespace, place.name)
                if self._verbs.is_made_by_update(at):
                    deed = Deed("create", place.group, place.plural, "", place.namespace, place.name)
                    self._gate.demand(request["user"], deed)
                changed, created = self._verbs.update(at, body, options)
                return object_answer(request, resource, changed, 201 if created else 200, options)
            case "PATCH", True:
                return await self._patch(request, Target(resource, place.namespace, place.name))
            case "DELETE", True:
                return await self._delete(request, Target(resource, place.namespace, place.name))
            case "DELETE", False:
                return await self._delete_all(request, place, resource)
        raise api_errors.no_method()

    async def _patch(self, request: web.Request, at: Target) -> web.Response:
        kind = request.content_type
        if kind not in PATCHES:
            raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        options, patch = await read_write(request)
        if kind == "application/apply-patch+yaml" and "fieldManager" not in request.query:
            cause = api_errors.required("fieldManager", "is required for apply patch")
            raise api_errors.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        if "force" in request.query and kind != "application/apply-patch+yaml":
            raise api_errors.invalid(
                "meta.k8s.io",
                "PatchOptions",
                "",
                [api_errors.prohibited("force", "may not be specified for non-apply patch")],
            )
        changed, created = self._verbs.patch(at, kind, patch, options)
        return object_answer(request, at.resource, changed, 201 if created else 200, options)

    async def _delete(self, request: web.Request, at: Target) -> web.Response:
        options, wanted = await read_delete(request)
        body, gone = self._verbs.delete(at, wanted, options)
        if not gone or at.resource.key == subresources.PODS:
            return object_answer(request, at.resource, body, 200, options)
        resource = at.resource
        details = {
            "name": at.name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": body["metadata"].get("uid", ""),
        }
        details = {key: value for key, value in details.items() if value}
        return json_answer(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        )

    async def _delete_all(self, request: web.Request, place: Place, resource: Resource) -> web.Response:
        _require(resource, "deletecollection")
        options, wanted = await read_delete(request)
        test = chosen(request, resource, place.namespace).test
        entries = [
            entry for entry in self._store.entries(resource.key, place.namespace) if test is None or test(entry.body)
        ]
        for entry in entries:
            metadata = entry.body["metadata"]
            self._verbs.delete(Target(resource, metadata.get("namespace", ""), metadata["name"]), wanted, options)
        return list_answer(request, resource, entries, {"resourceVersion": str(self._store.revision)})

    # ------------------------------------------------------------------ subresources

    async def _subresource(self, request: web.Request, place: Place, resource: Resource) -> web.StreamResponse:
        name = place.subresource
        at = Target(resource, place.namespace, place.name, name)
        if name not in resource.subresources or not place.name:
            raise api_errors.not_found(*resource.key, place.name) if resource.custom is not None else api_errors.no_path()
        if VERBS.get(request.method) not in resource.subresources[name]["verbs"]:
            raise api_errors.no_method()
        if name == "proxy":
            return await self._proxy.serve(request, place)
        if name == "log" or name in TUNNELS:
            if name == "log":
                check_log_options(request.query, place.name)
            pod = self._verbs.get(at).body
            query = {key: request.query.getall(key) for key in request.query}
            if name == "log":
                if not pod["spec"].get("nodeName"):
                    return web.Response(status=204)
                return await self._kubelets.logs(request, pod, query)
            return await self._kubelets.upgrade(request, TUNNELS[name], pod, query)
        if request.method == "GET" and name in ("status", "scale"):
            body = self._verbs.get(at).body
            return object_answer(request, resource, subresources.scale_of(at, body) if name == "scale" else body, 200)
        options, sent = await read_write(request)
        if name == "token" and request.method == "POST":
            demand_objects(sent, "metadata", "spec")
            return json_answer(self._gate.tokens.issue(place.namespace, place.name, sent, options.dry_run), 201)
        if name in ("eviction", "binding") and request.method == "POST":
            demand_objects(sent, "metadata", "deleteOptions", "target")
            if name == "eviction":
                return json_answer(subresources.evict(self._verbs, at, sent, options), 201)
            return json_answer(subresources.bind(self._verbs, place.namespace, place.name, sent, options), 201)
        if name == "scale" and request.method in ("PUT", "PATCH"):
            kind = None if request.method == "PUT" else request.content_type
            return json_answer(subresources.write_scale(self._verbs, at, kind, sent, options))
        if name == "status" and request.method == "PUT":
            changed, _ = self._verbs.update(at, sent, options)
            return object_answer(request, resource, changed, 200, options)
        if name == "status" and request.method == "PATCH":
            changed, _ = self._verbs.patch(at, request.content_type, sent, options)
            return object_answer(request, resource, changed, 200, options)
        if name == "finalize" and request.method == "PUT":
            return object_answer(request, resource, self._finalize(at, sent), 200)
        raise api_errors.no_method()

    def _finalize(self, at: Target, sent: Body) -> Body:
        """A Namespace's own finalizers."""
        entry = self._verbs.get(at)
        finalizers = (sent.get("spec") or {}).get("finalizers") or []
        body = entry.body | {"spec": {"finalizers": finalizers} if finalizers else {}}
        self._store.put(at.resource.key, "", at.name, body)
        if not finalizers and body["metadata"].get("deletionTimestamp") and not body["metadata"].get("finalizers"):
            return self._store.remove(at.resource.key, "", at.name).body
        return self._verbs.get(at).body

    # ------------------------------------------------------------------ lists and watches

    async def _collection(self, request: web.Request, place: Place, resource: Resource) -> web.StreamResponse:
        if "list" not in resource.verbs:
            raise api_errors.no_method()
        selection = chosen(request, resource, place.namespace, place.name)
        if flag(request.query, "watch"):
            return await self._watch(request, resource, selection)
        entries, metadata = self._lists.page(request, resource, selection)
        return list_answer(request, resource, entries, metadata)

    async def _watch(self, request: web.Request, resource: Resource, selection: Selection) -> web.StreamResponse:
        query = request.query
        initial = flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None
        check_options(query, True)
        timeout = number(query.get("timeoutSeconds"), "timeoutSeconds") or self._random.uniform(
            SHORTEST_WATCH_S, LONGEST_WATCH_S
        )
        version = asked_version(query, True)
        watch = watch_stream.Watch(
            resource, selection, form_of(request), query.get("includeObject", "Metadata"), version, initial,
            flag(query, "allowWatchBookmarks"), float(timeout),
        )  # fmt: skip
        media = "application/json;stream=watch" if watch.form.what != JSON else "application/json"
        self._make_room(request)
        self._watches += 1
        try:
            return await stream(request, watch_stream.lines(self._store, watch, now, self._lines), media, float(timeout))
        finally:
            self._watches -= 1

    def _make_room(self, request: web.Request) -> None:
        """Refuse a watch for which there is no file left, while requests and the watches that there are go on."""
        if self._watches < self._most_watches:
            return
        if time.monotonic() >= self._complain_s:
            self._complain_s = time.monotonic() + COMPLAIN_EVERY_S
            log.warning(
                "%d watches are open, and more would take the last files: they are refused; see `ulimit -n`",
                self._watches,
            )
        request["close"] = True  # a kept connection would hold the file all the same
        raise StatusError(429, "TooManyRequests", f"too many watches: {self._most_watches}", {"retryAfterSeconds": 1})

    # ------------------------------------------------------------------ in and out


def _cacheable(request: web.Request, data: bytes) -> web.Response:
    """A document that is asked for by its hash never changes; another hash leads to the present one."""
    tag = hashlib.sha256(data).hexdigest().upper()
    headers = {"ETag": f'"{tag}"', "Vary": "Accept", "Cache-Control": "no-cache, private"}
    if (wanted := request.query.get("hash")) is not None:
        if wanted != tag:
            return web.Response(status=301, headers=headers | {"Location": f"{request.path}?hash={tag}"})
        expires = format_datetime(datetime.now(UTC) + timedelta(days=365), usegmt=True)
        headers |= {"Cache-Control": "public, immutable", "Expires": expires}
    if f'"{tag}"' in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type="application/json", headers=headers)


def _require(resource: Resource, verb: str) -> None:
    if verb not in resource.verbs:
        raise api_errors.no_method()
