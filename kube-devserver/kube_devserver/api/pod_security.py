"""Pod Security admission: what the labels `pod-security.kubernetes.io/*` of a namespace ask of its pods.

After k8s.io/pod-security-admission, words included. A check takes a pod's metadata and spec and returns a reason and a detail, or None; those
of a level run in the order of their names, baseline before restricted, and a restricted one may stand in for a baseline one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kube_devserver.api_errors import Cause, wrong

Body = dict[str, Any]
Finding = tuple[str, str] | None
PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
LATEST = 10_000
PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"^v1\.([0-9]|[1-9][0-9]*)\Z")
_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)
_SYSCTLS = {
    0: "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range"
       " net.ipv4.ip_unprivileged_port_start",
    27: "net.ipv4.ip_local_reserved_ports",
    29: "net.ipv4.tcp_keepalive_time net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes",
    32: "net.ipv4.tcp_rmem net.ipv4.tcp_wmem",
}  # fmt: skip
_SELINUX = {0: ("", "container_t", "container_init_t", "container_kvm_t"), 31: ("container_engine_t",)}


@dataclass(frozen=True)
class Level:
    """One of the levels at one of Kubernetes' minor versions."""

    name: str = PRIVILEGED
    minor: int = LATEST

    def __str__(self) -> str:
        """As messages say it."""
        return f"{self.name}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"


@dataclass(frozen=True)
class Policy:
    """What a namespace asks for."""

    enforce: Level = Level()
    audit: Level = Level()
    warn: Level = Level()


def policy_of(labels: dict[str, str]) -> tuple[Policy, list[Cause]]:
    """The policy of a namespace's labels, and what is wrong with them: then enforcing is as strict as can be, and nothing warns.

    >>> policy, causes = policy_of({"pod-security.kubernetes.io/enforce": "baseline"})
    >>> str(policy.enforce), str(policy.warn), causes
    ('baseline:latest', 'baseline:latest', [])
    """
    found: dict[str, Level] = {}
    causes: list[Cause] = []
    for mode in ("enforce", "audit", "warn"):
        name, minor = PRIVILEGED, LATEST
        if (text := labels.get(PREFIX + mode)) is not None:
            name = text if text in LEVELS else (RESTRICTED if mode == "enforce" else PRIVILEGED)
            if text not in LEVELS:
                causes.append(_label_fault(mode, text, f"must be one of {', '.join(LEVELS)}"))
        if (text := labels.get(f"{PREFIX}{mode}-version")) is not None and text != "latest":
            match = _VERSION.match(text)
            minor = int(match[1]) if match else LATEST
            if match is None:
                causes.append(_label_fault(f"{mode}-version", text, 'must be "latest" or "v1.x"'))
        found[mode] = Level(name, minor)
    enforce = found["enforce"]
    if PREFIX + "warn" not in labels and labels.get(PREFIX + "enforce") in (BASELINE, RESTRICTED):
        minor = found["warn"].minor if f"{PREFIX}warn-version" in labels else enforce.minor
        found["warn"] = Level(enforce.name, minor)
    return Policy(enforce, found["audit"], found["warn"]), causes


def _label_fault(label: str, value: str, why: str) -> Cause:
    return wrong(f"metadata.labels[{PREFIX}{label}]", value, why)


def violations(level: Level, metadata: Body, spec: Body) -> list[tuple[str, str]]:
    """Reason and detail of every check of a level that a pod fails."""
    if level.name == PRIVILEGED:
        return []
    pod = _Pod(metadata, spec, level.minor)
    found = [check(pod) for check in _checks(level)]
    return [each for each in found if each is not None]


def spell(found: Iterable[tuple[str, str]]) -> str:
    """Violations as messages say them.

    >>> spell([("privileged", "container c must not ..."), ("hostPort", "")])
    'privileged (container c must not ...), hostPort'
    """
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in found)


def warnings_for_namespace(namespace: str, level: Level, pods: Iterable[Body]) -> list[str]:
    """What a stricter level finds among the pods that a namespace has already."""
    names: dict[str, list[str]] = {}
    for pod in pods:
        if found := violations(level, pod["metadata"], pod["spec"]):
            names.setdefault(", ".join(reason for reason, _ in found), []).append(pod["metadata"]["name"])
    if not names:
        return []
    lines = []
    for reason, each in names.items():
        others = len(each) - 1
        more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
        lines.append(f"{min(each)}{more}: {reason}")
    head = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
    return [head, *sorted(lines)]


