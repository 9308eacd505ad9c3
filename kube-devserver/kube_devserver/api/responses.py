"""Answers in a representation that the client accepts: objects, lists, tables, metadata, and streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict

from kube_devserver.api import tables
from kube_devserver.api.media_types import JSON, PARTIAL, TABLE, Form, best_form
from kube_devserver.api.options import Options
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage import versions
from kube_devserver.storage.store import Entry

Headers = CIMultiDict[str]
# Seconds that a client may take to read one piece of a stream. The last piece comes when the request's time
# is over.
MOST_STUCK_S, LEAST_STUCK_S = 30.0, 1.0


def form_of(request: web.Request) -> Form:
    """The representation that a client prefers.

    Raises:
        StatusError: 406, this server has none that the client accepts.
    """
    return best_form(request.headers.get("Accept", ""))


def object_answer(
    request: web.Request, resource: Resource, body: Body, status: int, options: Options | None = None
) -> web.Response:
    """The answer with one object, or with a Status in its place.

    Args:
        request: its Accept header decides the representation.
        resource: of the object.
        body: the object.
        status: of HTTP.
        options: of a write; their warnings become headers.
    """
    form = form_of(request)
    headers = warning_headers(options)
    if form.what == TABLE and body.get("kind") == resource.kind:
        metadata = {"resourceVersion": body["metadata"].get("resourceVersion", "")}
        return json_answer(_table(request, resource, [body], metadata, form), status, headers)
    if form.what == PARTIAL:
        return json_answer(tables.partial(body, form.version), status, headers)
    return json_answer(body, status, headers)


def entry_answer(request: web.Request, resource: Resource, entry: Entry) -> web.Response:
    """The answer with a stored object, whose JSON may be there already."""
    if form_of(request) == Form(JSON):
        return web.Response(body=entry.raw, content_type="application/json")
    return object_answer(request, resource, entry.body, 200)


def warning_headers(options: Options | None) -> Headers:
    """One Warning header for each distinct warning."""
    texts = dict.fromkeys(options.warnings) if options is not None else ()
    return CIMultiDict(("Warning", f"299 - {orjson.dumps(text).decode()}") for text in texts)


def list_answer(
    request: web.Request, resource: Resource, entries: Sequence[Entry], metadata: Body
) -> web.Response:
    """The answer with a list; `metadata` is the list's own."""
    form = form_of(request)
    if resource.custom is not None:
        entries = [versions.shown(resource, entry) for entry in entries]
    if form.what == TABLE:
        return json_answer(_table(request, resource, [entry.body for entry in entries], metadata, form))
    if form.what == PARTIAL:
        items = [tables.partial(entry.body, form.version) for entry in entries]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}"}
        return json_answer(kind | {"metadata": metadata, "items": items})
    if resource.custom is not None:
        metadata = {"continue": ""} | metadata
        items_raw = b",".join(entry.raw for entry in entries)
    else:
        items_raw = b",".join(_item(resource, entry) for entry in entries)
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata}
    raw = orjson.dumps(head)[:-1] + b',"items":[' + items_raw + b"]}"
    return web.Response(body=raw, content_type="application/json")


def _item(resource: Resource, entry: Entry) -> bytes:
    """The JSON of an object of a built-in kind as lists have it: without kind and apiVersion."""
    head = orjson.dumps({"apiVersion": resource.api_version, "kind": resource.kind})[:-1] + b","
    assert entry.raw.startswith(head)  # the store writes these two first
    return b"{" + entry.raw[len(head) :]


def _table(request: web.Request, resource: Resource, bodies: list[Body], metadata: Body, form: Form) -> Body:
    include = request.query.get("includeObject", "Metadata")
    return tables.table(resource, bodies, metadata, tables.Style(form.version, include, now()))


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def json_answer(body: Any, status: int = 200, headers: Headers | None = None) -> web.Response:
    """The answer with any value as JSON."""
    raw = orjson.dumps(body)
    return web.Response(body=raw, status=status, headers=headers, content_type="application/json")


async def stream(
    request: web.Request, pieces: AsyncGenerator[bytes, None], media: str, timeout_s: float
) -> web.StreamResponse:
    """Send pieces as they come, until they end or the client leaves. A client that reads nothing is
    disconnected.

    Args:
        request: to answer.
        pieces: of whole lines.
        media: their media type.
        timeout_s: how long the request may take.
    """
    end = asyncio.get_running_loop().time() + timeout_s
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-cache, private"})
    await response.prepare(request)
    try:
        async for piece in pieces:
            left = end - asyncio.get_running_loop().time()
            async with asyncio.timeout(min(MOST_STUCK_S, max(left, LEAST_STUCK_S))):
                await response.write(piece)
        await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client has left
    finally:
        await pieces.aclose()
    return response
