"""Pure: from the models to CustomResourceDefinitions: structural schemas, CEL rules, printer columns. `make generate` writes them to `crds/`.

pydantic's JSON schema has references, `anyOf` with null and titles; a structural schema has none of them. The CEL rules say what a schema
cannot: that a version's identity never changes. They were tried on a real API server, where their cost is bounded by the limits of `common.py`:
1,000 services of 8 versions pass, 12 versions would not.

Traps met: `package` is a reserved word in CEL and is written `__package__`; `behavior` of a service and of a version have different types
and need `dyn()`; without the rule on 1.0.0 "add a version" would silently remove the version that a service without `versions` has.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from spiko_nanoservice.contract import EUREKA
from spiko_operator.api import architecture, fault
from spiko_operator.api.common import ARCHITECTURE_NAME_PATTERN, GROUP, MAX_ARCHITECTURE_NAME, VERSION

Schema = dict[str, Any]
_KEPT = (
    "type", "description", "default", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
)  # fmt: skip
_LIST_KEYS = {
    "services": "name",
    "versions": "version",
    "split": "version",
    "conditions": "type",
    "victims": "uid",
}


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model: no references, one type per node, every list with its merge type."""
    raw = model.model_json_schema(by_alias=True)
    return _node(raw, raw.get("$defs", {}), "")


def _node(raw: Mapping[str, Any], definitions: Mapping[str, Any], field: str) -> Schema:
    if "$ref" in raw:
        target = definitions[raw["$ref"].rsplit("/", 1)[1]]
        return _node({**target, **{k: v for k, v in raw.items() if k != "$ref"}}, definitions, field)
    if "allOf" in raw:
        rest = {k: v for k, v in raw.items() if k != "allOf"}
        return _node({**raw["allOf"][0], **rest}, definitions, field)
    if "anyOf" in raw:
        real = next(option for option in raw["anyOf"] if option.get("type") != "null")
        rest = {k: v for k, v in raw.items() if k not in ("anyOf", "default")}
        return _node({**real, **rest}, definitions, field)
    if "const" in raw:
        raw = {**raw, "type": "string", "enum": [raw["const"]]}
    node: Schema = {key: raw[key] for key in _KEPT if key in raw and raw[key] is not None}
    node["description"] = " ".join(str(node.get("description", "")).split("\n\n")[0].split())
    if not node["description"]:
        del node["description"]
    if node.get("type") == "object":
        node["properties"] = {
            name: _node(child, definitions, name) for name, child in raw.get("properties", {}).items()
        }
        if required := raw.get("required"):
            node["required"] = list(required)
    if node.get("type") == "array":
        node["items"] = _without_defaults(_node(raw["items"], definitions, ""))
        node |= _list_type(field, node["items"])
    if node.get("type") == "integer":
        node["format"] = "int64" if node.get("maximum", 0) > 2**31 - 1 or "maximum" not in node else "int32"
    return node


def _without_defaults(node: Schema) -> Schema:
    """A default inside a list item would make an applied object differ from what the user's file has: models fill it in."""
    kept = {key: value for key, value in node.items() if key != "default"}
    if "properties" in kept:
        kept["properties"] = {name: _without_defaults(child) for name, child in kept["properties"].items()}
    return kept


def _list_type(field: str, items: Schema) -> Schema:
    if field in _LIST_KEYS:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [_LIST_KEYS[field]]}
    if field == "regions" and items.get("type") == "object":
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return {"x-kubernetes-list-type": "set" if field in ("dependencies", "zones") else "atomic"}


def rule(cel: str, message: str) -> Schema:
    """One validation rule."""
    return {"rule": cel, "message": message}


def one_of(fields: tuple[str, ...], text: str) -> Schema:
    """Exactly one of these fields is given."""
    given = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    return rule(f"{given} == 1", f"{text}: one of {', '.join(fields)}")


