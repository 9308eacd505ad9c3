"""Answers in the form that a client accepts: objects, lists, tables, metadata alone, JSON or YAML, and streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import yaml
from aiohttp import web
from multidict import CIMultiDict

from kube_devserver.api import request_parsing, tables
from kube_devserver.api.options import Options
from kube_devserver.api.request_parsing import JSON, PARTIAL, TABLE, YAML, Form
from kube_devserver.api_errors import StatusError
from kube_devserver.custom import versions
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.storage.store import Body, Entry

Headers = CIMultiDict[str]
# that a client may take for reading; what it is sent at the end of its time needs a moment, too
MOST_STUCK_S, LEAST_STUCK_S = 30.0, 1.0
MEDIA = (
    "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch,"
    " application/vnd.kubernetes.protobuf;stream=watch"
)


def form_of(request: web.Request) -> Form:
    """The form that a client likes best.

    Raises:
        StatusError: 406, it takes none that there is.
    """
    forms = request_parsing.accepted(request.headers.get("Accept", ""))
    if not forms:
        raise StatusError(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {MEDIA}", {})
    return forms[0]


def object_answer(
    request: web.Request,
    resource: Resource,
    body: Body,
    status: int,
    options: Options | None = None,
    raw: bytes | None = None,
) -> web.Response:
    """One object.

    Args:
        request: it says the form.
        resource: of the object.
        body: the object, or a Status.
        status: of HTTP.
        options: of a write; they carry warnings.
        raw: the object as JSON, if that is there already.
    """
    form = form_of(request)
    headers = warning(options)
    if form.what == TABLE and body.get("kind") == resource.kind:
        include = request.query.get("includeObject", "Metadata")
        metadata = {"resourceVersion": body["metadata"].get("resourceVersion", "")}
        return _encoded(form, tables.table(resource, [body], metadata, form.version, include, now()), status, headers)
    if form.what == PARTIAL:
        return _encoded(form, tables.partial(body, form.version), status, headers)
    if raw is not None and form.encoding == JSON:
        return web.Response(body=raw, content_type="application/json", headers=headers)
    return _encoded(form, body, status, headers)


def warning(options: Options | None) -> Headers:
    """The headers that carry warnings, one each."""
    texts = dict.fromkeys(options.warnings) if options is not None else ()
    return CIMultiDict(("Warning", f"299 - {orjson.dumps(text).decode()}") for text in texts)


def list_answer(request: web.Request, resource: Resource, entries: Sequence[Entry], metadata: Body) -> web.Response:
    """A list; `metadata` is its own."""
    form = form_of(request)
    entries = [versions.shown(resource, entry) for entry in entries] if resource.custom is not None else entries
    if form.what == TABLE:
        include = request.query.get("includeObject", "Metadata")
        body = tables.table(resource, [entry.body for entry in entries], metadata, form.version, include, now())
        return _encoded(form, body)
    if form.what == PARTIAL:
        items = [tables.partial(entry.body, form.version) for entry in entries]
        kind = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{form.version}"}
        return _encoded(form, kind | {"metadata": metadata, "items": items})
    kind_name = f"{resource.kind}List"
    if resource.custom is not None:
        metadata = {"continue": ""} | metadata
        items_raw = b",".join(entry.raw for entry in entries)
    else:
        items_raw = b",".join(_item(resource, entry) for entry in entries)
    head = orjson.dumps({"kind": kind_name, "apiVersion": resource.api_version, "metadata": metadata})
    raw = head[:-1] + b',"items":[' + items_raw + b"]}"
    if form.encoding == YAML:
        return _encoded(form, orjson.loads(raw))
    return web.Response(body=raw, content_type="application/json")


def _item(resource: Resource, entry: Entry) -> bytes:
    """An object of a built-in kind as lists have it: without kind and apiVersion."""
    head = orjson.dumps({"apiVersion": resource.api_version, "kind": resource.kind})[:-1] + b","
    assert entry.raw.startswith(head)  # the store writes these two first
    return b"{" + entry.raw[len(head) :]


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def _encoded(form: Form, body: Body, status: int = 200, headers: Headers | None = None) -> web.Response:
    if form.encoding == YAML:
        text = yaml.safe_dump(body, sort_keys=True, allow_unicode=True)
        return web.Response(text=text, status=status, headers=headers, content_type="application/yaml")
    return json_answer(body, status, headers)


def json_answer(body: Any, status: int = 200, headers: Headers | None = None) -> web.Response:
    """Anything as JSON."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


async def stream(
    request: web.Request, pieces: AsyncIterator[bytes], media: str, timeout_s: float
) -> web.StreamResponse:
    """Pieces, of whole lines, as they come, until there are no more or the client has gone; one that reads nothing for half a minute is cut off."""
    end = asyncio.get_running_loop().time() + timeout_s
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await _over_websocket(request, pieces, end)
    response = web.StreamResponse(headers={"Content-Type": media, "Cache-Control": "no-cache, private"})
    await response.prepare(request)
    try:
        async for piece in pieces:
            async with _patience(end):
                await response.write(piece)
        await response.write_eof()
    except TimeoutError:
        _cut_off(request)
    except ConnectionError:
        pass  # the client has gone
    finally:
        await pieces.aclose()  # type: ignore[attr-defined]
    return response


def _patience(end: float) -> asyncio.Timeout:
    """For one write to a client whose time is over at a moment of the loop's clock."""
    return asyncio.timeout(min(MOST_STUCK_S, max(end - asyncio.get_running_loop().time(), LEAST_STUCK_S)))


def _cut_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _over_websocket(request: web.Request, pieces: AsyncIterator[bytes], end: float) -> web.WebSocketResponse:
    """Each line as a message, for clients (fabric8's, and browsers) that watch over a WebSocket."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)

    async def tell() -> None:
        try:
            async for piece in pieces:
                for line in piece.splitlines():
                    async with _patience(end):
                        await socket.send_str(line.decode())
        except TimeoutError:
            _cut_off(request)

    async def listen() -> None:
        async for _ in socket:
            pass  # nothing that a client says means anything, but that it goes does

    both = [asyncio.create_task(tell()), asyncio.create_task(listen())]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        await pieces.aclose()  # type: ignore[attr-defined]
    await socket.close()
    return socket
