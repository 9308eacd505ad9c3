"""URLs of eurekas: at the address of the pod, or through the pod proxy of the API server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from spiko_nanoservice.contract import authority
from spiko_operator.plan.names import EUREKA_PORT
from spiko_operator.settings import Reach


@dataclass(frozen=True)
class Reacher:
    """Builds URLs of eurekas. `server` is the URL of the API server."""

    way: Reach
    server: str

    def url(self, namespace: str, pod: str, address: str, path: str, web_socket: bool = False) -> str:
        """Return the URL of a path of a eureka pod.

        >>> Reacher("direct", "https://api").url("default", "p", "10.0.0.9", "/metrics")
        'http://10.0.0.9:7070/metrics'
        >>> Reacher("proxy", "https://api").url("default", "p", "10.0.0.9", "/control", web_socket=True)
        'wss://api/api/v1/namespaces/default/pods/p:7070/proxy/control'
        """
        if self.way == "direct":
            return f"{'ws' if web_socket else 'http'}://{authority(address, EUREKA_PORT)}{path}"
        base = self.server.replace("http", "ws", 1) if web_socket else self.server
        return f"{base}/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}:{EUREKA_PORT}/proxy{path}"
