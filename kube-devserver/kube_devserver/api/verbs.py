"""Create, read, update, patch and delete: what every write goes through, in Kubernetes' order, and nothing of HTTP.

Read -> prune -> defaults -> what the kind keeps and clears -> owners of fields -> validation -> rules -> store. All of it is synchronous: on
one event loop a request is atomic, and no lock is needed.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from kube_devserver import api_errors
from kube_devserver.api import deletion, escalation, strategies
from kube_devserver.api.access import GROUP as RBAC
from kube_devserver.api.admission import admit, admit_delete
from kube_devserver.api.object_intake import identify, read
from kube_devserver.api.options import Options, Target
from kube_devserver.api.service_addresses import SERVICES, allot, keep_allotted
from kube_devserver.api_errors import Cause, StatusError, bad_request
from kube_devserver.custom import custom_resources, versions
from kube_devserver.custom.validation_rules import rules_after_faults
from kube_devserver.objects import events, field_sets, managed_fields, patches
from kube_devserver.objects.managed_fields import Writer
from kube_devserver.objects.resource_registry import CLEANUP, DEFINITIONS, Catalog, Resource
from kube_devserver.objects.warnings import status_faults, warnings_of
from kube_devserver.storage.store import Body, Entry, Store, TooLargeError

NAMESPACES, PODS = ("", "namespaces"), ("", "pods")
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
MADE_BY_UPDATE = {
    ("coordination.k8s.io", "leases"),
    SERVICES,
    events.CORE,
    events.NEW,
    *(
        ("rbac.authorization.k8s.io", plural)
        for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
    ),
}  # kinds of which a PUT creates an object that is not there
PLAIN_NAMES = {"rbac.authorization.k8s.io"}
STRATEGIC, MERGE, JSON, APPLY = (
    "application/strategic-merge-patch+json", "application/merge-patch+json", "application/json-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
NAMES_KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "namespace",
    "name",
)


class Verbs:
    """Writes and single reads.

    Args:
        store: the objects.
        catalog: the kinds.
        now: RFC 3339 in seconds, UTC.
        random_source: of names; None draws for real.
    """

    def __init__(
        self, store: Store, catalog: Catalog, now: Callable[[], str], random_source: random.Random | None = None
    ) -> None:
        self.store, self.catalog, self.now = store, catalog, now
        self._random = random_source or random.SystemRandom()

    # ------------------------------------------------------------------ reading

    def get(self, at: Target) -> Entry:
        """One object.

        Raises:
            StatusError: 404.
        """
        entry = self._find(at)
        if entry is None:
            raise api_errors.not_found(at.resource.group, at.resource.plural, at.name)
        return entry

    def _find(self, at: Target) -> Entry | None:
        entry = self.store.get(at.resource.key, at.namespace, at.name)
        return versions.shown(at.resource, entry) if entry is not None else None

    # ------------------------------------------------------------------ create

    def create(self, resource: Resource, namespace: str, body: Body, options: Options) -> Body:
        """Create an object.

        Raises:
            StatusError: it is refused.
        """
        body = identify(resource, namespace, body)
        metadata = body["metadata"]
        if metadata.get("resourceVersion"):
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:58] + "".join(self._random.choices(SUFFIX, k=5))
        at = Target(resource, namespace, metadata.get("name", ""))
        body = read(resource, body, options)
        return self._create(at, body, options, None)

    def _create(self, at: Target, body: Body, options: Options, owners: list[managed_fields.Manager] | None) -> Body:
        resource = at.resource
        self._check_namespace(resource, at.namespace)
        metadata = {
            k: v
            for k, v in body["metadata"].items()
            if k not in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
        }
        metadata |= {
            "uid": str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
            "creationTimestamp": self.now(),
        }
        metadata.pop("generation", None)
        body = body | {"metadata": metadata}
        # before admission and the strategy: what they add is nobody's
        if owners is None:
            body = managed_fields.track_update(resource.node, None, body, self._writer(at, options))
        else:
            body = managed_fields.write_managers(body, owners)
        if resource.custom is None:
            body = strategies.prepare_create(resource.group, resource.kind, body)
            self._allot(at, body)
        else:
            body["metadata"]["generation"] = 1
            if "status" in resource.subresources:
                body.pop("status", None)
        self._confirm(at, "" if owners is None else at.name, body, None, options)
        self._validate(at, body, None, options)
        self._admit(at, body, None, options)
        if (known := self.store.get(resource.key, at.namespace, at.name)) is not None:
            is_going = "deletionTimestamp" in known.body["metadata"]
            raise api_errors.already_exists(resource.group, resource.plural, at.name, is_going)
        if options.dry_run:
            return self._as_stored(at, body)
        return self._put(at, body)

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if not resource.namespaced:
            return
        found = self.store.get(NAMESPACES, "", namespace)
        if found is None:
            raise api_errors.not_found("", "namespaces", namespace)
        if found.body["metadata"].get("deletionTimestamp"):
            error = api_errors.forbidden(
                resource.group,
                resource.plural,
                "",
                f"unable to create new content in namespace {namespace} because it is being terminated",
            )
            error.details = (error.details or {}) | {
                "causes": [
                    {
                        "reason": "NamespaceTerminating",
                        "message": f"namespace {namespace} is being terminated",
                        "field": "metadata.namespace",
                    }
                ]
            }
            raise error

    def _allot(self, at: Target, body: Body) -> None:
        if at.resource.key == SERVICES and (causes := allot(self.store, self._random, body)):
            raise self._invalid(at, causes)

    # ------------------------------------------------------------------ update

    def update(self, at: Target, body: Body, options: Options) -> tuple[Body, bool]:
        """Replace an object, or its status; says whether it was created.

        Raises:
            StatusError: it is refused.
        """
        body = identify(at.resource, at.namespace, body)
        if not body["metadata"].get("name"):
            body["metadata"]["name"] = at.name
        if body["metadata"]["name"] != at.name:
            raise bad_request(
                f"the name of the object ({body['metadata']['name']}) does not match the name on the URL ({at.name})"
            )
        if self.is_made_by_update(at):
            body["metadata"].pop("resourceVersion", None)
            return self._create(at, read(at.resource, body, options), options, None), True
        old = self.get(at)
        version = body["metadata"].get("resourceVersion")
        if not version and (at.resource.custom is not None or at.resource.key in (("coordination.k8s.io", "leases"),)):
            cause = Cause(
                "metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update"
            )
            raise api_errors.invalid(at.resource.group, at.resource.plural, at.name, [cause])
        self._check_version(at, old, version)
        self._check_uid(at, old, body["metadata"].get("uid"))
        return self._replace(at, old, read(at.resource, body, options), options, None), False

    def is_made_by_update(self, at: Target) -> bool:
        """Whether an update would create the object."""
        return at.resource.key in MADE_BY_UPDATE and not at.subresource and self._find(at) is None

    def _check_version(self, at: Target, old: Entry, version: str | None) -> None:
        if version and version not in (str(old.revision), "0"):
            raise api_errors.conflict(at.resource.group, at.resource.plural, at.name)

    def _check_uid(self, at: Target, old: Entry, uid: str | None) -> None:
        real = old.body["metadata"].get("uid")
        if uid and uid != real:
            key = f"/registry/{'/'.join(part for part in (at.resource.plural, at.namespace, at.name) if part)}"
            why = (
                f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed:"
                f" UID in precondition: {uid}, UID in object meta: {real}"
            )
            raise api_errors.conflict(at.resource.group, at.resource.plural, at.name, why)

    def _replace(
        self, at: Target, old: Entry, body: Body, options: Options, owners: list[managed_fields.Manager] | None
    ) -> Body:
        """What PUT and every patch end in; `body` has been read."""
        resource, was = at.resource, old.body
        kept = {key: was["metadata"][key] for key in NAMES_KEPT if key in was["metadata"]}
        body = body | {"metadata": {k: v for k, v in body["metadata"].items() if k not in NAMES_KEPT} | kept}
        body["metadata"].pop("selfLink", None)
        if resource.custom is None:
            body = strategies.prepare_update(resource.group, resource.kind, body, was, at.subresource)
        else:
            body = _prepare_custom(resource, body, was, at.subresource)
        body["metadata"]["resourceVersion"] = was["metadata"]["resourceVersion"]
        if owners is None:
            body = managed_fields.track_update(resource.node, was, body, self._writer(at, options))
        else:
            body = managed_fields.write_managers(body, owners)
        if resource.key == SERVICES and not at.subresource:  # what is allotted is nobody's
            body = body | {"spec": keep_allotted(body["spec"], was["spec"])}
            self._allot(at, body)
        if self._is_current(at) and (body == was or managed_fields.timeless(body) == managed_fields.timeless(was)):
            return was  # an update that changes nothing moves nothing
        self._confirm(at, at.name, body, was, options)
        self._validate(at, body, was, options)
        self._admit(at, body, was, options)
        if body["metadata"].get("deletionTimestamp"):
            added = set(body["metadata"].get("finalizers") or ()) - set(was["metadata"].get("finalizers") or ())
            if added:
                text = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{', '.join(map(api_errors.show, sorted(added)))}}}"
                raise self._invalid(at, [api_errors.prohibited("metadata.finalizers", text)])
        if options.dry_run:
            return self._as_stored(at, body)
        if deletion.is_finished(resource, body):
            self.store.remove(resource.key, at.namespace, at.name)  # as it was: nobody is told of the last change alone
            return body
        return self._put(at, body)

    # ------------------------------------------------------------------ patch

    def patch(self, at: Target, kind: str, patch: Any, options: Options) -> tuple[Body, bool]:
        """Patch an object; says whether an apply created it.

        Args:
            at: which.
            kind: the patch's media type.
            patch: read from JSON or YAML.
            options: of the request.

        Raises:
            StatusError: it is refused.
        """
        if kind == APPLY:
            return self._apply(at, patch, options)
        old = self.get(at)
        if kind == JSON:
            body = patches.json_patch(old.body, patch)
        elif kind == MERGE:
            if not isinstance(patch, dict):
                raise bad_request(patches.NOT_A_MAP.format(patches.go_type(patch)))
            body = patches.merge_patch(old.body, patch)
        elif at.resource.custom is None:
            body = patches.strategic_patch(at.resource.node, old.body, patch)
        else:
            raise api_errors.unsupported(kind, [JSON, MERGE, APPLY])
        if at.resource.custom is not None and isinstance(body, dict):
            self._check_kind(at, body)
        body = identify(at.resource, at.namespace, body)
        if body["metadata"].get("name") != at.name:
            raise bad_request(
                f"the name of the object ({body['metadata'].get('name', '')}) does not match the name on the URL ({at.name})"
            )
        self._check_version(at, old, body["metadata"].get("resourceVersion"))
        self._check_uid(at, old, body["metadata"].get("uid"))
        try:
            found = read(at.resource, body, options)
        except StatusError as error:
            _, strict, fields_ = str(error).partition("strict decoding error")
            if at.resource.custom is not None and not strict:
                raise
            text = strict + fields_ if strict else str(error)
            raise api_errors.invalid("", "", "", [api_errors.wrong("patch", _text(body), text)]) from error
        return self._replace(at, old, found, options, None), False

    def _apply(self, at: Target, config: Any, options: Options) -> tuple[Body, bool]:
        resource = at.resource
        if not isinstance(config, dict):
            raise bad_request("error decoding YAML: an apply configuration is an object")
        sent = config
        own = config["metadata"] if isinstance(config.get("metadata"), dict) else {}
        given = f"{own.get('namespace', '')}/{own.get('name', '')}"  # as messages say it
        config = identify(resource, at.namespace, config)
        if config["metadata"].get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        if config["metadata"].setdefault("name", at.name) != at.name:
            raise bad_request(
                f"the name of the object ({config['metadata']['name']}) does not match the name on the URL ({at.name})"
            )
        old = self._find(at)
        if old is None and at.subresource:
            raise api_errors.not_found(resource.group, resource.plural, at.name)
        if old is not None:
            self._check_version(at, old, config["metadata"].get("resourceVersion"))
            self._check_uid(at, old, config["metadata"].get("uid"))
        elif config["metadata"].get("uid"):
            raise api_errors.conflict(resource.group, resource.plural, at.name, "uid mismatch: the provided object specified uid"
                                    f" {config['metadata']['uid']}, and no existing object was found")  # fmt: skip
        fault = field_sets.find_fault(resource.node, config)
        if fault:
            what = f"{given}; {resource.api_version}, Kind={resource.kind}"
            raise StatusError(500, "", f"failed to create typed patch object ({what}): {fault}")
        read(resource, config, options)  # wrong types are the configuration's, not the merged object's
        config = {key: value for key, value in config.items() if value is not None}
        live = old.body if old is not None else {}
        writer = self._writer(at, options)
        merged, owners = managed_fields.apply(resource.node, live, config, writer, options.force)
        if writer.name == "kubectl":
            merged = patches.with_last_applied(merged, sent)
        body = read(resource, merged, Options(strict="Ignore"), merged=True)
        if old is not None:
            return self._replace(at, old, body, options, owners), False
        return self._create(at, body, options, owners), True

    # ------------------------------------------------------------------ delete

    def delete(self, at: Target, wanted: Mapping[str, Any], options: Options) -> tuple[Body, bool]:
        """Delete an object; says whether it is gone already.

        Args:
            at: which.
            wanted: DeleteOptions.
            options: of the request.

        Raises:
            StatusError: it is not there, must not go, or a precondition does not hold.
        """
        resource, entry = at.resource, self.get(at)
        admit_delete(resource, at.name)
        deletion.check_preconditions(resource, entry, wanted.get("preconditions") or {})
        body = entry.body
        grace = deletion.grace_s(resource, body, wanted)
        finalizers = deletion.finalizers_after(body, wanted)
        if resource.key == DEFINITIONS and "deletionTimestamp" not in body["metadata"] and CLEANUP not in finalizers:
            finalizers = [*finalizers, CLEANUP]
        gone = (
            grace == 0
            and not finalizers
            and not (resource.key == NAMESPACES and body.get("spec", {}).get("finalizers"))
        )
        if gone and resource.key == PODS:
            metadata = body["metadata"] | {"deletionTimestamp": self.now(), "deletionGracePeriodSeconds": 0}
            metadata["generation"] = metadata.get("generation", 0) + ("deletionTimestamp" not in body["metadata"])
            if not options.dry_run:
                self.store.remove(resource.key, at.namespace, at.name)
            return body | {"metadata": metadata}, True
        if gone:
            if options.dry_run:
                return body, True
            return versions.shown(resource, self.store.remove(resource.key, at.namespace, at.name)).body, True
        marked = deletion.mark(resource, body, grace, finalizers, self.now())
        if marked is None:
            return body, False
        body = marked
        if options.dry_run:
            return body, False
        return self._put(at, body), False

    # ------------------------------------------------------------------ shared

    def _put(self, at: Target, body: Body) -> Body:
        try:
            if at.resource.key == events.CORE:
                body = events.written_out(body)
            body = versions.kept(self.catalog.stored(at.resource.key), body)
            entry = self.store.put(at.resource.key, at.namespace, at.name, body)
            return versions.shown(at.resource, entry).body
        except TooLargeError as error:
            raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {error}") from error

    def _as_stored(self, at: Target, body: Body) -> Body:
        """What a dry run would have written."""
        entry = Entry(versions.kept(self.catalog.stored(at.resource.key), body), 0)
        return versions.shown(at.resource, entry).body

    def _is_current(self, at: Target) -> bool:
        """Whether an object is kept in the version in which it would be now; else any update brings it there."""
        entry, storage = self.store.get(at.resource.key, at.namespace, at.name), self.catalog.stored(at.resource.key)
        return (
            entry is None
            or storage is None
            or storage.custom is None
            or entry.body["apiVersion"] == storage.api_version
        )

    def _writer(self, at: Target, options: Options) -> Writer:
        resource = at.resource
        reset = strategies.reset_fields(resource.group, resource.kind, at.subresource, resource.custom is not None)
        if resource.custom is not None and not at.subresource and "status" not in resource.subresources:
            reset = ()
        now = "" if at.subresource == "scale" else self.now()  # an entry of a scale carries no time
        two_spellings = resource.key in (events.CORE, events.NEW)
        return Writer(options.manager, resource.api_version, at.subresource, now, reset, two_spellings)

    def _check_kind(self, at: Target, body: Body) -> None:
        """A patch cannot make another kind of a custom object."""
        right = {"apiVersion": at.resource.api_version, "kind": at.resource.kind}
        wrong = [name for name, value in right.items() if body.get(name) not in (None, "", value)]
        if wrong:
            raise self._invalid(at, [api_errors.wrong(name, body[name], f"must be {right[name]}") for name in wrong])

    def _validate(self, at: Target, body: Body, old: Body | None, options: Options) -> None:
        resource = at.resource
        found = strategies.metadata_faults(
            resource.kind,
            body,
            resource.group in PLAIN_NAMES,
            resource.custom is not None or resource.key == DEFINITIONS,
        )
        if resource.custom is None:
            if at.subresource != "status":
                found += strategies.faults_of(resource.group, resource.kind, body, old) if not at.subresource else []
            elif body.get("status") != (old or {}).get("status"):
                found += status_faults(resource.kind, body)
        else:
            found += custom_resources.check(resource.node, body, custom_resources.ABSENT if old is None else old)
            found += rules_after_faults(resource.node, body, old, found, options.warnings)
        if found:
            raise self._invalid(at, found)
        changed = old is None or old.get("spec") != body.get("spec")
        if resource.custom is None and options.strict != "Ignore" and changed:
            options.warnings.extend(warnings_of(resource.kind, body))

    def _confirm(self, at: Target, name: str, body: Body, old: Body | None, options: Options) -> None:
        if at.resource.group == RBAC and options.user is not None:
            escalation.confirm(self.store, options.user, at.resource.plural, at.namespace, name, body, old)

    def _admit(self, at: Target, body: Body, old: Body | None, options: Options) -> None:
        if at.resource.custom is None and not at.subresource:
            options.warnings.extend(admit(self.store, at.resource, body, old))

    def _invalid(self, at: Target, causes: list[Cause]) -> StatusError:
        group = "" if at.resource.group == events.GROUP else at.resource.group  # as it is kept
        return api_errors.invalid(group, at.resource.kind, at.name, causes)


def _prepare_custom(resource: Resource, body: Body, old: Body, subresource: str) -> Body:
    if subresource == "status":
        found = dict(old)
        found.pop("status", None)
        if "status" in body:
            found["status"] = body["status"]
        metadata = dict(old["metadata"])
        if "managedFields" in body["metadata"]:
            metadata["managedFields"] = body["metadata"]["managedFields"]
        return found | {"metadata": metadata}
    if "status" in resource.subresources:
        body = {key: value for key, value in body.items() if key != "status"} | (
            {"status": old["status"]} if "status" in old else {}
        )
    ignored = ("metadata", "status") if "status" in resource.subresources else ("metadata",)
    if {k: v for k, v in body.items() if k not in ignored} != {k: v for k, v in old.items() if k not in ignored}:
        body["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return body


def _text(body: Body) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
