"""Pure: the keys by which operator, eurekas, pods and users prove themselves, and the Secrets that have them.

Every key is derived from one random key of the operator, so keys are recomputed and never read back:
HMAC-SHA256(operator's key, purpose, UID, epoch). The UID is that of the Architecture, and for the read key
that of the namespace. With a new epoch all keys change; the Secrets have those of this epoch and of the one
before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from spiko_nanoservice.contract.handshake import KEY_FILES, EpochKey, Purpose, render_keys
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object, owner_reference

STATE = "state"


@dataclass(frozen=True)
class Keyring:
    """The operator's key and the current epoch. Its representation does not show the key."""

    key: bytes = field(repr=False)
    epoch: int = 1

    def keys(self, purpose: Purpose, uid: str) -> tuple[EpochKey, EpochKey]:
        """Return the keys for a purpose: of the current epoch, and of the one before.

        Args:
            purpose: those that share a key file share their keys.
            uid: of the Architecture; of the namespace for reading.
        """
        name = KEY_FILES[purpose]
        epochs = (self.epoch, self.epoch - 1)
        first, second = (EpochKey(epoch, _derive(self.key, name, uid, epoch)) for epoch in epochs)
        return first, second

    def state_key(self, namespace: str, name: str) -> bytes:
        """Return the key that signs the state of an Architecture.

        It is the same in every epoch, and for an Architecture that is restored from a backup with another
        UID.
        """
        return _derive(self.key, STATE, f"{namespace}/{name}", 0)


def _derive(key: bytes, name: str, uid: str, epoch: int) -> bytes:
    return hmac.new(key, json.dumps([name, uid, epoch]).encode(), hashlib.sha256).digest()


def keys_secret(keyring: Keyring, architecture: Object, namespace_uid: str) -> Object:
    """Return the Secret that the pods of an Architecture mount; pods of tiers mount the file `join` only."""
    metadata = architecture["metadata"]
    uids = dict.fromkeys(Purpose, metadata["uid"]) | {Purpose.READ: namespace_uid}
    files = {KEY_FILES[purpose]: keyring.keys(purpose, uid) for purpose, uid in uids.items()}
    body = _secret(names.keys_name(metadata["name"]), metadata["namespace"], files)
    body["metadata"]["labels"] = {names.ARCHITECTURE: metadata["name"]}
    body["metadata"]["ownerReferences"] = [owner_reference(architecture)]
    return body


def read_secret(keyring: Keyring, namespace: str, namespace_uid: str, owners: Sequence[Object]) -> Object:
    """Return the Secret by which users read counters and edges of all Architectures of a namespace.

    Args:
        keyring: of the operator.
        namespace: its name.
        namespace_uid: its UID.
        owners: the Architectures of the namespace; the Secret goes with the last of them.
    """
    files = {KEY_FILES[Purpose.READ]: keyring.keys(Purpose.READ, namespace_uid)}
    body = _secret(names.READ_SECRET, namespace, files)
    body["metadata"]["labels"] = {names.MANAGED_BY: names.FIELD_MANAGER}
    references = [owner_reference(owner) for owner in owners]
    body["metadata"]["ownerReferences"] = [
        {key: value for key, value in reference.items() if key not in ("controller", "blockOwnerDeletion")}
        for reference in sorted(references, key=lambda reference: str(reference["uid"]))
    ]
    return body


def _secret(name: str, namespace: str, files: dict[str, tuple[EpochKey, EpochKey]]) -> Object:
    data = {file: base64.b64encode(render_keys(keys).encode()).decode() for file, keys in files.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "Opaque",
        "data": data,
    }


def is_up_to_date(found: Object, desired: Object) -> bool:
    """Return whether a Secret in the cluster has the content, labels and owners of the desired one.

    It may have more of each: an apply does not remove what another field manager has added.
    """
    meta, wanted = found["metadata"], desired["metadata"]
    owners = {owner["uid"] for owner in meta.get("ownerReferences") or ()}
    return (
        desired["data"].items() <= (found.get("data") or {}).items()
        and wanted["labels"].items() <= (meta.get("labels") or {}).items()
        and owners >= {owner["uid"] for owner in wanted["ownerReferences"]}
    )


def is_foreign(found: Object, desired: Object) -> bool:
    """Return whether a Secret of the desired one's name belongs to another owner.

    A Secret of the operator has its label, and no controller but an Architecture of the same name.
    """
    meta, wanted = found["metadata"], desired["metadata"]
    if not wanted["labels"].items() <= (meta.get("labels") or {}).items():
        return True
    controllers = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    allowed = {(owner["kind"], owner["name"]) for owner in wanted["ownerReferences"]}
    return any((owner["kind"], owner["name"]) not in allowed for owner in controllers)
