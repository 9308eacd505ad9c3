"""Small architectures for end-to-end tests."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def architecture(name: str, *services: Object, **spec: Any) -> Object:
    """Return an Architecture."""
    return {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Architecture",
        "metadata": {"name": name},
        "spec": {"services": list(services), **spec},
    }


def service(name: str, package: str, count: int, *dependencies: str, regions: int = 1, **more: Any) -> Object:
    """Return a service."""
    return {
        "name": name,
        "package": package,
        "count": count,
        "regions": regions,
        "dependencies": list(dependencies),
        **more,
    }


def shop(
    name: str = "shop", rate: int = 50, web_count: int = 3, web: Object | None = None, **spec: Any
) -> Object:
    """Return a source, a load balancer, web servers and two stores."""
    return architecture(
        name,
        service("db", "store", 2),
        service("web", "monolith", web_count, "db", **(web or {})),
        service("lb", "elb", 0, "web"),
        service("www", "denominator", 0, "lb", regions=0, load={"ratePerSecond": rate}),
        **spec,
    )


def wide_shop(**spec: Any) -> Object:
    """Return the shop with six web servers, two for each of three zones."""
    body = shop(**spec)
    body["spec"]["services"][1]["count"] = 6
    return body


def fault(name: str, architecture_name: str, **kill: Any) -> Object:
    """Return a Fault."""
    return {
        "apiVersion": "spiko.dev/v1alpha1",
        "kind": "Fault",
        "metadata": {"name": name},
        "spec": {"architecture": architecture_name, "startingDeadlineSeconds": 3, "kill": kill},
    }
