"""Answers the plain HTTP requests to a eureka: discovered edges, totals and health."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from spiko_nanoservice.contract import encode
from spiko_nanoservice.eureka.registry.registry import Registry
from spiko_nanoservice.eureka.registry.totals import Totals
from spiko_nanoservice.wire.request import Request, render_heads

Page = Callable[[Request], None]
_JSON_HEADS = render_heads(b"application/json; charset=utf-8")


def pages_of(registry: Registry, totals: Totals) -> dict[bytes, Page]:
    """Return the pages of a eureka by path."""

    def edges(request: Request) -> None:
        nodes = [encode(hello) for hello in registry.entries.own_hellos()]
        _reply_json(request, {"nodes": nodes, "edges": [list(edge) for edge in registry.edges()]})

    def read_totals(request: Request) -> None:
        _reply_json(request, totals.totals())

    def health(request: Request) -> None:
        request.reply(200, b"ok\n")

    return {b"/edges": edges, b"/totals": read_totals, b"/healthz": health, b"/readyz": health}


def _reply_json(request: Request, document: dict[str, Any]) -> None:
    request.reply(200, json.dumps(document).encode(), heads=_JSON_HEADS)
