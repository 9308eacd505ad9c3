"""A pod's identity and place, read from the environment once at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spiko_nanoservice import contract as c
from spiko_nanoservice.behavior import Behavior, parse_behavior
from spiko_nanoservice.errors import SettingsError

ROLES = (*c.Package, c.EUREKA)


@dataclass(frozen=True)
class Settings:
    """Identity and place of one pod.

    Attributes:
        eurekas: Service names, `name.namespace`: that of the home zone first, that of all eurekas last.
        eureka_region: the region of the registry that the pod always registers with: its own, or the first
            one for a pod outside any region.
        lifeline: file descriptor of a pipe that closes when the local cluster ends; None outside a local
            cluster.
        keys: directory of the key files.
        otlp_secret: directory of the Secret for the collector; it may not exist.
    """

    architecture: str
    tier: str
    package: str
    version: str
    region: str
    zone: str
    behavior: Behavior
    eurekas: tuple[str, ...]
    eureka_region: str
    namespace: str
    pod_name: str
    pod_uid: str
    node_name: str
    address: str
    bind_address: str
    port: int
    resolver: str
    lifeline: int | None
    keys: str
    otlp_secret: str

    @property
    def source(self) -> str | None:
        """The address to connect from: the own one where pods share a network, else any."""
        return None if self.bind_address in ("0.0.0.0", "::") else self.bind_address


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of a pod.

    Raises:
        SettingsError: a variable is missing or invalid.
    """
    package = _required(environ, c.ENV_PACKAGE)
    if package not in ROLES:
        raise SettingsError(
            f"{c.ENV_PACKAGE}: {package!r}: must be one of {', '.join(ROLES)};"
            " use a nanoservice image of the operator's release"
        )
    namespace = environ.get(c.ENV_NAMESPACE, "default")
    address = environ.get(c.ENV_POD_IP) or environ.get(c.ENV_BIND_ADDRESS) or "127.0.0.1"
    default_port = c.EUREKA_PORT if package == c.EUREKA else c.HTTP_PORT
    return Settings(
        architecture=_required(environ, c.ENV_ARCHITECTURE),
        tier=_required(environ, c.ENV_TIER),
        package=package,
        version=environ.get(c.ENV_VERSION, "1.0.0"),
        region=environ.get(c.ENV_REGION) or c.ANYWHERE,
        zone=environ.get(c.ENV_ZONE) or c.ANYWHERE,
        behavior=parse_behavior(environ.get(c.ENV_BEHAVIOR, "")),
        eurekas=tuple(f"{name}.{namespace}" for name in environ.get(c.ENV_EUREKA, "").split(",") if name),
        eureka_region=environ.get(c.ENV_EUREKA_REGION) or environ.get(c.ENV_REGION) or c.ANYWHERE,
        namespace=namespace,
        pod_name=environ.get(c.ENV_POD_NAME, "pod"),
        pod_uid=environ.get(c.ENV_POD_UID) or environ.get(c.ENV_POD_NAME, "pod"),
        node_name=environ.get(c.ENV_NODE_NAME, ""),
        address=address,
        bind_address=environ.get(c.ENV_BIND_ADDRESS) or ("::" if ":" in address else "0.0.0.0"),
        port=_number(environ, c.ENV_BIND_PORT, default_port),
        resolver=environ.get(c.ENV_RESOLVER, ""),
        lifeline=_number(environ, c.ENV_LIFELINE, -1) if c.ENV_LIFELINE in environ else None,
        keys=environ.get(c.ENV_VOLUMES_ROOT, "") + c.KEYS_PATH,
        otlp_secret=environ.get(c.ENV_VOLUMES_ROOT, "") + c.OTLP_SECRET_PATH,
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise SettingsError(f"{name}: required, but not set; the operator's pod templates set it")
    return value


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdigit() or int(text) > 65_535:
        raise SettingsError(f"{name}: {text!r}: must be an integer from 0 to 65535")
    return int(text)
