"""Spec of an `Architecture`: its services, where they run, and the settings that all of them share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spiko_nanoservice.contract import OTLP_SECRET_PATH
from spiko_operator.api.common import (
    MAX_POD_ENTRIES,
    MAX_SERVICES,
    AnnotationValue,
    ImageName,
    LabelValue,
    Model,
    ObjectName,
    PerMillion,
    PlaceName,
    Quantity,
)
from spiko_operator.api.service import Service

KIND = "Architecture"
PLURAL = "architectures"

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
MOST_ENDPOINT = 255  # characters
ENDPOINT_PATTERN = rf"^https?://{_HOST}(:{_PORT})?(/[^\s?#]*)?$"


class RegionTopology(Model):
    """A region and its zones, by the values of the nodes' labels."""

    name: Annotated[PlaceName, Field(description="value of the node label topology.kubernetes.io/region")]
    zones: Annotated[
        list[PlaceName],
        Field(
            min_length=1,
            max_length=16,
            description="values of the node label topology.kubernetes.io/zone, in the order in which "
            "instances are dealt to them",
        ),
    ]


class SpecTopology(Model):
    """Regions and zones of the pods.

    Read from the nodes' labels if left out; regions and zones are only ever added.
    """

    regions: Annotated[
        list[RegionTopology],
        Field(
            min_length=1, max_length=6, description="regions in order; a tier of n regions uses the first n"
        ),
    ]


class Telemetry(Model):
    """Where pods send spans, and which share of the traces they record. Live: a change restarts no pod."""

    otlp_endpoint: Annotated[
        str | None,
        Field(
            max_length=MOST_ENDPOINT,
            pattern=ENDPOINT_PATTERN,
            description="base URL of an OTLP/HTTP collector, such as http://collector:4318 or "
            "https://otlp.example; port 4318 for http and 443 for https if left out. Pods add /v1/traces "
            "unless the URL ends in it. The operator's default collector if the field is left out. Live: a "
            "change restarts no pod",
        ),
    ] = None
    samples_per_million: Annotated[
        PerMillion | None,
        Field(
            description="traces per million that are recorded; 1000000 (all) if left out. Live: a change "
            "restarts no pod"
        ),
    ] = None
    compression: Annotated[
        Literal["None", "Gzip"] | None,
        Field(
            description="how pods compress spans; None if left out. Gzip saves traffic and takes CPU time of "
            "the pods. Live: a change restarts no pod"
        ),
    ] = None


class ResourceAmounts(Model):
    """CPU and memory, as Kubernetes quantities."""

    cpu: Annotated[Quantity | None, Field(description="CPU, such as 100m")] = None
    memory: Annotated[Quantity | None, Field(description="memory, such as 32Mi")] = None


class Resources(Model):
    """Resource requests and limits of each pod's container."""

    requests: Annotated[ResourceAmounts | None, Field(description="amounts reserved for the container")] = (
        None
    )
    limits: Annotated[
        ResourceAmounts | None, Field(description="amounts that the container may not exceed")
    ] = None


class Toleration(Model):
    """A taint that pods tolerate."""

    key: Annotated[
        str | None, Field(max_length=316, description="key of the taint; every taint if left out")
    ] = None
    operator: Annotated[
        Literal["Exists", "Equal"] | None, Field(description="Equal also compares the value; Exists does not")
    ] = None
    value: Annotated[str | None, Field(max_length=63, description="value of the taint")] = None
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None,
        Field(description="effect of the taint; every effect if left out"),
    ] = None


class SecretReference(Model):
    """A Secret of the Architecture's namespace."""

    name: Annotated[ObjectName, Field(description="name of the Secret")]


