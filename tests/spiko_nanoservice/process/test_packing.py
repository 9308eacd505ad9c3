"""Packing moves code and changes nothing that it does; every case in a process of its own, since what is packed stays so."""

from __future__ import annotations

import subprocess
import sys
import textwrap

TOWN = """
import sys
from types import CodeType
from spiko_nanoservice.process.packing import find_run, pack

def run_all():
    assert [3, 4, "deep", [0, 1], 9] == [plain(1), closed(1), outer(), list(lazy(2)), Kind().method()]

def plain(a, b=2, *, c=0):
    return a + b + c

def outer():
    def inner():
        return "deep"
    return inner()

def make(n):
    def closed(m):
        return n + m
    return closed

def lazy(n):
    for i in range(n):
        yield i

def idle():
    def never():
        return None
    return never

class Kind:
    def method(self):
        return self.square(3)

    @staticmethod
    def square(n):
        return n * n

closed = make(3)
parts = {"plain": plain, "closed": closed, "outer": outer, "lazy": lazy, "method": Kind.method, "square": Kind.square}
before = {name: f.__code__ for name, f in parts.items()}
"""


def python(*code: str) -> str:
    """Run it; what it printed, errors included."""
    text = "\n".join(textwrap.dedent(part) for part in code)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_what_ran_is_moved_and_does_the_same() -> None:
    """Functions, closures, generators and methods get another, equal code; what did not run keeps its own."""
    python(
        TOWN,
        """
        kept = idle.__code__, make.__code__
        assert pack(run_all, apart="nothing") >= 6
        for name, f in parts.items():
            assert f.__code__ is not before[name], name
            assert f.__code__ == before[name], name
        inner = [next(c for c in code.co_consts if isinstance(c, CodeType)) for code in (outer.__code__, before["outer"])]
        assert inner[0] is not inner[1]
        assert kept == (idle.__code__, make.__code__)
        assert kept[0] is idle.__code__ and kept[1] is make.__code__
        run_all()
        """,
    )


def test_what_runs_is_found_without_a_trace() -> None:
    """The child's run has no effect here, comes in the order of the first calls, and has what a fork itself runs."""
    python(
        TOWN,
        """
        import os
        effects = []
        def hook(): pass
        os.register_at_fork(after_in_child=hook)
        def work():
            effects.append(1)
            run_all()
        found = find_run(work)
        assert [] == effects
        order = [found[id(f.__code__)] for f in (hook, work, run_all, plain, closed, outer, lazy, Kind.method)]
        assert sorted(order) == order
        assert id(idle.__code__) not in found
        assert sys.getprofile() is None
        """,
    )


def test_work_that_fails_moves_nothing() -> None:
    """It says why, and the parent goes on with what it had."""
    said = python(
        TOWN,
        """
        def work():
            plain(1)
            raise OSError("no such network")
        assert 0 == pack(work, apart="nothing")
        assert all(f.__code__ is before[name] for name, f in parts.items())
        """,
    )

    assert "no such network" in said


def test_packed_code_lies_on_fewer_pages() -> None:
    """Of 2,000 functions every tenth runs: its code is found on a third of the pages, or fewer."""
    python(
        """
        from spiko_nanoservice.process.packing import pack
        space = {}
        source = "def f{0}(a):\\n    '''A text of its own, {0}.'''\\n    return a if a > {0} else (a + {0}) * 2\\n"
        exec("".join(source.format(n) for n in range(2000)), space)
        chosen = [space[f"f{n}"] for n in range(0, 2000, 10)]
        def pages():
            return len({id(f.__code__) // 4096 for f in chosen})
        before = pages()
        assert pack(lambda: [f(1) for f in chosen], apart="nothing") >= len(chosen)
        assert pages() * 3 <= before, (before, pages())
        """
    )


def test_the_warm_parent_is_packed_and_forks_pods_that_run() -> None:
    """After `warm` the code of a tier's requests is another than that of its module's source, and the work goes on."""
    python(
        """
        import os
        from spiko_nanoservice.process import entry as process
        from spiko_nanoservice.tier.tier import Tier
        before = Tier.handle.__code__
        process.warm()
        assert Tier.handle.__code__ is not before
        assert Tier.handle.__code__ == before
        pid = os.fork()
        if not pid:
            process._exercise()
            os._exit(7)
        assert 7 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        """
    )
