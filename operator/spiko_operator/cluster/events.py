"""Events. Their rate is limited for each object, and a failed write is logged and not retried.

A namespace that is being deleted takes none, which is not worth a line in the log.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, NamespaceTerminating
from spiko_operator.plan.actions import Emit
from spiko_operator.plan.names import FIELD_MANAGER
from spiko_operator.plan.objects import Object, truncate
from spiko_operator.rate_limit import TokenBuckets

BURST, REFILL_S = 50, 20.0
MOST_NAME = 230  # characters of the object's name, so that the time fits into the 253 of the event's name
MOST_NOTE, MOST_WORD = 1024, 128  # bytes of an event's note, and of its reason and action
log = logging.getLogger("spiko.operator")


class Recorder:
    """Emits events.

    Args:
        client: of the API server.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._buckets = TokenBuckets(BURST, REFILL_S)

    async def emit(self, event: Emit, resource: Object) -> None:
        """Emit an event about an object."""
        metadata = resource["metadata"]
        if not self._buckets.take(metadata["uid"], time.monotonic()):
            log.info(
                "event %s of %s exceeds the rate limit: %s", event.reason, metadata["name"], event.message
            )
            return
        try:
            await self._client.create("Event", _body(event, resource, datetime.now(UTC)), FIELD_MANAGER)
        except NamespaceTerminating:
            return
        except ClusterError as error:
            log.warning("event %s of %s could not be written: %s", event.reason, metadata["name"], error)


def _body(event: Emit, resource: Object, now: datetime) -> Object:
    metadata = resource["metadata"]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name'][:MOST_NAME].rstrip('.-')}.{int(now.timestamp() * 1e9):x}",
            "namespace": metadata["namespace"],
        },
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.type,
        "reason": truncate(event.reason, MOST_WORD),
        "note": truncate(event.message, MOST_NOTE),
        "action": truncate(event.action, MOST_WORD),
        "regarding": {
            "apiVersion": resource["apiVersion"],
            "kind": resource["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reportingController": "spiko.dev/operator",
        "reportingInstance": FIELD_MANAGER,
    }
