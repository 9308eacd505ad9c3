"""Formats by name: `format.dns1123Label().validate(self.name)`. After k8s.io/apiserver/pkg/cel/library/format.go."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.times import parse_timestamp
from kube_devserver.custom.cel.urls import request_fault
from kube_devserver.custom.cel.values import NONE, Format, Optional

_LABEL, _PART = "[a-z0-9]([-a-z0-9]*[a-z0-9])?", "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN, _OLD_LABEL = rf"{_LABEL}(\.{_LABEL})*", "[a-z]([-a-z0-9]*[a-z0-9])?"
_UUID = re.compile(r"^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\Z", re.IGNORECASE | re.ASCII)
LABEL_BYTES, NAME_BYTES, KEY_BYTES = 63, 253, 63
_ALNUM, _ENDS = "alphanumeric characters, '-', '_' or '.'", "and must start and end with an alphanumeric character"
_IN_LABEL = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
_IN_SUBDOMAIN = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
)
_IN_OLD_LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character"
)
_IN_KEY = f"must consist of {_ALNUM}, {_ENDS}"
_IN_VALUE = f"a valid label must be an empty string or consist of {_ALNUM}, {_ENDS}"


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _says(text: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{each}', " for each in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


def _too_long(text: str, most: int, unit: str = "bytes") -> list[str]:
    return [f"must be no more than {most} {unit}"] if len(text.encode()) > most else []


def label(text: str) -> list[str]:
    """What is wrong with a label of RFC 1123."""
    found = _too_long(text, LABEL_BYTES, "characters")
    if _fits(_LABEL, text):
        return found
    dotted = _fits(_SUBDOMAIN, text)
    return [*found, "must not contain dots" if dotted else _says(_IN_LABEL, _LABEL, "my-name", "123-abc")]


def subdomain(text: str, unit: str = "characters") -> list[str]:
    """What is wrong with a subdomain of RFC 1123; older code of Kubernetes counts characters, and means bytes."""
    wrong = [] if _fits(_SUBDOMAIN, text) else [_says(_IN_SUBDOMAIN, _SUBDOMAIN, "example.com")]
    return _too_long(text, NAME_BYTES, unit) + wrong


def old_label(text: str) -> list[str]:
    """What is wrong with a label of RFC 1035."""
    wrong = [] if _fits(_OLD_LABEL, text) else [_says(_IN_OLD_LABEL, _OLD_LABEL, "my-name", "abc-123")]
    return _too_long(text, LABEL_BYTES, "characters") + wrong


def qualified_name(text: str) -> list[str]:
    """What is wrong with a label's key: `example.com/name`, or a name alone."""
    says = _says(_IN_KEY, _PART, "MyName", "my.name", "123-abc")
    parts, found = text.split("/"), []
    if len(parts) > 2:
        return [f"a valid label key {says} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    if len(parts) == 2:
        wrong = subdomain(parts[0], "bytes") if parts[0] else ["must be non-empty"]
        found += [f"prefix part {each}" for each in wrong]
    name = parts[-1]
    found += [f"name part {each}" for each in (_too_long(name, KEY_BYTES) if name else ["must be non-empty"])]
    return found + ([] if _fits(_PART, name) else [f"name part {says}"])


def label_value(text: str) -> list[str]:
    """What is wrong with a label's value."""
    pattern = f"({_PART})?"
    wrong = [] if _fits(pattern, text) else [_says(_IN_VALUE, pattern, "MyValue", "my_value", "12345")]
    return _too_long(text, KEY_BYTES) + wrong


def _prefix(faults: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Of a name that more will be added to: it may end in a dash."""
    return lambda text: faults(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)


def _uri(text: str) -> list[str]:
    fault = request_fault(text)
    return [fault] if fault else []


def _unless(holds: Callable[[str], bool], fault: str) -> Callable[[str], list[str]]:
    return lambda text: [] if holds(text) else [fault]


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_date(text: str) -> bool:
    try:
        return _fits(r"\d{4}-\d\d-\d\d", text) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def is_moment(text: str) -> bool:
    """Whether a text is a moment of RFC 3339, as kube-openapi reads it."""
    try:
        return parse_timestamp(text.upper() if _fits(r"[-\d:.tTzZ+]*", text) else text) is not None
    except EvalError:
        return False


NAMED: dict[str, Format] = {
    "dns1123Label": Format("DNS1123Label", label, 30), "dns1123Subdomain": Format("DNS1123Subdomain", subdomain, 60),
    "dns1035Label": Format("DNS1035Label", old_label, 30), "qualifiedName": Format("QualifiedName", qualified_name, 60),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", _prefix(label), 30),
    "dns1123SubdomainPrefix": Format("DNS1123SubdomainPrefix", _prefix(subdomain), 60),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", _prefix(old_label), 30), "labelValue": Format("LabelValue", label_value, 40),
    "uri": Format("URI", _uri, 900), "byte": Format("byte", _unless(_is_base64, "invalid base64"), 80),
    "uuid": Format("uuid", _unless(lambda text: _UUID.match(text) is not None, "does not match the UUID format"), 90),
    "date": Format("date", _unless(_is_date, "invalid date"), 100), "datetime": Format("datetime", _unless(is_moment, "invalid datetime"), 100),
}  # fmt: skip


def _constant(name: str) -> Callable[[], Format]:
    return lambda: NAMED[name]


def _validate(form: Format, text: str) -> Optional:
    found = form.faults(text)
    return Optional(found) if found else NONE


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Format.validate(string) optional(list(string))": _validate,
    "format.named(string) optional(Format)": lambda name: Optional(NAMED[name]) if name in NAMED else NONE,
    **{f"format.{name}() Format": _constant(name) for name in NAMED},
}
