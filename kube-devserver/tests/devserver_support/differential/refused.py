"""Scenarios with objects that Kubernetes refuses because no controller could process them."""

from __future__ import annotations

import copy
from typing import Any

from devserver_support.differential.calls import (
    CM,
    CRD,
    DEPLOY,
    PDB,
    POD,
    Call,
    config_map,
    delete,
    deployment,
    get,
    patch,
    pod,
    post,
)

NSS = "/api/v1/namespaces"
RS = "/apis/apps/v1/namespaces/{ns}/replicasets"


def expression(operator: Any = "In", key: Any = "app", *values: str) -> dict[str, Any]:
    """A LabelSelector of one expression."""
    return {
        "matchExpressions": [
            {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
        ]
    }


SELECTORS: list[dict[str, Any]] = [
    expression("in", "app", "a"), expression("In"), expression("NotIn"), expression("Exists", "app", "a"),
    expression("", "app", "a"),
    expression("In", "", "a"), expression("In", "a/b/c", "a"), expression("In", "-x", "a"),
    expression("In", "/x", "a"),
    expression("In", "UP/x", "a"), expression("In", "x" * 64, "a"), expression("In", "app", "no good"),
    expression("In", "app", "a" * 64),
    {"matchLabels": {"app": "no good"}}, {"matchLabels": {"-x": "y"}}, {"matchExpressions": [{}]},
]  # fmt: skip


def budget(name: str = "a", **spec: Any) -> dict[str, Any]:
    """A PodDisruptionBudget."""
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "a"}}} | spec}


def replica_set(name: str = "a", **spec: Any) -> dict[str, Any]:
    """A ReplicaSet of no pods."""
    return deployment(name, **spec) | {"kind": "ReplicaSet"}


def rolling(surge: Any, unavailable: Any) -> dict[str, Any]:
    """A Deployment with these limits."""
    return deployment(
        strategy={
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
        }
    )


def spread(**constraint: Any) -> dict[str, Any]:
    """A pod with one spread constraint."""
    whole = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"} | constraint
    return pod(topologySpreadConstraints=[{key: value for key, value in whole.items() if value is not None}])


def terms(*each: dict[str, Any]) -> dict[str, Any]:
    """A node selector."""
    return {"nodeSelectorTerms": list(each)}


def affine(required: Any = None, preferred: Any = None) -> dict[str, Any]:
    """A pod with required or preferred terms for its node."""
    when = "DuringSchedulingIgnoredDuringExecution"
    found = {f"required{when}": required, f"preferred{when}": preferred}
    return pod(affinity={"nodeAffinity": {key: value for key, value in found.items() if value is not None}})


