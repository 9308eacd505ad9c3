"""The security settings of pod templates."""

from __future__ import annotations

import json

from tests.support.settled_shop import running, templates


def test_pods_satisfy_the_restricted_standard() -> None:
    """Every pod template satisfies Pod Security "restricted", has no service account token, and tolerates a
    lost node for 5 s.
    """
    cluster = running()
    for template in templates(cluster).values():
        spec = template["spec"]
        (container,) = spec["containers"]
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert spec["automountServiceAccountToken"] is False
        assert {5} == {t["tolerationSeconds"] for t in spec["tolerations"]}
    assert len(json.dumps(cluster.objects["ConfigMap", "shop-state"])) < 5000
