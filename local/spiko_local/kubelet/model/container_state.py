"""Pure: the state of a pod's container (waiting, running or terminated), and when it is restarted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spiko_local.backoff import Backoff
from spiko_local.objects import Object

DEFAULT_GRACE_S = 30.0
FIRST_RESTART_S, LONGEST_RESTART_S = 10.0, 300.0


@dataclass(frozen=True)
class Ended:
    """How a container terminated. `code` is negative for a signal; times are RFC 3339."""

    code: int
    started_at: str
    finished_at: str
    container_id: str

    @property
    def exit_code(self) -> int:
        """The exit code as shells report it: 128 plus the signal."""
        return self.code if self.code >= 0 else 128 - self.code

    def render(self) -> Object:
        """Return a ContainerStateTerminated of the API."""
        return {
            "exitCode": self.exit_code,
            **({"signal": -self.code} if self.code < 0 else {}),
            "reason": "Completed" if self.code == 0 else "Error",
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "containerID": self.container_id,
        }


@dataclass(frozen=True)
class Waiting:
    """Why a container does not run yet."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Container:
    """A container's state. `ended` is set while it is terminated, `last` once it was restarted."""

    waiting: Waiting | None = Waiting("ContainerCreating")
    started_at: str = ""
    container_id: str = ""
    ended: Ended | None = None
    last: Ended | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False

    @property
    def running(self) -> bool:
        """Whether its process is believed to run."""
        return self.waiting is None and self.ended is None

    def run(self, started_at: str, container_id: str, restarts: int, ready: bool, started: bool) -> Container:
        """Return the state of a container that was just started.

        Args:
            started_at: RFC 3339.
            container_id: of the new process.
            restarts: of the pod so far.
            ready: whether it is ready without a readiness probe.
            started: whether it counts as started without a startup probe.
        """
        return replace(
            self,
            waiting=None,
            ended=None,
            last=self.ended or self.last,
            started_at=started_at,
            container_id=container_id,
            restarts=restarts,
            ready=ready,
            started=started,
        )

    def end(self, ended: Ended) -> Container:
        """Return the state of a container whose process has ended."""
        return replace(self, waiting=None, ended=ended, ready=False, started=False)

    def wait(self, waiting: Waiting) -> Container:
        """Return the state of a container that will be started later."""
        return replace(
            self, waiting=waiting, last=self.ended or self.last, ended=None, ready=False, started=False
        )


def restarts(policy: str, code: int) -> bool:
    """Return whether a container that ended with this code is restarted under a restartPolicy."""
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def grace_s(pod: Object) -> float:
    """Return a pod's termination grace period in seconds: that of its deletion, else that of its spec."""
    grace = pod["metadata"].get("deletionGracePeriodSeconds")
    if grace is None:
        grace = pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S)
    return float(grace)


class CrashLoop:
    """Delays between restarts, as a kubelet has them: none at first, then 10 s, doubling to 300 s.

    >>> loop = CrashLoop()
    >>> [loop.next_delay_s() for _ in range(4)]
    [0.0, 10.0, 20.0, 40.0]
    """

    def __init__(self) -> None:
        self._backoff: Backoff | None = None

    def next_delay_s(self) -> float:
        """Return the seconds to wait before the next restart."""
        if self._backoff is None:
            self._backoff = Backoff(FIRST_RESTART_S, LONGEST_RESTART_S)
            return 0.0
        return self._backoff.next_s()

    def reset(self) -> None:
        """Forget earlier failures: the container ran long enough."""
        self._backoff = None
