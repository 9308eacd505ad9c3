"""An API server for the command line: answers by method and path, over HTTP, in a thread."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Object = dict[str, Any]
GROUP = "/apis/spiko.dev/v1alpha1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PROXIED = re.compile(r"/api/v1/namespaces/[^/]+/pods/(?P<pod>[^/]+):(?P<port>\d+)/proxy(?P<path>/.*)")
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
        self.status: Object = {}  # of every object that is applied
        self.pods: dict[str, str] = {}  # addresses by name, to which the proxy forwards
        # Called with every object that is applied, and with None when one is deleted.
        self.changed: Callable[[Object | None], None] = lambda body: None

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Answer a request."""
        request = f"{method} {path}"
        self.requests.append(request)
        if request in self.answers:
            return self.answers[request]
        if path == REVIEWS:
            return 201, {"status": {"allowed": self._right(body) not in self.denied}}
        if method == "GET" and path.endswith("/pods"):
            return 200, {"metadata": {}, "items": [_pod(*each) for each in self.pods.items()]}
        if method == "PATCH":
            metadata = body["metadata"] | {"uid": "u1", "generation": 1}
            self.stored[path] = body | {"metadata": metadata, "status": self.status}
            self.changed(body)
        if path in self.stored and method == "DELETE":
            self.changed(None)
            return 200, self.stored.pop(path)
        if path in self.stored:
            return 200, self.stored[path]
        return status(404, "the server could not find the requested resource")

    @staticmethod
    def _right(review: Object) -> str:
        about = review["spec"]["resourceAttributes"]
        below = f"/{about['subresource']}" if about["subresource"] else ""
        return f"{about['verb']} {about['resource']}{below}"


def _pod(name: str, address: str) -> Object:
    return {"metadata": {"name": name, "uid": name}, "status": {"podIP": address}}


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection; a request to the proxy of a pod makes it a tunnel to the pod."""

    api: KubeApi

    def handle_any(self) -> None:
        if proxied := _PROXIED.fullmatch(self.path):
            self._tunnel(self.api.pods[proxied["pod"]], int(proxied["port"]), proxied["path"])
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        code, answer = self.api.answer(self.command, self.path.partition("?")[0], body)
        sent = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # names of the standard library

    def _tunnel(self, address: str, port: int, path: str) -> None:
        self.close_connection = True
        with socket.create_connection((address, port)) as pod:
            head = [
                f"{self.command} {path} HTTP/1.1",
                *(f"{k}: {v}" for k, v in self.headers.items()),
                "",
                "",
            ]
            pod.sendall("\r\n".join(head).encode())
            back = threading.Thread(target=_pump, args=(pod, self.connection))
            back.start()
            _pump(self.connection, pod)
            back.join()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        pass


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until one side closes, then close both directions."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


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

    handler = type("Handler", (_Handler,), {"api": api})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
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
