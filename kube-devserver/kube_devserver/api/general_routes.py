"""Answers to paths that are not resources: health, version, discovery and OpenAPI."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from email.utils import format_datetime

import orjson
from aiohttp import web

from kube_devserver.api import discovery
from kube_devserver.api.media_types import DISCOVERY, JSON, Form, accepted
from kube_devserver.api.openapi import OpenApi
from kube_devserver.api.responses import json_answer, now
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.resource_registry import Registry
from kube_devserver.objects.schema import read_data

HEALTH = ("/livez", "/readyz", "/healthz")
EMPTY_V2 = b"\n\x032.0"  # in protobuf, the only representation that kubectl asks for
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
PATHS = ("/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz", "/version")


def open_route(request: web.Request, is_ready: bool) -> web.Response | None:
    """The answer to a path that needs no authentication: health or version; None for another path."""
    path = request.path
    if path.rstrip("/") == "/version":
        return web.Response(text=json.dumps(read_data("version"), indent=2), content_type="application/json")
    if path not in HEALTH and not path.startswith(tuple(f"{each}/" for each in HEALTH)):
        return None
    text = "ok" if is_ready else "not ready"
    if "verbose" in request.query and path in HEALTH:
        sign, word = ("+", "passed") if is_ready else ("-", "failed")
        text = f"[{sign}]ping {text}\n{path[1:]} check {word}\n"
    return web.Response(text=text, status=200 if is_ready else 500)


def general_route(request: web.Request, openapi: OpenApi) -> web.Response:
    """The answer to an authenticated path outside /api and /apis: the index, OpenAPI, or 404."""
    path = request.path.rstrip("/")
    if path == "":
        return json_answer({"paths": PATHS})
    if path == "/openapi/v3":
        return json_answer(openapi.index())
    if (
        path == "/openapi/v2"
    ):  # kubectl asks for kinds that no document of v3 has, to say that they do not exist
        return web.Response(body=EMPTY_V2, content_type=V2_PROTOBUF)
    if path.startswith("/openapi/v3/"):
        document = openapi.document(path.removeprefix("/openapi/v3/"))
        if document is not None:
            return _cacheable(request, document)
    return _not_found()


def discovery_route(request: web.Request, registry: Registry) -> web.Response | None:
    """The answer to a discovery path; None for the path of a resource."""
    parts = [part for part in request.path.split("/") if part]
    form = next(iter(accepted(request.headers.get("Accept", ""))), Form(JSON))
    if len(parts) == 1 and form.what == DISCOVERY:
        body = discovery.aggregated(registry, parts[0] == "api", form.version)
        media = f"application/json;g=apidiscovery.k8s.io;v={form.version};as=APIGroupDiscoveryList"
        return web.Response(body=orjson.dumps(body), headers={"Content-Type": media, "Vary": "Accept"})
    found: Body | None
    match parts:
        case ["api"]:
            address = [{"clientCIDR": "0.0.0.0/0", "serverAddress": request.host}]
            found = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}
        case ["apis"]:
            found = discovery.group_list(registry)
        case ["apis", group]:
            found = discovery.group(registry, group)
        case ["api", version]:
            found = discovery.resource_list(registry, "", version)
        case ["apis", group, version]:
            found = discovery.resource_list(registry, group, version)
        case _:
            return None
    return json_answer(found) if found is not None else _not_found()


def _not_found() -> web.Response:
    return web.Response(text="404 page not found\n", status=404)


def _cacheable(request: web.Request, data: bytes) -> web.Response:
    """A document with its hash: the right hash makes it cacheable, another one is redirected."""
    tag = hashlib.sha256(data).hexdigest().upper()
    headers = {"ETag": f'"{tag}"', "Vary": "Accept", "Cache-Control": "no-cache, private"}
    if (wanted := request.query.get("hash")) is not None:
        if wanted != tag:
            return web.Response(status=301, headers=headers | {"Location": f"{request.path}?hash={tag}"})
        expires = format_datetime(now() + timedelta(days=365), usegmt=True)
        headers |= {"Cache-Control": "public, immutable", "Expires": expires}
    if f'"{tag}"' in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=data, content_type="application/json", headers=headers)
