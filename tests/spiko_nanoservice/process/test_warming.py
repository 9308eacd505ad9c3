"""The prefork template: forks of a warmed process serve requests, and the exercise leaves no thread or
socket.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap


def python(code: str) -> str:
    """Run code in an interpreter of its own and return its output; fail if the code fails."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_forks_of_a_warmed_template_serve_requests() -> None:
    """Given a warmed template, when it forks twice, then each child starts a eureka and two pods and serves
    requests.
    """
    python(
        """
        import asyncio, os
        from spiko_nanoservice.process import entry, warming
        entry.warm()
        for _ in range(2):
            pid = os.fork()
            if not pid:
                asyncio.run(warming.exercise())
                os._exit(7)
            assert 7 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        """
    )


def test_warming_leaves_no_thread_and_no_socket_behind() -> None:
    """Given a process, when it warms up, then it has one thread and no socket: a fork is safe and shares no
    connection.
    """
    python(
        """
        import os, threading
        from spiko_nanoservice.process import entry
        entry.warm()
        descriptors = [each.path for each in os.scandir("/proc/self/fd")]
        opened = [os.readlink(path) for path in descriptors if os.path.islink(path)]
        assert 1 == len(os.listdir("/proc/self/task")), threading.enumerate()
        assert [] == [target for target in opened if target.startswith(("socket:", "anon_inode:"))]
        """
    )


def test_the_websocket_library_is_loaded_by_the_template_and_not_by_an_import() -> None:
    """Given a process, then the module of WebSockets does not load the library, and warming up does."""
    python(
        """
        import sys
        from spiko_nanoservice.process import entry
        import spiko_nanoservice.eureka.server, spiko_nanoservice.tier.pod
        assert "wsproto" not in sys.modules
        entry.warm()
        assert "wsproto" in sys.modules
        """
    )


def test_tls_is_loaded_for_an_https_endpoint_only() -> None:
    """Given a process, then neither warming up nor an http endpoint loads TLS for collectors or makes a
    context, and an https endpoint does.
    """
    python(
        """
        import asyncio, gc, ssl, sys
        from spiko_nanoservice.process import entry
        from spiko_nanoservice.telemetry.export import Exporter
        from spiko_nanoservice.telemetry.spans import Envelope

        async def contexts(url):
            exporter = Exporter(Envelope({}, "s", "1"), "/nowhere")
            exporter.point_at(url)
            exporter.add(b"")
            assert (await exporter.send_batch()).again
            # asyncio loads ssl itself; what takes memory is a context with its certificates.
            return sum(isinstance(each, ssl.SSLContext) for each in gc.get_objects())

        entry.warm()
        gc.unfreeze()
        assert 0 == asyncio.run(contexts("http://127.0.0.1:1"))
        assert "spiko_nanoservice.wire.tls" not in sys.modules
        assert 1 == asyncio.run(contexts("https://127.0.0.1:1"))
        assert "spiko_nanoservice.wire.tls" in sys.modules
        """
    )


def test_an_invalid_environment_is_reported_by_exit_code_78() -> None:
    """Given an environment without SPIKO_PACKAGE, when a pod runs, then it logs the variable and returns
    EX_CONFIG.
    """
    said = python(
        """
        from spiko_nanoservice.process import entry
        assert 78 == entry.run({})
        """
    )

    assert "SPIKO_PACKAGE" in said
