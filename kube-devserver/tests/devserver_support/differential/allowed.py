"""The differences that are allowed between the servers: a short list, and each entry with its reason."""

from __future__ import annotations

import re

from devserver_support.differential.calls import Call

INERT = "resourcequotas|limitranges|networkpolicies|horizontalpodautoscalers|roles|rolebindings"
# the call (method and path), the difference (path and both values), the reason
ALLOWED: tuple[tuple[str, str, str], ...] = (
    (
        r"/(deployments|poddisruptionbudgets/)",
        r"^\.(items\[\d+\]\.)?(status\.|metadata\.(annotations|resourceVersion))",
        "controllers write at times of their own; their tests check what they write",
    ),
    (
        r"^POST .*/configmaps$",
        r"^\.message: .*(couldn't get version/kind|unknown conversion|no kind .*is registered|yaml: )",
        "messages of Go's decoders about a body that is not an object of the kind; status and reason agree",
    ),
    (
        r"",
        r"^\.message: .*cannot unmarshal \w+ into Go struct field .*!= .*cannot unmarshal \w+ into Go",
        "Go names the struct of a path's last field, this server the whole path",
    ),
    (
        r"^POST /apis/authorization",
        r"^\.metadata\.managedFields",
        "a review is not stored, so that no manager owns its fields",
    ),
    (
        r"/(deployments|replicasets|pods)",
        r"^warning: .*(duplicate port|overlapping port|hides previous definition)",
        "this server does not warn of containers that are valid but unusual",
    ),
    (
        r"^PATCH .*/(deployments|secrets)/a$",
        r"patch: Invalid value|\.details\.causes\[0\]\.message",
        "Kubernetes shows the whole patched object, or a Go map",
    ),
    (r"^GET /api$", r"serverAddress", "the address of each server"),
    (r"/configmaps/a$", r"no new finalizers can be added", "Kubernetes repeats the message"),
    (r"resourceVersion=1000000000000", r"current: \d+", "each server counts its own writes"),
    (r"continue=nonsense", r"", "this server sends lists whole and has no tokens: another one is expired"),
    (r"^PATCH .*/pods/a$", r"pod updates may not change fields", "Kubernetes adds a diff of Go structs"),
    (
        r"poddisruptionbudgets$",
        r"minAvailable and maxUnavailable",
        "Kubernetes shows an internal Go struct, this server the JSON",
    ),
    (
        r"customresourcedefinitions",
        r"must have exactly one version|must contain unique version names",
        "Kubernetes shows an internal Go struct, this server the names of the versions",
    ),
    (
        r"/things",
        r"Checked value must be of type integer|accessor error",
        "a second cause for the same error",
    ),
    (
        r"^POST .*/secrets$",
        r"secret contents redacted.*!= .*secret contents redacted",
        "the message of a JSON error is that of the parser",
    ),
    (r"^POST .*/secrets$", r"^warning: .*failed to find any PEM data", "this server reads no certificates"),
    (r"/things", r"evaluating rule: ", "the message of an evaluation error is the CEL library's"),
    (rf"/({INERT})", r"^warning: ", "this server warns that it does not act on objects of the kind"),
    (
        rf"/({INERT})",
        r"^\.(spec|status|metadata\.(generation|managedFields))",
        "objects that are stored only have no defaults, status or generation",
    ),
)


def may_differ(call: Call, difference: str) -> bool:
    """Whether a difference is allowed."""
    where = f"{call.method} {call.path}"
    return any(re.search(path, where) and re.search(pattern, difference) for path, pattern, _ in ALLOWED)
