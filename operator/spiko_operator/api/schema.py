"""Pure: CustomResourceDefinitions from the models. `make generate` writes them to `crds/`.

pydantic's JSON schema has references, `anyOf` with null, and titles; a structural schema must not have them.
The CEL rules are in `validation_rules.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from spiko_operator.api import architecture, fault, validation_rules
from spiko_operator.api.architecture_status import ArchitectureStatus
from spiko_operator.api.common import GROUP, VERSION

Schema = dict[str, Any]
_RULES = "x-kubernetes-validations"
_KEPT = (
    "type",
    "description",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
)
_LIST_KEYS = {
    "services": "name",
    "versions": "version",
    "split": "version",
    "conditions": "type",
    "victims": "uid",
    "imagePullSecrets": "name",
}
_SETS = ("dependencies", "zones")


@dataclass(frozen=True)
class Definition:
    """The parts of a CustomResourceDefinition that differ between the kinds."""

    kind: str
    plural: str
    spec: Schema
    status: Schema
    columns: Sequence[Schema]
    short_names: Sequence[str] = ()
    root_rules: Sequence[Schema] = ()


# ---------------------------------------------------------------- structural schemas


def structural(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model: without references, and with one type for each node."""
    raw = model.model_json_schema(by_alias=True)
    return _node(raw, raw.get("$defs", {}), "")


def _node(raw: Mapping[str, Any], definitions: Mapping[str, Any], field: str) -> Schema:
    raw = _resolve(raw, definitions)
    node: Schema = {key: raw[key] for key in _KEPT if key in raw and raw[key] is not None}
    node["description"] = " ".join(str(node.get("description", "")).split("\n\n")[0].split())
    if not node["description"]:
        del node["description"]
    if node.get("type") == "object" and isinstance(raw.get("additionalProperties"), Mapping):
        node["additionalProperties"] = _node(raw["additionalProperties"], definitions, "")
    elif node.get("type") == "object":
        properties = raw.get("properties", {})
        node["properties"] = {name: _node(child, definitions, name) for name, child in properties.items()}
        if required := raw.get("required"):
            node["required"] = list(required)
    if node.get("type") == "array":
        node["items"] = _without_defaults(_node(raw["items"], definitions, ""))
        node |= _list_type(field, node["items"])
    if node.get("type") == "integer":
        node["format"] = "int64" if node.get("maximum", 0) > 2**31 - 1 or "maximum" not in node else "int32"
    return node