# ------------------------------------------------------------------ what checks share


@dataclass(frozen=True)
class _Pod:
    metadata: Body
    spec: Body
    minor: int

    @property
    def context(self) -> Body:
        """The pod's own security context."""
        return self.spec.get("securityContext") or {}

    @property
    def containers(self) -> list[Body]:
        """All of them."""
        names = ("initContainers", "containers", "ephemeralContainers")
        return [each for name in names for each in self.spec.get(name) or ()]

    @property
    def in_user_namespace(self) -> bool:
        """Whether root inside is nobody outside: some rules need not hold then."""
        return self.minor >= 35 and self.spec.get("hostUsers") is False

    def exempt(self) -> bool:
        """Windows has no such settings."""
        return self.minor >= 25 and (self.spec.get("os") or {}).get("name") == "windows"

    def where(self, bad: Callable[[Body], bool]) -> list[str]:
        """Names of containers whose security context is bad."""
        return [each["name"] for each in self.containers if bad(each.get("securityContext") or {})]


def _quote(items: Iterable[str]) -> str:
    return ", ".join(json.dumps(each, ensure_ascii=False) for each in items)


def _several(one: str, many: str, items: Iterable[str]) -> str:
    listed = list(items)
    return f"{one if len(listed) == 1 else many} {_quote(listed)}"


def _containers(names: list[str]) -> str:
    return _several("container", "containers", names)


def _setters(pod: bool, names: list[str]) -> list[str]:
    return (["pod"] if pod else []) + ([_containers(names)] if names else [])


# ------------------------------------------------------------------ baseline


def _app_armor(pod: _Pod) -> Finding:
    def bad(context: Body) -> bool:
        kind = (context.get("appArmorProfile") or {}).get("type")
        return kind is not None and kind not in ("RuntimeDefault", "Localhost")

    names = pod.where(bad)
    setters = _setters(bad(pod.context), names)
    contexts = [pod.context, *(each.get("securityContext") or {} for each in pod.containers)]
    values = sorted({context["appArmorProfile"]["type"] for context in contexts if bad(context)})
    noted = sorted(
        f"{key}={json.dumps(value)}" for key, value in (pod.metadata.get("annotations") or {}).items()
        if key.startswith("container.apparmor.security.beta.kubernetes.io/")
        and value and value != "runtime/default" and not value.startswith("localhost/")
    )  # fmt: skip
    if noted:
        setters.append("annotation" if len(noted) == 1 else "annotations")
        values += noted
    if not setters:
        return None
    reason = "forbidden AppArmor profile" + ("s" if len(values) != 1 else "")
    return reason, f"{' and '.join(setters)} must not set AppArmor profile type to {_quote(values)}"


def _added(container: Body) -> list[str]:
    return ((container.get("securityContext") or {}).get("capabilities") or {}).get("add") or []


def _capabilities_baseline(pod: _Pod) -> Finding:
    bad = {
        each["name"]: set(_added(each)) - _CAPABILITIES for each in pod.containers if set(_added(each)) - _CAPABILITIES
    }
    if not bad:
        return None
    named = sorted(set().union(*bad.values()))
    return "non-default capabilities", (
        f"{_containers(list(bad))} must not include {_quote(named)} in securityContext.capabilities.add"
    )


def _host_namespaces(pod: _Pod) -> Finding:
    found = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(name)]
    return ("host namespaces", ", ".join(found)) if found else None


def _host_paths(pod: _Pod) -> Finding:
    found = [each["name"] for each in pod.spec.get("volumes") or () if each.get("hostPath") is not None]
    return ("hostPath volumes", _several("volume", "volumes", found)) if found else None


def _host_ports(pod: _Pod) -> Finding:
    found = {
        each["name"]: [p["hostPort"] for p in each.get("ports") or () if p.get("hostPort")] for each in pod.containers
    }
    names = [name for name, ports in found.items() if ports]
    if not names:
        return None
    ports = sorted({str(port) for each in found.values() for port in each})
    verb, noun = ("uses" if len(names) == 1 else "use"), ("hostPort" if len(ports) == 1 else "hostPorts")
    return "hostPort", f"{_containers(names)} {verb} {noun} {', '.join(ports)}"