class Runtime(Model):
    """How the pods of every tier run. Recorded at first acceptance. Rolling: a change replaces the pods."""

    image: Annotated[
        ImageName | None,
        Field(
            description="nanoservice image; the operator's default at first acceptance if left out. Rolling"
        ),
    ] = None
    resources: Annotated[
        Resources | None, Field(description="resource requests and limits of each pod's container. Rolling")
    ] = None
    tolerations: Annotated[
        list[Toleration] | None,
        Field(
            max_length=16,
            description="tolerations in addition to those of an unreachable or not-ready node, which last 5 "
            "s. Rolling",
        ),
    ] = None
    image_pull_secrets: Annotated[
        list[SecretReference] | None,
        Field(
            max_length=8,
            description="Secrets of the namespace with the credentials of image registries. Rolling",
        ),
    ] = None
    node_selector: Annotated[
        dict[str, LabelValue] | None,
        Field(
            max_length=MAX_POD_ENTRIES,
            description="labels of the nodes that pods may run on, besides the region and the zone of each "
            "pod, which spec.topology decides. Rolling",
        ),
    ] = None
    labels: Annotated[
        dict[str, LabelValue] | None,
        Field(
            max_length=MAX_POD_ENTRIES,
            description="labels of every pod; keys that begin with spiko.dev/ are the operator's. Rolling",
        ),
    ] = None
    annotations: Annotated[
        dict[str, AnnotationValue] | None,
        Field(
            max_length=MAX_POD_ENTRIES,
            description="annotations of every pod; keys that begin with spiko.dev/ are the operator's. "
            "Rolling",
        ),
    ] = None
    priority_class_name: Annotated[
        ObjectName | None,
        Field(description="PriorityClass of every pod; the cluster's default if left out. Rolling"),
    ] = None
    otlp_secret_name: Annotated[
        ObjectName | None,
        Field(
            description="Secret of the namespace with the optional keys headers and ca.crt for the "
            f"collector, mounted into the pods of tiers at {OTLP_SECRET_PATH}. Pods start without it. Rolling"
        ),
    ] = None


class Monkey(Model):
    """Kills one pod of the victim tier at random intervals. Live: a change restarts no pod."""

    mode: Annotated[
        Literal["Off", "DryRun", "Enforce"],
        Field(
            description="DryRun reports in events which pod it would kill and kills none. "
            'YAML reads a bare Off as false: write "Off"'
        ),
    ] = "Off"
    method: Annotated[
        Literal["Evict", "Delete"] | None,
        Field(
            description="Evict (if left out) respects disruption budgets; Delete kills without a grace "
            "period, and needs an operator with SPIKO_ALLOW_DELETE=true"
        ),
    ] = None
    mean_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=2_592_000,
            description="mean time between kills; the part above minSeconds is distributed exponentially",
        ),
    ] = 300
    min_seconds: Annotated[
        int | None,
        Field(
            ge=1, le=2_592_000, description="shortest time between kills; a tenth of meanSeconds if left out"
        ),
    ] = None
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            le=2**31 - 1,
            description="seed of times and victims: the same seed and pods give the same victims in the "
            "same order; derived from the Architecture's UID if left out",
        ),
    ] = None


class Chaos(Model):
    """Recurring faults. A single fault is an object of kind Fault. Live: a change restarts no pod."""

    monkey: Annotated[
        Monkey | None,
        Field(
            description="kills one pod of the victim tier at random intervals. Live: a change restarts no pod"
        ),
    ] = None


class ArchitectureSpec(Model):
    """Desired state. A field identifies a version (immutable), is live (a change restarts no pod) or is
    rolling (spec.runtime: a change replaces the pods).
    """

    description: Annotated[
        str | None, Field(max_length=1024, description="free text for readers; the operator ignores it")
    ] = None
    victim: Annotated[
        str | None,
        Field(max_length=38, description="tier targeted by the chaos monkey. Live: a change restarts no pod"),
    ] = None
    chaos: Annotated[Chaos | None, Field(description="recurring faults. Live: a change restarts no pod")] = (
        None
    )
    scale: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="percentage of every count, rounded down, at least 1 instance. Live: a change "
            "restarts no pod",
        ),
    ] = 100
    topology: Annotated[
        SpecTopology | None,
        Field(
            description="regions and zones of the pods; read from the nodes' labels at first acceptance if "
            "left out. Regions and zones are only ever added. Live: a change restarts no pod"
        ),
    ] = None
    telemetry: Annotated[
        Telemetry | None,
        Field(
            description="where pods send spans, and which share of the traces they record. Live: a change "
            "restarts no pod"
        ),
    ] = None
    runtime: Annotated[
        Runtime | None,
        Field(
            description="how the pods of every tier run; recorded at first acceptance. Rolling: a change "
            "replaces the pods"
        ),
    ] = None
    services: Annotated[list[Service], Field(min_length=1, max_length=MAX_SERVICES, description="the tiers")]
