"""Changes of owned objects by other clients: the operator restores each field, and reports it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from kube_devserver.api import verbs
from spiko_operator.errors import Refused
from tests.support.settled_shop import shop
from tests.support.stored_cluster import StoredCluster

Object = dict[str, Any]
WEB, EUREKA = "shop-web-1-0-0-z0", "shop-eureka-z1"


def pod(**spec: Any) -> Object:
    """Return a patch of the pod template's spec."""
    return {"spec": {"template": {"spec": spec}}}


def container(**fields: Any) -> Object:
    """Return a patch of the container."""
    return pod(containers=[{"name": "nanoservice", **fields}])


_HOST_FOLDER = {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}
# Field that the event names -> strategic merge patch of a Deployment.
DEPLOYMENT_EDITS: dict[str, Object] = {
    "spec.paused": {"spec": {"paused": True}},
    "spec.replicas": {"spec": {"replicas": 9}},
    "spec.strategy.type": {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}},
    "spec.strategy.rollingUpdate.maxSurge": {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 5}}}},
    "spec.minReadySeconds": {"spec": {"minReadySeconds": 30}},
    "spec.progressDeadlineSeconds": {"spec": {"progressDeadlineSeconds": 60}},
    "spec.revisionHistoryLimit": {"spec": {"revisionHistoryLimit": 0}},
    "spec.template.metadata.labels.sidecar": {
        "spec": {"template": {"metadata": {"labels": {"sidecar": "yes"}}}}
    },
    "spec.template.metadata.labels[spiko.dev/package]": {
        "spec": {"template": {"metadata": {"labels": {"spiko.dev/package": "store"}}}}
    },
    "spec.template.metadata.annotations": {
        "spec": {"template": {"metadata": {"annotations": {"inject": "yes"}}}}
    },
    "spec.template.spec.hostNetwork": pod(hostNetwork=True),
    "spec.template.spec.hostPID": pod(hostPID=True),
    "spec.template.spec.hostIPC": pod(hostIPC=True),
    "spec.template.spec.shareProcessNamespace": pod(shareProcessNamespace=True),
    "spec.template.spec.nodeName": pod(nodeName="node-1"),
    "spec.template.spec.nodeSelector": pod(nodeSelector={"disk": "ssd"}),
    "spec.template.spec.serviceAccountName": pod(serviceAccountName="admin"),
    "spec.template.spec.automountServiceAccountToken": pod(automountServiceAccountToken=True),
    "spec.template.spec.dnsPolicy": pod(dnsPolicy="Default"),
    "spec.template.spec.priorityClassName": pod(priorityClassName="system-node-critical"),
    "spec.template.spec.terminationGracePeriodSeconds": pod(terminationGracePeriodSeconds=0),
    "spec.template.spec.securityContext.runAsUser": pod(securityContext={"runAsUser": 0}),
    "spec.template.spec.securityContext.runAsNonRoot": pod(securityContext={"runAsNonRoot": None}),
    "spec.template.spec.tolerations": pod(tolerations=[{"operator": "Exists"}]),
    "spec.template.spec.hostAliases": pod(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["db"]}]),
    "spec.template.spec.initContainers": pod(initContainers=[{"name": "first", "image": "example/x:1"}]),
    "spec.template.spec.volumes": pod(**_HOST_FOLDER),
    "spec.template.spec.containers": pod(containers=[{"name": "other", "image": "example/x:1"}]),
    "containers[0].volumeMounts": container(volumeMounts=[{"name": "host", "mountPath": "/host"}]),
    "containers[0].image": container(image="example/x:1"),
    "containers[0].imagePullPolicy": container(imagePullPolicy="Always"),
    "containers[0].command": container(command=["sleep", "3600"]),
    "containers[0].args": container(args=["--debug"]),
    "containers[0].workingDir": container(workingDir="/tmp"),
    "containers[0].env": container(env=[{"name": "LD_PRELOAD", "value": "/x.so"}]),
    "containers[0].env[0].value": container(env=[{"name": "SPIKO_ARCHITECTURE", "value": "other"}]),
    "containers[0].envFrom": container(envFrom=[{"configMapRef": {"name": "x"}}]),
    "containers[0].lifecycle": container(lifecycle={"preStop": {"exec": {"command": ["sleep", "60"]}}}),
    "containers[0].livenessProbe": container(livenessProbe=None),
    "containers[0].readinessProbe.failureThreshold": container(readinessProbe={"failureThreshold": 99}),
    "containers[0].resources": container(resources={"limits": {"cpu": "1m"}}),
    "containers[0].securityContext.privileged": container(securityContext={"privileged": True}),
    "containers[0].securityContext.allowPrivilegeEscalation": container(
        securityContext={"allowPrivilegeEscalation": True}
    ),
    "containers[0].securityContext.capabilities.add": container(
        securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}
    ),
    "containers[0].securityContext.readOnlyRootFilesystem": container(
        securityContext={"readOnlyRootFilesystem": None}
    ),
    "metadata.labels[spiko.dev/tier]": {"metadata": {"labels": {"spiko.dev/tier": "db"}}},
    "metadata.labels[spiko.dev/version]": {"metadata": {"labels": {"spiko.dev/version": None}}},
    "metadata.labels[spiko.dev/other]": {"metadata": {"labels": {"spiko.dev/other": "x"}}},
    "metadata.annotations[spiko.dev/topology]": {"metadata": {"annotations": {"spiko.dev/topology": "[]"}}},
}
OTHER_EDITS: list[tuple[str, str, str, Object]] = [
    (
        "Service",
        "shop-web",
        "spec.selector[spiko.dev/version]",
        {"spec": {"selector": {"spiko.dev/version": "2"}}},
    ),
    (
        "Service",
        "shop-web",
        "spec.selector[spiko.dev/tier]",
        {"spec": {"selector": {"spiko.dev/tier": "db"}}},
    ),
    ("Service", "shop-web", "spec.publishNotReadyAddresses", {"spec": {"publishNotReadyAddresses": True}}),
    ("Service", "shop-eureka", "spec.publishNotReadyAddresses", {"spec": {"publishNotReadyAddresses": None}}),
    ("Service", "shop-web", "spec.ports", {"spec": {"ports": [{"name": "ssh", "port": 22}]}}),
    (
        "Service",
        "shop-web",
        "spec.ports[0].targetPort",
        {"spec": {"ports": [{"port": 8080, "targetPort": 22}]}},
    ),
    ("Service", "shop-web", "spec.externalIPs", {"spec": {"externalIPs": ["192.0.2.1"]}}),
    ("Service", "shop-web", "spec.sessionAffinity", {"spec": {"sessionAffinity": "ClientIP"}}),
    (
        "Service",
        "shop-web",
        "metadata.labels[spiko.dev/tier]",
        {"metadata": {"labels": {"spiko.dev/tier": None}}},
    ),
    ("PodDisruptionBudget", "shop-web", "spec.maxUnavailable", {"spec": {"maxUnavailable": "100%"}}),
    ("PodDisruptionBudget", "shop-web", "spec.selector", {"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
]
EDITS = [
    *(("Deployment", WEB, field, patch) for field, patch in DEPLOYMENT_EDITS.items()),
    ("Deployment", EUREKA, "spec.strategy.type", {"spec": {"strategy": {"type": "RollingUpdate"}}}),
    *OTHER_EDITS,
]


async def settled() -> StoredCluster:
    """Return a cluster at rest."""
    cluster = StoredCluster(shop())
    await cluster.settle()
    cluster.api.events.clear()
    return cluster


@pytest.mark.parametrize(("kind", "name", "field", "patch"), EDITS, ids=[f"{e[0]} {e[2]}" for e in EDITS])
async def test_edited_field_is_restored_in_one_pass(kind: str, name: str, field: str, patch: Object) -> None:
    """Given an edit, then one pass with one write restores the object, an event names the object and the
    field, and no other write follows.
    """
    cluster = await settled()
    before = cluster.owned()
    if field.endswith("volumeMounts"):
        patch["spec"]["template"]["spec"] |= _HOST_FOLDER
    cluster.edit(kind, name, patch)
    edited = cluster.owned()
    writes = await cluster.reconcile()

    assert before != edited
    assert before == cluster.owned()
    assert [f"PATCH {kind}/{name}"] == writes
    restored = [
        text for text in cluster.api.events if text.startswith(f"Warning Restored: {kind} {name}: restored ")
    ]
    assert len(restored) == 1
    assert field in restored[0]
    assert [] == await cluster.reconcile()
    assert [] == await cluster.reconcile()


RUNTIME: Object = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "ssd", "node-role.kubernetes.io/worker": ""},
    "labels": {"team": "shop", "example.com/empty": ""},
    "annotations": {"sidecar.istio.io/inject": "false", "example.com/empty": ""},
    "priorityClassName": "low",
    "otlpSecretName": "collector",
}