def _hosts_of(container: Body) -> set[str]:
    handlers = [container.get(name) or {} for name in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [each or {} for each in (container.get("lifecycle") or {}).values() if isinstance(each, dict)]
    found = [(each.get(name) or {}).get("host") for each in handlers for name in ("httpGet", "tcpSocket")]
    return {str(host) for host in found if host}


def _host_probes(pod: _Pod) -> Finding:
    bad = {each["name"]: _hosts_of(each) for each in pod.containers if _hosts_of(each)}
    if not bad or pod.minor < 34:
        return None
    hosts = sorted(set().union(*bad.values()))
    verb = "uses" if len(bad) == 1 else "use"
    return "probe or lifecycle host", (
        f"{_containers(sorted(bad))} {verb} {_several('probe or lifecycle host', 'probe or lifecycle hosts', hosts)}"
    )


def _privileged(pod: _Pod) -> Finding:
    bad = pod.where(lambda context: bool(context.get("privileged")))
    return ("privileged", f"{_containers(bad)} must not set securityContext.privileged=true") if bad else None


def _proc_mount_always(pod: _Pod) -> Finding:
    bad = pod.where(lambda context: context.get("procMount", "Default") != "Default")
    if not bad:
        return None
    values = sorted({each["securityContext"]["procMount"] for each in pod.containers if each["name"] in bad})
    return "procMount", f"{_containers(bad)} must not set securityContext.procMount to {_quote(values)}"


def _proc_mount(pod: _Pod) -> Finding:
    return None if pod.in_user_namespace else _proc_mount_always(pod)


def _se_linux(pod: _Pod) -> Finding:
    allowed = {each for minor, types in _SELINUX.items() if pod.minor >= minor for each in types}

    def bad(context: Body) -> bool:
        options = context.get("seLinuxOptions") or {}
        return bool(options.get("type", "") not in allowed or options.get("user") or options.get("role"))

    setters = _setters(bad(pod.context), pod.where(bad))
    if not setters:
        return None
    contexts = [pod.context, *(each.get("securityContext") or {} for each in pod.containers)]
    options = [context.get("seLinuxOptions") or {} for context in contexts]
    types = sorted({each.get("type", "") for each in options} - allowed)
    data = [_several("type", "types", types)] if types else []
    data += [f"{name} may not be set" for name in ("user", "role") if any(each.get(name) for each in options)]
    return "seLinuxOptions", f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"


def _seccomp_kind(context: Body) -> str | None:
    profile = context.get("seccompProfile")
    return None if profile is None else str(profile.get("type", ""))


def _seccomp_is_bad(context: Body) -> bool:
    return _seccomp_kind(context) not in (None, "Localhost", "RuntimeDefault")


def _seccomp_baseline(pod: _Pod) -> Finding:
    names = pod.where(_seccomp_is_bad)
    setters = _setters(_seccomp_is_bad(pod.context), names)
    if not setters:
        return None
    contexts = [pod.context, *(each.get("securityContext") or {} for each in pod.containers)]
    values = sorted({str(_seccomp_kind(context)) for context in contexts if _seccomp_is_bad(context)})
    return "seccompProfile", (
        f"{' and '.join(setters)} must not set securityContext.seccompProfile.type to {_quote(values)}"
    )


def _sysctls(pod: _Pod) -> Finding:
    allowed = {each for minor, names in _SYSCTLS.items() if pod.minor >= minor for each in names.split()}
    bad = [each["name"] for each in pod.context.get("sysctls") or () if each["name"] not in allowed]
    return ("forbidden sysctls", ", ".join(bad)) if bad else None


def _host_process(pod: _Pod) -> Finding:
    def bad(context: Body) -> bool:
        return bool((context.get("windowsOptions") or {}).get("hostProcess"))

    setters = _setters(bad(pod.context), pod.where(bad))
    if not setters:
        return None
    return "hostProcess", f"{' and '.join(setters)} must not set securityContext.windowsOptions.hostProcess=true"


# ------------------------------------------------------------------ restricted


def _escalation(pod: _Pod) -> Finding:
    bad = pod.where(lambda context: context.get("allowPrivilegeEscalation") is not False)
    if not bad or pod.exempt():
        return None
    detail = f"{_containers(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return "allowPrivilegeEscalation != false", detail


def _capabilities_restricted(pod: _Pod) -> Finding:
    if pod.exempt():
        return None
    keep = pod.where(lambda context: "ALL" not in ((context.get("capabilities") or {}).get("drop") or ()))
    add = {each["name"]: set(_added(each)) - {"NET_BIND_SERVICE"} for each in pod.containers}
    adding = [name for name, each in add.items() if each]
    details = [f'{_containers(keep)} must set securityContext.capabilities.drop=["ALL"]'] if keep else []
    if adding:
        named = sorted(set().union(*add.values()))
        details.append(f"{_containers(adding)} must not include {_quote(named)} in securityContext.capabilities.add")
    return ("unrestricted capabilities", "; ".join(details)) if details else None


def _volumes(pod: _Pod) -> Finding:
    bad = {
        each["name"]: sorted(set(each) - {"name"}) for each in pod.spec.get("volumes") or () if not set(each) & _VOLUMES
    }
    if not bad:
        return None
    kinds = sorted({each[0] if each else "unknown" for each in bad.values()})
    verb = "uses" if len(bad) == 1 else "use"
    return "restricted volume types", (
        f"{_several('volume', 'volumes', bad)} {verb} {_several('restricted volume type', 'restricted volume types', kinds)}"
    )


def _non_root(pod: _Pod) -> Finding:
    if pod.in_user_namespace:
        return None
    whole = pod.context.get("runAsNonRoot")
    setters = _setters(whole is False, pod.where(lambda context: context.get("runAsNonRoot") is False))
    if setters:
        return "runAsNonRoot != true", f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
    silent = [] if whole else pod.where(lambda context: context.get("runAsNonRoot") is None)
    if silent:
        return "runAsNonRoot != true", f"pod or {_containers(silent)} must set securityContext.runAsNonRoot=true"
    return None


def _root_user(pod: _Pod) -> Finding:
    if pod.in_user_namespace:
        return None
    setters = _setters(pod.context.get("runAsUser") == 0, pod.where(lambda context: context.get("runAsUser") == 0))
    return ("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0") if setters else None


def _seccomp_restricted(pod: _Pod) -> Finding:
    if pod.exempt():
        return None
    if (found := _seccomp_baseline(pod)) is not None:
        return found
    silent = [] if _seccomp_kind(pod.context) else pod.where(lambda context: _seccomp_kind(context) is None)
    if not silent:
        return None
    return "seccompProfile", (
        f'pod or {_containers(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    )


# name, first minor version, check, the baseline check that it stands in for
_BASELINE: tuple[tuple[str, int, Callable[[_Pod], Finding]], ...] = (
    ("appArmorProfile", 0, _app_armor), ("capabilities_baseline", 0, _capabilities_baseline),
    ("hostNamespaces", 0, _host_namespaces), ("hostPathVolumes", 0, _host_paths), ("hostPorts", 0, _host_ports),
    ("hostProbesAndHostLifecycle", 34, _host_probes), ("privileged", 0, _privileged), ("procMount", 0, _proc_mount),
    ("seLinuxOptions", 0, _se_linux), ("seccompProfile_baseline", 19, _seccomp_baseline), ("sysctls", 0, _sysctls),
    ("windowsHostProcess", 0, _host_process),
)  # fmt: skip
_RESTRICTED: tuple[tuple[str, int, Callable[[_Pod], Finding], str], ...] = (
    ("allowPrivilegeEscalation", 8, _escalation, ""),
    ("capabilities_restricted", 22, _capabilities_restricted, "capabilities_baseline"),
    ("procMount_restricted", 35, _proc_mount_always, "procMount"),
    ("restrictedVolumes", 0, _volumes, "hostPathVolumes"), ("runAsNonRoot", 0, _non_root, ""), ("runAsUser", 23, _root_user, ""),
    ("seccompProfile_restricted", 19, _seccomp_restricted, "seccompProfile_baseline"),
)  # fmt: skip


def _checks(level: Level) -> list[Callable[[_Pod], Finding]]:
    strict = [each for each in _RESTRICTED if level.name == RESTRICTED and level.minor >= each[1]]
    replaced = {each[3] for each in strict}
    plain = [each[2] for each in _BASELINE if level.minor >= each[1] and each[0] not in replaced]
    return [*plain, *(each[2] for each in strict)]
