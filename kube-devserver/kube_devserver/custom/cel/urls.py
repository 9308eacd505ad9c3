"""URLs: `url("https://example.com:80/path").getHost()`. After Go's net/url."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from kube_devserver.custom.cel.addresses import parse_address
from kube_devserver.custom.cel.faults import EvalError
from kube_devserver.custom.cel.texts import quoted
from kube_devserver.custom.cel.values import Url

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_USER = re.compile(r"^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*\Z", re.ASCII)
_PORT = re.compile(r"^(?::[0-9]*)?\Z", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})(.{0,2})", re.DOTALL)
_BAD_IN_HOST = re.compile(r"[\x00-\x20\x7f\\^`{|}/?#]")
_SAFE_IN_PATH = re.compile(r"^[A-Za-z0-9\-_.~!$&'()*+,;=:@/\[\]%]*\Z", re.ASCII)
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@")


def parse(text: str) -> Url:
    """The parts of a URL, which is absolute or a path.

    Raises:
        EvalError: it is none.

    >>> parse("https://u@[::1]:80/a b?c=d").path
    '/a%20b'
    """
    try:
        _parse(text, request=True)
        return _parse(text.partition("#")[0], request=False)
    except EvalError as error:
        raise EvalError(f"URL parse error during conversion from string: parse {quoted(text)}: {error}") from error


def request_fault(text: str) -> str:
    """What is wrong with what should be a URL; nothing if it is one."""
    try:
        _parse(text, request=True)
    except EvalError as error:
        return f"parse {quoted(text)}: {error}"
    return ""


def _parse(text: str, request: bool) -> Url:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise EvalError("net/url: invalid control character in URL")
    if text == "" and request:
        raise EvalError("empty url")
    if text == "*":
        return Url("", "", "*", "")
    if text.startswith(":"):
        raise EvalError("missing protocol scheme")
    match = _SCHEME.match(text)
    scheme, rest = (match[1].lower(), text[match.end() :]) if match else ("", text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Url(scheme, "", "", query)
        if request:
            raise EvalError("invalid URI for request")
        if ":" in rest.split("/")[0]:
            raise EvalError("first path segment in URL cannot contain colon")
    host = ""
    if (scheme or (not request and not rest.startswith("///"))) and rest.startswith("//"):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        host = _host(scheme, authority)
    return Url(scheme, host, _path(rest), query)


def _host(scheme: str, authority: str) -> str:
    user, at, host = authority.rpartition("@")
    found = _parse_host(scheme, host)
    if at and not _USER.match(user):
        raise EvalError("net/url: invalid userinfo")
    _check_escapes(user)
    return found


def _parse_host(scheme: str, host: str) -> str:
    if (bracket := host.rfind("[")) > 0:
        raise EvalError("invalid IP-literal")
    if bracket == 0:
        end = host.rfind("]")
        if end < 0:
            raise EvalError("missing ']' in host")
        if not _PORT.match(host[end + 1 :]):
            raise EvalError(f"invalid port {quoted(host[end + 1 :])} after host")
        return _check_literal(host, end)
    if ":" in host:
        at = host.index(":") if scheme in ("http", "https") else host.rindex(":")
        if not _PORT.match(host[at:]):
            raise EvalError(f"invalid port {quoted(host[at:])} after host")
    _check_escapes(host)
    if bad := _BAD_IN_HOST.search(host):
        raise EvalError(f"invalid character {quoted(bad[0])} in host name")
    return unquote_to_bytes(host).decode(errors="replace")


def _check_literal(host: str, end: int) -> str:
    address = host[1:end].split("%25")[0]
    try:
        found = parse_address(address)
    except EvalError as error:
        if "IPv4-mapped" in str(error):
            return host.replace("%25", "%")
        raise EvalError(f"invalid host: {str(error).partition(': ')[2]}") from error
    if found.version == 4:
        raise EvalError("invalid IP-literal")
    return host.replace("%25", "%")


def _path(path: str) -> str:
    """The path, escaped."""
    _check_escapes(path)
    if _SAFE_IN_PATH.match(path):
        return path
    plain = unquote_to_bytes(path)
    return "".join(chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in plain)


def _check_escapes(text: str) -> None:
    if bad := _BAD_ESCAPE.search(text):
        raise EvalError(f"invalid URL escape {quoted('%' + bad[1])}")


def _hostname(url: Url) -> str:
    return _split_port(url.host)[0]


def _split_port(host: str) -> tuple[str, str]:
    name, port = host, ""
    at = host.rfind(":")
    if at >= 0 and _PORT.match(host[at:]):
        name, port = host[:at], host[at + 1 :]
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    return name, port


def _query(url: Url) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for part in url.query.split("&"):
        if not part or ";" in part:
            continue
        key, _, value = part.partition("=")
        if _BAD_ESCAPE.search(key) or _BAD_ESCAPE.search(value):
            continue
        key, value = (unquote_to_bytes(each.replace("+", " ")).decode(errors="replace") for each in (key, value))
        found.setdefault(key, []).append(value)
    return found


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "url(string) URL": parse, "isURL(string) bool": lambda text: not request_fault(text),
    "URL.getScheme() string": lambda url: url.scheme, "URL.getHost() string": lambda url: url.host,
    "URL.getHostname() string": _hostname, "URL.getPort() string": lambda url: _split_port(url.host)[1],
    "URL.getEscapedPath() string": lambda url: url.path, "URL.getQuery() map(string, list(string))": _query,
}  # fmt: skip