def identity_rule(name: str, dynamic: bool) -> Schema:
    """The part `name` of a version's identity never changes, wherever it is written: at the entry, or at the service for all entries without.

    Args:
        name: package, image or behavior.
        dynamic: for objects, whose types differ between service and entry.
    """
    field = f"__{name}__" if name == "package" else name
    wrap = (lambda text: f"dyn({text})") if dynamic else (lambda text: text)
    absent = "dyn({})" if dynamic else "''"

    def of_service(service: str) -> str:
        if name == "package":
            return f"{service}.{field}"
        return f"(has({service}.{field}) ? {wrap(f'{service}.{field}')} : {absent})"

    def of_entry(entry: str, service: str) -> str:
        return f"(has({entry}.{field}) ? {wrap(f'{entry}.{field}')} : {of_service(service)})"

    default = architecture.DEFAULT_VERSION
    both = f"oldSelf.versions.all(o, o.version != n.version || {of_entry('n', 'self')} == {of_entry('o', 'oldSelf')})"
    first = f"(n.version != '{default}' || {of_entry('n', 'self')} == {of_service('oldSelf')})"
    last = f"oldSelf.versions.all(o, o.version != '{default}' || {of_service('self')} == {of_entry('o', 'oldSelf')})"
    plain = f"{of_service('self')} == {of_service('oldSelf')}"
    cel = (
        f"has(self.versions) ? self.versions.all(n, has(oldSelf.versions) ? {both} : {first})"
        f" : has(oldSelf.versions) ? {last} : {plain}"
    )
    return rule(
        cel,
        f"{name} is part of a version's identity and cannot change: add a version (services[].versions), or delete the Architecture first if it never ran",
    )


def service_rules() -> list[Schema]:
    """Rules on one service."""
    default = architecture.DEFAULT_VERSION
    declared = f"has(self.versions) ? self.versions.exists(v, v.version == s.version) : s.version == '{default}'"
    return [
        identity_rule("package", dynamic=False),
        identity_rule("image", dynamic=False),
        identity_rule("behavior", dynamic=True),
        rule(
            f"!has(self.routing) || !has(self.routing.split) || self.routing.split.all(s, {declared})",
            "the split names a version that is not declared: declare it under versions, or name another",
        ),
        rule(
            f"has(oldSelf.versions) || !has(self.versions) || self.versions.exists(v, v.version == '{default}')",
            f"the first list of versions must contain {default}, which is what runs now; remove it in a later edit",
        ),
    ]


SPLIT_RULES = [
    rule("self.exists(s, s.weight > 0)", "at least one weight of a split must be above 0"),
    rule(
        "self.all(s, s.version.split('.')[0] == self[0].version.split('.')[0])",
        "one major (interface) per split: versions of different majors cannot share traffic",
    ),
]


def architecture_crd() -> Schema:
    """The CustomResourceDefinition of Architecture."""
    spec = structural(architecture.ArchitectureSpec)
    service = spec["properties"]["services"]["items"]
    service["x-kubernetes-validations"] = service_rules()
    version = service["properties"]["versions"]["items"]
    for behavior in (service["properties"]["behavior"], version["properties"]["behavior"]):
        service_time = behavior["properties"]["serviceTime"]
        service_time["x-kubernetes-validations"] = [
            one_of(tuple(service_time["properties"]), "serviceTime gives exactly one distribution")
        ]
    service["properties"]["routing"]["properties"]["split"]["x-kubernetes-validations"] = copy.deepcopy(SPLIT_RULES)
    spec["properties"]["chaos"]["properties"]["monkey"]["x-kubernetes-validations"] = [
        rule(
            "!has(self.minSeconds) || self.minSeconds <= self.meanSeconds",
            "minSeconds must not exceed meanSeconds, the mean time between kills: lower the one or raise the other",
        )
    ]
    root = [
        rule(
            f"size(self.metadata.name) <= {MAX_ARCHITECTURE_NAME} && self.metadata.name.matches('{ARCHITECTURE_NAME_PATTERN}')",
            f"metadata.name: 1 to {MAX_ARCHITECTURE_NAME} of a-z, 0-9 and -, starting with a letter: every derived name begins with it",
        )
    ]
    columns = [
        _column("Accepted", "string", '.status.conditions[?(@.type=="Accepted")].status'),
        _column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        _column("Tiers", "string", ".status.summary.tiers"),
        _column("Pods", "string", ".status.summary.pods"),
        _column("Scale", "integer", ".spec.scale"),
        _column("Age", "date", ".metadata.creationTimestamp"),
        _column("Programmed", "string", '.status.conditions[?(@.type=="Programmed")].status', wide=True),
        _column("Config", "string", ".status.configRevision", wide=True),
        _column("Victim", "string", ".spec.victim", wide=True),
        _column("Monkey", "string", ".spec.chaos.monkey.mode", wide=True),
        _column("Kills", "integer", ".status.chaos.kills", wide=True),
    ]
    status = structural(architecture.ArchitectureStatus)
    body = _crd(architecture.KIND, architecture.PLURAL, ["arch"], spec, status, root, columns)
    body["spec"]["versions"][0]["subresources"]["scale"] = {
        "specReplicasPath": ".spec.scale",
        "statusReplicasPath": ".status.scale",
    }
    return body