def template_metadata(part: str, **entries: Any) -> Object:
    """Return a patch of the pod template's labels or annotations."""
    return {"spec": {"template": {"metadata": {part: entries}}}}


# Field that the event names -> strategic merge patch of a Deployment whose Architecture has RUNTIME.
RUNTIME_EDITS: list[tuple[str, Object]] = [
    ("spec.template.spec.imagePullSecrets", pod(imagePullSecrets=[{"name": "other"}])),
    ("spec.template.spec.imagePullSecrets", pod(imagePullSecrets=None)),
    ("spec.template.spec.nodeSelector.disk", pod(nodeSelector={"disk": "hdd"})),
    ("spec.template.spec.nodeSelector.disk", pod(nodeSelector={"disk": ""})),
    (
        "nodeSelector[node-role.kubernetes.io/worker]",
        pod(nodeSelector={"node-role.kubernetes.io/worker": None}),
    ),
    ("spec.template.spec.nodeSelector.gpu", pod(nodeSelector={"gpu": ""})),
    ("spec.template.spec.nodeSelector", pod(nodeSelector=None)),
    ("labels.team", template_metadata("labels", team=None)),
    ("labels[example.com/empty]", template_metadata("labels", **{"example.com/empty": None})),
    ("labels.more", template_metadata("labels", more="")),
    (
        "annotations[sidecar.istio.io/inject]",
        template_metadata("annotations", **{"sidecar.istio.io/inject": "x"}),
    ),
    ("annotations[example.com/empty]", template_metadata("annotations", **{"example.com/empty": None})),
    ("annotations.more", template_metadata("annotations", more="")),
    ("spec.template.spec.priorityClassName", pod(priorityClassName="system-node-critical")),
    ("spec.template.spec.priorityClassName", pod(priorityClassName=None)),
    ("secret.optional", pod(volumes=[{"name": "otlp", "secret": {"optional": False}}])),
    ("secret.secretName", pod(volumes=[{"name": "otlp", "secret": {"secretName": "other"}}])),
    (
        "volumeMounts",
        container(volumeMounts=[{"mountPath": "/var/run/spiko-otlp", "$patch": "delete"}]),
    ),
]


