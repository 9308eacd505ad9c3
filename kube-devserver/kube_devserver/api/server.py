"""The HTTP application: authentication, dispatch to the routes, errors as Status objects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from aiohttp import web

from kube_devserver import api_errors
from kube_devserver.api import general_routes, metrics
from kube_devserver.api.access_reviews import REVIEWS, review
from kube_devserver.api.authentication import authenticate
from kube_devserver.api.kubelet_proxy import Kubelets
from kube_devserver.api.openapi import OpenApi
from kube_devserver.api.request_options import read_write
from kube_devserver.api.request_parsing import ResourcePath, flag, parse_path
from kube_devserver.api.resource_routes import ResourceRoutes
from kube_devserver.api.responses import json_answer, warning_headers
from kube_devserver.api.verbs import Verbs
from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.objects.resource_registry import Registry

LARGEST_BODY = 3 << 20
log = logging.getLogger("kube_devserver.api")


class ApiServer:
    """The application.

    Args:
        verbs: reads and writes objects.
        kubelets: serve logs, exec and port-forward.
        tokens: any of them authenticates a client.
        most_watches: at one time; each holds a connection.
        prove: called with every authenticated request before it is answered.
    """

    def __init__(
        self,
        verbs: Verbs,
        kubelets: Kubelets,
        tokens: Sequence[str],
        most_watches: int,
        prove: Callable[[web.Request], None],
    ) -> None:
        self._store, self._tokens, self._prove = verbs.store, tokens, prove
        self._registry: Registry = verbs.registry
        self._routes = ResourceRoutes(verbs, kubelets, most_watches)
        self._openapi = OpenApi(self._registry)
        self._metrics = metrics.Metrics()
        self.ready = False
        self.application = web.Application(client_max_size=LARGEST_BODY)
        self.application.router.add_route("*", "/{path:(?s:.*)}", self._handle)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        answer = await self._answer_or_error(request)
        path: ResourcePath | None = request.get("resource_path")
        if path is not None:
            is_watch = flag(request.query, "watch")
            verb = metrics.verb_of(request.method, bool(path.name), is_watch, request.content_type)
            self._metrics.count(verb, path, answer.status)
        return answer

    async def _answer_or_error(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except StatusError as error:
            headers = warning_headers(request.get("options"))
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
            text = "Internal error occurred: see the API server's log"
            return json_answer(StatusError(500, "InternalError", text).body(), 500)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if (found := general_routes.open_route(request, self.ready)) is not None:
            return found
        authenticate(request.headers.get("Authorization", ""), self._tokens)
        self._prove(request)
        path = parse_path(request.path)
        if request.path.split("/", 2)[1] not in ("api", "apis"):
            if request.path == "/metrics":
                return self._render_metrics()
            return general_routes.general_route(request, self._openapi)
        if (found := general_routes.discovery_route(request, self._registry)) is not None:
            return found
        resource = self._registry.find(path.group, path.version, path.plural) if path else None
        if path is None or resource is None or (resource.namespaced and not path.namespace and path.name):
            if path is not None and (not path.group or any(r.group == path.group for r in self._registry)):
                raise api_errors.no_path()
            return web.Response(text="404 page not found\n", status=404, content_type="text/plain")
        if resource.kind in REVIEWS and request.method == "POST":
            _, sent = await read_write(request)
            return json_answer(review(resource.kind, sent), 201)
        request["resource_path"] = path
        return await self._routes.answer(request, path, resource)

    def _render_metrics(self) -> web.Response:
        held = {f"{r.plural}.{r.group}".rstrip("."): len(self._store.entries(r.key)) for r in self._registry}
        text = self._metrics.render(held, self._routes.open_watches)
        return web.Response(text=text, headers={"Content-Type": metrics.CONTENT_TYPE})
