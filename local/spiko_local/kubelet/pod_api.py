"""What a kubelet asks of the API server for its pods: statuses, removals, events, and their Secrets."""

from __future__ import annotations

import logging
import time

from spiko_local.api_client import STRATEGIC_MERGE_PATCH, ApiClient
from spiko_local.errors import ApiError
from spiko_local.kubelet.secret_watches import SecretWatches
from spiko_local.objects import Object, shorten
from spiko_local.timestamps import now_micro_text

LONGEST_NOTE = 1024  # characters; validation of events.k8s.io/v1 rejects a longer note
log = logging.getLogger("spiko.kubelet")


class PodApi:
    """Writes about pods, and watches the Secrets of their volumes.

    Args:
        api: an open client.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self.secrets = SecretWatches(api)

    async def patch_status(self, pod: Object, status: Object) -> Object:
        """Write a pod's status and return the updated pod.

        Raises:
            ApiError: the API server refused it or did not answer; 409 if another pod has this name by now.
        """
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        return await self._api.call("PATCH", f"{_path(pod)}/status", body, STRATEGIC_MERGE_PATCH)

    async def delete(self, pod: Object) -> None:
        """Remove a pod whose process has ended.

        Raises:
            ApiError: the API server refused it or did not answer.
        """
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await self._api.call("DELETE", _path(pod), body)

    async def warn(self, pod: Object, reason: str, note: str) -> None:
        """Emit a Warning event about a pod; an event that cannot be written is logged."""
        metadata = pod["metadata"]
        regarding = {"apiVersion": "v1", "kind": "Pod"} | {
            key: metadata[key] for key in ("name", "namespace", "uid")
        }
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name']}.{time.time_ns():x}",
                "namespace": metadata["namespace"],
            },
            "eventTime": now_micro_text(),
            "type": "Warning",
            "reason": reason,
            "note": shorten(note, LONGEST_NOTE),
            "action": "Run",
            "regarding": regarding,
            "reportingController": "spiko.dev/kubelet",
            "reportingInstance": pod["spec"]["nodeName"],
        }
        try:
            await self._api.call(
                "POST", f"/apis/events.k8s.io/v1/namespaces/{metadata['namespace']}/events", body
            )
        except ApiError as error:
            log.warning("event %s of pod %s/%s: %s", reason, metadata["namespace"], metadata["name"], error)


def _path(pod: Object) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