@pytest.mark.parametrize(
    ("field", "patch"), RUNTIME_EDITS, ids=[f"{i}-{field}" for i, (field, _) in enumerate(RUNTIME_EDITS)]
)
async def test_edited_field_of_the_runtime_is_restored(field: str, patch: Object) -> None:
    """Given an Architecture with every field of the runtime, when another client changes one in a Deployment,
    then one write restores it, with an event that names the field; `kubectl rollout restart` is kept.
    """
    body = shop()
    body["spec"]["runtime"] = RUNTIME
    cluster = StoredCluster(body)
    await cluster.settle()
    restart = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    cluster.edit("Deployment", WEB, template_metadata("annotations", **restart))
    quiet = await cluster.reconcile()
    before = cluster.owned()
    cluster.edit("Deployment", WEB, patch)
    edited = cluster.owned()
    writes = await cluster.reconcile()

    assert [] == quiet
    assert before != edited
    assert before == cluster.owned()
    assert [f"PATCH Deployment/{WEB}"] == writes
    assert field in cluster.api.events[-1]
    assert [] == await cluster.reconcile()


@pytest.mark.parametrize("seed", range(20))
async def test_any_edits_by_any_client_are_restored(seed: int) -> None:
    """Given several edits of several objects by kubectl and by server-side apply, also while no operator
    runs, then one pass restores every object with at most one write each.
    """
    random, cluster = Random(seed), await settled()
    before = cluster.owned()
    for _ in range(random.randint(1, 12)):
        kind, name, _, patch = random.choice([edit for edit in EDITS if "volumeMounts" not in edit[2]])
        cluster.edit(kind, name, patch)
        if random.random() < 0.3:
            await cluster.reconcile()
    body = cluster.get("Deployment", "shop-db-1-0-0-z0")
    foreign = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop-db-1-0-0-z0"}}
    cluster.edit("Deployment", "shop-db-1-0-0-z0", foreign | pod(hostNetwork=True), verbs.APPLY)
    if random.random() < 0.5:
        cluster.restart_operator()
    writes = await cluster.reconcile()

    assert body["spec"] == cluster.get("Deployment", "shop-db-1-0-0-z0")["spec"]
    assert before == cluster.owned()
    assert len(writes) == len(set(writes))
    assert [] == await cluster.reconcile()


