"""Reads the operator's key from its Secret, or creates that Secret with a random key, once."""

from __future__ import annotations

import base64
import binascii
import logging
import os

from spiko_nanoservice.contract.handshake import KEY_BYTES
from spiko_operator.cluster.client import Client
from spiko_operator.errors import ClusterError, Conflict, Missing
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object

log = logging.getLogger("spiko.operator")


async def load_operator_key(client: Client, namespace: str) -> bytes:
    """Return the operator's key; of several operators that start at once, all get the same.

    Args:
        client: of the API server.
        namespace: of the operator.

    Raises:
        ClusterError: the API server did not answer, or the Secret has no key of 32 bytes.
    """
    try:
        return _key_of(await client.get("Secret", namespace, names.OPERATOR_KEY_SECRET))
    except Missing:
        pass
    try:
        created = await client.create("Secret", _new_secret(namespace), names.FIELD_MANAGER)
    except Conflict:  # another operator was faster
        created = await client.get("Secret", namespace, names.OPERATOR_KEY_SECRET)
    else:
        log.info("created the operator's key: Secret %s/%s", namespace, names.OPERATOR_KEY_SECRET)
    return _key_of(created)


def _new_secret(namespace: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": names.OPERATOR_KEY_SECRET,
            "namespace": namespace,
            "labels": {names.MANAGED_BY: names.FIELD_MANAGER},
        },
        "type": "Opaque",
        "immutable": True,
        "data": {"key": base64.b64encode(os.urandom(KEY_BYTES)).decode()},
    }


def _key_of(secret: Object) -> bytes:
    try:
        key = base64.b64decode(secret["data"]["key"], validate=True)
    except (KeyError, TypeError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        metadata = secret["metadata"]
        raise ClusterError(
            f"Secret {metadata['namespace']}/{metadata['name']}: data.key: must be {KEY_BYTES} bytes; delete "
            "the Secret to get a new key: all pods then get new keys, and all states are rebuilt"
        )
    return key
