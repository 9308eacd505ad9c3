"""An API server for the command line: answers by method and path, over HTTP, in a thread."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Object = dict[str, Any]
GROUP = "/apis/spiko.dev/v1alpha1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KINDS = {"resources": [{"name": "architectures"}, {"name": "faults"}]}


def status(code: int, message: str) -> tuple[int, Object]:
    """Return an error of Kubernetes."""
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


def forbidden(verb: str, resource: str, group: str = "", user: str = "jane") -> tuple[int, Object]:
    """Return the refusal of Kubernetes' RBAC authorizer, in the namespace demo."""
    about = f"{resource.partition('/')[0]}{f'.{group}' if group else ''}"
    text = (
        f'{about} "x" is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}"'
    )
    return status(403, f'{text} in the namespace "demo"')


class KubeApi:
    """The answers of an API server, by method and path without the query; others are 404.

    `requests` has every request. `denied` has the rights that access reviews refuse, such as
    `get pods/proxy`. `stored` has the objects that were applied, by path, until they are deleted.
    """

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {f"GET {GROUP}": (200, KINDS)}
        self.requests: list[str] = []
        self.denied: set[str] = set()
        self.stored: dict[str, Object] = {}
        self.conditions: list[Object] = []  # of every stored object

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer a request."""
        request = f"{method} {path}"
        self.requests.append(request)
        if request in self.answers:
            return self.answers[request]
        if path == REVIEWS:
            return 201, {"status": {"allowed": self._right(body) not in self.denied}}
        if method == "PATCH":
            metadata = body["metadata"] | {"uid": "u1", "generation": 1}
            self.stored[path] = body | {"metadata": metadata, "status": {"conditions": self.conditions}}
        if path in self.stored:
            found = self.stored.pop(path) if method == "DELETE" else self.stored[path]
            return 200, found
        return status(404, "the server could not find the requested resource")

    @staticmethod
    def _right(review: Object) -> str:
        about = review["spec"]["resourceAttributes"]
        below = f"/{about['subresource']}" if about["subresource"] else ""
        return f"{about['verb']} {about['resource']}{below}"


@contextmanager
def kube_api(folder: Path, namespace: str = "demo") -> Iterator[tuple[KubeApi, Path]]:
    """Serve an API server for the duration of the context.

    Args:
        folder: for the kubeconfig.
        namespace: of its only context, "far".

    Yields:
        The API server, and a kubeconfig for it.
    """
    api = KubeApi()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            code, answer = api.answer(self.command, re.sub(r"\?.*", "", self.path), body)
            sent = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield api, write_kubeconfig(folder / "far.yaml", {"far": namespace}, url)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_kubeconfig(
    path: Path, namespaces: dict[str, str], server: str = "http://127.0.0.1:1", user: Object | None = None
) -> Path:
    """Write a kubeconfig with a context for each name, of which the first is the current one.

    Args:
        path: of the file.
        namespaces: of the contexts by name; empty for none.
        server: of all contexts.
        user: its credentials; a token if left out.
    """
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u"} | ({"namespace": space} if space else {})}
        for name, space in namespaces.items()
    ]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(namespaces), ""),
        "contexts": contexts,
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
    }
    path.write_text(json.dumps(document))
    return path