async def test_object_that_lost_its_label_is_restored_whole() -> None:
    """Given a Deployment that is edited and loses the label by which the operator watches it, then label and
    field are restored.
    """
    cluster = await settled()
    before = cluster.owned()
    cluster.edit(
        "Deployment", WEB, {"metadata": {"labels": {"spiko.dev/architecture": None}}} | pod(hostPID=True)
    )
    await cluster.reconcile()

    assert before == cluster.owned()
    assert [] == await cluster.reconcile()


async def test_metadata_of_others_and_rollout_restart_are_kept() -> None:
    """Given labels, annotations and an owner of other clients, and `kubectl rollout restart`, then nothing is
    written, also when a field is restored.
    """
    cluster = await settled()
    metadata = {"labels": {"team": "a"}, "annotations": {"kubernetes.io/change-cause": "b"}}
    restart = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    cluster.edit(
        "Deployment",
        WEB,
        {"metadata": metadata, "spec": {"template": {"metadata": {"annotations": restart}}}},
    )
    before = cluster.owned()
    quiet = await cluster.reconcile()
    cluster.edit("Deployment", WEB, pod(hostNetwork=True))
    await cluster.reconcile()

    assert [] == quiet
    assert before == cluster.owned()


async def test_condition_names_a_paused_deployment_until_it_is_restored() -> None:
    """Given a paused Deployment whose restore an admission webhook rejects, then Ready is False and names it;
    once the webhook admits the restore, the condition does not.
    """
    cluster = await settled()
    cluster.edit("Deployment", WEB, {"spec": {"paused": True}})
    cluster.api.refused = {WEB}
    with pytest.raises(Refused):
        await cluster.reconcile()
    paused, refused = cluster.condition("Ready"), cluster.condition("Applied")
    cluster.api.refused = set()
    await cluster.reconcile()
    await cluster.reconcile()

    assert paused["status"] == "False"
    assert f"paused Deployments: {WEB}" in paused["message"]
    assert f"Deployment {WEB}: admission webhook denied the request" in refused["message"]
    assert "paused" not in cluster.condition("Ready")["message"]
    assert "paused" not in cluster.get("Deployment", WEB)["spec"]


async def test_own_change_is_not_reported_as_restored() -> None:
    """Given a changed spec, then the objects are patched without an event about other clients."""
    cluster = await settled()
    changed = shop()
    changed["spec"]["runtime"] = {"image": "spiko/nanoservice:2"}
    cluster.put(changed)
    writes = await cluster.reconcile()

    assert f"PATCH Deployment/{WEB}" in writes
    assert not [event for event in cluster.api.events if "Restored" in event]


async def test_admission_webhook_does_not_cause_endless_writes() -> None:
    """Given a webhook that adds fields to every written Deployment, then the operator comes to rest."""
    cluster = StoredCluster(shop())
    aliases = [{"ip": "10.0.0.1", "hostnames": ["a"]}]
    cluster.api.added = {"spec": {"minReadySeconds": 1, "template": {"spec": {"hostAliases": aliases}}}}
    await cluster.settle(8)

    assert cluster.get("Deployment", WEB)["spec"]["minReadySeconds"] == 1
    assert [] == await cluster.reconcile()
    assert [] == [event for event in cluster.api.events if "Restored" in event]


async def test_restores_against_another_controller_are_limited_and_reported() -> None:
    """Given a controller that repeats its change after every restore, then restores become rare and Applied
    names the object and the field.
    """
    cluster, restores = await settled(), 0
    for _ in range(60):
        cluster.edit("Deployment", WEB, {"spec": {"minReadySeconds": 7}})
        try:
            restores += len(await cluster.reconcile())
        except Refused:
            break

    assert 10 <= restores < 60
    assert cluster.condition("Applied")["status"] == "False"
    assert WEB in cluster.condition("Applied")["message"]
    assert "spec.minReadySeconds" in cluster.condition("Applied")["message"]
