"""Errors of the operator.

OperatorError
├── SpecError        a setting of the operator is not allowed
├── PlanError        a caller's mistake inside planning: a programming error
└── ClusterError     the API server did not answer, or what it says cannot be used; chained to the library's error
    └── Refused      it answered with an error: rights, a quota, an admission webhook
        ├── Conflict     409: somebody else was there first, or a precondition failed
        ├── Forbidden    403: no right to it, or a quota or a webhook forbids it
        ├── Missing      404
        ├── Invalid      422 or 400: the API server refuses the object
        └── Throttled    429: eviction refused by a budget, or too many requests
"""

from __future__ import annotations


class OperatorError(Exception):
    """Anything the operator raises on purpose."""


class SpecError(OperatorError):
    """A setting that is not allowed; the message names it, its value and what is."""


class PlanError(OperatorError):
    """A pure function was called with values that its docstring excludes."""


class ClusterError(OperatorError):
    """The API server refused a request or did not answer it."""


class Refused(ClusterError):
    """The API server answered with an error status.

    Args:
        text: with the request.
        said: the answer's own message.
    """

    def __init__(self, text: str, said: str = "") -> None:
        super().__init__(text)
        self.said = said or text


class Conflict(Refused):
    """409: the object exists already, is somebody else's, or a precondition failed."""


class Forbidden(Refused):
    """403: there is no right to it, or a quota or an admission webhook forbids it."""


class Missing(Refused):
    """404: no such object."""


class Invalid(Refused):
    """400 or 422: the API server refuses the object as it is."""


class Throttled(Refused):
    """429: a disruption budget refuses the eviction, or the server is busy."""
