"""The HTTP side: who asks, for what, in which form; everything else is in the modules that this one calls."""

from __future__ import annotations

import base64
import hmac
import logging
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import yaml
from aiohttp import web

from spiko_local.apiserver import asked, discovery, extras, statuses, tables, verbs, watching
from spiko_local.apiserver.asked import DISCOVERY, JSON, PARTIAL, TABLE, YAML, Form, Place, flag
from spiko_local.apiserver.catalog import Catalog, Resource
from spiko_local.apiserver.schema import read_data
from spiko_local.apiserver.selectors import Test, field_selector, label_selector
from spiko_local.apiserver.statuses import StatusError, bad_request
from spiko_local.apiserver.store import Body, Entry, Store
from spiko_local.apiserver.tunnel import Kubelets
from spiko_local.apiserver.verbs import Options, Target, Verbs

MEDIA = (
    "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch,"
    " application/vnd.kubernetes.protobuf;stream=watch"
)
PATCHES = {verbs.JSON, verbs.MERGE, verbs.STRATEGIC, verbs.APPLY}
LARGEST_BODY = 3 << 20
SNAPSHOTS = 32  # lists that are read in pieces at one time
SHORTEST_WATCH_S, LONGEST_WATCH_S = 1800, 3600
REVIEWS = {
    "SelfSubjectAccessReview",
    "SelfSubjectRulesReview",
    "SubjectAccessReview",
    "LocalSubjectAccessReview",
    "SelfSubjectReview",
    "TokenReview",
}
OPEN_PATHS = {"/healthz", "/livez", "/readyz", "/version", "/version/"}
TUNNELS = {"exec": "exec", "portforward": "portForward", "attach": "attach"}
log = logging.getLogger("spiko.apiserver")


