"""Tokens of service accounts: issued by TokenRequest, good until they expire or what they are bound to is gone.

After k8s.io/kubernetes' serviceaccount package. They are JSON Web Tokens (RFC 7519, RS256), signed with the cluster's key, so that they
outlive the API server. What a signature says is remembered; what may change (times, objects) is looked up at each use.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube_devserver import api_errors
from kube_devserver.api.access import ACCOUNT, AUTHENTICATED, User
from kube_devserver.api_errors import bad_request, wrong
from kube_devserver.storage.store import Body, Store

ISSUER = "https://kubernetes.default.svc"
GROUP = "authentication.k8s.io"
SHORTEST_S, LONGEST_S, USUAL_S = 600, 1 << 32, 3600
BOUND = {"Pod": "pods", "Node": "nodes", "Secret": "secrets"}
REMEMBERED = 1000
EXTRA = "authentication.kubernetes.io/"
KEY_BYTES = 20  # of an RSA modulus at the end of a key's name: enough to tell keys apart


@dataclass
class Tokens:
    """Issues tokens and says whose they are.

    Args:
        store: where accounts and bound objects are.
        key: file of the private key, PEM; its public part checks signatures.
        now_s: the time, seconds since 1970.
    """

    store: Store
    key: Path
    now_s: Callable[[], float]
    _seen: dict[str, Body] = field(default_factory=dict)
    _loaded: Any = None

    def _private(self) -> Any:
        if self._loaded is None:  # most clusters never need it, and the import takes 40 ms
            from cryptography.hazmat.primitives.serialization import load_pem_private_key

            self._loaded = load_pem_private_key(self.key.read_bytes(), None)
        return self._loaded

    # ------------------------------------------------------------------ issue

    def issue(self, namespace: str, name: str, sent: Any, dry_run: bool = False) -> Body:
        """Answer a TokenRequest.

        Args:
            namespace: of the account.
            name: of the account.
            sent: the request's body.
            dry_run: checked, and answered without a token.

        Raises:
            StatusError: 404, no such account or bound object; 409, another UID; 422, too short or too long a time.
        """
        if (
            not isinstance(sent, dict)
            or not isinstance(sent.get("spec") or {}, dict)
            or sent.get("kind") not in (None, "TokenRequest")
        ):
            raise bad_request("a TokenRequest is expected")
        account = self._object("serviceaccounts", namespace, name)
        spec = dict(sent.get("spec") or {})
        metadata = {"name": name, "namespace": namespace} | {
            key: value for key, value in (sent.get("metadata") or {}).items() if key in ("name", "namespace") and value
        }
        for key, wanted in (("name", name), ("namespace", namespace)):
            if metadata[key] != wanted:
                cause = wrong(f"metadata.{key}", metadata[key], f"must match the service account {key} if specified")
                raise api_errors.invalid(GROUP, "TokenRequest", name, [cause])
        seconds = USUAL_S if spec.get("expirationSeconds") is None else spec["expirationSeconds"]
        if not isinstance(seconds, int) or isinstance(seconds, bool):
            raise bad_request(
                "json: cannot unmarshal into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64"
            )
        _check_time(seconds)
        audiences = spec.get("audiences") or [ISSUER]
        if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
            raise bad_request(
                "json: cannot unmarshal into Go struct field TokenRequestSpec.spec.audiences of type []string"
            )
        bound = self._bound(namespace, name, spec.get("boundObjectRef"))
        now = int(self.now_s())
        claims = {
            "aud": audiences, "exp": now + seconds, "iat": now, "iss": ISSUER, "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": _reference(account)} | bound,
            "nbf": now, "sub": f"{ACCOUNT}{namespace}:{name}",
        }  # fmt: skip
        spec |= {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": spec.get("boundObjectRef")}
        metadata |= {"uid": account["metadata"]["uid"], "creationTimestamp": _moment(now)}
        status = {"token": "" if dry_run else self._sign(claims), "expirationTimestamp": _moment(now + seconds)}
        return {
            "kind": "TokenRequest",
            "apiVersion": f"{GROUP}/v1",
            "metadata": metadata,
            "spec": spec,
            "status": status,
        }

    def _object(self, plural: str, namespace: str, name: str) -> Body:
        entry = self.store.get(("", plural), namespace, name)
        if entry is None:
            raise api_errors.not_found("", plural, name)
        return entry.body

    def _bound(self, namespace: str, account: str, reference: Any) -> Body:
        if not reference:
            return {}
        if not isinstance(reference, dict):
            raise bad_request("spec.boundObjectRef is an object")
        kind, version = reference.get("kind", ""), reference.get("apiVersion", "")
        if kind not in BOUND or version != "v1":
            group, _, number = str(version).rpartition("/")
            raise bad_request(f"cannot bind token to object of type {group}/{number}, Kind={kind}")
        body = self._object(BOUND[kind], "" if kind == "Node" else namespace, str(reference.get("name", "")))
        if kind == "Pod" and body["spec"].get("serviceAccountName") != account:
            raise bad_request(
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
        if reference.get("uid") and reference["uid"] != body["metadata"]["uid"]:
            why = (f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. The object might have been"
                   " deleted and then recreated")  # fmt: skip
            raise api_errors.conflict("", kind, str(reference.get("name", "")), why)
        found = {kind.lower(): _reference(body)}
        if kind == "Pod" and (node := body["spec"].get("nodeName")):
            entry = self.store.get(("", "nodes"), "", node)
            found["node"] = _reference(entry.body) if entry is not None else {"name": node}
        return found

    def _sign(self, claims: Body) -> str:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        key = self._private()
        number = key.public_key().public_numbers().n
        head = {"alg": "RS256", "kid": _encode((number % (1 << 8 * KEY_BYTES)).to_bytes(KEY_BYTES, "big"))}
        text = f"{_encode(_json(head))}.{_encode(_json(claims))}"
        return f"{text}.{_encode(key.sign(text.encode(), PKCS1v15(), SHA256()))}"

    # ------------------------------------------------------------------ check

    def user(self, token: str, audiences: tuple[str, ...] = (ISSUER,)) -> User | None:
        """Whose token it is; None if it is nobody's, or no longer.

        Args:
            token: as it came.
            audiences: it must be for one of these.
        """
        claims = self._claims(token)
        if claims is None or not set(claims["aud"]) & set(audiences):
            return None
        now, private = self.now_s(), claims["kubernetes.io"]
        if not claims["nbf"] - 60 <= now < claims["exp"]:
            return None
        namespace, account = private["namespace"], private["serviceaccount"]
        if not self._lives("serviceaccounts", namespace, account):
            return None
        bound = [kind for kind in BOUND if kind.lower() in private and not (kind == "Node" and "pod" in private)]
        if not all(
            self._lives(BOUND[kind], "" if kind == "Node" else namespace, private[kind.lower()]) for kind in bound
        ):
            return None
        extra = {f"{EXTRA}credential-id": (f"JTI={claims['jti']}",)}
        for kind in ("pod", "node"):
            if kind in private:
                extra[f"{EXTRA}{kind}-name"] = (private[kind]["name"],)
                if "uid" in private[kind]:
                    extra[f"{EXTRA}{kind}-uid"] = (private[kind]["uid"],)
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        return User(claims["sub"], groups, account["uid"], tuple(extra.items()))

    def _lives(self, plural: str, namespace: str, reference: Body) -> bool:
        entry = self.store.get(("", plural), namespace, reference["name"])
        if entry is None or entry.body["metadata"]["uid"] != reference["uid"]:
            return False
        return plural == "pods" or "deletionTimestamp" not in entry.body["metadata"]

    def _claims(self, token: str) -> Body | None:
        known = self._seen.get(token)
        if known is None:
            known = self._verify(token)
            if known is not None:
                self._seen[token] = known
                while len(self._seen) > REMEMBERED:
                    del self._seen[next(iter(self._seen))]
        return known

    def _verify(self, token: str) -> Body | None:
        text, dot, signature = token.rpartition(".")
        if not dot or token.count(".") != 2:
            return None
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            if json.loads(_decode(text.partition(".")[0])).get("alg") != "RS256":
                return None
            self._private().public_key().verify(_decode(signature), text.encode(), PKCS1v15(), SHA256())
            claims: Body = json.loads(_decode(text.partition(".")[2]))
        except (InvalidSignature, ValueError, AttributeError):
            return None
        return claims if claims.get("iss") == ISSUER and "kubernetes.io" in claims else None


def _check_time(seconds: int) -> None:
    why = ""
    if seconds < SHORTEST_S:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > LONGEST_S:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        raise api_errors.invalid(GROUP, "TokenRequest", "", [wrong("spec.expirationSeconds", seconds, why)])


def _reference(body: Body) -> Body:
    return {"name": body["metadata"]["name"], "uid": body["metadata"]["uid"]}


def _moment(seconds: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
