"""Errors of the operator.

OperatorError
├── SettingsError        a setting of the operator is not valid
├── NotLeader            a write was not sent, because this operator does not lead any more
├── PlanError            stored state is damaged, or a pure function was called with values that it excludes
└── ClusterError         the API server did not answer, or not with an object; chained to the library's error
    └── Refused          the API server answered with an error status
        ├── Unauthorized 401: the credentials are wrong or have expired
        ├── Conflict     409: the object exists, or a precondition failed
        ├── Forbidden    403: no permission, or a quota or an admission webhook forbids the request
        │   └── NamespaceTerminating  the namespace of the object is being deleted
        ├── Missing      404: no such object
        ├── Invalid      400 or 422: the API server rejects the object
        └── Throttled    429: a disruption budget refuses the eviction, or the server is busy
"""

from __future__ import annotations


class OperatorError(Exception):
    """Base of all errors that the operator raises."""


class SettingsError(OperatorError):
    """A setting is not valid. The message has the variable, its value and the allowed values."""


class NotLeader(OperatorError):
    """A write was not sent, because this operator does not lead any more. The process is about to stop."""


class PlanError(OperatorError):
    """Stored state is damaged, or a pure function was called with values that its docstring excludes."""


class ClusterError(OperatorError):
    """The API server refused a request, or did not answer it."""


class Refused(ClusterError):
    """The API server answered with an error status.

    Args:
        text: with the request and the status.
        message: of the response.
    """

    def __init__(self, text: str, message: str = "") -> None:
        super().__init__(text)
        self.message = message or text


class Unauthorized(Refused):
    """401: the credentials are wrong or have expired."""


class Conflict(Refused):
    """409: the object exists already, or a precondition failed."""


class Forbidden(Refused):
    """403: no permission, or a quota or an admission webhook forbids the request."""


class NamespaceTerminating(Forbidden):
    """403: the namespace is being deleted, and takes no new objects."""


class Missing(Refused):
    """404: no such object."""


class Invalid(Refused):
    """400 or 422: the API server rejects the object."""


class Throttled(Refused):
    """429: a disruption budget refuses the eviction, or the server is busy."""