class ApiServer:
    """The application.

    Args:
        store: the objects.
        actions: what may be done with them.
        kubelets: for logs, exec and port-forward.
        tokens: user names by token.
    """

    def __init__(self, store: Store, actions: Verbs, kubelets: Kubelets, tokens: dict[str, str]) -> None:
        self._store, self._verbs, self._kubelets = store, actions, kubelets
        self._catalog: Catalog = actions.catalog
        self._tokens = tokens
        self._openapi = discovery.OpenApi(self._catalog)
        self._snapshots: dict[str, list[Entry]] = {}
        self._random = random.Random()  # spreads the ends of watches
        self.ready = False
        self.application = web.Application(client_max_size=LARGEST_BODY)
        self.application.router.add_route("*", "/{path:.*}", self._handle)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except StatusError as error:
            retry = (error.details or {}).get("retryAfterSeconds")
            headers = {"Retry-After": str(retry)} if retry else {}
            return _json(error.body(), error.code, headers)
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {LARGEST_BODY}"
            return _json(StatusError(413, "RequestEntityTooLarge", text).body(), 413)
        except RecursionError:
            return _json(bad_request("the request is nested too deep").body(), 400)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception:
            log.exception("%s %s", request.method, request.rel_url)
            return _json(
                StatusError(500, "InternalError", "Internal error occurred: see the API server's log").body(), 500
            )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in OPEN_PATHS or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            if path.startswith("/version"):
                return _json(read_data("version"))
            return web.Response(text="ok" if self.ready else "not ready", status=200 if self.ready else 500)
        user = self._user(request)
        if not path.startswith(("/api", "/apis")):
            return self._plain(request)
        found = self._discovery(request)
        if found is not None:
            return found
        place = asked.parse_path(path)
        resource = self._catalog.find(place.group, place.version, place.plural) if place else None
        if place is None or resource is None or (resource.namespaced and not place.namespace and place.name):
            if place is not None and (not place.group or any(r.group == place.group for r in self._catalog)):
                raise statuses.no_path()
            return web.Response(text="404 page not found\n", status=404, content_type="text/plain")
        if resource.kind in REVIEWS and request.method == "POST":
            body = asked.read_body(await request.read(), request.headers.get("Content-Type", ""))
            return _json(extras.review(resource.kind, body if isinstance(body, dict) else {}, user), 201)
        return await self._resource(request, place, resource)

    def _user(self, request: web.Request) -> str:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and token:
            for known, user in self._tokens.items():
                if hmac.compare_digest(known.encode(), token.strip().encode()):
                    return user
            raise StatusError(401, "Unauthorized", "Unauthorized")
        if kind:
            raise StatusError(401, "Unauthorized", "Unauthorized")
        text = f'forbidden: User "system:anonymous" cannot {request.method.lower()} path "{request.path}"'
        raise StatusError(403, "Forbidden", text, {})

    # ------------------------------------------------------------------ what is no resource

    def _plain(self, request: web.Request) -> web.Response:
        path = request.path.rstrip("/")
        if path == "":
            return _json(
                {
                    "paths": [
                        "/api",
                        "/api/v1",
                        "/apis",
                        "/healthz",
                        "/livez",
                        "/openapi/v2",
                        "/openapi/v3",
                        "/readyz",
                        "/version",
                    ]
                }
            )
        if path == "/openapi/v3":
            return _json(self._openapi.index())
        if (
            path.startswith("/openapi/v3/")
            and (data := self._openapi.v3(path.removeprefix("/openapi/v3/"))) is not None
        ):
            return web.Response(body=data, content_type="application/json")
        if path == "/openapi/v2":
            if "json" not in request.headers.get("Accept", "*/*") and "*/*" not in request.headers.get("Accept", "*/*"):
                raise StatusError(406, "NotAcceptable", "only application/json is offered here")
            return web.Response(body=self._openapi.v2(), content_type="application/json")
        return web.Response(text="404 page not found\n", status=404)

    def _discovery(self, request: web.Request) -> web.Response | None:
        parts = [part for part in request.path.split("/") if part]
        form = next(iter(asked.accepted(request.headers.get("Accept", ""))), Form(JSON))
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
        return _json(found)

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
                return self._object(request, resource, entry.body, 200, raw=entry.raw)
            case "POST", False:
                _require(resource, "create")
                if resource.namespaced and not place.namespace:
                    raise StatusError(
                        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
                    )
                options, body = await self._read(request)
                if resource.plural == "bindings":
                    name = body.get("metadata", {}).get("name", "") if isinstance(body, dict) else ""
                    return _json(extras.bind(self._verbs, place.namespace, name, body, options), 201)
                made = self._verbs.create(resource, place.namespace, body, options)
                return self._object(request, resource, made, 201, options)
            case "PUT", True:
                options, body = await self._read(request)
                changed, created = self._verbs.update(Target(resource, place.namespace, place.name), body, options)
                return self._object(request, resource, changed, 201 if created else 200, options)
            case "PATCH", True:
                return await self._patch(request, Target(resource, place.namespace, place.name))
            case "DELETE", True:
                return await self._delete(request, Target(resource, place.namespace, place.name))
            case "DELETE", False:
                return await self._delete_all(request, place, resource)
        raise StatusError(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
        )

    async def _patch(self, request: web.Request, at: Target) -> web.Response:
        kind = request.content_type
        options, patch = await self._read(request)
        if kind == "application/apply-patch+yaml" and "fieldManager" not in request.query:
            cause = statuses.required("fieldManager", "is required for apply patch")
            raise statuses.invalid("meta.k8s.io", "PatchOptions", "", [cause])
        if kind not in PATCHES:
            raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        if "force" in request.query and kind != "application/apply-patch+yaml":
            raise statuses.invalid(
                "meta.k8s.io",
                "PatchOptions",
                "",
                [statuses.prohibited("force", "may not be specified for non-apply patch")],
            )
        changed, created = self._verbs.patch(at, kind, patch, options)
        return self._object(request, at.resource, changed, 201 if created else 200, options)

    async def _delete(self, request: web.Request, at: Target) -> web.Response:
        options, wanted = await self._read_delete(request)
        body, gone = self._verbs.delete(at, wanted, options)
        if not gone or at.resource.key == extras.PODS:
            return self._object(request, at.resource, body, 200, options)
        resource = at.resource
        details = {
            "name": at.name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": body["metadata"].get("uid", ""),
        }
        details = {key: value for key, value in details.items() if value}
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})

    async def _delete_all(self, request: web.Request, place: Place, resource: Resource) -> web.Response:
        _require(resource, "deletecollection")
        options, wanted = await self._read_delete(request)
        test = self._test(request, resource)
        entries = [
            entry for entry in self._store.entries(resource.key, place.namespace) if test is None or test(entry.body)
        ]
        for entry in entries:
            metadata = entry.body["metadata"]
            self._verbs.delete(Target(resource, metadata.get("namespace", ""), metadata["name"]), wanted, options)
        return self._list(request, resource, entries, {"resourceVersion": str(self._store.revision)})

    # ------------------------------------------------------------------ subresources

    async def _subresource(self, request: web.Request, place: Place, resource: Resource) -> web.StreamResponse:
        name = place.subresource
        at = Target(resource, place.namespace, place.name, name)
        if name not in resource.subresources or not place.name:
            raise statuses.not_found(*resource.key, place.name) if resource.custom is not None else statuses.no_path()
        if name == "log" or name in TUNNELS:
            pod = self._verbs.get(at).body
            query = {key: request.query.getall(key) for key in request.query}
            if name == "log":
                if not pod["spec"].get("nodeName"):
                    return web.Response(status=204)
                return await self._kubelets.logs(request, pod, query)
            return await self._kubelets.upgrade(request, TUNNELS[name], pod, query)
        if request.method == "GET" and name in ("status", "scale"):
            body = self._verbs.get(at).body
            return self._object(request, resource, extras.scale_of(at, body) if name == "scale" else body, 200)
        options, sent = await self._read(request)
        if name in ("eviction", "binding") and request.method == "POST":
            if not isinstance(sent, dict):
                raise bad_request("the body is not an object")
            if name == "eviction":
                return _json(extras.evict(self._verbs, at, sent, options), 201)
            return _json(extras.bind(self._verbs, place.namespace, place.name, sent, options), 201)
        if name == "scale" and request.method in ("PUT", "PATCH"):
            kind = None if request.method == "PUT" else request.content_type
            return _json(extras.write_scale(self._verbs, at, kind, sent, options))
        if name == "status" and request.method == "PUT":
            changed, _ = self._verbs.update(at, sent, options)
            return self._object(request, resource, changed, 200, options)
        if name == "status" and request.method == "PATCH":
            changed, _ = self._verbs.patch(at, request.content_type, sent, options)
            return self._object(request, resource, changed, 200, options)
        if name == "finalize" and request.method == "PUT":
            return self._object(request, resource, self._finalize(at, sent), 200)
        raise StatusError(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
        )

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
            raise StatusError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
            )
        test = self._test(request, resource, place.name)
        if flag(request.query, "watch"):
            return await self._watch(request, place, resource, test)
        entries, metadata = self._page(request, place, resource, test)
        return self._list(request, resource, entries, metadata)

    def _test(self, request: web.Request, resource: Resource, name: str = "") -> Test | None:
        tests: list[Test] = []
        if text := request.query.get("labelSelector"):
            tests.append(label_selector(text))
        if text := request.query.get("fieldSelector"):
            custom = tuple(
                each["jsonPath"].lstrip(".") for each in (resource.custom or {}).get("selectableFields") or ()
            )
            tests.append(field_selector(resource.key, text, custom))
        if name:
            tests.append(lambda body: body["metadata"]["name"] == name)
        if not tests:
            return None
        return tests[0] if len(tests) == 1 else lambda body: all(test(body) for test in tests)

    def _page(
        self, request: web.Request, place: Place, resource: Resource, test: Test | None
    ) -> tuple[list[Entry], Body]:
        """Objects of a list, or a piece of it: what is read in pieces is as it was when the first was read."""
        query = request.query
        version, limit = (
            _number(query.get("resourceVersion"), "resourceVersion"),
            _number(query.get("limit"), "limit") or 0,
        )
        if version and version > self._store.revision:
            details = {
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            }
            raise StatusError(
                504,
                "Timeout",
                f"Timeout: Too large resource version: {version}, current: {self._store.revision}",
                details,
            )
        if query.get("resourceVersionMatch") == "Exact" and version != self._store.revision:
            raise statuses.expired(f"The resourceVersion for the provided list is too old: {version}")
        if token := query.get("continue"):
            token, entries, at = self._resume(token)
        else:
            entries = [
                entry
                for entry in self._store.entries(resource.key, place.namespace)
                if test is None or test(entry.body)
            ]
            token, at = str(self._store.revision), 0
        metadata: Body = {"resourceVersion": token.split(".", maxsplit=1)[0]}
        if limit and at + limit < len(entries):
            token = token if "." in token else f"{token}.{self._random.getrandbits(48):x}"
            self._snapshots[token] = entries
            while len(self._snapshots) > SNAPSHOTS:
                del self._snapshots[next(iter(self._snapshots))]
            metadata["continue"] = base64.urlsafe_b64encode(f"{token}/{at + limit}".encode()).decode()
            if test is None:
                metadata["remainingItemCount"] = len(entries) - at - limit
        return entries[at : at + limit] if limit else entries[at:], metadata

    def _resume(self, text: str) -> tuple[str, list[Entry], int]:
        try:
            token, _, at = base64.urlsafe_b64decode(text).decode().partition("/")
            number = int(at)
        except (ValueError, UnicodeDecodeError) as error:
            raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
        entries = self._snapshots.get(token)
        if entries is None:
            raise statuses.expired("The provided continue parameter is too old to display a consistent list result. You must start a new list"
                                   " without the continue parameter.")  # fmt: skip
        return token, entries, number

    def _list(self, request: web.Request, resource: Resource, entries: Sequence[Entry], metadata: Body) -> web.Response:
        form = self._form(request)
        if form.what == TABLE:
            include = request.query.get("includeObject", "Metadata")
            body = tables.table(resource, [entry.body for entry in entries], metadata, form.version, include, _now())
            return _answer(form, body)
        if form.what == PARTIAL:
            items = [tables.partial(entry.body) for entry in entries]
            kind = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}"}
            return _answer(form, kind | {"metadata": metadata, "items": items})
        kind_name = f"{resource.kind}List"
        if resource.custom is not None:
            metadata = {"continue": ""} | metadata
            items_raw = b",".join(entry.raw for entry in entries)
        else:
            items_raw = b",".join(_item(resource, entry) for entry in entries)
        head = orjson.dumps({"kind": kind_name, "apiVersion": resource.api_version, "metadata": metadata})
        raw = head[:-1] + b',"items":[' + items_raw + b"]}"
        if form.encoding == YAML:
            return _answer(form, orjson.loads(raw))
        return web.Response(body=raw, content_type="application/json")

    async def _watch(
        self, request: web.Request, place: Place, resource: Resource, test: Test | None
    ) -> web.StreamResponse:
        query = request.query
        initial = flag(query, "sendInitialEvents")
        if "sendInitialEvents" in query and query.get("resourceVersionMatch") != "NotOlderThan":
            cause = statuses.prohibited(
                "resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            )
            raise statuses.invalid("meta.k8s.io", "ListOptions", "", [cause])
        timeout = _number(query.get("timeoutSeconds"), "timeoutSeconds") or self._random.uniform(
            SHORTEST_WATCH_S, LONGEST_WATCH_S
        )
        version = _number(query.get("resourceVersion"), "resourceVersion")
        watch = watching.Watch(
            resource, place.namespace, test, self._form(request), query.get("includeObject", "Metadata"), version, initial,
            flag(query, "allowWatchBookmarks"), float(timeout),
        )  # fmt: skip
        media = "application/json;stream=watch" if watch.form.what != JSON else "application/json"
        return await _stream(request, watching.lines(self._store, watch, _now), media)

    # ------------------------------------------------------------------ in and out

    def _form(self, request: web.Request) -> Form:
        forms = asked.accepted(request.headers.get("Accept", ""))
        if not forms:
            raise StatusError(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {MEDIA}", {})
        return forms[0]

    def _object(
        self,
        request: web.Request,
        resource: Resource,
        body: Body,
        status: int,
        options: Options | None = None,
        raw: bytes | None = None,
    ) -> web.Response:
        form = self._form(request)
        headers = (
            {"Warning": ", ".join(f"299 - {orjson.dumps(text).decode()}" for text in options.warnings)}
            if options and options.warnings
            else {}
        )
        if form.what == TABLE and body.get("kind") == resource.kind:
            include = request.query.get("includeObject", "Metadata")
            metadata = {"resourceVersion": body["metadata"].get("resourceVersion", "")}
            return _answer(
                form, tables.table(resource, [body], metadata, form.version, include, _now()), status, headers
            )
        if form.what == PARTIAL:
            return _answer(form, tables.partial(body, form.version), status, headers)
        if raw is not None and form.encoding == JSON:
            return web.Response(body=raw, content_type="application/json", headers=headers)
        return _answer(form, body, status, headers)

    async def _read(self, request: web.Request) -> tuple[Options, Any]:
        """A write's options and its body."""
        query = request.query
        dry = query.getall("dryRun", [])
        if any(each != "All" for each in dry):
            kind = {"POST": "CreateOptions", "PUT": "UpdateOptions"}.get(request.method, "PatchOptions")
            raise statuses.invalid("meta.k8s.io", kind, "", [statuses.unsupported_value("dryRun", dry, ["All"])])
        strict = query.get("fieldValidation") or "Warn"
        if strict not in ("Ignore", "Warn", "Strict"):
            raise statuses.invalid("meta.k8s.io", "CreateOptions", "", [
                statuses.unsupported_value("fieldValidation", strict, ["", "Ignore", "Strict", "Warn"])])  # fmt: skip
        manager = query.get("fieldManager", "")
        if len(manager) > 128 or not manager.isprintable():
            cause = statuses.wrong("fieldManager", manager, "should only contain printable characters, at most 128")
            raise statuses.invalid("meta.k8s.io", "CreateOptions", "", [cause])
        agent = request.headers.get("User-Agent", "").split("/")[0]
        options = Options(manager or agent or "unknown", bool(dry), strict, flag(query, "force"))
        return options, asked.read_body(await request.read(), request.headers.get("Content-Type", ""))

    async def _read_delete(self, request: web.Request) -> tuple[Options, Body]:
        data, query = await request.read(), request.query
        wanted = asked.read_body(data, request.headers.get("Content-Type", "")) if data else {}
        if not isinstance(wanted, dict):
            raise bad_request("DeleteOptions is an object")
        if "gracePeriodSeconds" in query:
            wanted["gracePeriodSeconds"] = _number(query["gracePeriodSeconds"], "gracePeriodSeconds")
        if "propagationPolicy" in query:
            wanted["propagationPolicy"] = query["propagationPolicy"]
        if wanted.get("propagationPolicy") not in (None, "Orphan", "Background", "Foreground"):
            raise statuses.invalid("meta.k8s.io", "DeleteOptions", "", [
                statuses.unsupported_value("propagationPolicy", wanted["propagationPolicy"], ["Foreground", "Background", "Orphan", "nil"])])  # fmt: skip
        grace = wanted.get("gracePeriodSeconds")
        if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
            raise bad_request(
                "json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
            )
        dry = bool(query.getall("dryRun", []) or wanted.get("dryRun"))
        return Options(dry_run=dry), wanted


def _item(resource: Resource, entry: Entry) -> bytes:
    """An object of a built-in kind as lists have it: without kind and apiVersion."""
    head = orjson.dumps({"apiVersion": resource.api_version, "kind": resource.kind})[:-1] + b","
    assert entry.raw.startswith(head)  # the store writes these two first
    return b"{" + entry.raw[len(head) :]


def _require(resource: Resource, verb: str) -> None:
    if verb not in resource.verbs:
        raise StatusError(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
        )


def _number(text: str | None, name: str) -> int | None:
    if text is None or text == "":
        return None
    try:
        return int(text)
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error


def _now() -> datetime:
    return datetime.now(UTC)


def _answer(form: Form, body: Body, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    if form.encoding == YAML:
        text = yaml.safe_dump(body, sort_keys=True, allow_unicode=True)
        return web.Response(text=text, status=status, headers=headers, content_type="application/yaml")
    return _json(body, status, headers)


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


async def _stream(request: web.Request, pieces: AsyncIterator[bytes], media: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-cache, private"})
    await response.prepare(request)
    try:
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except ConnectionError:
        pass  # the client has gone
    finally:
        await pieces.aclose()  # type: ignore[attr-defined]
    return response
