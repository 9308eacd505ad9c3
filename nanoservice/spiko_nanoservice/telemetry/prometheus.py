"""Pure: the Prometheus text format, version 0.0.4. A page is rendered for every scrape.

Source: prometheus.io/docs/instrumenting/exposition_formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spiko_nanoservice.telemetry.totals import BOUNDS_US, Cumulative

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]


class Page:
    """One page.

    Args:
        labels: of every sample.
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = dict(labels)
        self._lines: list[str] = []

    def gauge(self, name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add a value that goes up and down. A family without samples is left out."""
        self._family(name, "gauge", help_text, samples)

    def counter(self, name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add a value that only grows; the name ends in _total."""
        self._family(name, "counter", help_text, samples)

    def outcomes(self, name: str, help_text: str, samples: Iterable[tuple[Labels, Cumulative]]) -> None:
        """Add a counter by outcome (ok, miss, error) and, for errors, reason."""
        found: list[tuple[Labels, float]] = []
        for labels, counts in samples:
            found.append(({**labels, "outcome": "ok", "reason": ""}, counts.ok))
            found.append(({**labels, "outcome": "miss", "reason": ""}, counts.miss))
            for reason, count in sorted(counts.errors.items()):
                found.append(({**labels, "outcome": "error", "reason": reason}, count))
        self.counter(name, help_text, found)

    def durations(self, name: str, help_text: str, samples: Iterable[tuple[Labels, Cumulative]]) -> None:
        """Add a histogram in seconds; the name ends in _seconds."""
        lines = []
        for labels, counts in samples:
            for bound_us, count in zip(BOUNDS_US, counts.buckets, strict=True):
                lines.append(self._sample(f"{name}_bucket", {**labels, "le": f"{bound_us / 1e6:g}"}, count))
            lines.append(self._sample(f"{name}_bucket", {**labels, "le": "+Inf"}, counts.timed))
            lines.append(self._sample(f"{name}_sum", labels, counts.sum_us / 1e6))
            lines.append(self._sample(f"{name}_count", labels, counts.timed))
        self._write(name, "histogram", help_text, lines)

    def render(self) -> bytes:
        """Return the whole page."""
        return ("\n".join(self._lines) + "\n").encode()

    def _family(self, name: str, kind: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> None:
        self._write(name, kind, help_text, [self._sample(name, labels, value) for labels, value in samples])

    def _write(self, name: str, kind: str, help_text: str, lines: list[str]) -> None:
        if lines:
            self._lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *lines]

    def _sample(self, name: str, labels: Labels, value: float) -> str:
        pairs = ",".join(f'{key}="{escape(text)}"' for key, text in {**self._labels, **labels}.items())
        return f"{name}{{{pairs}}} {value!r}"


def escape(text: str) -> str:
    r"""Return a label's value escaped for the format.

    >>> print(escape('a "b"\\\n'))
    a \"b\"\\\n
    """
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
