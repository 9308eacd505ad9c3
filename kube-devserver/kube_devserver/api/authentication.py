"""Authentication by bearer tokens; an authenticated client may do everything."""

from __future__ import annotations

import csv
import hmac
from collections.abc import Iterable
from pathlib import Path

from kube_devserver.api_errors import StatusError


def read_tokens(path: Path) -> tuple[str, ...]:
    """The tokens of a file in the format of kube-apiserver's `--token-auth-file`."""
    with path.open(newline="") as file:
        return tuple(row[0] for row in csv.reader(file) if row and row[0])


def authenticate(authorization: str, tokens: Iterable[str]) -> None:
    """Check a request's Authorization header.

    Raises:
        StatusError: 401, the header has none of the tokens.
    """
    kind, _, sent = authorization.partition(" ")
    secret = sent.strip().encode(errors="surrogateescape")
    matching = [hmac.compare_digest(token.encode(), secret) for token in tokens]
    if kind.lower() != "bearer" or not any(matching):
        raise StatusError(401, "Unauthorized", "Unauthorized")