def definition(plural: str = "gadgets", group: str = "{ns}.example.dev", **names: Any) -> dict[str, Any]:
    """A definition of a scenario's own; its group is that of the namespace."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": plural,
                    "kind": plural[:-1].capitalize()} | names,
            "versions": [{"name": "v1", "served": True, "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    }  # fmt: skip


def changed(**spec: Any) -> dict[str, Any]:
    """The definition with other values in its spec; None removes one."""
    whole = definition()
    whole["spec"] = {key: value for key, value in (whole["spec"] | spec).items() if value is not None}
    return whole


def version(**changes: Any) -> dict[str, Any]:
    """A version with other values; None removes one."""
    whole = copy.deepcopy(definition()["spec"]["versions"][0]) | changes
    return {key: value for key, value in whole.items() if value is not None}


def column(**values: Any) -> dict[str, Any]:
    """A version with one column."""
    return changed(versions=[version(additionalPrinterColumns=[values])])


def scale(**paths: Any) -> dict[str, Any]:
    """A version with a scale."""
    return changed(versions=[version(subresources={"scale": paths})])


ONE = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.{ns}.example.dev"
REFUSED: dict[str, list[Call]] = {
    "names that end with a new line": [
        post(CM, config_map("a\n")), post(CM, config_map(**{"k\n": "v"})),
        post(NSS, {"metadata": {"name": "a\n"}}),
        *(post(CM, {"metadata": {"name": "a", **each}}) for each in (
            {"labels": {"k\n": "v"}}, {"labels": {"x.y\n/k": "v"}}, {"labels": {"k": "v\n"}},
            {"annotations": {"k\n": "v"}},
            {"annotations": {"X.Y/k": "v"}}, {"annotations": {"x_y/k": "v"}}, {"annotations": {"a/b/c": "v"}},
            {"annotations": {"/k": ""}},
            {"annotations": {"x" * 64: ""}}, {"annotations": {"": ""}}, {"finalizers": ["x.y/z\n"]},
        )),
        post(POD, pod(containers=[{"name": "c\n", "image": "example/x:1"}])),
        post(DEPLOY, deployment(selector={"matchLabels": {"app": "a\n"}})),
        post(CRD, definition("gadgets\n")), post(CRD, changed(group="x.y\n")),
        get(f"{CM}?labelSelector=k%3Dv%0A"),
        *(get(f"{CM}?labelSelector={each}") for each in (
            "X.Y/k", "x_y/k", "a/b/c", "/k", "k/", "x" * 64, f"k%3D{'x' * 64}", f"k+in+(a,{'x' * 64})",
            "X.Y/-k%3Dv",
        )),
        *(get(f"{CM}?fieldSelector={each}") for each in (
            "metadata.name%3Da%0A", "metadata.name+%3Da", "metadata.name%3D+a", ",,metadata.name%3Da,", "+",
            "metadata.name", "%3Da", "metadata.name%3Da%5C,b",
            "metadata.name%3Da%5Cx", "metadata.name%3Da%5C", "metadata.name%3D%3D%3Da",
            "metadata.name%3Da%3Db", "metadata.name!%3Da,metadata.name!%3Dkube-root-ca.crt",
            "metadata.name!a",
            "z%3D1,a%3D1", "metadata.name%3Da%5C%5C", "metadata.name%3Da%5C%3D",
        )),
        *(post(CM, {"metadata": {"name": "b", "finalizers": each}}) for each in (
            ["x/y/z"], ["/x"], ["x.y/"], [""], ["orphan", "foregroundDeletion"], ["X.Y/z"], ["a", "b"],
        )),
        get(f"{CM}/a%0A"), delete(f"{CM}/%22"),
    ],
    "selectors of deployments": [post(DEPLOY, deployment(selector=each)) for each in SELECTORS],
    "selectors of replica sets": [post(RS, replica_set(selector=each)) for each in SELECTORS],
    "selectors of budgets": [post(PDB, budget(selector=each)) for each in SELECTORS],
    "selectors of spread constraints": [post(POD, spread(labelSelector=each)) for each in SELECTORS],
    "strategies": [
        *(post(DEPLOY, rolling(*each)) for each in (
            ("lots", 1), (1, "lots"), (0, 0), ("0%", "0%"), ("0%", 0), (-1, 1), (1, -1), ("25", 1),
            ("-5%", 1), ("5.5%", 1), (1, "101%"), ("", 0),
        )),
        post(DEPLOY, deployment(strategy={"type": "Sideways"})),
        post(DEPLOY, deployment(strategy={"type": ""}, replicas=-1)),
        post(DEPLOY, deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})),
        post(DEPLOY, deployment(minReadySeconds=-1)), post(DEPLOY, deployment(revisionHistoryLimit=-1)),
        post(DEPLOY, deployment(progressDeadlineSeconds=-1)),
        post(DEPLOY, deployment(progressDeadlineSeconds=5, minReadySeconds=5)),
        post(DEPLOY, rolling("200%", 0)), patch(f"{DEPLOY}/a",
                {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
        patch(f"{DEPLOY}/a", {"spec": {"strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "x%"}}}}),
        post(RS, replica_set(minReadySeconds=-1)),
    ],
    "limits of budgets": [
        *(post(PDB, budget(minAvailable=each)) for each in ("abc", "101%", "-1%", "", -1, "1.5%")),
        *(post(PDB, budget(maxUnavailable=each)) for each in ("abc", "101%", "", -1)),
        post(PDB, budget(unhealthyPodEvictionPolicy="Sometimes", minAvailable=1)),
        post(PDB, budget(minAvailable="50%")),
        post(PDB, budget("b", selector=None)), post(PDB, {"metadata": {"name": "c"}}),
    ],
    "spread constraints": [
        *(post(POD, spread(**each)) for each in (
            {"topologyKey": None}, {"topologyKey": ""}, {"maxSkew": None}, {"maxSkew": 0}, {"maxSkew": -1},
            {"whenUnsatisfiable": None},
            {"whenUnsatisfiable": "Maybe"}, {"minDomains": 0},
            {"minDomains": 1, "whenUnsatisfiable": "ScheduleAnyway"},
            {"nodeAffinityPolicy": "Maybe"}, {"nodeTaintsPolicy": "Maybe"},
        )),
        post(POD, pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "z",
                "whenUnsatisfiable": "DoNotSchedule"}] * 2)),
        post(DEPLOY, deployment(template={"metadata": {"labels": {"app": "a"}},
                "spec": spread(topologyKey=None, maxSkew=None)["spec"]})),
    ],
    "affinities": [
        post(POD, affine({})), post(POD, affine(terms())),
        *(post(POD, affine(terms(expression(*words)))) for words in (
            ("in", "a", "b"), ("In", "a"), ("Exists", "a", "b"), ("Gt", "a"), ("Lt", "a", "1", "2"),
            ("In", "", "b"), ("In", "a", "no good"),
        )),
        post(POD, affine(terms({"matchFields": [{"key": "metadata.name", "operator": "In"}]}))),
        post(POD, affine(terms({"matchFields": [{"key": "spec.x", "operator": "Exists"}]}))),
        post(POD, affine(preferred=[{"preference": expression("In", "a", "b")}])),
        post(POD, affine(preferred=[{"weight": 101, "preference": expression("in", "a", "no good")}])),
        post(POD, pod() | {"metadata": {"name": "a",
                "annotations": {"controller.kubernetes.io/pod-deletion-cost": "dear"}}}),
    ],
    "definitions: names and groups": [
        post(CRD, definition(group="apps")), post(CRD, definition("deployments", "apps")),
        post(CRD, definition(group="UP.example.dev")),
        post(CRD, definition(group="")), post(CRD, changed(group=None)), post(CRD, changed(names=None)),
        post(CRD, changed(names={"plural": "gadgets"})),
        post(CRD, changed(names={"kind": "Gadget"})), post(CRD, definition(kind="no good")),
        post(CRD, definition(singular="No")),
        post(CRD, definition(listKind="Gadget")), post(CRD, definition(listKind="-")),
        post(CRD, definition(shortNames=["ok", "Not"])),
        post(CRD, definition(categories=["ok", "Not"])), post(CRD, definition("Gadgets")),
        post(CRD, definition("gad.gets")),
        post(CRD, definition() | {"metadata": {"name": "other.{ns}.example.dev"}}),
        post(CRD, definition() | {"metadata": {"name": "Other"}}),
        post(CRD, changed(scope=None)), post(CRD, changed(scope="Galaxy")),
        post(CRD, {"metadata": {"name": "gadgets.{ns}.example.dev"}}),
    ],
    "definitions: versions": [
        *(post(CRD, changed(versions=each)) for each in (
            None, [], [version(name=None)], [version(name="")], [version(name="V1")], [version(name="v-")],
            [version(storage=False)],
            [version(), version(name="v2")], [version(schema=None)], [version(schema={})],
            [version(served=None, storage=None)],
        )),
        post(CRD, changed(versions=[version(), version(storage=False,
                schema={"openAPIV3Schema": {"type": "object", "description": "x"}})])),
        post(CRD, column()), post(CRD, column(name="A", type="what", jsonPath=".x")),
        post(CRD, column(name="A", type="string", jsonPath="x")),
        post(CRD, column(name="A", type="string", format="what", jsonPath=".x")), post(CRD, scale()),
        post(CRD, scale(specReplicasPath="spec", statusReplicasPath="status")),
        post(CRD, scale(specReplicasPath=".status.x", statusReplicasPath=".spec.x",
                labelSelectorPath=".other")),
        post(CRD, changed(preserveUnknownFields=True)), post(CRD, changed(conversion={"strategy": "Magic"})),
        post(CRD, changed(conversion={"strategy": "None", "conversionReviewVersions": ["v1"]})),
    ],
    "definitions: what must not change": [
        post(CRD, definition()), patch(ONE, {"spec": {"group": "other.example.dev"}}),
        patch(ONE, {"spec": {"names": {"plural": "others"}}}),
        patch(ONE, {"spec": {"scope": "Cluster"}}), patch(ONE, {"spec": {"names": {"kind": "Other"}}}),
        patch(ONE, {"spec": {"versions": []}}),
        patch(ONE, {"spec": {"versions": [version(name=None)]}}),
        patch(ONE, {"spec": {"names": {"shortNames": ["gg"]}}}), delete(ONE),
    ],
    "namespaces that may not be deleted": [
        *(delete(f"/api/v1/namespaces/{name}") for name in ("default", "kube-system", "kube-public")),
        delete("/api/v1/namespaces/default?dryRun=All"), get("/api/v1/namespaces/default"),
        Call("DELETE", "/api/v1/namespaces"),
    ],
}  # fmt: skip
