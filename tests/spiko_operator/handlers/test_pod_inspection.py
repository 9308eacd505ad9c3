"""What goes wrong with pods is explained in the status; pods are listed rarely, and not at all at rest."""

from __future__ import annotations

from typing import Any

from kube_devserver.api.options import Options
from kube_devserver.api.verbs import MERGE
from tests.support.settled_shop import shop
from tests.support.stored_cluster import NAMESPACE, StoredCluster

Object = dict[str, Any]
WEB = "shop-web-1-0-0-z0"
PULL = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}
CRASH = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


class Shop(StoredCluster):
    """The shop, with pods and statuses that kubelets and controllers would write."""

    def __init__(self) -> None:
        super().__init__(shop())

    def write_status(self, kind: str, name: str, status: Object) -> None:
        """Merge a status."""
        at = self.api.target(kind, name, "status")
        self.api.verbs.patch(at, MERGE, {"status": status}, Options(manager="kubelet"))

    def get_ready(self, *missing: str) -> None:
        """Make all Deployments complete, except these."""
        for body in self.api.bodies("Deployment"):
            name, n = (
                body["metadata"]["name"],
                body["spec"]["replicas"] - (body["metadata"]["name"] in missing),
            )
            generation = body["metadata"]["generation"]
            status = {
                "observedGeneration": generation,
                "readyReplicas": n,
                "updatedReplicas": n,
                "replicas": n,
            }
            self.write_status("Deployment", name, status)

    def add_pod(self, name: str, deployment: str, phase: str, state: Object) -> None:
        """Add a pod of a Deployment whose container is in this state."""
        template = self.get("Deployment", deployment)["spec"]["template"]
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{deployment}-6c9b7d5c4",
            "uid": "u",
            "controller": True,
        }
        metadata = {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": [owner]}
        resource = self.api.target("Pod", name).resource
        body = {"metadata": metadata, "spec": {"containers": [{"name": "nanoservice", "image": "x"}]}}
        self.api.verbs.create(resource, NAMESPACE, body, Options(manager="kubelet"))
        status = {
            "phase": phase,
            "containerStatuses": [
                {
                    "name": "nanoservice",
                    "image": "x",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": state,
                }
            ],
        }
        self.write_status("Pod", name, status)

    def message(self) -> str:
        """Return the message of the condition Ready."""
        return str(self.condition("Ready")["message"])


async def started() -> Shop:
    """Return a shop whose objects exist and of which one web server is missing."""
    cluster = Shop()
    await cluster.settle()
    cluster.get_ready(WEB)
    await cluster.reconcile()
    return cluster


async def test_a_pod_that_cannot_start_is_explained_after_some_seconds() -> None:
    """Given an image that cannot be pulled, then Ready and `notReady` say so after 5 s, with one request, and
    later passes add none before 15 s.
    """
    cluster = await started()
    cluster.add_pod("web-1", WEB, "Pending", PULL)
    cluster.now_s = 4.0
    await cluster.reconcile()
    assert ([], 1.0) == (cluster.api.pages, cluster.requeue_s)

    cluster.now_s = 5.0
    await cluster.reconcile()
    assert ["Pod spiko.dev/architecture=shop status.phase=Pending 100"] == cluster.api.pages
    assert 0.0 == cluster.requeue_s
    await cluster.reconcile()
    cause = '1 pod: ImagePullBackOff: Back-off pulling image "x"'
    lacking = "not ready: web us-east-1/us-east-1a (1 of 2 pods Ready)"
    assert f"2 of 3 tiers are ready; {cause}; {lacking}" == cluster.message()
    (entry,) = cluster.get("Architecture", "shop")["status"]["notReady"]
    assert f"1 of 2 pods Ready; {cause}" == entry["message"]

    for _ in range(3):
        await cluster.reconcile()
    assert ([], 15.0) == ([w for w in cluster.api.writes if "STATUS" in w], cluster.requeue_s)
    assert 1 == len(cluster.api.pages)
    cluster.now_s = 20.0
    await cluster.reconcile()
    assert (2, 15.0) == (len(cluster.api.pages), cluster.requeue_s)


async def test_nothing_is_listed_while_everything_is_ready() -> None:
    """Given an Architecture that becomes Ready, then its causes are forgotten, nothing is requeued, and no
    pod is listed, however long it runs.
    """
    cluster = await started()
    cluster.add_pod("web-1", WEB, "Pending", PULL)
    cluster.now_s = 5.0
    for _ in range(2):
        await cluster.reconcile()
    assert "ImagePullBackOff" in cluster.message()
    cluster.get_ready()
    await cluster.reconcile()
    listed = len(cluster.api.pages)
    for _ in range(10):
        cluster.now_s += 100.0
        assert [] == await cluster.reconcile()
        assert cluster.requeue_s is None

    assert "True" == cluster.condition("Ready")["status"]
    assert listed == len(cluster.api.pages)

    cluster.get_ready(WEB)
    await cluster.reconcile()
    assert "ImagePullBackOff" not in cluster.message()


async def test_running_pods_are_listed_only_of_tiers_without_pending_pods() -> None:
    """Given a web server in a crash loop, which counts as running, and a Pending store, then running pods of
    the tier web are listed, of no other, and both are explained.
    """
    cluster = Shop()
    await cluster.settle()
    store = "shop-db-1-0-0-z0"
    cluster.get_ready(WEB, store)
    await cluster.reconcile()
    cluster.add_pod("db-1", store, "Pending", PULL)
    cluster.add_pod("web-1", WEB, "Running", CRASH)
    cluster.now_s = 5.0
    for _ in range(2):
        await cluster.reconcile()

    running = "Pod spiko.dev/architecture=shop,spiko.dev/tier in (web) status.phase=Running 100"
    assert [running] == cluster.api.pages[1:]
    assert "1 pod: CrashLoopBackOff; 1 pod: ImagePullBackOff: " in cluster.message()


async def test_an_ordinary_start_has_no_cause() -> None:
    """Given a pod whose container is being created, then there is no cause, and no running pod is listed."""
    cluster = await started()
    cluster.add_pod("web-1", WEB, "Pending", {"waiting": {"reason": "ContainerCreating"}})
    cluster.now_s = 5.0
    await cluster.reconcile()

    assert (1, 15.0) == (len(cluster.api.pages), cluster.requeue_s)
    assert "2 of 3 tiers are ready; not ready: " in cluster.message()


async def test_a_quota_is_explained_without_a_request() -> None:
    """Given a Deployment that reports a quota which forbids its pods, then the next pass reports it."""
    cluster = await started()
    message = f'pods "{WEB}-6c9b-x" is forbidden: failed quota: q: must specify limits.memory'
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    cluster.write_status("Deployment", WEB, {"conditions": [failure]})
    await cluster.reconcile()

    assert (
        "; 1 Deployment: pods are forbidden: failed quota: q: must specify limits.memory; "
        in cluster.message()
    )
    assert [] == cluster.api.pages


async def test_a_failed_list_does_not_fail_the_pass() -> None:
    """Given an API server that does not answer the list, then the pass succeeds and tries again in 15 s."""
    cluster = await started()
    cluster.api.unavailable = True
    cluster.now_s = 5.0
    await cluster.reconcile()

    assert (1, 15.0) == (len(cluster.api.pages), cluster.requeue_s)
