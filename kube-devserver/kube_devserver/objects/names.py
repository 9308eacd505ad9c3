"""Patterns of names, of label keys and of label values, and Kubernetes' messages for what does not match
them.
"""

from __future__ import annotations

import re

SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
SERVICE = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?\Z")
ANNOTATIONS_MAX = 256 << 10
IN_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and"
    " must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
IN_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start"
    " and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
IN_SERVICE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic"
    " character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for"
    " validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
IN_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must"
    " start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used"
    " for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
IN_KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
IN_WHOLE_KEY = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end"
    " with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for"
    " validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and"
    " '/' (e.g. 'example.com/MyName')"
)
_KEY_NAME = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\Z")
_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")


def key_faults(key: str) -> list[str]:
    """Why a text is not a label key; empty if it is one.

    >>> key_faults("example.com/MyName"), key_faults("/x")
    ([], ['prefix part must be non-empty'])
    """
    *prefixes, name = key.split("/")
    if len(prefixes) > 1:
        return [IN_WHOLE_KEY]
    found = []
    for prefix in prefixes:
        if not prefix:
            found.append("prefix part must be non-empty")
        elif len(prefix) > 253:
            found.append("prefix part must be no more than 253 bytes")
        elif not SUBDOMAIN.match(prefix):
            found.append(f"prefix part {IN_SUBDOMAIN}")
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    if not _KEY_NAME.match(name):
        found.append(IN_KEY)
    return found


def value_faults(value: str) -> list[str]:
    """Why a text is not a label value; empty if it is one."""
    found = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return found + ([] if _VALUE.match(value) else [IN_VALUE])


def service_faults(name: str) -> list[str]:
    """Why a text is not a name in the form of RFC 1035; empty if it is one."""
    found = ["must be no more than 63 bytes"] if len(name) > 63 else []
    return found + ([] if SERVICE.match(name) else [IN_SERVICE])
