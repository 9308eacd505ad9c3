"""The query of a list or a watch: selectors and versions.

A list is always sent whole: Kubernetes' API allows a server to ignore `limit`.
"""

from __future__ import annotations

from collections.abc import Mapping

from kube_devserver import api_errors
from kube_devserver.api.request_parsing import number
from kube_devserver.api_errors import StatusError, bad_request, expired, too_large_version
from kube_devserver.objects.field_selectors import read_terms, required_value
from kube_devserver.objects.kinds import PODS
from kube_devserver.objects.resource_registry import Resource
from kube_devserver.objects.selectors import Selection, Test, field_selector, label_selector

Query = Mapping[str, str]
EXACT, NOT_OLDER = "Exact", "NotOlderThan"  # of resourceVersionMatch


def select(query: Query, resource: Resource, namespace: str, name: str = "") -> Selection:
    """The objects that a path and the selectors of a query choose.

    Raises:
        StatusError: 400, a selector cannot be parsed.
    """
    tests: list[Test] = []
    node, whole = "", False
    if text := query.get("labelSelector"):
        tests.append(label_selector(text))
    if text := query.get("fieldSelector"):
        fields = (resource.custom or {}).get("selectableFields") or ()
        custom = tuple(each["jsonPath"].lstrip(".") for each in fields)
        terms = read_terms(text)
        tests.append(field_selector(resource.key, terms, custom))
        whole = any(term.path in custom for term in terms)
        name = name or required_value(terms, "metadata.name")
        node = required_value(terms, "spec.nodeName") if resource.key == PODS else ""
    if name:
        tests.append(lambda body: body["metadata"]["name"] == name)
    test = tests[0] if len(tests) == 1 else lambda body: all(test(body) for test in tests)
    return Selection(namespace, name, node, test if tests else None, whole)


def check_list(query: Query, revision: int) -> None:
    """Check the options of a list.

    Args:
        query: of the request.
        revision: the present one, which is the only one that can be listed.

    Raises:
        StatusError: 400, a number is not valid; 410, an exact older version or a piece of a list is
            requested; 422, options contradict each other; 504, the version does not exist yet.
    """
    check_options(query, False)
    version, limit, match = (
        asked_version(query, False),
        number(query, "limit") or 0,
        query.get("resourceVersionMatch"),
    )
    if query.get("continue"):
        raise expired("The provided continue parameter is too old to display a consistent list result.")
    if version and version > revision:
        raise too_large_version(version, revision)
    if version and version < revision and (match == EXACT or (limit > 0 and not match)):
        raise expired(f"The resourceVersion for the provided list is too old: {version}")


def check_options(query: Query, watch: bool) -> None:
    """Refuse options of a list or a watch that contradict each other.

    Raises:
        StatusError: 422.

    Source: k8s.io/apimachinery, pkg/apis/meta/internalversion/validation, ValidateListOptions.
    """
    match, found = query.get("resourceVersionMatch", ""), []

    def forbid(text: str) -> None:
        found.append(api_errors.prohibited("resourceVersionMatch", text))

    initial = "sendInitialEvents" in query
    if watch and initial and match != NOT_OLDER:
        forbid(f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER}")
    if match and watch and not initial:
        forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    if match and not watch and not query.get("resourceVersion"):
        forbid("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and query.get("continue"):
        forbid("resourceVersionMatch is forbidden when continue is provided")
    known = [NOT_OLDER] if watch else [EXACT, NOT_OLDER, ""]
    if match and match not in known:
        found.append(api_errors.unsupported_value("resourceVersionMatch", match, known))
    if match == EXACT and not watch and query.get("resourceVersion") == "0":
        forbid('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if initial and not watch:
        found.append(api_errors.prohibited("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if found:
        raise api_errors.invalid("meta.k8s.io", "ListOptions", "", found)


def asked_version(query: Query, watch: bool) -> int | None:
    """The resourceVersion that a list or a watch asks for; None if it names none.

    Raises:
        StatusError: the value is not a number: 400, or 500 for a watch, as Kubernetes answers.
    """
    text = query.get("resourceVersion", "")
    if not text or (text.isascii() and text.isdigit()):
        return int(text) if text else None
    shown = api_errors.show(text)
    why = f"resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: invalid syntax"
    raise StatusError(500, "", why) if watch else bad_request(f"invalid resource version: {why}")
