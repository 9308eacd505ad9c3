"""What may differ between the servers: short, and each line with its reason."""

from __future__ import annotations

import re

from calls import Call

# the call (method and path), the difference (path and both values), why
ALLOWED: tuple[tuple[str, str, str], ...] = (
    (
        r"/deployments",
        r"^\.(items\[\d+\]\.)?(status\.|metadata\.(annotations|resourceVersion))",
        "controllers write when they come to it; the end-to-end suite holds what they do",
    ),
    (
        r"^POST .*/configmaps$",
        r"^\.message: .*(couldn't get version/kind|unknown conversion|no kind .*is registered|yaml: )",
        "what Go's decoders say of a body that is no object of the kind; ours says it in its own words, with the same status and reason",
    ),
    (
        r"",
        r"^\.message: .*cannot unmarshal \w+ into Go struct field .*!= .*cannot unmarshal \w+ into Go struct field",
        "Go names the struct of a path's last field, ours the whole path",
    ),
    (
        r"^POST (/apis/authorization|.*/token$)",
        r"^\.metadata\.managedFields",
        "a review, or a request for a token, is stored nowhere: nobody manages its fields",
    ),
    (
        r"/deployments/a",
        r"^warning: .*duplicate port",
        "Kubernetes does not repeat some of the warnings that were due before",
    ),
    (
        r"^PATCH .*/deployments/a$",
        r"patch: Invalid value|\.details\.causes\[0\]\.message",
        "Kubernetes puts the whole patched object, or a Go map, into the message",
    ),
    (r"^GET /api$", r"serverAddress", "each server's own address"),
    (r"/secrets$", r"secret contents redacted", "the words of Go's JSON decoder"),
    (r"/configmaps/a$", r"no new finalizers can be added", "Kubernetes says it twice"),
    (r"resourceVersion=1000000000000", r"current: \d+", "each server counts its own writes"),
    (r"limit=2$", r"^\.metadata\.continue", "each server's own token"),
    (r"continue=nonsense", r"^\.message", "another kind of token, other words"),
    (r"^PATCH .*/pods/a$", r"pod updates may not change fields", "Kubernetes adds a diff of Go structs"),
    (
        r"poddisruptionbudgets$",
        r"minAvailable and maxUnavailable",
        "Kubernetes shows an internal Go struct, ours the JSON",
    ),
    (
        r"/customresourcedefinitions$",
        r'"Schema\\*":\{\\*"OpenAPIV3Schema',
        "Kubernetes shows an internal Go struct with all its fields",
    ),
    (r"/things$", r"Checked value must be of type integer|accessor error", "a second cause for the same fault"),
)


def may_differ(call: Call, difference: str) -> bool:
    """Whether a difference is one of those that are allowed."""
    where = f"{call.method} {call.path}"
    return any(re.search(path, where) and re.search(pattern, difference) for path, pattern, _ in ALLOWED)
