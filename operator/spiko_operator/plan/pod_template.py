"""Pure: the pod template of a tier or a eureka.

A changed template restarts pods, so it depends on the active runtime and the version's identity only. To
change it for the same runtime, raise RENDERER, and render a runtime of an earlier `renderer` as before.
"""

from __future__ import annotations

from collections.abc import Mapping

from spiko_nanoservice import contract as c
from spiko_operator.plan.defaults import pruned
from spiko_operator.plan.objects import Object
from spiko_operator.plan.topology import REGION_LABEL, ZONE_LABEL, Region, Zone

# A pod needs at most 13 s to leave if it is a node of a ring, and 9 s otherwise.
GRACE_S = 15
# Kubernetes' default is 300 s. Users who switch a zone off want to see the effect at once.
LOST_NODE_S = 5
# Callers stop calling a silent pod earlier, because its eureka reports it. On a local cluster, probes are a
# large part of the CPU time of idle pods.
READINESS_S = 3
USER = 65532  # "nonroot" of distroless images
# Revision of the template, which a runtime records as `renderer`; one without it has the first.
FIRST_RENDERER = RENDERER = 1
# The only keys of the Secret for the collector that pods see: who may create Architectures may not therefore
# read every Secret of the namespace.
_OTLP_KEYS = ("headers", "ca.crt")

_FIELDS = {
    c.ENV_POD_NAME: "metadata.name",
    c.ENV_POD_UID: "metadata.uid",
    c.ENV_POD_IP: "status.podIP",
    c.ENV_NODE_NAME: "spec.nodeName",
}


def pod_spec(runtime: Object, image: str, port: int, env: Mapping[str, str], keys: Object) -> Object:
    """Return the spec of a pod, without its placement.

    Args:
        runtime: the active runtime.
        image: of the container.
        port: on which the container serves requests and probes.
        env: environment variables.
        keys: the volume with the key files.
    """
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "fsGroup": USER,  # may read the key files
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "tolerations": _lost_node_tolerations() + pruned(runtime.get("tolerations") or ()),
        "volumes": [keys],
        "containers": [_container(runtime, image, port, env)],
        **{name: runtime[name] for name in ("imagePullSecrets", "priorityClassName") if runtime.get(name)},
    }


def pod_metadata(runtime: Object, labels: Mapping[str, str]) -> Object:
    """Return the metadata of a pod.

    Args:
        runtime: the active runtime.
        labels: of the operator, which win.
    """
    annotations = runtime.get("annotations")
    own = {"labels": {**(runtime.get("labels") or {}), **labels}}
    return own | ({"annotations": annotations} if annotations else {})


def add_otlp_secret(pod: Object, runtime: Object) -> None:
    """Mount the Secret for the collector into a pod, if the runtime names one."""
    if (secret := runtime.get("otlpSecretName")) is None:
        return
    items = [{"key": key, "path": key} for key in _OTLP_KEYS]
    source = {"secretName": secret, "optional": True, "defaultMode": 0o440, "items": items}
    pod["volumes"].append({"name": "otlp", "secret": source})
    mount = {"name": "otlp", "mountPath": c.OTLP_SECRET_PATH, "readOnly": True}
    pod["containers"][0]["volumeMounts"].append(mount)


def _container(runtime: Object, image: str, port: int, env: Mapping[str, str]) -> Object:
    fields = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _FIELDS.items()
    ]
    container: Object = {
        "name": "nanoservice",
        "image": image,
        "env": [{"name": name, "value": value} for name, value in env.items()] + fields,
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "volumeMounts": [{"name": "keys", "mountPath": c.KEYS_PATH, "readOnly": True}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": port},
            "periodSeconds": READINESS_S,
            "timeoutSeconds": 2,
        },
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": port},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
    if resources := pruned(runtime.get("resources") or {}):
        container["resources"] = resources
    return container


def _lost_node_tolerations() -> list[Object]:
    return [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": LOST_NODE_S,
        }
        for key in ("not-ready", "unreachable")
    ]


def placement(
    runtime: Object, region: Region | None, zone: Zone | None, selector: Mapping[str, str]
) -> Object:
    """Return the placement of a pod: the labels of its nodes, or a best-effort spread for logical zones.

    Args:
        runtime: the active runtime; the labels of region and zone win over its node selector.
        region: None for a pod outside any region.
        zone: None for a pod outside any zone.
        selector: labels of the pods that are spread.
    """
    node_labels = dict(runtime.get("nodeSelector") or {})
    found: Object = {}
    if region is not None and zone is not None and not zone.logical:
        node_labels |= {REGION_LABEL: region.name, ZONE_LABEL: zone.name}
    elif region is not None and zone is None and not all(z.logical for z in region.zones):
        node_labels |= {REGION_LABEL: region.name}
    elif region is not None:
        spread = {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(selector)},
        }
        found["topologySpreadConstraints"] = [spread]
    return found | ({"nodeSelector": node_labels} if node_labels else {})
