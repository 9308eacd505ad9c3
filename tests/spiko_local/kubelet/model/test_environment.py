"""A container's environment, and pods that cannot run as processes."""

from __future__ import annotations

from typing import Any

import pytest

from spiko_local.kubelet.model.environment import ConfigError, build_environment, is_ours, unsupported
from spiko_local.objects import Object


def pod(containers: int = 1, **spec: Any) -> Object:
    """A pod with a label."""
    metadata = {"name": "p", "namespace": "default", "uid": "u", "labels": {"a": "1"}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c"}] * containers, **spec}}


def test_the_environment_has_values_fields_and_references() -> None:
    """Given values, field references and $(NAME), then all are resolved; the kubelet's own stay out."""
    container = {
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)-$(C)-$$(A)"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}},
        ]
    }
    made = build_environment(pod(), container, "127.65.0.1", "h", {"SECRET": "x", "PATH": "/bin"}, {"X": "y"})

    assert {
        "A": "1",
        "B": "1-$(C)-$(A)",
        "IP": "127.65.0.1",
        "L": "1",
        "X": "y",
        "PATH": "/bin",
        "HOSTNAME": "p",
    } == made


@pytest.mark.parametrize(
    ("container", "message"),
    [
        pytest.param(
            {"env": [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            r"env\[0\] S: secretKeyRef is not supported on this cluster; set the value directly",
            id="a secret",
        ),
        pytest.param(
            {"env": [{"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]},
            r"env\[0\] F: fieldPath 'spec.x': not a supported field",
            id="an unknown field",
        ),
        pytest.param({"envFrom": [{}]}, "envFrom: not supported on this cluster", id="envFrom"),
    ],
)
def test_an_unsupported_source_is_reported_with_its_place(container: Object, message: str) -> None:
    """Given a source that this cluster does not have, then the error names entry, source and remedy."""
    with pytest.raises(ConfigError, match=message):
        build_environment(pod(), container, "a", "h", {}, {})


def test_only_the_nanoservice_image_is_available() -> None:
    """Given images of any registry and tag, then the repository decides."""
    images = ("spiko/nanoservice", "x.y/spiko/nanoservice:2", "nginx", "spiko/nanoservice2")

    assert [True, True, False, False] == [is_ours(image) for image in images]


def test_a_pod_must_have_exactly_one_container() -> None:
    """Given two containers or an init container, then the message names the field and what is allowed."""
    assert "" == unsupported(pod())
    assert "spec.containers: 2 containers: must be exactly one" in unsupported(pod(2))
    assert "spec.initContainers: must be empty" in unsupported(pod(initContainers=[{}]))


def test_settings_for_nodes_and_images_are_accepted() -> None:
    """Given fields for the scheduler, admission and the pull of images, then the pod can run here."""
    fields: Object = {
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"disk": "ssd"},
        "priorityClassName": "low",
        "volumes": [{"name": "v", "secret": {"secretName": "s", "optional": True, "defaultMode": 0o440}}],
    }

    assert "" == unsupported(pod(**fields))