def _resolve(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the node without `$ref`, `allOf`, `anyOf` with null, and `const`."""
    if "$ref" in raw:
        target = definitions[raw["$ref"].rsplit("/", 1)[1]]
        return _resolve({**target, **{k: v for k, v in raw.items() if k != "$ref"}}, definitions)
    if "allOf" in raw:
        rest = {k: v for k, v in raw.items() if k != "allOf"}
        return _resolve({**raw["allOf"][0], **rest}, definitions)
    if "anyOf" in raw:
        real = next(option for option in raw["anyOf"] if option.get("type") != "null")
        rest = {k: v for k, v in raw.items() if k not in ("anyOf", "default")}
        return _resolve({**real, **rest}, definitions)
    if "const" in raw:
        return {**raw, "type": "string", "enum": [raw["const"]]}
    return raw


def _without_defaults(node: Schema) -> Schema:
    """Return the schema of a list item without defaults.

    The API server would add the default to the stored item, so that it differs from the item in the user's
    file and from that in a later apply. The models fill the defaults in instead.
    """
    kept = {key: value for key, value in node.items() if key != "default"}
    if "properties" in kept:
        kept["properties"] = {name: _without_defaults(child) for name, child in kept["properties"].items()}
    return kept


def _list_type(field: str, items: Schema) -> Schema:
    if field in _LIST_KEYS:
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [_LIST_KEYS[field]]}
    if field == "regions" and items.get("type") == "object":
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return {"x-kubernetes-list-type": "set" if field in _SETS else "atomic"}


# ---------------------------------------------------------------- CustomResourceDefinitions


def architecture_crd() -> Schema:
    """Return the CustomResourceDefinition of Architecture."""
    columns = [
        _column("Accepted", "string", _status_of("Accepted")),
        _column("Ready", "string", _status_of("Ready")),
        _column("Tiers", "string", ".status.summary.tiers"),
        _column("Pods", "string", ".status.summary.pods"),
        _column("Scale", "integer", ".spec.scale"),
        _column("Age", "date", ".metadata.creationTimestamp"),
        _column("Programmed", "string", _status_of("Programmed"), wide=True),
        _column("Config", "string", ".status.configRevision", wide=True),
        _column("Victim", "string", ".spec.victim", wide=True),
        _column("Monkey", "string", ".spec.chaos.monkey.mode", wide=True),
        _column("Kills", "integer", ".status.chaos.kills", wide=True),
        _column("Image", "string", ".status.runtime.image", wide=True),
    ]
    definition = Definition(
        architecture.KIND,
        architecture.PLURAL,
        _architecture_spec(),
        structural(ArchitectureStatus),
        columns,
        short_names=["arch"],
        root_rules=validation_rules.architecture_name_rules(),
    )
    body = _crd(definition)
    body["spec"]["versions"][0]["subresources"]["scale"] = {
        "specReplicasPath": ".spec.scale",
        "statusReplicasPath": ".status.scale",
        "labelSelectorPath": ".status.selector",
    }
    return body


def _architecture_spec() -> Schema:
    spec = structural(architecture.ArchitectureSpec)
    service = spec["properties"]["services"]["items"]
    service[_RULES] = validation_rules.service_rules()
    version = service["properties"]["versions"]["items"]
    for behavior in (service["properties"]["behavior"], version["properties"]["behavior"]):
        service_time = behavior["properties"]["serviceTime"]
        service_time[_RULES] = validation_rules.service_time_rules(tuple(service_time["properties"]))
    service["properties"]["routing"]["properties"]["split"][_RULES] = validation_rules.split_rules()
    spec["properties"]["chaos"]["properties"]["monkey"][_RULES] = validation_rules.monkey_rules()
    return spec


def fault_crd() -> Schema:
    """Return the CustomResourceDefinition of Fault."""
    spec = structural(fault.FaultSpec)
    spec[_RULES] = validation_rules.fault_rules()
    spec["properties"]["kill"][_RULES] = validation_rules.kill_rules()
    columns = [
        _column("Architecture", "string", ".spec.architecture"),
        _column("Accepted", "string", _status_of("Accepted")),
        _column("Injected", "string", _status_of("Injected")),
        _column("Ended", "string", _status_of("Ended")),
        _column("Age", "date", ".metadata.creationTimestamp"),
        _column("Summary", "string", ".status.summary"),
        _column("Mode", "string", ".spec.mode", wide=True),
        _column("Method", "string", ".spec.kill.method", wide=True),
    ]
    return _crd(Definition(fault.KIND, fault.PLURAL, spec, structural(fault.FaultStatus), columns))


def _column(name: str, kind: str, path: str, wide: bool = False) -> Schema:
    return {"name": name, "type": kind, "jsonPath": path} | ({"priority": 1} if wide else {})


def _status_of(condition: str) -> str:
    return f'.status.conditions[?(@.type=="{condition}")].status'


def _crd(definition: Definition) -> Schema:
    kind, plural = definition.kind, definition.plural
    schema: Schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": definition.spec,
            "status": definition.status,
        },
    }
    if definition.root_rules:
        schema[_RULES] = list(definition.root_rules)
    names: Schema = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    if definition.short_names:
        names["shortNames"] = list(definition.short_names)
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(definition.columns),
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def documents() -> dict[str, str]:
    """Return the file name and the text of every generated file."""
    import yaml

    header = "# Generated from operator/spiko_operator/api by `make generate`; do not edit.\n"
    found = {}
    for body in (architecture_crd(), fault_crd()):
        name = f"{GROUP}_{body['spec']['names']['plural']}.yaml"
        found[name] = header + yaml.safe_dump(body, sort_keys=False, width=140, allow_unicode=True)
    return found


def main(folder: str) -> None:
    """Write the files into a folder."""
    for name, text in documents().items():
        Path(folder, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