def fault_crd() -> Schema:
    """The CustomResourceDefinition of Fault."""
    spec = structural(fault.FaultSpec)
    spec["x-kubernetes-validations"] = [
        rule("self == oldSelf", "a Fault is injected once and its spec cannot change: delete it and make another")
    ]
    spec["x-kubernetes-validations"].append(one_of(fault.KINDS, "a Fault gives exactly one kind of fault"))
    spec["properties"]["kill"]["x-kubernetes-validations"] = [
        rule("has(self.tier) != has(self.pod)", "kill names exactly one of tier and pod"),
        rule(
            "!has(self.gracePeriodSeconds) || self.method == 'Delete'",
            "gracePeriodSeconds goes with method: Delete only; an eviction uses the pod's own, a crash has none",
        ),
        rule("!has(self.count) || !has(self.percent)", "count and percent exclude each other: remove one"),
        rule(
            "!has(self.pod) || !(has(self.version) || has(self.region) || has(self.zone) || has(self.count) || has(self.percent))",
            "version, region, zone, count and percent choose among a tier's pods: name a tier, or remove them",
        ),
        rule(
            f"self.method != 'Crash' || !has(self.tier) || self.tier != '{EUREKA}'",
            "a eureka has nobody who could tell it to crash: use method: Delete with gracePeriodSeconds: 0",
        ),
    ]
    columns = [
        _column("Architecture", "string", ".spec.architecture"),
        _column("Accepted", "string", '.status.conditions[?(@.type=="Accepted")].status'),
        _column("Injected", "string", '.status.conditions[?(@.type=="Injected")].status'),
        _column("Ended", "string", '.status.conditions[?(@.type=="Ended")].status'),
        _column("Age", "date", ".metadata.creationTimestamp"),
        _column("Summary", "string", ".status.summary"),
        _column("Mode", "string", ".spec.mode", wide=True),
        _column("Method", "string", ".spec.kill.method", wide=True),
    ]
    return _crd(fault.KIND, fault.PLURAL, [], spec, structural(fault.FaultStatus), [], columns)


def _column(name: str, kind: str, path: str, wide: bool = False) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path} | ({"priority": 1} if wide else {})


def _crd(
    kind: str, plural: str, short: list[str], spec: Schema, status: Schema, root: list[Schema], columns: list[Schema]
) -> Schema:
    schema: Schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }
    if root:
        schema["x-kubernetes-validations"] = root
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names | ({"shortNames": short} if short else {}),
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def documents() -> dict[str, str]:
    """File name -> text of every generated file."""
    import yaml

    header = "# Generated from operator/spiko_operator/api by `make generate`; do not edit.\n"
    made = {}
    for body in (architecture_crd(), fault_crd()):
        name = f"{GROUP}_{body['spec']['names']['plural']}.yaml"
        made[name] = header + yaml.safe_dump(body, sort_keys=False, width=140, allow_unicode=True)
    return made


def main(folder: str) -> None:
    """Write the files into a folder."""
    for name, text in documents().items():
        Path(folder, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
