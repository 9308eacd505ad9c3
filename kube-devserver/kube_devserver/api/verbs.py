"""Create, read, update, patch and delete: the steps of every write, in Kubernetes' order, without HTTP.

Decode -> prune -> defaults -> strategy -> managed fields -> validation -> rules -> admission -> store. All of
it is synchronous: on one event loop a request is atomic, and no lock is needed.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from random import Random, SystemRandom
from typing import Any

from kube_devserver import api_errors
from kube_devserver.api import deletion, strategies
from kube_devserver.api.admission import admit, admit_delete
from kube_devserver.api.object_intake import check_applied, identify, read
from kube_devserver.api.options import Options, Target
from kube_devserver.api.service_addresses import assign_address, keep_address
from kube_devserver.api.validation import object_faults
from kube_devserver.api_errors import Cause, StatusError, bad_request
from kube_devserver.custom import custom_resources
from kube_devserver.custom.validation_rules import rules_after_faults
from kube_devserver.objects import events, kinds, managed_fields, patches
from kube_devserver.objects.conditions import is_terminating
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.managed_fields import Manager, Writer
from kube_devserver.objects.metadata_validation import metadata_faults
from kube_devserver.objects.resource_registry import CLEANUP, Registry, Resource
from kube_devserver.storage import versions
from kube_devserver.storage.store import Entry, Store, TooLargeError

SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # characters of generated names
# A PUT of these creates an object that does not exist.
CREATED_BY_UPDATE = {kinds.LEASES, kinds.SERVICES, kinds.EVENTS, kinds.NEW_EVENTS}
STRATEGIC, MERGE, JSON_PATCH, APPLY = (
    "application/strategic-merge-patch+json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)


class Verbs:
    """Writes, and reads of single objects.

    Args:
        store: the objects.
        registry: the kinds that are served.
        now: returns the time, UTC, as RFC 3339 in seconds.
        random_source: of names and UIDs; None for the system's.
    """

    def __init__(
        self, store: Store, registry: Registry, now: Callable[[], str], random_source: Random | None = None
    ) -> None:
        self.store, self.registry, self.now = store, registry, now
        self._random = random_source or SystemRandom()

    # ------------------------------------------------------------------ reading

    def get(self, at: Target) -> Entry:
        """One object, in the version of the target.

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
        """Create an object and return it as stored.

        Raises:
            StatusError: the object is refused.
        """
        body = identify(resource, namespace, body)
        metadata = body["metadata"]
        if metadata.get("resourceVersion"):
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:58] + "".join(self._random.choices(SUFFIX, k=5))
        at = Target(resource, namespace, metadata.get("name", ""))
        return self._create(at, read(resource, body, options), options, None)

    def _create(self, at: Target, body: Body, options: Options, owners: list[Manager] | None) -> Body:
        resource = at.resource
        self._check_namespace(resource, at.namespace)
        dropped = ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation")
        metadata = {k: v for k, v in body["metadata"].items() if k not in dropped}
        uid = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        body = body | {"metadata": metadata | {"uid": uid, "creationTimestamp": self.now()}}
        # Before strategy and admission: no manager owns what they add.
        body = self._with_managers(at, None, body, options, owners)
        body = strategies.prepare_create(resource, body)
        if resource.key == kinds.SERVICES:
            assign_address(self.store, self._random, body)
        self._validate(at, body, None, options)
        if (known := self.store.get(resource.key, at.namespace, at.name)) is not None:
            is_going = "deletionTimestamp" in known.body["metadata"]
            raise api_errors.already_exists(resource.group, resource.plural, at.name, is_going)
        return self._as_stored(at, body) if options.dry_run else self._put(at, body)

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if not resource.namespaced:
            return
        found = self.store.get(kinds.NAMESPACES, "", namespace)
        if found is None:
            raise api_errors.not_found("", "namespaces", namespace)
        if is_terminating(found.body):
            raise api_errors.terminating(resource.group, resource.plural, namespace)

    # ------------------------------------------------------------------ update

    def update(self, at: Target, body: Body, options: Options) -> tuple[Body, bool]:
        """Replace an object, or its status; returns it as stored, and whether it was created.

        Raises:
            StatusError: the object is refused.
        """
        body = identify(at.resource, at.namespace, body)
        body["metadata"]["name"] = body["metadata"].get("name") or at.name
        _check_name(at, body)
        is_created = at.resource.key in CREATED_BY_UPDATE or at.resource.group == kinds.RBAC
        if is_created and not at.subresource and self._find(at) is None:
            body["metadata"].pop("resourceVersion", None)
            return self._create(at, read(at.resource, body, options), options, None), True
        old = self.get(at)
        if not body["metadata"].get("resourceVersion") and (
            at.resource.custom is not None or at.resource.key == kinds.LEASES
        ):
            text = "Invalid value: 0: must be specified for an update"
            cause = Cause("metadata.resourceVersion", "FieldValueInvalid", text)
            raise api_errors.invalid(at.resource.group, at.resource.plural, at.name, [cause])
        _check_preconditions(at, old, body)
        return self._replace(at, old, read(at.resource, body, options, stored=old.body), options, None), False

    def _replace(
        self, at: Target, old: Entry, body: Body, options: Options, owners: list[Manager] | None
    ) -> Body:
        """Store an updated object that has been decoded: the common end of PUT and of every patch."""
        resource, was = at.resource, old.body
        body = strategies.prepare_update(resource, body, was, at.subresource)
        body = self._with_managers(at, was, body, options, owners)
        if resource.key == kinds.SERVICES and not at.subresource:  # no manager owns an assigned address
            body = body | {"spec": keep_address(body["spec"], was["spec"])}
            assign_address(self.store, self._random, body)
        is_same = body == was or managed_fields.timeless(body) == managed_fields.timeless(was)
        if is_same and self._is_current(at):
            return was  # an update without a change keeps the resourceVersion
        self._validate(at, body, was, options)
        self._check_finalizers(at, body, was)
        if options.dry_run:
            return self._as_stored(at, body)
        if deletion.is_finished(resource, body):
            # Removed as it was stored last: Kubernetes reports no event for the last change alone.
            self.store.remove(resource.key, at.namespace, at.name)
            return body
        return self._put(at, body)

    def _check_finalizers(self, at: Target, body: Body, old: Body) -> None:
        if not is_terminating(body):
            return
        added = set(body["metadata"].get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
        if added:
            shown = ", ".join(map(api_errors.show, sorted(added)))
            text = "no new finalizers can be added if the object is being deleted, found new finalizers"
            cause = api_errors.prohibited("metadata.finalizers", f"{text} []string{{{shown}}}")
            raise self._invalid(at, [cause])

    # ------------------------------------------------------------------ patch

    def patch(self, at: Target, kind: str, patch: Any, options: Options) -> tuple[Body, bool]:
        """Patch an object; returns it as stored, and whether an apply created it.

        Args:
            at: the object.
            kind: the patch's media type.
            patch: decoded from JSON or YAML.
            options: of the request.

        Raises:
            StatusError: the patch is refused.
        """
        if kind == APPLY:
            return self._apply(at, patch, options)
        old = self.get(at)
        body = self._patched(at, old.body, kind, patch)
        body = identify(at.resource, at.namespace, body)
        _check_name(at, body)
        _check_preconditions(at, old, body)
        try:
            found = read(at.resource, body, options, stored=old.body)
        except StatusError as error:
            _, strict, fields = str(error).partition("strict decoding error")
            if at.resource.custom is not None and not strict:
                raise
            shown = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            cause = api_errors.wrong("patch", shown, strict + fields if strict else str(error))
            raise api_errors.invalid("", "", "", [cause]) from error
        return self._replace(at, old, found, options, None), False

    def _patched(self, at: Target, old: Body, kind: str, patch: Any) -> Any:
        body: Any
        if kind == JSON_PATCH:
            body = patches.json_patch(old, patch)
        elif kind == MERGE:
            if not isinstance(patch, dict):
                raise bad_request(patches.NOT_A_MAP.format(patches.go_type(patch)))
            body = patches.merge_patch(old, patch)
        elif at.resource.custom is None:
            return patches.strategic_patch(at.resource.node, old, patch)
        else:
            raise api_errors.unsupported(kind, [JSON_PATCH, MERGE, APPLY])
        if at.resource.custom is not None and isinstance(body, dict):
            self._check_kind(at, body)
        return body

    def _check_kind(self, at: Target, body: Body) -> None:
        """Refuse a patch that gives a custom object another kind or version."""
        right = {"apiVersion": at.resource.api_version, "kind": at.resource.kind}
        wrong = [name for name, value in right.items() if body.get(name) not in (None, "", value)]
        if wrong:
            causes = [api_errors.wrong(name, body[name], f"must be {right[name]}") for name in wrong]
            raise self._invalid(at, causes)

    def _apply(self, at: Target, sent: Any, options: Options) -> tuple[Body, bool]:
        resource = at.resource
        if not isinstance(sent, dict):
            raise bad_request("error decoding YAML: an apply configuration is an object")
        config = identify(resource, at.namespace, sent)
        if config["metadata"].get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        config["metadata"].setdefault("name", at.name)
        _check_name(at, config)
        old = self._find(at)
        self._check_apply_target(at, old, config)
        check_applied(resource, sent, config, options)
        config = {key: value for key, value in config.items() if value is not None}
        live = old.body if old is not None else {}
        writer = self._writer(at, options)
        merged, owners = managed_fields.apply(resource.node, live, config, writer, options.force)
        body = read(resource, merged, Options(validation="Ignore"), merged=True, stored=live)
        if old is not None:
            return self._replace(at, old, body, options, owners), False
        return self._create(at, body, options, owners), True

    def _check_apply_target(self, at: Target, old: Entry | None, config: Body) -> None:
        uid = config["metadata"].get("uid")
        if old is not None:
            _check_preconditions(at, old, config)
        elif at.subresource:
            raise api_errors.not_found(at.resource.group, at.resource.plural, at.name)
        elif uid:
            text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise api_errors.conflict(at.resource.group, at.resource.plural, at.name, text)

    # ------------------------------------------------------------------ delete

    def delete(self, at: Target, wanted: Mapping[str, Any], options: Options) -> tuple[Body, bool]:
        """Delete an object; returns its last state, and whether it is gone already.

        Args:
            at: the object.
            wanted: DeleteOptions.
            options: of the request.

        Raises:
            StatusError: the object does not exist, may not be deleted, or a precondition does not hold.
        """
        resource, entry = at.resource, self.get(at)
        admit_delete(resource, at.name)
        deletion.check_preconditions(resource, entry, wanted.get("preconditions") or {})
        body = entry.body
        grace = deletion.grace_s(resource, body, wanted)
        finalizers = deletion.finalizers_after(body, wanted)
        is_going = "deletionTimestamp" in body["metadata"]
        if resource.key == kinds.DEFINITIONS and not is_going and CLEANUP not in finalizers:
            finalizers = [*finalizers, CLEANUP]
        waits = resource.key == kinds.NAMESPACES and body.get("spec", {}).get("finalizers")
        if grace == 0 and not finalizers and not waits:
            return self._remove(at, body, options), True
        marked = deletion.mark(resource, body, grace, finalizers, self.now())
        if marked is None or options.dry_run:
            return marked or body, False
        return self._put(at, marked), False

    def _remove(self, at: Target, body: Body, options: Options) -> Body:
        removed = body if options.dry_run else self.store.remove(at.resource.key, at.namespace, at.name).body
        if at.resource.key != kinds.PODS:
            return versions.shown(at.resource, Entry(removed, 0)).body
        metadata = body["metadata"] | {"deletionTimestamp": self.now(), "deletionGracePeriodSeconds": 0}
        metadata["generation"] = metadata.get("generation", 0) + ("deletionTimestamp" not in body["metadata"])
        return body | {"metadata": metadata}

    # ------------------------------------------------------------------ shared steps

    def _put(self, at: Target, body: Body) -> Body:
        try:
            if at.resource.key == kinds.EVENTS:
                body = events.written_out(body)
            body = versions.kept(self.registry.stored(at.resource.key), body)
            entry = self.store.put(at.resource.key, at.namespace, at.name, body)
            return versions.shown(at.resource, entry).body
        except TooLargeError as error:
            raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {error}") from error

    def _as_stored(self, at: Target, body: Body) -> Body:
        """The object that a dry run would have stored."""
        entry = Entry(versions.kept(self.registry.stored(at.resource.key), body), 0)
        return versions.shown(at.resource, entry).body

    def _is_current(self, at: Target) -> bool:
        """Whether an object is stored in the present storage version; any update migrates one that is not."""
        storage = self.registry.stored(at.resource.key)
        entry = self.store.get(at.resource.key, at.namespace, at.name)
        if entry is None or storage is None or storage.custom is None:
            return True
        return bool(entry.body["apiVersion"] == storage.api_version)

    def _with_managers(
        self, at: Target, old: Body | None, body: Body, options: Options, owners: list[Manager] | None
    ) -> Body:
        """The object with its managed fields: `owners` after an apply, else the tracked ones."""
        if owners is not None:
            return managed_fields.write_managers(body, owners)
        return managed_fields.track_update(at.resource.node, old, body, self._writer(at, options))

    def _writer(self, at: Target, options: Options) -> Writer:
        reset = strategies.reset_fields(at.resource, at.subresource)
        now = "" if at.subresource == "scale" else self.now()  # an entry of a scale has no time
        two_spellings = at.resource.key in (kinds.EVENTS, kinds.NEW_EVENTS)
        return Writer(options.manager, at.resource.api_version, at.subresource, now, reset, two_spellings)

    def _validate(self, at: Target, body: Body, old: Body | None, options: Options) -> None:
        """Refuse an object that is not valid or not admitted, and collect warnings."""
        resource = at.resource
        is_custom = resource.custom is not None or resource.key == kinds.DEFINITIONS
        found = metadata_faults(resource.kind, body, resource.group == kinds.RBAC, is_custom)
        if resource.custom is not None:
            before = custom_resources.ABSENT if old is None else old
            found += custom_resources.check(resource.node, body, before)
            found += rules_after_faults(resource.node, body, old, found, options.warnings, time.process_time)
        elif not at.subresource:
            found += object_faults(resource.key, body, old)
        if found:
            raise self._invalid(at, found)
        if resource.custom is not None:
            return
        is_changed = old is None or old.get("spec") != body.get("spec")
        if options.validation != "Ignore" and is_changed:
            options.warnings.extend(kinds.inert_warnings(resource.key, resource.kind))
        if not at.subresource:
            admit(self.store, resource, body, old)

    def _invalid(self, at: Target, causes: list[Cause]) -> StatusError:
        # Of the spelling that is stored.
        group = "" if at.resource.group == events.GROUP else at.resource.group
        return api_errors.invalid(group, at.resource.kind, at.name, causes)


def _check_name(at: Target, body: Body) -> None:
    name = body["metadata"].get("name", "")
    if name != at.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({at.name})")


def _check_preconditions(at: Target, old: Entry, body: Body) -> None:
    """Compare resourceVersion and UID of a write with the stored object."""
    metadata = body["metadata"]
    version, uid, real = metadata.get("resourceVersion"), metadata.get("uid"), old.body["metadata"].get("uid")
    group, plural = at.resource.group, at.resource.plural
    if version and version not in (str(old.revision), "0"):
        raise api_errors.conflict(group, plural, at.name)
    if uid and uid != real:
        key = f"/registry/{'/'.join(part for part in (plural, at.namespace, at.name) if part)}"
        why = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg:"
            f" Precondition failed: UID in precondition: {uid}, UID in object meta: {real}"
        )
        raise api_errors.conflict(group, plural, at.name, why)
