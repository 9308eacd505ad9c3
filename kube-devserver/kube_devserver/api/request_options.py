"""The options of writes, deletes and logs: from the query, the headers and the body."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from kube_devserver import api_errors
from kube_devserver.api.options import Options
from kube_devserver.api.request_parsing import flag, number, read_body
from kube_devserver.api_errors import bad_request
from kube_devserver.objects.kinds import Body


def demand_objects(sent: Any, *names: str) -> Body:
    """A body that must be an object, and so must some of its fields where they are present.

    Raises:
        StatusError: 400, another type was sent.
    """
    if not isinstance(sent, dict):
        raise bad_request("json: cannot unmarshal: the body is not an object")
    for name in names:
        if not isinstance(sent.get(name), dict | None):
            raise bad_request(f"json: cannot unmarshal into Go struct field .{name}: an object is expected")
    return sent


async def _body_of(request: web.Request) -> bytes:
    try:
        return await request.read()
    except (web.RequestPayloadError, HttpProcessingError, zlib.error) as error:
        raise bad_request(f"the body of the request cannot be read: {error}") from error


async def read_write(request: web.Request) -> tuple[Options, Any]:
    """A write's options and its decoded body.

    Raises:
        StatusError: an option is not valid, or the body cannot be decoded.
    """
    query = request.query
    dry = query.getall("dryRun", [])
    if any(each != "All" for each in dry):
        kind = {"POST": "CreateOptions", "PUT": "UpdateOptions"}.get(request.method, "PatchOptions")
        cause = api_errors.unsupported_value("dryRun", dry, ["All"])
        raise api_errors.invalid("meta.k8s.io", kind, "", [cause])
    validation = query.get("fieldValidation") or "Warn"
    if validation not in ("Ignore", "Warn", "Strict"):
        cause = api_errors.unsupported_value("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"])
        raise api_errors.invalid("meta.k8s.io", "CreateOptions", "", [cause])
    manager = query.get("fieldManager", "")
    if len(manager) > 128 or not manager.isprintable():
        text = "should only contain printable characters, at most 128"
        cause = api_errors.wrong("fieldManager", manager, text)
        raise api_errors.invalid("meta.k8s.io", "CreateOptions", "", [cause])
    agent = request.headers.get("User-Agent", "").split("/")[0]
    options = Options(manager or agent or "unknown", bool(dry), validation, flag(query, "force"))
    request["options"] = options
    return options, read_body(await _body_of(request), request.headers.get("Content-Type", ""))


async def read_delete(request: web.Request) -> tuple[Options, Body]:
    """A delete's options, and its DeleteOptions from query and body."""
    data, query = await _body_of(request), request.query
    wanted = read_body(data, request.headers.get("Content-Type", "")) if data else {}
    wanted = demand_objects(wanted, "preconditions")
    for name, value in (wanted.get("preconditions") or {}).items():
        if not isinstance(value, str | None):
            where = f"Preconditions.preconditions.{name}"
            raise bad_request(f"json: cannot unmarshal into Go struct field {where} of type string")
    if "gracePeriodSeconds" in query:
        wanted["gracePeriodSeconds"] = number(query, "gracePeriodSeconds")
    if "propagationPolicy" in query:
        wanted["propagationPolicy"] = query["propagationPolicy"]
    policies = ["Foreground", "Background", "Orphan", "nil"]
    if wanted.get("propagationPolicy") not in (None, *policies[:3]):
        cause = api_errors.unsupported_value("propagationPolicy", wanted["propagationPolicy"], policies)
        raise api_errors.invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    grace = wanted.get("gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        text = "json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
        raise bad_request(text)
    dry = bool(query.getall("dryRun", []) or wanted.get("dryRun"))
    return Options(dry_run=dry), wanted


def check_log_options(query: Mapping[str, str], pod: str) -> None:
    """Validate the options of a pod's log; the kubelet applies them.

    Raises:
        StatusError: 400, a value is not a number or a time; 422, a value is too small, or two options exclude
            each other.
    """
    causes = []
    found = {name: number(query, name) for name in ("tailLines", "sinceSeconds", "limitBytes")}
    since = query.get("sinceTime")
    if since:
        try:
            datetime.fromisoformat(since)
        except ValueError as error:
            raise bad_request(f'parsing time "{since}" as "2006-01-02T15:04:05Z07:00": {error}') from error
    if found["tailLines"] is not None and found["tailLines"] < 0:
        causes.append(api_errors.wrong("tailLines", found["tailLines"], "must be greater than or equal to 0"))
    if found["limitBytes"] is not None and found["limitBytes"] < 1:
        causes.append(api_errors.wrong("limitBytes", found["limitBytes"], "must be greater than 0"))
    if found["sinceSeconds"] is not None and since:
        text = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(api_errors.prohibited("[]", text))
    elif found["sinceSeconds"] is not None and found["sinceSeconds"] < 1:
        causes.append(api_errors.wrong("sinceSeconds", found["sinceSeconds"], "must be greater than 0"))
    if "stream" in query:
        causes.append(api_errors.prohibited("stream", "may not be specified"))
    if causes:
        raise api_errors.invalid("", "PodLogOptions", pod, causes)
