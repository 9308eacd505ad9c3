"""What writes and deletes bring along: options of the query, and the body."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from spiko_local.apiserver import asked, statuses
from spiko_local.apiserver.asked import flag
from spiko_local.apiserver.statuses import bad_request
from spiko_local.apiserver.store import Body
from spiko_local.apiserver.verbs import Options


async def read_write(request: web.Request) -> tuple[Options, Any]:
    """A write's options and its body.

    Raises:
        StatusError: an option is not one, or the body cannot be read.
    """
    query = request.query
    dry = query.getall("dryRun", [])
    if any(each != "All" for each in dry):
        kind = {"POST": "CreateOptions", "PUT": "UpdateOptions"}.get(request.method, "PatchOptions")
        raise statuses.invalid("meta.k8s.io", kind, "", [statuses.unsupported_value("dryRun", dry, ["All"])])
    strict = query.get("fieldValidation") or "Warn"
    if strict not in ("Ignore", "Warn", "Strict"):
        raise statuses.invalid("meta.k8s.io", "CreateOptions", "", [
            statuses.unsupported_value("fieldValidation", strict, ["", "Ignore", "Strict", "Warn"])])  # fmt: skip
    manager = query.get("fieldManager", "")
    if len(manager) > 128 or not manager.isprintable():
        cause = statuses.wrong("fieldManager", manager, "should only contain printable characters, at most 128")
        raise statuses.invalid("meta.k8s.io", "CreateOptions", "", [cause])
    agent = request.headers.get("User-Agent", "").split("/")[0]
    options = request["options"] = Options(manager or agent or "unknown", bool(dry), strict, flag(query, "force"))
    return options, asked.read_body(await request.read(), request.headers.get("Content-Type", ""))


async def read_delete(request: web.Request) -> tuple[Options, Body]:
    """A delete's options: those of the query and those of the body."""
    data, query = await request.read(), request.query
    wanted = asked.read_body(data, request.headers.get("Content-Type", "")) if data else {}
    if not isinstance(wanted, dict):
        raise bad_request("DeleteOptions is an object")
    if "gracePeriodSeconds" in query:
        wanted["gracePeriodSeconds"] = number(query["gracePeriodSeconds"], "gracePeriodSeconds")
    if "propagationPolicy" in query:
        wanted["propagationPolicy"] = query["propagationPolicy"]
    if wanted.get("propagationPolicy") not in (None, "Orphan", "Background", "Foreground"):
        raise statuses.invalid("meta.k8s.io", "DeleteOptions", "", [
            statuses.unsupported_value("propagationPolicy", wanted["propagationPolicy"], ["Foreground", "Background", "Orphan", "nil"])])  # fmt: skip
    grace = wanted.get("gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise bad_request("json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64")
    dry = bool(query.getall("dryRun", []) or wanted.get("dryRun"))
    return Options(dry_run=dry), wanted


def number(text: str | None, name: str) -> int | None:
    """A number of the query; None if it is not there.

    Raises:
        StatusError: 400, it is none.
    """
    if text is None or text == "":
        return None
    try:
        return int(text)
    except ValueError as error:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from error
