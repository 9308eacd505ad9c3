"""Pure: kills that need the right to delete pods, which an operator has only if its settings say so."""

from __future__ import annotations


def refusal(field: str, method: str | None, *, allowed: bool, instead: str) -> str:
    """Return why a kill is refused; empty if it is not.

    Evict needs no right on pods beyond `pods/eviction`, and Crash is no request to the API server.

    Args:
        field: path of the method, for the message.
        method: of the kill; None for the default, Evict.
        allowed: whether this operator may delete pods.
        instead: other methods, for the message.
    """
    if allowed or method != "Delete":
        return ""
    return (
        f'{field}: "Delete": this operator may not delete pods: use {instead}, or set the chart value '
        'chaos.allowDelete=true (SPIKO_ALLOW_DELETE=true), which grants "delete" on pods'
    )
