"""Who asks, and whether they may: tokens, impersonation, and RBAC before every request."""

from __future__ import annotations

import csv
import hmac
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDictProxy

from kube_devserver.api.access import (
    ACCOUNT,
    ANONYMOUS,
    AUTHENTICATED,
    MASTERS,
    NOBODY,
    UNAUTHENTICATED,
    Deed,
    User,
    decide,
    refuse,
)
from kube_devserver.api.request_parsing import Place, flag
from kube_devserver.api.tokens import Tokens
from kube_devserver.api_errors import StatusError, bad_request
from kube_devserver.storage.store import Store

AUTHENTICATION, EXTRA = "authentication.k8s.io", "impersonate-extra-"
VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Gate:
    """Lets requests through, or not.

    Args:
        store: where roles and bindings are.
        users: whose tokens are known from a file.
        tokens: of service accounts.
    """

    def __init__(self, store: Store, users: dict[str, User], tokens: Tokens) -> None:
        self._store, self._users, self.tokens = store, users, tokens

    def user(self, request: web.Request) -> User:
        """Who asks, or whom they act for.

        Raises:
            StatusError: 401, a token that is nobody's; 403, they may not act for somebody.
        """
        header = request.headers.get("Authorization", "")
        found = NOBODY
        if header:
            kind, _, token = header.partition(" ")
            known = self._bearer(token.strip()) if kind.lower() == "bearer" else None
            if known is None:
                raise StatusError(401, "Unauthorized", "Unauthorized")
            found = known
        if any(name.lower().startswith("impersonate-") for name in request.headers):
            return self._impersonated(request, found)
        return found

    def _bearer(self, token: str) -> User | None:
        for known, user in self._users.items():
            if hmac.compare_digest(known.encode(), token.encode()):
                return user
        return self.tokens.user(token)

    def _impersonated(self, request: web.Request, user: User) -> User:
        headers = request.headers
        name, groups = headers.get("Impersonate-User", ""), headers.getall("Impersonate-Group", [])
        if not name:
            raise bad_request("requested impersonation of groups, extra or a UID without impersonating a user")
        if name.startswith(ACCOUNT) and name.count(":") == 3:
            _, _, namespace, account = name.split(":")
            deeds = [Deed("impersonate", "", "serviceaccounts", "", namespace, account)]
            given = groups or ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
        else:
            deeds, given = [Deed("impersonate", "", "users", "", "", name)], groups
        deeds += [Deed("impersonate", "", "groups", "", "", group) for group in groups]
        extra, uid = _extra(headers), headers.get("Impersonate-Uid", "")
        if uid:
            deeds.append(Deed("impersonate", AUTHENTICATION, "uids", "", "", uid))
        for key, values in extra:
            deeds += [Deed("impersonate", AUTHENTICATION, "userextras", key, "", value) for value in values]
        for deed in deeds:
            self.demand(user, deed)
        crowd = UNAUTHENTICATED if name == ANONYMOUS else AUTHENTICATED
        if not {AUTHENTICATED, UNAUTHENTICATED} & set(given):
            given = [*given, crowd]
        return User(name, tuple(given), uid, extra)

    def demand(self, user: User, deed: Deed) -> None:
        """Let a deed through.

        Raises:
            StatusError: 403.
        """
        allowed, reason = decide(self._store, user, deed)
        if not allowed:
            raise refuse(user, deed, reason)

    def check(self, request: web.Request, user: User, place: Place | None) -> None:
        """Let a request through.

        Args:
            request: it.
            user: who asks.
            place: what it is about; None is a path that is no resource's.

        Raises:
            StatusError: 403.
        """
        if MASTERS in user.groups:
            return
        verb = VERBS.get(request.method, request.method.lower())
        if place is None:
            self.demand(user, Deed(verb, path=request.path))
            return
        if verb == "get" and not place.subresource:
            if flag(request.query, "watch"):
                verb = "watch"
            elif not place.name:
                verb = "list"
        elif verb == "delete" and not place.name:
            verb = "deletecollection"
        namespace = place.namespace
        if (place.group, place.plural) == ("", "namespaces"):  # a namespace is in itself
            namespace = place.name
        self.demand(user, Deed(verb, place.group, place.plural, place.subresource, namespace, place.name))


def _extra(headers: CIMultiDictProxy[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What `Impersonate-Extra-KEY` headers say; a key is in lower case and may be escaped as in a URL."""
    found: dict[str, tuple[str, ...]] = {}
    for name, value in headers.items():
        if name.lower().startswith(EXTRA):
            key = unquote(name[len(EXTRA) :].lower())
            found[key] = (*found.get(key, ()), value)
    return tuple(sorted(found.items()))


def read_users(path: Path) -> dict[str, User]:
    """Users by token, of a file as kube-apiserver's `--token-auth-file` takes."""
    with path.open(newline="") as file:
        rows = [[*row, "", "", ""] for row in csv.reader(file) if row]
    return {
        token: User(name, (*(each.strip() for each in groups.split(",") if each.strip()), AUTHENTICATED), uid)
        for token, name, uid, groups, *_ in rows
    }
